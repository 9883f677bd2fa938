"""Steering: push one unit up or down at the end of a neutral text, see which words gain by it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray

from lens_probes.ablation.inference import empirical_p
from lens_probes.ablation.measured import Candidates
from lens_probes.ablation.request import check_texts
from lens_probes.ablation.rerun import Way, rerun, start
from lens_probes.errors import InputError
from lens_probes.examples.examples import Examples
from lens_probes.model.load import LensModel
from lens_probes.sites import SITES, unit_name

PREFIXES = (
    "They said that they",
    "After a while the others",
    "In this case we",
    "As far as I know, you",
    "The people of the town",
    "It was late, and he",
    "If you look at it, she",
    "Many of them",
)
SCALES = (-6.0, -3.0, -1.0, 0.0, 1.0, 3.0, 6.0)
_MOST_WORDS = 12
_ROWS = 256


@dataclass(frozen=True)
class Words:
    """First tokens of the words of class 0 and of class 1, and which words they stand for."""

    tokens: tuple[Int[np.ndarray, " token"], Int[np.ndarray, " token"]]
    names: tuple[tuple[str, ...], tuple[str, ...]]


def class_words(model: LensModel, words: tuple[Sequence[str], Sequence[str]]) -> Words | None:
    """Words as continuations, by their first token after a space; None where a class has none.

    A first token that both classes share ("can" and "can't") tells them apart in neither.
    """
    first: list[dict[int, str]] = [{}, {}]
    for found, names in zip(first, words, strict=True):
        for name in names:
            ids = model.tokenizer(" " + str(name), add_special_tokens=False)["input_ids"]
            if ids:
                found.setdefault(int(ids[0]), str(name))
    shared = set(first[0]) & set(first[1])
    kept = [{i: name for i, name in found.items() if i not in shared} for found in first]
    if not all(kept):
        return None
    arrays = [np.array(list(found), dtype=np.int64) for found in kept]
    told = [tuple(found.values()) for found in kept]
    return Words((arrays[0], arrays[1]), (told[0], told[1]))


def example_words(examples: Examples) -> tuple[list[str], list[str]] | None:
    """The most frequent word types of each class, None where words are unknown."""
    if examples.word is None:
        return None
    found = []
    for label in (0, 1):
        of_class = pd.Series(examples.word[examples.label == label]).astype(str).str.lower()
        found.append(of_class.value_counts().head(_MOST_WORDS).index.tolist())
    return found[0], found[1]


def steer(
    model: LensModel,
    key: tuple[int, str],
    units: Sequence[int] | NDArray[np.int64],
    sd: Float[np.ndarray, " unit"],
    words: tuple[Sequence[str], Sequence[str]],
    *,
    prefixes: Sequence[str] = PREFIXES,
    scales: Sequence[float] = SCALES,
    way: Way = "whole",
) -> pd.DataFrame:
    """Add multiples of a unit's standard deviation at the last token of some texts.

    Parameters
    ----------
    key, units
        Layer and site; units there, each steered on its own.
    sd
        [unit] standard deviation of each of `units`.
    words
        Of class 0 and of class 1: possible next words.
    way
        `"whole"`, or any other to run the last token of a text only (see `rerun.exact_way`).

    Returns
    -------
    One row a unit and scale: `layer`, `site`, `unit`, `name`, `scale` (in sd), `log_p0`, `log_p1`
    (log-probability that the next token begins a word of the class, mean over texts) and
    `log_odds` = log_p1 - log_p0.

    Raises
    ------
    InputError
        A model without tokenizer, no texts, words of which no first token is a class's own.
    """
    check_texts(words, prefixes)
    if model.tokenizer is None:
        raise InputError("steering needs texts: this model has no tokenizer.")
    chosen = class_words(model, words)
    if chosen is None:
        raise InputError("steering needs words whose first token only one class has: name others.")
    layer, site = key
    model.check_writable([site])
    name = SITES[site].hook_name(layer)
    added = np.outer(np.asarray(sd, np.float64), scales).ravel()
    which = np.repeat(np.asarray(units, np.int64), len(scales))
    total = np.zeros((len(added), 2))
    with torch.inference_mode():
        for prefix in prefixes:
            ids = model.tokenizer(prefix, add_special_tokens=False)["input_ids"]
            tokens = torch.tensor([ids], device=model.device)
            first = 0 if way == "whole" else len(ids) - 1
            begun = start(model, tokens, first, [layer])
            for at in range(0, len(added), _ROWS):
                here = slice(at, at + _ROWS)
                hook = _push(which[here], added[here])
                logits = rerun(model, begun, layer, len(which[here]), fwd_hooks=[(name, hook)])
                log_p = logits[:, 0, -1].float().log_softmax(-1)
                for label, ids_of_class in enumerate(chosen.tokens):
                    of_class = log_p[:, torch.from_numpy(ids_of_class).to(model.device)]
                    of_class = of_class.logsumexp(-1)
                    total[here, label] += of_class.cpu().numpy()
    log_p0, log_p1 = (total / len(prefixes)).T
    shape = model.shapes[site]
    return pd.DataFrame(
        {
            "layer": layer,
            "site": site,
            "unit": which,
            "name": [unit_name(layer, site, int(unit), shape) for unit in which],
            "scale": np.tile(scales, len(np.atleast_1d(units))),
            "log_p0": log_p0,
            "log_p1": log_p1,
            "log_odds": log_p1 - log_p0,
        }
    )


def steer_best(
    model: LensModel,
    examples: Examples,
    chosen: Sequence[Candidates],
    words: tuple[Sequence[str], Sequence[str]] | None,
    prefixes: Sequence[str],
    way: Way,
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Steer the best unit of each layer and site: curves, slopes with p, notes.

    p compares the size of its slope with those of random units like it.
    """
    words = words or example_words(examples)
    if words is None or model.tokenizer is None:
        missing = "words" if words is None else "tokenizer"
        return pd.DataFrame(), pd.DataFrame(), [f"no steering: there is no {missing}"]
    if class_words(model, words) is None:
        note = "no steering: no word has a first token that only one class has"
        return pd.DataFrame(), pd.DataFrame(), [note]
    curves, rows = [], []
    for one in chosen:
        key, sd = (one.layer, one.site), one.ranking.sd
        units = np.concatenate([one.sets.top[:1], one.sets.like_best])
        every = steer(model, key, units, sd[units], words, prefixes=prefixes, way=way)
        slope, *random = slopes(every)
        curve = every[every["unit"] == units[0]]
        rows.append(
            {
                "steered": curve["name"].iloc[0],
                "steering_slope": slope,
                "steering_p": empirical_p(abs(slope), np.abs(random)),
                "steering_p_resolution": 1 / (1 + len(random)) if random else np.nan,
            }
        )
        curves.append(curve)
    return pd.concat(curves, ignore_index=True), pd.DataFrame(rows), []


def slopes(curves: pd.DataFrame) -> Float[np.ndarray, " unit"]:
    """[unit] change of the log-odds for one sd: least squares through all scales of a unit."""
    fits = [
        np.polyfit(curve["scale"], curve["log_odds"], 1)[0]
        for _, curve in curves.groupby("unit", sort=False)
    ]
    return np.array(fits, dtype=np.float64)


def _push(
    units: NDArray[np.int64], amounts: Float[np.ndarray, " row"]
) -> Callable[..., torch.Tensor]:
    """Hook that adds to one unit in each row, at the last position."""
    rows = np.arange(len(units))

    def hook(tensor: torch.Tensor, hook: object) -> torch.Tensor:
        flat = tensor.flatten(2).clone()
        flat[rows, -1, units] += torch.from_numpy(amounts).to(flat)
        return flat.reshape(tensor.shape)

    return hook
