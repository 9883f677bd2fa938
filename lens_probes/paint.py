"""A unit's activation on every token of a passage, with the text of each token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lens_probes.activations import read_all_positions
from lens_probes.errors import InputError
from lens_probes.model import LensModel


@dataclass(frozen=True)
class Painting:
    """One passage under one unit.

    `pieces` are the texts of its tokens; joined they are the passage. `values` [position] are the
    activations; `target` is the position an example is read at, or None for a free passage.
    """

    unit: str
    pieces: tuple[str, ...]
    values: tuple[float, ...]
    title: str = ""
    target: int | None = None


def paint(
    model: LensModel,
    tokens: Sequence[int] | NDArray[np.int64],
    *,
    layer: int,
    site: str,
    unit: int,
    name: str,
    title: str = "",
    target: int | None = None,
) -> Painting:
    """Run one passage and keep one unit's activation at every token."""
    ids = np.asarray(tokens, dtype=np.int64)
    n_ctx = int(model.cfg.n_ctx)
    if not 0 < len(ids) <= n_ctx:
        raise InputError(f"the passage has {len(ids)} tokens; this model takes 1 to {n_ctx}.")
    values = read_all_positions(model, ids, [(layer, site)])[layer, site][:, unit]
    pieces = token_texts(model.tokenizer, ids)
    return Painting(name, pieces, tuple(float(v) for v in values), title, target)


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
