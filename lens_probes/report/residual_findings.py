"""What the blocks of a model add to the tokens of one prompt: measured, said and drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from lens_probes import residual
from lens_probes.drawing.activation_axis import one_line_text, said, token_said
from lens_probes.drawing.numbers import NONE, fixed, percent, whole
from lens_probes.drawing.page import Finding
from lens_probes.errors import InputError
from lens_probes.report import residual_figures as draw
from lens_probes.units.paint import token_texts

if TYPE_CHECKING:
    from lens_probes.model.load import LensModel

SHOWN_SINKS = 4
TOKEN_WIDTH = 16
WORD_TOKENS = 12


def of_prompt(
    model: LensModel, prompt: str, *, site: str, layer: int | None, bos: bool, seed: int
) -> Finding:
    """Everything of `lens_probes.residual` for one prompt.

    Raises
    ------
    InputError
        A model without tokenizer or BOS token, a site or layer the model lacks, fewer than three
        tokens or more than the model takes.
    """
    ids = _ids(model, prompt, bos)
    pieces = token_texts(model.tokenizer, ids)
    at = model.n_layers // 2 if layer is None else layer
    tokens = residual.token_correlations(model, ids, at, site)
    sums = [residual.block_sums(model, ids, one) for one in range(model.n_layers)]
    states = residual.stream_correlation(model, ids)
    path = residual.path_length(model, ids)
    hidden = _hidden(model, ids)
    whole_word = longest_word(pieces)
    word = whole_word[:WORD_TOKENS]
    figures = {
        "sums": draw.sum_errors(sums),
        "correlation": draw.state_correlation(states),
        "steps": draw.steps_by_layer(path),
        "tokens": draw.token_correlation_map(tokens, pieces),
    }
    seen = "No word of the prompt has several tokens: nothing to see within a word"
    numbers: dict[str, Any] = {}
    if word:
        sight = residual.sees_what(model, ids, word, seed=seed)
        parts = [pieces[i] for i in word]
        seen = draw.sight_sentence(sight, parts)
        if len(whole_word) > WORD_TOKENS:
            seen += f" (the first {WORD_TOKENS} of its {len(whole_word)} tokens)"
        figures["sight"] = draw.sight_map(sight, parts)
        numbers["sight"] = {"positions": word, "pieces": parts, "sees": sight.sees}
    layers = _layers(sums, states, path)
    paths = _paths(path, pieces)
    return Finding(
        kind="The residual stream",
        question="What does each block add to the tokens of a prompt?",
        answer=(
            f"{draw.sum_sentence(sums)}.",
            hidden["says"],
            f"{draw.correlation_sentence(states)}.",
            _sinks(states, pieces),
            f"{draw.steps_sentence(path)}.",
            f"{draw.token_correlation_sentence(tokens)}.",
            f"{seen}.",
        ),
        listing=(*_layer_lines(layers), "", *_path_lines(paths)),
        figures=figures,
        numbers=numbers
        | {"hidden_states": {k: v for k, v in hidden.items() if k != "says"}}
        | {"first_with_others": tokens.first_with_others, "among_others": tokens.among_others}
        | {"sinks": [vars(one) for one in states.sinks]},
        recorded={
            "prompt": prompt, "tokens": ids, "site": site, "layer": at, "bos": bos, "seed": seed,
            "outlier_z": states.outlier_z, "sink_ratio": states.sink_ratio,
            "model": model.provenance,
        },
        tables={"layers": layers, "tokens": paths},
    )  # fmt: skip


def longest_word(pieces: Sequence[str]) -> list[int]:
    """Positions of the word with the most tokens, the first of those; [] if none has several.

    An empty piece is the beginning of a character that a later token ends, and goes with it.
    Scripts without spaces give one word for a whole clause.
    """
    runs: list[list[int]] = []
    before, begun = "", list[int]()
    for i, piece in enumerate(pieces):
        begun.append(i)
        if not piece:
            continue
        if before[-1:].isalnum() and piece[:1].isalnum():
            runs[-1] += begun
        elif any(map(str.isalnum, piece)):
            runs.append(begun)
        before, begun = piece, []
    longest = max(runs, key=len, default=[])
    return longest if len(longest) > 1 else []


def _ids(model: LensModel, prompt: str, bos: bool) -> NDArray[np.int64]:
    tokenizer = model.tokenizer
    if tokenizer is None:
        raise InputError(
            f"model {model.source!r} has no tokenizer, and a prompt needs one: load a folder that "
            "has its tokenizer files."
        )
    try:
        prompt.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(
            f"the prompt is not text: {prompt[error.start]!a} at character {error.start} is half a "
            "character (bytes that are not UTF-8, perhaps); give it in UTF-8."
        ) from error
    ids = list(tokenizer(prompt, add_special_tokens=False)["input_ids"])
    if bos:
        if tokenizer.bos_token_id is None:
            raise InputError("this tokenizer has no BOS token: leave bos out.")
        ids = [tokenizer.bos_token_id, *ids]
    return np.array(ids, np.int64)


def _hidden(model: LensModel, ids: NDArray[np.int64]) -> dict[str, Any]:
    """Which last state the model reads its logits off: the hook's, or the normed one (L07)."""
    states = residual.hidden_states(model, ids)
    hook, normed = states.hook[-1, 0].astype(np.float64), states.normed[0].astype(np.float64)
    changed = float(np.median(_size(normed - hook) / _size(hook)))
    with torch.inference_mode():
        batch = torch.from_numpy(ids[None]).to(model.device)
        logits = model.run_with_hooks(batch, return_type="logits", fwd_hooks=[])
    real = logits[0].double().cpu().numpy()
    weight = model.unembedding().double().cpu().numpy()
    bias = model.unembedding_bias().double().cpu().numpy()
    error = {
        name: float((_size(value @ weight + bias - real) / _size(real)).max())
        for name, value in (("normed", normed), ("hook", hook))
    }
    says = (
        f"The final norm changes the last state by {percent(changed, 0)} of its norm (median "
        f"token); the normed state gives the model's logits up to {error['normed']:.0e}, what a "
        f"hook after the last block sees is off by {said(error['hook'])} times their norm."
    )
    return {
        "says": says,
        "norm_changes": changed,
        "logit_error_normed": error["normed"],
        "logit_error_hook": error["hook"],
    }


