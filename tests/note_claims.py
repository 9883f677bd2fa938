"""Every sentence with a number of a report's cautions, notes and facts, and what it must be."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from caption_claims import N, Named
from numpy.typing import NDArray

from lens_probes.sweep_result import SweepResult


@dataclass(frozen=True)
class Noted:
    """A result and the windows it was made from."""

    result: SweepResult
    tokens: NDArray[np.int64]

    def decided(self, name: str) -> float:
        """A number of the decision."""
        return float(self.result.provenance["decision"][name])

    def ends(self, name: str) -> list[float]:
        """A number of the decision for each family: the smallest and the largest."""
        found = self.result.provenance["decision"][name]
        return [float(end) for end in dict.fromkeys((min(found), max(found)))]


Claim = Callable[[Noted, Named], list[float]]


def _apart(n: Noted, _: Named) -> list[float]:
    """Units that are not constant and have no finite coefficient."""
    units = n.result.units
    no_fit = units["status"].ne("constant") & ~np.isfinite(units["beta_se"].to_numpy(float))
    return [float(no_fit.sum()), len(units)]


def _smallest_p(n: Noted) -> float:
    assert not n.result.provenance["decision"]["exact"]
    return 1 / (1 + n.decided("n_permutations"))


def _groups(n: Noted) -> list[int]:
    """Of each class, class 1 first, counted from the examples."""
    examples = n.result.examples
    return [examples.loc[examples["label"] == k, "word"].nunique() for k in (1, 0)]


def _class(n: Noted, named: Named) -> list[float]:
    examples = n.result.examples
    here = examples[examples["label"] == int(named["label"])]
    assert "word" not in named["column"] or here["word"].nunique()
    counts = here["word"].value_counts() if "word" in here else {}
    listed = re.findall(r"(w\d+)\W*? (\d+)", named.get("words", ""))
    assert {word: int(n) for word, n in listed} == dict(counts)
    return [len(here), *[len(counts)] * (3 * (len(counts) > 0))]


def _statuses(n: Noted, _: Named) -> list[float]:
    counts = n.result.units["status"].value_counts()
    return [len(n.result.units), *(float(c) for c in counts)]


def _value(n: Noted, _: Named) -> list[float]:
    value = n.result.examples["value"]
    return [value.min(), value.max(), value.median()]


def _relabellings(n: Noted, named: Named) -> list[float]:
    """Counting stops at 1e15."""
    count = n.decided("n_relabellings")
    assert bool(named["column"]) == (count >= 1e15)
    return [count]


RELABELLED = rf"{N} are sampled: the smallest p is {N}; family-wise over any number of units\."
CLAIMS: dict[str, Claim] = {
    r"Where a unit separates the classes .* the logistic regression has no finite beta and no Wald "
    rf"p \({N} of {N} units here\); .*": _apart,
    rf"{N} relabellings of {N} and {N} groups, {RELABELLED}": lambda n, _: [
        n.decided("n_relabellings"), *reversed(_groups(n)), n.decided("n_permutations"),
        _smallest_p(n)],
    rf"{N} or more relabellings of {N} groups, {RELABELLED}": lambda n, _: [
        n.decided("n_relabellings"), sum(_groups(n)), n.decided("n_permutations"), _smallest_p(n)],
    rf"{N} of {N} windows hold control tokens behind their first token, .*": lambda n, _: [
        (n.tokens[:, 1:] == 0).any(axis=1).sum(), len(n.tokens)],
    rf"{N} of {N} windows begin without the BOS token .*": lambda n, _: [
        (n.tokens[:, 0] != 0).sum(), len(n.tokens)],
}  # fmt: skip
# Counts that are shown as they are, and held all the same.
COUNTS = ("families", "left out (no p-value)", "n relabellings")
# "near 0" is what r would be.
FIXED = ("r measures a straight line: ",)

FACTS: dict[str, Claim] = {
    rf"label: value: from {N} to {N}, median {N}": _value,
    rf"(?:class|group) (?P<label>\d): .*: {N} examples(?P<column>)": _class,
    rf"(?:class|group) (?P<label>\d): .*: {N} examples, {N} (?P<column>word) types read at {N} "
    rf"tokens: {N} replication groups: (?P<words>.*)": _class,
    rf"units: {N}, of which {N} ok, {N} constant": _statuses,
    rf"units: {N}, of which {N} ok, {N} separated, {N} constant": _statuses,
    rf"model: .*: {N} layers, width {N}": lambda n, _: [
        n.result.provenance["model"][name] for name in ("n_layers", "d_model")],
    rf"families: {N}": lambda n, _: [n.decided("n_families")],
    rf"tests in a family \(m\): {N}": lambda n, _: [
        n.result.units["p_corrected"].notna().sum() / n.decided("n_families")],
    rf"left out \(no p-value\): {N}": lambda n, _: [n.result.units["p_corrected"].isna().sum()],
    rf"significant: {N} units": lambda n, _: [n.result.units["significant"].sum()],
    rf"alpha: {N}": lambda n, _: [n.decided("alpha")],
    rf"replication groups tested: {N} v {N}": lambda n, _: _groups(n),
    rf"replication groups tested: {N}": lambda n, _: [sum(_groups(n))],
    rf"level of this test .*, simulated: {N} to {N}": lambda n, _: (
        2 * n.ends("level_at_this_design"))[:2],
    rf"threshold low: {N}": lambda n, _: n.ends("threshold_low"),
    rf"threshold high: {N}": lambda n, _: n.ends("threshold_high"),
    rf"threshold: {N}": lambda n, _: n.ends("threshold"),
    rf"n relabellings: {N}(?P<column> or more)?": _relabellings,
}  # fmt: skip
