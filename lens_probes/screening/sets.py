"""smallest_set(): how few units carry a behaviour, by ablating all others exactly."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from tqdm.auto import tqdm

from lens_probes.errors import InputError, at_least, choice, flag, number
from lens_probes.model.wrap import Model, check_model
from lens_probes.screening.only import Behaviour, behaviour_of
from lens_probes.screening.pairs import load_pairs
from lens_probes.screening.saved_set import SmallestSet
from lens_probes.sites import check_layers, check_sites, unit_name
from lens_probes.stats.crossing import Crossing, crossing

Rank = Literal["screen", "t", "random"]
_GRID = 4  # sizes for each factor of ten
_NEAREST = 20
_NULL_PROMPTS = 32


def smallest_set(
    model: Model,
    pairs: str | Path,
    *,
    sites: Iterable[str] = ("mlp_post",),
    layers: Iterable[int] | int | None = None,
    rank: Rank = "screen",
    level: float = 0.8,
    n_nulls: int = 100,
    seed: int = 0,
    progress: bool = False,
) -> SmallestSet:
    """Rank units on half of the contrast words, and measure on the other half how few are enough.

    Every number is an exact ablation: all units of these layers and sites that are not kept are at
    their mean over the prompts of their construction, token by token, at once. The mean holds as
    many prompts of both forms, so that an ablated unit tells the model nothing of the form.

    Parameters
    ----------
    model
        Of `load_model`, or a model in memory (`wrap_model`).
    pairs
        `"agreement"`, `"polarity"`, or a TOML template: see `pairs.load_pairs`.
    rank
        `"screen"`: what the contrast loses without a unit, to first order; `"t"`: |t| between the
        forms at the last token; `"random"`.
    level
        Share of the contrast, between no unit and all, that has to be kept.
    n_nulls
        Random sets, each unit of the set replaced by one of its layer and site of nearly its write
        size; 0: none. They and the set beside them are run on some 32 of the prompts.
    sites
        Names of `SITES` with a write direction.
    layers
        Layer indices, None for all.
    seed
        Of the random sets and of the screen.
    progress
        A bar on standard error.

    Raises
    ------
    InputError
        Whatever is wrong with the request; pairs that the model does not tell apart.

    Notes
    -----
    Wang et al. (2022) define faithfulness and completeness of circuits; Marks et al. (2024),
    "Sparse feature circuits", measure them as here, with mean ablation and a share of the way from
    nothing to everything.
    """
    clock = time.perf_counter()
    model = check_model(model)
    at_least(0, n_nulls=n_nulls, seed=seed)
    choice("rank", rank, get_args(Rank))
    level = number("level", level, least=0.01, most=0.99)
    flag("progress", progress)
    names, at = check_sites(sites, model.shapes), check_layers(layers, model.n_layers)
    model.check_writable(names)
    given = load_pairs(model, pairs, seed=seed)
    whole = behaviour_of(model, given.groups, at, names)
    to_rank, measured = _halves(whole, seed)
    score = _scores(to_rank, rank, seed)
    order = np.argsort(-score, kind="stable")
    timings = {"ranking": time.perf_counter() - clock}
    clock = time.perf_counter()
    sizes = _sizes(len(order))
    kept, without = (np.empty((len(sizes), len(measured))) for _ in range(2))
    for i, k in enumerate(tqdm(sizes, desc="sets of units", disable=not progress)):
        mask = _mask(order[:k], len(order))
        kept[i] = measured.contrast(mask)
        without[i] = measured.contrast(~mask)
    word = np.concatenate([group.word for group in measured.groups])
    found = crossing(sizes, kept, word, level=level, seed=seed)
    left = crossing(sizes, without[::-1], word, level=level, seed=seed)
    timings["curves"] = time.perf_counter() - clock
    clock = time.perf_counter()
    n_set = len(order) if np.isinf(found.size) else max(1, int(np.ceil(found.size)))
    nulls, against = _against_random(measured, order[:n_set], n_nulls, seed, progress)
    timings["random sets"] = time.perf_counter() - clock
    return SmallestSet(
        size=found.size, size_low=found.size_low, size_high=found.size_high,
        units=_unit_rows(whole, order[:n_set], score),
        curve=_curve(sizes, found, left),
        nulls=nulls,
        provenance={
            "model": model.provenance, "pairs": given.name, "question": given.question,
            "n_prompts": len(given), "n_dropped": given.n_dropped, "n_measured": len(measured),
            "n_units": len(order), "contrast": float(kept[-1].mean()),
            "contrast_none": float(kept[0].mean()), "accuracy": _accuracy(measured, kept[-1]),
            **against,
            "options": {"sites": list(names), "layers": list(at), "rank": rank, "level": level,
                        "n_nulls": n_nulls, "seed": int(seed)},
        },
        timings=timings,
    )  # fmt: skip


def _halves(whole: Behaviour, seed: int) -> tuple[Behaviour, Behaviour]:
    """Prompts of half of the contrast words, and of the others."""
    words = np.unique(np.concatenate([group.word for group in whole.groups]))
    if len(words) < 4:
        raise InputError(
            f"{len(words)} pairs of contrast words: 4 or more are needed, half to rank units."
        )
    drawn = np.random.default_rng(seed).permutation(words)[: len(words) // 2]
    rows = [np.isin(group.word, drawn) for group in whole.groups]
    return whole.some(rows), whole.some([~one for one in rows])


def _scores(behaviour: Behaviour, rank: Rank, seed: int) -> Float[np.ndarray, " unit"]:
    if rank == "screen":
        return behaviour.effects()
    if rank == "t":
        return behaviour.tuning()
    return np.random.default_rng(seed).random(sum(behaviour.widths()))


def _sizes(n: int) -> NDArray[np.int64]:
    """0, numbers that grow by a factor, and n."""
    steps = np.arange(0, _GRID * np.log10(n), 1) / _GRID
    return np.unique(np.r_[0, np.round(10**steps), n].astype(np.int64))


def _mask(units: NDArray[np.int64], n: int) -> Bool[np.ndarray, " unit"]:
    mask = np.zeros(n, dtype=bool)
    mask[units] = True
    return mask


def _against_random(
    measured: Behaviour, units: NDArray[np.int64], n_nulls: int, seed: int, progress: bool
) -> tuple[pd.DataFrame, dict[str, float]]:
    """Shares that the set and random ones of equal write size keep and leave, and their p."""
    columns = ["faithfulness", "completeness"]
    if n_nulls == 0:
        return pd.DataFrame(columns=columns), {}
    each = max(2, _NULL_PROMPTS // len(measured.groups))
    rng = np.random.default_rng(seed)
    rows = []
    for group in measured.groups:
        words = rng.permutation(np.unique(group.word))[: each // 2]
        rows.append(np.isin(group.word, words))
    few = measured.some(rows)
    n = sum(measured.widths())
    size, key = few.sizes(), np.repeat(np.arange(len(few.keys)), few.widths())
    none, full = (few.contrast(np.full(n, value)).mean() for value in (False, True))

    def shares(chosen: NDArray[np.int64]) -> list[float]:
        mask = _mask(chosen, n)
        return [float((few.contrast(one).mean() - none) / (full - none)) for one in (mask, ~mask)]

    mine = shares(units)
    drawn = [
        shares(_as_large(units, size, key, rng))
        for _ in tqdm(range(n_nulls), desc="random sets", disable=not progress)
    ]
    table = pd.DataFrame(drawn, columns=columns)
    return table, {
        "sufficient": mine[0], "necessary": mine[1],
        "sufficient_p": (1 + int((table["faithfulness"] >= mine[0]).sum())) / (1 + n_nulls),
        "necessary_p": (1 + int((table["completeness"] <= mine[1]).sum())) / (1 + n_nulls),
    }  # fmt: skip


def _as_large(
    units: NDArray[np.int64], size: NDArray[np.float64], key: NDArray[np.int64],
    rng: np.random.Generator,
) -> NDArray[np.int64]:  # fmt: skip
    """For each unit another one of its layer and site, of the nearest in write size."""
    taken = np.zeros(len(size), dtype=bool)
    taken[units] = True
    found = []
    for unit in rng.permutation(units).tolist():
        free = np.flatnonzero((key == key[unit]) & ~taken)
        if len(free) == 0:
            continue
        near = free[np.argsort(np.abs(size[free] - size[unit]), kind="stable")[:_NEAREST]]
        chosen = int(rng.choice(near))
        taken[chosen] = True
        found.append(chosen)
    return np.array(found, dtype=np.int64)


def _unit_rows(
    whole: Behaviour, units: NDArray[np.int64], score: NDArray[np.float64]
) -> pd.DataFrame:
    starts = np.r_[0, np.cumsum(whole.widths())]
    rows = []
    for place in units.tolist():
        at = int(np.searchsorted(starts, place, side="right")) - 1
        (layer, site), unit = whole.keys[at], place - int(starts[at])
        name = unit_name(layer, site, unit, whole.model.shapes[site])
        rows.append({"layer": layer, "site": site, "unit": unit, "name": name,
                     "score": float(score[place])})  # fmt: skip
    return pd.DataFrame(rows)


def _curve(sizes: NDArray[np.int64], kept: Crossing, left: Crossing) -> pd.DataFrame:
    return pd.DataFrame({
        "k": sizes, "faithfulness": kept.curve, "faithfulness_low": kept.low,
        "faithfulness_high": kept.high, "completeness": left.curve[::-1],
        "completeness_low": left.low[::-1], "completeness_high": left.high[::-1],
    })  # fmt: skip


def _accuracy(measured: Behaviour, contrast: NDArray[np.float64]) -> dict[str, float]:
    parts = np.split(contrast, np.cumsum([len(group) for group in measured.groups])[:-1])
    return {
        group.construction: float((part > 0).mean())
        for group, part in zip(measured.groups, parts, strict=True)
    }
