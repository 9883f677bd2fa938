"""Single units beside random units that change about as much: the pool, and error rates."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from lens_probes import stats
from lens_probes.ablation.design import Design
from lens_probes.ablation.effects import Effects
from lens_probes.ablation.matching import Matcher, Profile, as_large
from lens_probes.ablation.measured import Candidates, Measured, Plan
from lens_probes.ablation.sets import Sets
from lens_probes.ablation.unit_table import unit_table
from lens_probes.ablation.verdict import UNDECIDED, UNUSED, USED
from lens_probes.ablation.windows import Replacement
from lens_probes.errors import InputError

TOP = 10
OTHERS = 2000
SIZES = np.array([0.4, 0.7, 1.0, 1.0, 1.0, 1.5, 2.0, 3.0, 3.0, 4.0])
N_WINDOWS = 24


def profile_of_sizes(seed: int, top: np.ndarray = SIZES) -> Profile:
    """Top units first; the size of the others is lognormal around 1."""
    rng = np.random.default_rng(seed)
    size = np.concatenate([top, np.exp(0.5 * rng.normal(size=OTHERS))])
    return Profile(rng.normal(size=len(size)), size)


def measured(profile: Profile, pool: np.ndarray, seed: int, gain: float = 1.0) -> Measured:
    """Effects that grow with the square of the size; one of size 1 has them `gain` times."""
    rng = np.random.default_rng(seed)
    of_unit = np.exp(rng.normal(size=len(profile.size)))
    of_unit[2] *= gain
    top = np.arange(TOP)
    empty: list[np.ndarray] = []
    sets = Sets(top, empty, pool, pool[:20], empty, empty)
    units = pd.DataFrame({"name": [f"u{i}" for i in top], "not_encoded": ""})
    ranking = SimpleNamespace(order=np.arange(len(profile.size)))
    of = Candidates(0, "mlp_pre", ranking, profile, sets, units, Replacement(), "no swaps")

    def effects(kinds: dict[str, list[np.ndarray]]) -> Effects:
        every = [units for of_kind in kinds.values() for units in of_kind]
        change = np.array([(of_unit * profile.size**2)[units].sum() for units in every])
        kl = change[:, None] * rng.gamma(4.0, 0.25, size=(len(every), N_WINDOWS))
        return Effects(kl, kl, kl, kl)

    return Measured(of, effects(of.full), effects(of.short))


def plan(**options: object) -> Plan:
    passage = np.array([f"p{i // 2}" for i in range(N_WINDOWS)], dtype=object)
    return Plan(passage, np.arange(N_WINDOWS) % 2, Design(top=TOP, **options))


def matcher(profile: Profile) -> Matcher:
    return Matcher(profile, np.arange(TOP), np.arange(TOP, len(profile.size)))


def test_units_of_any_size_are_used_by_chance_no_more_than_alpha() -> None:
    p, used, n = [], 0, 60
    for seed in range(n):
        profile = profile_of_sizes(seed)
        table = unit_table([measured(profile, matcher(profile).nearest(200, 200), seed)], plan())
        p.append(table["p"].to_numpy(float))
        used += (table["verdict"] == USED).any()
    assert used / n <= 0.06, "tables with a false verdict"
    passed = np.array(p) <= 0.05
    assert 0.03 < passed.mean() < 0.07
    assert (passed.mean(axis=0) < 0.14).all(), "whatever the size"


def test_a_unit_with_an_effect_is_found_alone() -> None:
    design = plan().design
    profile = profile_of_sizes(0, np.linspace(0.7, 1.5, TOP))
    pool = matcher(profile).nearest(design.unit_nulls, design.most_unit_nulls)
    table = unit_table([measured(profile, pool, 0, gain=1000)], plan())
    assert (table["verdict"] == USED).tolist() == [unit == 2 for unit in range(TOP)]
    assert table["n_nulls"].min() >= design.unit_nulls
    assert len(pool) <= 1.5 * design.unit_nulls
    assert table["p"][2] == pytest.approx(1 / (1 + table["n_nulls"][2]))


def test_with_few_random_units_more_are_asked_for_where_there_are() -> None:
    profile = profile_of_sizes(0)
    others = np.arange(TOP, len(profile.size))
    table = unit_table([measured(profile, matcher(profile).nearest(60, 60), 0, gain=1000)], plan())
    assert table["verdict"][2] == UNDECIDED
    assert "one alone cannot pass with so few random units; ask for more" in table["why"][2]
    table = unit_table([measured(profile, matcher(profile).nearest(20, 20), 0)], plan())
    assert table["why"][2].startswith("too few different random units: p cannot be below")
    assert table["why"][2].endswith("ask for more")
    there = others[as_large(profile, 2, others)][:60]
    few = measured(profile, there, 0, gain=1000)
    few.of.ranking.order = np.concatenate([np.arange(TOP), there])
    assert "so few random units; there are no more" in unit_table([few], plan())["why"][2]


def test_where_rounding_does_as_much_no_unit_is_called_unused() -> None:
    profile = profile_of_sizes(0)
    one = measured(profile, matcher(profile).nearest(200, 200), 0, gain=1000)
    assert one.floor("kl") == 0
    before = unit_table([one], plan())["verdict"]
    one.short.kl[-1] = 1.0  # the empty set is the last
    assert one.floor("kl") == 1
    after = unit_table([one], plan())
    assert (before == UNUSED).sum() > 1
    assert (after["verdict"] == UNUSED).sum() < (before == UNUSED).sum()
    one.short.kl[-1] = 100.0
    after = unit_table([one], plan())
    assert not (after["verdict"] == UNUSED).any()
    assert after["why"].str.startswith("below what this precision shows: with nothing").sum() > 1


def test_a_unit_beyond_all_others_has_nothing_to_compare_with() -> None:
    profile = profile_of_sizes(0, np.where(np.arange(TOP) == 0, 100.0, SIZES))
    table = unit_table([measured(profile, matcher(profile).nearest(200, 200), 0)], plan())
    assert table["n_nulls"][0] == 0
    assert np.isnan(table["p"][0])
    assert table["why"][0] == "no random unit changes about as much as it does"


def test_the_pool_serves_small_and_large_units() -> None:
    profile = profile_of_sizes(1)
    others = np.arange(TOP, len(profile.size))
    pool = matcher(profile).nearest(200, 200)
    assert len(set(pool)) == 200
    assert pool.min() >= TOP
    for unit in range(TOP):
        there, drawn = (as_large(profile, unit, units).sum() for units in (others, pool))
        assert drawn >= min(40, there), f"size {profile.size[unit]}"
    alike = profile_of_sizes(2, np.ones(TOP))
    spread = np.abs(alike.mean[matcher(alike).nearest(100, 100)])
    assert spread.max() > 0.5, "not all are like one top unit"
    every = matcher(profile).nearest(10**6, 10**6)
    near = np.zeros(len(profile.size), dtype=bool)
    for unit in range(TOP):
        near[others[as_large(profile, unit, others)]] = True
    assert set(every) == set(np.flatnonzero(near))


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.07, 0.1, 1 / 3])
def test_one_unit_alone_can_pass_whatever_the_top(alpha: float) -> None:
    for top in range(1, 301):
        design = Design(top=top, alpha=alpha, n_nulls=100)
        p = np.ones(top)
        p[0] = 1 / (1 + design.unit_nulls)
        assert stats.adjust(p, method="bh")[0] <= alpha, top


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.07, 0.1, 1 / 3, 0.5])
def test_as_many_sets_are_asked_for_as_can_pass(alpha: float) -> None:
    with pytest.raises(InputError, match=r"ask for \d+ or more") as caught:
        Design(alpha=alpha / 2, n_nulls=1)
    n = int(str(caught.value).split("ask for ")[1].split()[0])
    assert Design(alpha=alpha / 2, n_nulls=n).notes or n >= 100
    with pytest.raises(InputError):
        Design(alpha=alpha / 2, n_nulls=n - 1)
