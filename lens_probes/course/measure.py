"""A number with its interval, its null and its untrained value: the same call, four times.

What a lesson calculates from its data is calculated again from halves of the replication groups
(interval), from labels permuted over groups (null) and from untrained weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from lens_probes.course.claim import NAN, Measured, Side, Value
from lens_probes.course.data import Data, Ids, half_data, shuffled_data
from lens_probes.course.intervals import ERROR, estimate, halves
from lens_probes.units.decision import Decision, preset_decision, resolve, tested_rows
from lens_probes.units.significance import max_test

# Numbers by name; a share as (part, whole): what it is of is shown with it.
Found = Mapping[str, float | tuple[float, float]]
NULL = (
    "mean of {n} relabellings of groups of words, class sizes kept, without the real one and its "
    "mirror image"
)
SWAPPED = "mean of {n} times labels swapped within pairs"


@dataclass(frozen=True)
class Numbers:
    """Numbers of a lesson, with what is beside each, and how that was made."""

    parts: Mapping[str, Value]
    n: str
    interval_is: str = ""
    null_is: str = ""
    null_in: str = "with shuffled labels"
    missing: str = ""

    def __getitem__(self, name: str) -> float:
        return self.parts[name].value

    def claim(
        self, claim: str, side: Side, *names: str, how: str, n: str = "", **options: str
    ) -> Measured:
        """Some of the numbers (all, by default) for a claim; `how` they were measured, in a line.

        `options` are those of `Measured`, such as `missing`.
        """
        parts = {name: self.parts[name] for name in names or self.parts if name in self.parts}
        given = {"missing": self.missing, "null_in": self.null_in} | options
        return Measured(
            claim, side, parts, n or self.n, how, self.interval_is, self.null_is, **given
        )


def measure(
    number: Callable[[Data], Found],
    data: Data,
    *,
    draws: int,
    null_draws: int | None = None,
    seed: int = 0,
    ids: Ids | None = None,
    ids_are: str = "the groups of words of each class",
    anew: bool = True,
) -> Numbers:
    """What `number` gives for the data, their halves, other labels and untrained weights.

    Parameters
    ----------
    draws, null_draws
        Halves, and relabellings (as many, by default).
    ids, ids_are
        [example] what is drawn, and its name; None: replication groups, or pairs.
    anew
        See `half_data`.
    """
    pairs, alone = data.examples.pair is not None, replace(data, bare=None)
    n_null = draws if null_draws is None else null_draws
    drawn = half_data(alone, data.group if ids is None else ids, draws, seed, anew=anew)
    return _numbers(
        number(data),
        drawn=[_some(number, half) for half in drawn],
        null=[_some(number, other) for other in shuffled_data(alone, n_null, seed)],
        bare={} if data.bare is None else number(data.bare),
        n=data.counted,
        interval_is=ERROR.format(n=draws) + ("the pairs" if pairs else ids_are),
        null_is=(SWAPPED if pairs else NULL).format(n=n_null) if n_null else "",
    )


def measure_over_groups(
    number: Callable[[Data, OverGroups], Found],
    data: Data,
    *,
    draws: int,
    null_draws: int | None = None,
    seed: int = 0,
    least: int | None = None,
) -> Numbers:
    """The same where groups of words decide: as `lp.sweep` decides in the rigorous preset.

    `number` gets the data and their units `OverGroups`. The threshold of max-T over all units is
    that of all groups, and the untrained model's own; groups of fewer than `least` examples (None:
    as a sweep does) are left out.
    """
    design, why = _group_design(data, seed, least)
    if design is None:
        return Numbers({}, data.counted, missing=why)
    found = measure(
        lambda one: number(one, design.tested(one)), design.data, draws=draws,
        null_draws=null_draws, seed=seed,
    )  # fmt: skip
    return replace(found, n=f"{found.n}; max-T: |z| beyond {design.limit[True]:.3g}")


def over_groups(data: Data, *, seed: int = 0, least: int | None = None) -> dict[bool, OverGroups]:
    """The test of all groups, by whether the weights are trained; none where groups are few."""
    design, _ = _group_design(data, seed, least)
    both = () if design is None else (design.data, design.data.bare)
    return {one.is_trained: design.tested(one) for one in both if design and one is not None}


@dataclass(frozen=True)
class _GroupDesign:
    """The examples that the test over groups uses, and its threshold, by `is_trained`."""

    data: Data
    decision: Decision
    limit: Mapping[bool, float]

    def tested(self, data: Data) -> OverGroups:
        least = replace(self.decision, n_permutations=1, min_per_group=1)
        return _tested(data, least, self.limit[data.is_trained])


def _group_design(data: Data, seed: int, least: int | None) -> tuple[_GroupDesign | None, str]:
    """The design; or None, and why no test over groups can reject."""
    asked = preset_decision("rigorous", seed=seed)
    decision, _ = resolve(asked, data.examples, min_per_group=least)
    if decision.level != "word":
        return None, f"{decision.why}: no test over groups can reject"
    part = data.rows(np.flatnonzero(tested_rows(data.examples, decision.min_per_group)))
    both = [one for one in (part, part.bare) if one is not None]
    limit = {one.is_trained: float(_test(one, decision).threshold.max()) for one in both}
    return _GroupDesign(part, decision, limit), ""


def measure_items(
    number: Callable[[Ids], Found],
    n: int,
    *,
    of: str,
    draws: int,
    seed: int = 0,
    untrained: Found | None = None,
    null: Sequence[Found] | Found = (),
    null_is: str = "",
    null_in: str = "with shuffled labels",
    said: str = "",
) -> Numbers:
    """What `number` gives for n things (starts, texts, batches) and for halves of them.

    `null` (its draws, or one number each) and `untrained` are the same numbers where there is
    nothing to find, and without training.
    """
    drawn = [number(half) for half in halves(n, draws, np.random.default_rng(seed))]
    return _numbers(
        number(np.arange(n)), drawn=drawn, null=null, bare=untrained or {}, n=said or f"{n} {of}",
        interval_is=ERROR.format(n=draws) + f"the {of}" if draws else "", null_is=null_is,
        null_in=null_in,
    )  # fmt: skip


def _numbers(
    found: Found,
    *,
    drawn: Sequence[Found],
    null: Sequence[Found] | Found,
    bare: Found,
    **said: Any,
) -> Numbers:
    parts = {}
    for name, value in found.items():
        one = estimate(
            _share(value), _column(drawn, name), untrained=_share(bare.get(name, NAN)),
            null=() if isinstance(null, Mapping) else _column(null, name),
            of=int(value[1]) if isinstance(value, tuple) else 0,
        )  # fmt: skip
        if isinstance(null, Mapping):
            one = replace(one, null=_share(null.get(name, NAN)))
        parts[name] = one
    return Numbers(parts, **said)


def _column(table: Iterable[Found], name: str) -> list[float]:
    return [_share(found.get(name, NAN)) for found in table]


def _share(value: float | tuple[float, float]) -> float:
    if isinstance(value, tuple):
        return value[0] / value[1] if value[1] else NAN
    return float(value)


def _some(number: Callable[[Data], Found], data: Data) -> Found:
    """Its numbers, or none where a class has fewer than two examples."""
    sizes = data.examples.n_per_class
    return number(data) if data.examples.value is not None or min(sizes) > 1 else {}


def _test(data: Data, decision: Decision) -> Any:
    n_units = sum(x.shape[1] for x in data.arrays)
    return max_test(data.arrays, data.examples, decision, np.zeros(n_units, dtype=np.int64))


@dataclass(frozen=True)
class OverGroups:
    """What a rigorous sweep's test over groups says, with its tables' names of columns.

    `units`: layer, site, unit, status, direction, value (normalised Welch t of group means),
    significant.
    """

    units: pd.DataFrame

    @property
    def layers(self) -> pd.DataFrame:
        """One row a layer and site, of the tested units: those that are not constant."""
        table = self.units[self.units["status"] != "constant"]
        up = table["significant"] & (table["direction"] > 0)
        table = table.assign(n_significant_positive=up, n_tested=1)
        table = table.rename(columns={"significant": "n_significant"})
        names = ["n_tested", "n_significant", "n_significant_positive"]
        return table.groupby(["layer", "site"], sort=False)[names].sum().reset_index()


def _tested(data: Data, decision: Decision, limit: float) -> OverGroups:
    try:
        value = _test(data, decision).value
    except ValueError:  # so few groups that nothing can be permuted
        value = np.full(sum(x.shape[1] for x in data.arrays), np.nan)
    tables = []
    for (layer, site), x in zip(data.activations, data.arrays, strict=True):
        status = np.where((x != x[:1]).any(axis=0), "ok", "constant")
        columns = {"layer": layer, "site": site, "unit": np.arange(x.shape[1]), "status": status}
        tables.append(pd.DataFrame(columns))
    units = pd.concat(tables, ignore_index=True)
    return OverGroups(
        units.assign(
            direction=np.nan_to_num(np.sign(value)),
            value=value,
            significant=np.nan_to_num(np.abs(value)) > limit,
        )
    )
