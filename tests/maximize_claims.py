"""Every sentence with a number that a report on maximisation may have, and what it must be.

The source is a `Finding`: its tables, its numbers, and what it records of the settings.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from caption_claims import UNIT, N, Named, T, three

from lens_probes.drawing.page import Finding

SPREAD = rf"{N} \({N} to {N}\)"
Claim = Callable[[Finding, Named], list[float]]


def _spread(values: pd.Series) -> list[float]:
    return [values.mean(), values.min(), values.max()]


def _named(f: Finding, named: Named) -> None:
    assert named["unit"] == f.numbers["unit"]


def _steps(f: Finding) -> pd.core.groupby.SeriesGroupBy:
    return f.tables["path"].groupby("step")["activation"]


def _ends(f: Finding) -> tuple[pd.Series, pd.Series, int]:
    steps = _steps(f)
    last = max(steps.groups)
    return steps.get_group(0), steps.get_group(last), last


def _path(f: Finding, named: Named) -> list[float]:
    _named(f, named)
    first, last, n = _ends(f)
    return [three(first.mean()), three(last.mean()), n]


def _path_of_starts(f: Finding, named: Named) -> list[float]:
    _named(f, named)
    first, last, n = _ends(f)
    return [*map(three, _spread(first)), *map(three, _spread(last)), n, len(first)]


def _moves(f: Finding) -> np.ndarray:
    """How far each neighbour rises in each start."""
    return np.asarray(f.numbers["neighbours_end"]) - np.asarray(f.numbers["neighbours_start"])


def _n_as_far(f: Finding) -> int:
    first, last, _ = _ends(f)
    return int((_moves(f).mean(axis=0) >= (last.mean() - first.mean())).sum())


def _none_as_far(f: Finding, named: Named) -> list[float]:
    assert _n_as_far(f) == 0
    return [*_path(f, named), len(f.numbers["neighbours"])]


def _cosine(f: Finding, which: str) -> pd.Series:
    return f.tables["decoded"].groupby("embeddings")["cosine"].get_group(which)


def _own_tokens(f: Finding) -> float:
    decoded = f.tables["decoded"]
    one, other = (
        decoded[decoded["embeddings"] == which].set_index(["start", "place"])["token_id"]
        for which in ("optimised", "random start")
    )
    return 100 * float((one == other).mean())


def _highest(f: Finding, _: Named) -> list[float]:
    best = int(_ends(f)[1].to_numpy().argmax())
    decoded = f.tables["decoded"]
    here = decoded[decoded["start"] == best].groupby("embeddings")["cosine"]
    return [best, *here.get_group("optimised"), *here.get_group("random start")]


def _nearest(f: Finding, _: Named) -> list[float]:
    spreads = (_spread(_cosine(f, which)) for which in ("optimised", "random start"))
    return [*(three(v) for spread in spreads for v in spread), _own_tokens(f)]


def _distinct(f: Finding) -> list[float]:
    decoded = f.tables["decoded"]
    tokens = decoded.loc[decoded["embeddings"] == "optimised", "token_id"]
    null = f.numbers["restarts"]["null_distinct"]
    return [tokens.nunique(), len(tokens), min(null), max(null)]


def _p_of_restarts(f: Finding) -> list[float]:
    """With the observed value among the draws: fewer tokens, a higher cosine."""
    said = f.numbers["restarts"]
    tokens = np.array([*said["null_distinct"], said["n_distinct"]])
    cosine = np.array([*said["null_embedding_cosine"], np.mean(said["embedding_cosine"])])
    return [float(np.mean(tokens <= tokens[-1])), float(np.mean(cosine >= cosine[-1]))]


def _restarts(f: Finding, _: Named) -> list[float]:
    null, (p_tokens, p_cosine) = f.numbers["restarts"]["null_embedding_cosine"], _p_of_restarts(f)
    mean = float(np.mean(f.numbers["restarts"]["embedding_cosine"]))
    return [*_distinct(f), p_tokens, mean, min(null), max(null), p_cosine]


def _n_starts(f: Finding) -> int:
    return f.tables["path"]["start"].nunique()


GRADIENT: dict[str, Claim] = {
    rf"{UNIT} goes from {SPREAD} to {SPREAD} in {N} steps; mean and range of {N} starts\.":
        _path_of_starts,
    rf"{UNIT} goes from {N} to {N} in {N} steps\.?": _path,
    rf"Its {N} neighbours by index move by {N} \(median, up or down\)\.": lambda f, _: [
        len(f.numbers["neighbours"]), three(float(np.median(abs(_moves(f)))))],
    rf"{UNIT} goes from {N} to {N} in {N} steps; none of its {N} neighbours rises as far":
        _none_as_far,
    rf"{UNIT} goes from {N} to {N} in {N} steps; {N} of its {N} neighbours rises? as far":
        lambda f, named: [*_path(f, named), _n_as_far(f), len(f.numbers["neighbours"])],
    rf"One line a start \({N} of {N} drawn\): {N} free embeddings, read as \w+; \w+, learning rate "
    rf"{N}, λ {N}\.": lambda f, _: [min(10, _n_starts(f)), _n_starts(f), *(
        f.recorded[name] for name in ("n_tokens", "learning_rate", "l2"))],
    rf"Highest start \({N}\) decodes to {T} {N}, {T} {N}; its random start to {T} {N}, {T} {N}\.":
        _highest,
    rf"Nearest tokens lie at cosine {SPREAD}, those of the random starts at {SPREAD}; {N}% are the "
    r"start's own token\.": _nearest,
    rf"Optimised embeddings of {UNIT} lie at cosine {N} to their nearest token, random starts at "
    rf"{N}; {N}% decode to their start's own token": lambda f, _: [
        _cosine(f, "optimised").mean(), _cosine(f, "random start").mean(), _own_tokens(f)],
    rf"One point an embedding \({N} in {N} starts\), .*": lambda f, _: [
        len(_cosine(f, "optimised")), _n_starts(f)],
    rf"Restarts: {N} distinct tokens of {N}, random embeddings give {N} to {N} \(p {N}\); mean "
    rf"cosine between optima {N}, random {N} to {N} \(p {N}\)\.": _restarts,
    rf"{N} restarts for {UNIT} decode to {N} distinct tokens of {N}; random embeddings to {N} to "
    rf"{N}": lambda f, _: [_n_starts(f), *_distinct(f)],
    rf"Blue: {N} restarts\.": lambda f, _: [_n_starts(f)],
    rf"Grey: as many random embeddings of the same lengths, {N} times\.": lambda f, _: [
        len(f.numbers["restarts"]["null_distinct"])],
    rf"One-sided p: distinct tokens, p {N}, cosine: p {N} \(optima more alike than chance\)\.":
        lambda f, _: _p_of_restarts(f),
}  # fmt: skip


def _found(f: Finding) -> list[float]:
    return [three(max(f.numbers["activation"]))]


def _random(f: Finding, quantile: str) -> float:
    return three(f.numbers["random_activation"][quantile])


def _begun(f: Finding, named: Named) -> list[float]:
    _named(f, named)
    best = int(np.argmax(f.numbers["activation"]))
    return [*_found(f), three(f.numbers["path"][0, best]), f.recorded["n_candidates"]]


def _top(f: Finding) -> float:
    contexts = f.tables["contexts"]
    return three(contexts.loc[contexts["kind"] == "top", "value"].max())


def _optima(f: Finding, named: Named) -> list[float]:
    _named(f, named)
    return [*_found(f), f.numbers["n_evaluations"], _random(f, "1")]


OPTIMA = rf"The text found drives {UNIT} to {N}, (?:no )?more than the best of {N} random ones "
TOKENS: dict[str, Claim] = {
    rf"{T} drives {UNIT} to {N} \(its text tokenised and run anew\); the search began at {N}, the "
    rf"best of {N} random sequences\.": _begun,
    rf"Of {N} random sequences, as much computation as the search took, the best \({T}\) reaches "
    rf"{N}, the median {N}: the search does (?:no )?better\.": lambda f, _: [
        f.numbers["n_evaluations"], _random(f, "1"), _random(f, "0.5")],
    rf"{N} free embeddings reach {N} in {N} steps: they are no text\.": lambda f, _: [
        f.numbers["free_embeddings"]["n_tokens"],
        three(max(f.numbers["free_embeddings"]["activation"])),
        f.numbers["free_embeddings"]["steps"]],
    rf"The highest of {N} tokens of [\w.]+ is {N}: .*": lambda f, _: [
        f.numbers["n_counted"], _top(f)],
    rf"{OPTIMA}\({N}\)": _optima,
    rf"{OPTIMA}\({N}\); the best real text to {N}": lambda f, named: [
        *_optima(f, named), _top(f)],
    rf"Random tokens: {N} sequences, as much computation as the search took \(the null\)\.":
        lambda f, _: [f.numbers["n_evaluations"]],
}  # fmt: skip


def _kind(f: Finding, kind: str) -> pd.DataFrame:
    contexts = f.tables["contexts"]
    return contexts[contexts["kind"] == kind]


def _stands_out(f: Finding, named: Named) -> list[float]:
    _named(f, named)
    top, random = _kind(f, "top")["value"], _kind(f, "random")["value"]
    sds = (top.min() - f.numbers["mean"]) / f.numbers["sd"]
    ends = [three(top.min()), three(top.max()), sds, len(random), three(random.max())]
    commonest = _kind(f, "top")["token"].value_counts().max()
    return [len(top), f.numbers["n_counted"], *ends, commonest, len(top)]


def _n_batches(f: Finding) -> int:
    return int(f.tables["winners"]["n_batches"].sum())


def _wins(f: Finding, named: Named) -> list[float]:
    _named(f, named)
    table = f.tables["winners"]
    most = table.loc[table["n_batches"].idxmax()]
    return [100 * most["n_batches"] / _n_batches(f), _n_batches(f), most["n_places"], len(table)]


def _coverage(f: Finding, named: Named) -> list[float]:
    """Of the tokens of documents long enough to be drawn."""
    assert bool(named["column"]) == bool(f.numbers["short_documents"])
    n_drawable = f.numbers["n_tokens"] - f.numbers["short_tokens"]
    return [100 * f.recorded["batch"] * f.recorded["length"] / n_drawable]


def _read(f: Finding, _: Named) -> list[float]:
    left = [n for n in f.numbers["left_out"].values() if n]
    assert f.numbers["n_tokens"] - sum(left) == f.numbers["n_counted"]
    return [f.numbers["n_tokens"], f.recorded["n_documents"], *left]


def _sinks(f: Finding, _: Named) -> list[float]:
    """Of all positions read, of which position 0 is one in every window."""
    return [f.numbers["n_tokens"], f.recorded["sinks_behind_first"], f.recorded["sink_factor"]]


DRAWN = r"the corpus(?P<column> without documents too short to draw)?"
WINS = rf"{T} wins {N}% of {N} batches of {UNIT}, at {N} places? of the corpus; {N} tokens win at "
SAMPLE: dict[str, Claim] = {
    rf"The top {N} of {N} tokens drive {UNIT} to {N} to {N}, {N} SD or more above its mean; {N} "
    rf"random ones reach {N}\. {T} is {N} of the {N}\.?": _stands_out,
    rf"{WINS}all\.?": _wins,
    rf"{WINS}all \(one batch reads {N}% of {DRAWN}: too much\)\.?": lambda f, named: [
        *_wins(f, named), *_coverage(f, named)],
    rf"Batches leave out {N} documents? of fewer than {N} tokens \({N} tokens in all\)\.":
        lambda f, _: [
        f.numbers["short_documents"], f.recorded["length"], f.numbers["short_tokens"]],
    rf"Read: {N} tokens of \w+, {N} documents?; left out: {N} at position 0\.": _read,
    rf"Of {N} positions read, {N} behind position 0 ha(?:s|ve) a stream of {N} median norms or "
    r"more \(attention sinks, most often\): (?:kept|left out)\.": _sinks,
    rf"{N} tokens of the corpus were ranked; dotted: their mean\.": lambda f, _: [
        f.numbers["n_counted"]],
    rf"Quantile and random examples are from {N} tokens drawn at random\.": lambda f, _: [
        f.recorded["n_sampled"]],
    rf"{N} batches of {N} × {N} tokens at random offsets; the {N} commonest of {N} winners\.":
        lambda f, _: [
        _n_batches(f), f.recorded["batch"], f.recorded["length"],
        min(15, len(f.tables["winners"])), len(f.tables["winners"])],
    rf"A batch reads {N}% of {DRAWN}: near 100 % "
    r"one place wins them all\.": _coverage,
    rf"Position 0 holds the largest value in {N}% of batches(?: \(left out\))?; attention sinks "
    rf"win {N}%\.": lambda f, _: [
        100 * f.numbers[name] / _n_batches(f) for name in ("first_wins", "sink_wins")],
}  # fmt: skip
