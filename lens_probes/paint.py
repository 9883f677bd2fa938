"""A unit's activation on every token of a passage, with the text of each token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lens_probes.activations import read_all_positions
from lens_probes.errors import InputError
from lens_probes.model import LensModel
from lens_probes.painting import Painting
from lens_probes.sites import check_layers, check_sites, unit_name


def paint(
    model: LensModel,
    passages: Sequence[Sequence[int] | NDArray[np.int64]],
    *,
    layer: int,
    site: str,
    unit: int,
    titles: Sequence[str] | None = None,
    targets: Sequence[int | None] | None = None,
) -> tuple[Painting, ...]:
    """Run passages of token ids and keep one unit's activation at every token of each.

    Raises
    ------
    InputError
        A site, layer or unit the model lacks; a passage that is empty or longer than its context.
    """
    if model.tokenizer is None:
        raise InputError("this model has no tokenizer, so its tokens have no text to paint.")
    (site,), (layer,) = check_sites([site], model.shapes), check_layers(layer, model.n_layers)
    shape = model.shapes[site]
    if not 0 <= unit < shape.n_units:
        raise InputError(f"no unit {unit} at {site}: this model has 0 to {shape.n_units - 1}.")
    rows = [np.asarray(passage, dtype=np.int64) for passage in passages]
    n_ctx = int(model.cfg.n_ctx)
    for row in rows:
        if not 0 < len(row) <= n_ctx:
            raise InputError(f"a passage has {len(row)} tokens; this model takes 1 to {n_ctx}.")
    values: dict[int, NDArray[np.float32]] = {}
    for length in {len(row) for row in rows}:
        same = [i for i, row in enumerate(rows) if len(row) == length]
        batch = read_all_positions(model, np.stack([rows[i] for i in same]), layer, site)
        values |= dict(zip(same, batch[:, :, unit], strict=True))
    return tuple(
        Painting(
            unit_name(layer, site, unit, shape),
            token_texts(model.tokenizer, row),
            tuple(float(value) for value in values[i]),
            "" if titles is None else titles[i],
            None if targets is None else targets[i],
        )
        for i, row in enumerate(rows)
    )


def token_texts(tokenizer: Any, ids: NDArray[np.int64]) -> tuple[str, ...]:
    """Text of each token; a character split over several tokens is shown at its last one."""
    pieces: list[str] = []
    done = ""
    for i in range(len(ids)):
        so_far = str(tokenizer.decode(ids[: i + 1], clean_up_tokenization_spaces=False))
        if so_far.endswith("\ufffd") and i + 1 < len(ids):
            pieces.append("")
        else:
            pieces.append(so_far[len(done) :])
            done = so_far
    return tuple(pieces)