def _size(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.linalg.norm(values, axis=-1))


def _sinks(found: residual.StreamCorrelation, pieces: Sequence[str]) -> str:
    if not found.sinks:
        return f"No token's stream is {found.sink_ratio:g} times the median: no attention sink."
    longest = {one.position: one for one in reversed(found.sinks)}
    order = sorted(longest.values(), key=lambda one: -one.ratio)
    listed = "; ".join(
        f"position {one.position} ({token_said(pieces[one.position])}), {fixed(one.ratio, 0)} "
        f"times the median at state {one.state}"
        for one in order[:SHOWN_SINKS]
    )
    more = len(order) - SHOWN_SINKS
    return f"Attention sinks: {listed}{f'; {more} more' if more > 0 else ''}."


def _layers(
    sums: Sequence[residual.BlockSums],
    states: residual.StreamCorrelation,
    path: residual.PathLength,
) -> pd.DataFrame:
    sink = states.at_sink
    return pd.DataFrame(
        {
            "layer": [one.layer for one in sums],
            "sum_error": [one.max_relative_error for one in sums],
            "r": draw.ordinary_median(states.r, sink),
            "r_masked": draw.ordinary_median(states.r_masked, sink),
            "step": np.median(path.relative_step, axis=1),
            "attention": np.median(path.relative_attention, axis=1),
            "mlp": np.median(path.relative_mlp, axis=1),
            "n_sinks": sink.sum(axis=(1, 2)),
        }
    )


def _paths(path: residual.PathLength, pieces: Sequence[str]) -> pd.DataFrame:
    first = min(1, len(path.norm) - 1)  # every token moves most where it is still an embedding
    return pd.DataFrame(
        {
            "position": path.position,
            "token": [pieces[i] for i in path.position],
            "path_length": path.total,
            "straight": path.straight,
            "most_in_layer": path.relative_step[first:].argmax(axis=0) + first,
        }
    )


def _layer_lines(table: pd.DataFrame) -> list[str]:
    """Layers as lines of a terminal; shares are medians over tokens."""
    head = "layer  sum error      r  r masked  block adds  attention     MLP  sinks"
    rows = [
        f"{row['layer']:>5}  {row['sum_error']:>9.1e}  {_r(row['r']):>5}  {_r(row['r_masked']):>8}"
        f"  {percent(row['step'], 0):>10}  {percent(row['attention'], 0):>9}"
        f"  {percent(row['mlp'], 0):>6}  {row['n_sinks']:>5}"
        for row in table.to_dict("records")
    ]
    return [
        head,
        *rows,
        "(medians: r over tokens that are no sinks, what is added over all tokens)",
    ]


def _path_lines(table: pd.DataFrame) -> list[str]:
    """Tokens as lines of a terminal: how far each moves, and how far it gets."""
    head = (
        f"{'position  token':<{TOKEN_WIDTH + 10}}  path length  start to end  most after layer 0 in"
    )
    rows = [
        f"{row['position']:>8}  {one_line_text(row['token'], TOKEN_WIDTH):<{TOKEN_WIDTH}}"
        f"  {_length(row['path_length']):>11}  {_length(row['straight']):>12}"
        f"  {row['most_in_layer']:>20}"
        for row in table.to_dict("records")
    ]
    return [head, *rows]


def _length(value: float) -> str:
    return whole(value) if value >= 1e4 else said(value)


def _r(value: float) -> str:
    return NONE if np.isnan(value) else fixed(value, 3)
