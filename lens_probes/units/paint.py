"""A unit's activation on every token of a passage, with the text of each token; the best units'."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lens_probes.activations.collect import Activations, check_known, read_all_positions
from lens_probes.arrays import names_of
from lens_probes.drawing.token_activations import TokenActivations
from lens_probes.errors import InputError, whole
from lens_probes.examples.checks import NO_TOKEN, token_rows
from lens_probes.examples.examples import Examples
from lens_probes.model.load import LensModel
from lens_probes.model.wrap import Model, check_model
from lens_probes.sites import check_layers, check_sites, unit_name
from lens_probes.units.decision import own_class, rank_column

EVIDENCE_PER_SITE = 2
PAINTED_PER_CLASS = 3
_BYTE_TOKEN = re.compile(r"<0x([0-9A-F]{2})>")


def paint(
    model: Model,
    passages: Sequence[Sequence[int] | NDArray[np.int64]],
    *,
    layer: int,
    site: str,
    unit: int,
    titles: Sequence[str] | None = None,
    targets: Sequence[int | None] | None = None,
) -> tuple[TokenActivations, ...]:
    """Run passages of token ids and keep one unit's activation at every token of each.

    Parameters
    ----------
    model
        Of `load_model`, or a model in memory (`wrap_model`).
    passages
        Token ids of each passage, as the model reads them.
    layer, site, unit
        Where the unit is.
    titles
        Of the passages; None: none.
    targets
        The position that stands out in each passage, or None.

    Raises
    ------
    InputError
        A site, layer or unit the model lacks; a passage that is empty or longer than its context.
    """
    model = check_model(model)
    if model.tokenizer is None:
        raise InputError("this model has no tokenizer, so its tokens have no text to paint.")
    (site,), (layer,) = (
        check_sites([site], model.shapes),
        check_layers(whole("layer", layer), model.n_layers),
    )
    shape = model.shapes[site]
    if not 0 <= whole("unit", unit) < shape.n_units:
        raise InputError(f"no unit {unit} at {site}: this model has 0 to {shape.n_units - 1}.")
    n_ctx = int(model.cfg.n_ctx)
    padded, lengths = token_rows(passages)
    rows = [row[:length] for row, length in zip(padded, lengths, strict=True)]
    if lengths.max() > n_ctx:
        raise InputError(f"a passage has {lengths.max()} tokens; this model takes 1 to {n_ctx}.")
    check_known(model, int(padded.max()), "the passages")
    named = names_of("titles", titles, len(rows))
    if targets is not None and len(list(targets)) != len(rows):
        raise InputError(f"targets must have one entry a passage: {len(rows)}.")
    values: dict[int, NDArray[np.float32]] = {}
    for length in {len(row) for row in rows}:
        same = [i for i, row in enumerate(rows) if len(row) == length]
        batch = read_all_positions(model, np.stack([rows[i] for i in same]), layer, site)
        values |= dict(zip(same, batch[:, :, unit], strict=True))
    return tuple(
        TokenActivations(
            unit_name(layer, site, unit, shape),
            token_texts(model.tokenizer, row),
            tuple(float(value) for value in values[i]),
            "" if named is None else str(named[i]),
            None if targets is None else targets[i],
        )
        for i, row in enumerate(rows)
    )


def token_texts(tokenizer: Any, ids: NDArray[np.int64]) -> tuple[str, ...]:
    """Text of each token; a character split over several tokens is shown at its last one.

    Joined they are what the tokenizer decodes. From the bytes of the tokens where those are known
    (byte-level BPE, or sentencepiece with byte tokens): a decoded prefix cannot tell a character
    that is cut from a replacement character that stands in the text.
    """
    whole = str(tokenizer.decode(ids, clean_up_tokenization_spaces=False))
    parts = _token_bytes(tokenizer, ids)
    pieces = None if parts is None else _by_bytes(parts)
    if pieces is not None and "".join(pieces) == whole:
        return pieces
    return _by_decoding(tokenizer, ids)


def evidence_of(activations: Activations, units: pd.DataFrame) -> pd.DataFrame:
    """Activations [example, unit] of the best units of every layer and site."""
    rank = rank_column(units)
    ranked = units.dropna(subset=rank).sort_values(rank, kind="stable")
    best = ranked.groupby(["layer", "site"], sort=False).head(EVIDENCE_PER_SITE).sort_index()
    places = zip(best["name"], best["layer"], best["site"], best["unit"], strict=True)
    return pd.DataFrame(
        {name: activations[layer, site][:, u].copy() for name, layer, site, u in places}
    )


def paint_best(
    model: LensModel, examples: Examples, units: pd.DataFrame, evidence: pd.DataFrame
) -> tuple[TokenActivations, ...]:
    """Windows of each class under the unit with the strongest evidence.

    The most telling one of a class, highest in the unit's own and lowest in another, then windows
    that are spread over the text. `evidence` has the unit's activations.
    """
    rank = rank_column(units)
    ranked = units.dropna(subset=rank)
    if ranked.empty or model.tokenizer is None:
        return ()
    best = ranked.iloc[int(ranked[rank].argmin())]
    rows: list[int] = []
    n_ctx = int(model.cfg.n_ctx)
    x = evidence[best["name"]].to_numpy(float)
    for label in range(len(examples.class_names)):
        of_class = np.flatnonzero(examples.label == label)
        most = x[of_class].argmax() if label == own_class(best) else x[of_class].argmin()
        spread = np.linspace(0, len(of_class) - 1, min(PAINTED_PER_CLASS - 1, len(of_class) - 1))
        rows += of_class[list(dict.fromkeys([int(most), *spread.astype(int).tolist()]))].tolist()
    return paint(
        model,
        [examples.tokens[row][examples.tokens[row] != NO_TOKEN][:n_ctx] for row in rows],
        layer=int(best["layer"]),
        site=str(best["site"]),
        unit=int(best["unit"]),
        titles=[examples.class_names[examples.label[row]] for row in rows],
        targets=[int(examples.position[row]) for row in rows],
    )


def _token_bytes(tokenizer: Any, ids: NDArray[np.int64]) -> list[bytes] | None:
    tokens = tokenizer.convert_ids_to_tokens([int(i) for i in ids])
    if any(token is None for token in tokens):
        return None
    added = tokenizer.added_tokens_decoder
    plain = [token for token, i in zip(tokens, ids, strict=True) if int(i) not in added]
    byte_level = all(char in _BYTE_OF for token in plain for char in token)
    parts = []
    for token, i in zip(tokens, ids, strict=True):
        byte = _BYTE_TOKEN.fullmatch(token)
        if byte:
            parts.append(bytes([int(byte[1], 16)]))
        elif int(i) in added:
            parts.append(token.encode())
        elif byte_level:
            parts.append(bytes(_BYTE_OF[char] for char in token))
        else:
            parts.append(token.replace("▁", " ").encode())
    return parts


def _by_bytes(parts: list[bytes]) -> tuple[str, ...]:
    pieces, held = [], b""
    for place, part in enumerate(parts):
        held += part
        last = place + 1 == len(parts)
        done = len(held) if last else _complete(held)
        pieces.append(held[:done].decode("utf-8", "replace"))
        held = held[done:]
    return tuple(pieces)


def _complete(held: bytes) -> int:
    """Bytes before a character that has begun at the end and may still be completed."""
    for back in range(1, min(3, len(held)) + 1):
        byte = held[-back]
        if byte >= 0xC0:
            length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return len(held) - back if length > back else len(held)
        if byte < 0x80:
            break
    return len(held)


def _by_decoding(tokenizer: Any, ids: NDArray[np.int64]) -> tuple[str, ...]:
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


def _byte_alphabet() -> dict[str, int]:
    """GPT-2's letters for bytes: printable ones stand for themselves, the others follow 255."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in printable]
    letters = {chr(byte): byte for byte in printable}
    return letters | {chr(256 + place): byte for place, byte in enumerate(hidden)}


_BYTE_OF = _byte_alphabet()
