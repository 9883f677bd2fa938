"""Every sentence with a number that a figure's title or caption may have, and what it must be.

A pattern's unnamed groups are its numbers; `unit`, `layer`, `site` and `column` name a place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from answer_claims import NUMBER, sentences

from lens_probes.sweep_result import SweepResult

N = r"([+-]?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?)"
UNIT = r"(?P<unit>L\d+\.[\w.]+)"
PLACE = r"layer (?P<layer>\d+) of (?P<site>\w+)"
T = "“[^”]*”"
Z95 = 1.959964
Named = Mapping[str, str]
Claim = Callable[[SweepResult, Named], list[float]]
NAMES = r"L\d+\.[\w.]+|class \d|" + T


def three(value: float) -> float:
    """A number as it is said: three significant digits."""
    return float(f"{value:.2e}")


def numbered(lines: Iterable[str], fixed: tuple[str, ...]) -> Iterator[str]:
    """Sentences that hold a number beside those in names and in what is `fixed`."""
    for sentence in (sentence for line in lines for sentence in sentences(line)):
        if NUMBER.search(re.sub(NAMES, "", sentence)) and not sentence.startswith(fixed):
            yield sentence


def held(
    sentence: str,
    source: Any,
    claims: Mapping[str, Callable[[Any, Named], Iterable[float]]],
    unit: str = "",
) -> str:
    """The pattern that the sentence fits, once its numbers are known to be right."""
    text = sentence.replace("\u2212", "-")
    fits = {pattern: found for pattern in claims if (found := re.fullmatch(pattern, text))}
    assert fits, f"no column is known for: {sentence}"
    pattern = max(fits, key=len)
    named = {"unit": unit} | fits[pattern].groupdict()
    places = set(fits[pattern].re.groupindex.values())
    shown = [g for i, g in enumerate(fits[pattern].groups(), 1) if i not in places]
    right = list(claims[pattern](source, named))
    assert len(shown) == len(right), sentence
    for number, wanted in zip(shown, right, strict=True):
        mantissa, _, exponent = number.partition("e")
        last_digit = 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))
        assert float(number.replace(",", "")) == pytest.approx(wanted, abs=0.51 * last_digit), (
            sentence
        )
    return pattern


def _unit(r: SweepResult, named: Named) -> pd.Series:
    return r.units.set_index("name").loc[named["unit"]]


def _most(r: SweepResult, named: Named, *columns: str) -> list[float]:
    """Columns of the place named, which is where the first of them is largest in size."""
    place = (r.layers["layer"] == int(named["layer"])) & (r.layers["site"] == named["site"])
    (row,) = r.layers[place].to_dict("records")
    assert abs(row[columns[0]]) == r.layers[columns[0]].abs().max()
    return [float(row[column]) for column in columns]


def _share(r: SweepResult, named: Named) -> list[float]:
    share, tested = _most(r, named, "share_significant", "n_tested")
    return [100 * share, tested]


def _accuracy(column: str) -> Claim:
    return lambda r, named: [100 * _most(r, named, column)[0]]


def _best_auc(r: SweepResult, named: Named) -> list[float]:
    """Of the unit with the smallest p in its place; no place has a more certain one."""
    best = r.units.loc[r.units.groupby(["layer", "site"])["log10_score_p"].idxmin()]
    auc = np.maximum(best["auc"], 1 - best["auc"])
    here = (best["layer"] == int(named["layer"])) & (best["site"] == named["site"])
    assert auc[here].item() == auc.max()
    return [auc.max()]


def _pairs(auc: float) -> list[float]:
    return [100 * max(auc, 1 - auc)]


def _odds(r: SweepResult, named: Named) -> list[float]:
    row = _unit(r, named)
    sd = row["beta_std"] / row["beta"]
    return [float(np.exp(sd * (row["beta"] + z * row["beta_se"]))) for z in (0, -Z95, Z95)]


def _word_means(r: SweepResult, unit: str) -> pd.DataFrame:
    shown = pd.DataFrame({"x": r.evidence[unit].to_numpy(float), "label": r.examples["label"],
                          "word": r.examples["word"]})  # fmt: skip
    return shown.groupby(["label", "word"])["x"].mean().reset_index()


def _word_pairs(r: SweepResult, named: Named) -> list[float]:
    means = _word_means(r, named["unit"])
    zero, one = (means["x"][means["label"] == k].to_numpy() for k in (0, 1))
    return _pairs(float(np.mean(one[:, None] > zero) + 0.5 * np.mean(one[:, None] == zero)))


def _effect(r: SweepResult) -> pd.Series:
    return r.units.set_index("name")["r" if "r" in r.units else "hedges_g"]


def _significant(r: SweepResult, named: Named) -> list[float]:
    effect = _effect(r)
    assert effect.abs().idxmax() == named["unit"]
    return [float(r.units["significant"].sum()), len(r.units), effect[named["unit"]]]


def _untested(r: SweepResult, named: Named) -> list[float]:
    return [float(r.units[named["column"]].isna().sum())]


def _drawn(r: SweepResult, _: Named) -> list[float]:
    columns = (r.provenance["decision"]["p_column"], "word_p", r.rank_column)
    known = float(r.units[next(c for c in columns if c in r.units)].notna().sum())
    return [known, len(r.units), known]


def _funnel(r: SweepResult, _: Named) -> list[float]:
    units = r.units
    if "r" in units:
        known = units["r"].notna()
        n = len(r.examples)
        outside = units["r"].abs() > Z95 * np.sqrt((1 - units["r"] ** 2) / (n - 2))
    else:
        known = units["beta"].notna() & units["beta_se"].notna()
        outside = units["beta"].abs() > Z95 * units["beta_se"]
    return [100 * float(outside[known].mean()), float(known.sum())]


def _no_error(r: SweepResult, _: Named) -> list[float]:
    column = "r" if "r" in r.units else "beta_se"
    return [float(r.units[column].isna().sum())]


def _map(r: SweepResult, named: Named) -> list[float]:
    n = max(1, round(0.01 * len(r.units)))
    top = r.units.nsmallest(n, r.rank_column)
    counts = top.groupby(["layer", "site"]).size()
    assert counts[int(named["layer"]), named["site"]] == counts.max()
    return [n, 1, float(counts.max())]


def _nested(r: SweepResult, _: Named) -> list[float]:
    nested = r.validation["nested_best"]
    return [nested["unit"]["auc"], nested["logistic_probe"]["auc"]]


def _spread(r: SweepResult, named: Named) -> list[float]:
    wide = r.layers.assign(wide=r.layers["q95_r"] - r.layers["q05_r"])
    here = wide[(wide["layer"] == int(named["layer"])) & (wide["site"] == named["site"])]
    assert here["wide"].item() == wide["wide"].max()
    return [here["q05_r"].item(), here["q95_r"].item()]


def _r_range(r: SweepResult, _: Named) -> list[float]:
    known = r.units["r"].dropna()
    return [known.min(), known.max(), len(known), 100 * float((known.abs() > 0.5).mean())]


def _best_r(r: SweepResult, named: Named) -> list[float]:
    assert r.units.set_index("name")["r"].abs().idxmax() == named["unit"]
    return [_unit(r, named)["r"]]


def _explains(r: SweepResult, named: Named) -> list[float]:
    value = float(_unit(r, named)["r"])
    return [value, 100 * value**2]


def _median(r: SweepResult, _: Named) -> list[float]:
    return [float(v) for v in r.examples["value"].quantile([0.5, 0, 1])]


def _examples(r: SweepResult, _: Named) -> list[float]:
    return [len(r.examples)] * 2


def _words(r: SweepResult, _: Named) -> list[float]:
    return [r.examples["word"].nunique()] * 2


CLAIMS: dict[str, Claim] = {
    rf"Significant units are most common in {PLACE}: {N}% of {N} tested": _share,
    rf"Significant: \w+, .*, at {N}, at the level of \w+\.": (
        lambda r, _: [r.provenance["decision"]["alpha"]]),
    rf"Significant units higher for .* are most accurate in {PLACE}: {N}% on average \(held-out\)":
        _accuracy("mean_accuracy_significant_positive_heldout"),
    rf"Significant units higher for .* are most accurate in {PLACE}: {N}% on average":
        _accuracy("mean_accuracy_significant_positive"),
    rf"Always naming the larger class scores {N}%\.": (
        lambda r, _: [100 * max(np.bincount(r.examples["label"])) / len(r.examples)]),
    rf"The best single unit of a layer tells the classes apart most surely in {PLACE}: AUC {N}":
        _best_auc,
    rf"Each point is one example \({N} of {N} are drawn in every panel; .*": _examples,
    rf"{UNIT}(?:, the strongest unit,)? puts {N}% of pairs of one example of each class in the "
    "same order": lambda r, named: _pairs(_unit(r, named)["auc"]),
    rf"{UNIT}: one standard deviation more activation multiplies the odds of .* by {N} \(95 % "
    rf"interval {N} to {N}, counting tokens\)": _odds,
    rf"The curve is the fitted chance of .*: with 0.5 as the limit it is right for {N}% of the "
    r"examples it was fitted to\.": lambda r, named: [100 * _unit(r, named)["accuracy"]],
    rf"{UNIT}: a word of .* has a higher mean than a word of .* in {N}% of pairs of words":
        _word_pairs,
    rf"{N} of {N} words are shown, those with most examples\.": _words,
    rf"{N} of {N} units are significant; the largest effect is . = {N} \({UNIT}\)": _significant,
    rf"Points: {N} of {N} units; the bars count all {N}\.": _drawn,
    rf"{N} units have no (?P<column>\w+) \(constant, or not fitted\)\.": _untested,
    rf"{N}% of {N} units lie outside the 95 % limits of chance for examples that are independent; "
    "5% would if nothing were tuned": _funnel,
    rf"{N} units have no standard error \(.*\)\.": _no_error,
    rf"Of the strongest {N} units \({N}%\), {N} are in {PLACE}, more than anywhere else": _map,
    rf"The colours end at ±{N} \(99.5th percentile of the size\)\.": (
        lambda r, _: [float(np.nanpercentile(_effect(r).abs(), 99.5))]),
    rf"Units that training folds choose in the sweep have AUC {N} on the fold left out, whichever "
    rf"they are; a probe on the layer that they choose {N}": _nested,
    rf"The {N} examples have a median .* of {N}, from {N} to {N}": (
        lambda r, named: [len(r.examples), *_median(r, named)]),
    rf"Correlations spread most widely in {PLACE}: 90 % of its units lie between r = {N} and {N}":
        _spread,
    rf"r runs from {N} to {N} over {N} units; {N}% of them have \|r\| above 0.5": _r_range,
    rf"The strongest correlation of a single unit is in {PLACE}: r = {N} \({UNIT}\)": _best_r,
    rf"{UNIT}(?:, the strongest unit,)? \w+ with .*: r = {N} explains {N} % of its variance":
        _explains,
    rf"Each point is one example \({N} of {N} drawn\), the line is .*": _examples,
    rf"{UNIT}: over word types, r = {N}; over examples, r = {N}": (
        lambda r, named: [_unit(r, named)["word_r"], _unit(r, named)["r"]]),
    rf"Each point is a word type \({N} drawn\), larger .*": lambda r, _: _words(r, _)[:1],
}  # fmt: skip

# Numbers that are part of how a figure is drawn.
FIXED = (
    "Gap: ",
    "Bars: 95 % Wilson interval, as if units were independent of each other, which they are not: ",
    "AUC of the strongest unit in each cell, in its own direction (1 − AUC where ",
    "It is the best of many on the same examples, so it lies above ",
    "Lines: 1.96 standard errors from 0.",
    "Shaded: the middle 50 % and 90 % of the tested units of a layer.",
    "Every column is the histogram of r over the tested units of one layer (16 equal intervals)",
)
