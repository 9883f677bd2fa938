"""Which units to ablate: the best of one half of the examples, and what to compare them with."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from lens_probes import stats
from lens_probes.ablation.design import check_top
from lens_probes.ablation.matching import Matcher, Profile, Units
from lens_probes.examples.examples import Examples
from lens_probes.examples.replication_groups import mixed_examples

_LIKE_BEST = 20
_TRIES = 3
_DOSES = (1, 2, 5, 10, 20, 50, 100, 200, 500)


@dataclass(frozen=True)
class Ranking:
    """Units of one layer and site by the score test on the chosen half; arrays [unit].

    `order` lists the units that vary, strongest evidence first.
    """

    order: Units
    r: Float[np.ndarray, " unit"]
    log10_p: Float[np.ndarray, " unit"]
    mean: Float[np.ndarray, " unit"]
    sd: Float[np.ndarray, " unit"]


def rank(x: Float[np.ndarray, "example unit"], examples: Examples) -> Ranking:
    """Rank units by n r^2, the score statistic of the logit."""
    r = stats.correlation(x, examples.label).r
    log10_p = stats.chi2_tail(len(examples) * r**2)[1]
    wide = x.astype(np.float64)
    order = np.argsort(np.where(np.isnan(r), np.inf, -np.abs(r)), kind="stable")
    order = order[: int((~np.isnan(r)).sum())]
    return Ranking(order, r, log10_p, wide.mean(axis=0), wide.std(axis=0, ddof=1))


@dataclass(frozen=True)
class Sets:
    """Sets of units of one layer and site.

    Attributes
    ----------
    top
        The best units, best first: their beginnings are the dose curve.
    matched, matched_units
        Different random sets like the top units in mean and in what ablating them changes (see
        `matching.Profile`), and such single units.
    like_best
        Single units like the best one, for steering.
    nonsignificant
        Random sets of units that do not pass p < 0.05 on the chosen half.
    shuffled
        The best units of rankings with shuffled labels.
    """

    top: Units
    matched: list[Units]
    matched_units: Units
    like_best: Units
    nonsignificant: list[Units]
    shuffled: list[Units]
    notes: tuple[str, ...] = field(default=())

    @property
    def doses(self) -> list[Units]:
        """Beginnings of the top units, of growing size; all of them last."""
        sizes = [k for k in _DOSES if k < len(self.top)]
        return [self.top[:k] for k in [*sizes, len(self.top)]]


def draw_sets(
    ranking: Ranking,
    x: Float[np.ndarray, "example unit"],
    examples: Examples,
    profile: Profile,
    *,
    top: int,
    n_nulls: int,
    n_unit_nulls: int,
    most_unit_nulls: int,
    n_controls: int,
    seed: int = 0,
) -> Sets:
    """The top units and everything they are compared with.

    Parameters
    ----------
    ranking, x, examples
        Of the half that units are chosen on.
    profile
        What matched sets shall share with the top units, from the measured windows.

    Raises
    ------
    InputError
        Too few units that vary to draw random sets from.
    """
    rng = np.random.default_rng(seed)
    best, others = ranking.order[:top], ranking.order[top:]
    check_top(top, len(ranking.order))
    notes = []
    matcher = Matcher(profile, best, others)
    matched = _different(matcher, n_nulls, rng)
    if len(matched) < n_nulls:
        notes.append(f"{len(matched)} different random sets were found, not {n_nulls}")
    quiet = others[ranking.log10_p[others] > np.log10(0.05)]
    nonsignificant = []
    if len(quiet) >= top:
        nonsignificant = [rng.permutation(quiet)[:top] for _ in range(n_controls)]
    else:
        notes.append(f"no sets of non-significant units: {len(quiet)} have p > 0.05")
    return Sets(
        top=best,
        matched=matched,
        matched_units=matcher.nearest(n_unit_nulls, most_unit_nulls),
        like_best=matcher.like_best(_LIKE_BEST),
        nonsignificant=nonsignificant,
        shuffled=[_shuffled_best(x, examples, top, rng) for _ in range(n_controls)],
        notes=tuple(notes),
    )


def _different(matcher: Matcher, n: int, rng: np.random.Generator) -> list[Units]:
    """n different sets, or as many as come out of three times as many draws."""
    found: dict[tuple[int, ...], Units] = {}
    for _ in range(_TRIES * n):
        units = matcher.draw(rng)
        found[tuple(units.tolist())] = units
        if len(found) == n:
            break
    return list(found.values())


def _shuffled_best(
    x: Float[np.ndarray, "example unit"], examples: Examples, top: int, rng: np.random.Generator
) -> Units:
    """Top of the ranking by labels shuffled over groups, or over examples where they must."""
    y, group = examples.label, examples.group
    shuffled = rng.permutation(y)
    if group is not None and not mixed_examples(examples).any():
        by_group = rng.permutation(y[np.unique(group, return_index=True)[1]])[group]
        shuffled = by_group if np.ptp(by_group) > 0 else shuffled
    r = np.abs(np.nan_to_num(stats.correlation(x, shuffled).r, nan=-1.0))
    return np.sort(np.argsort(-r, kind="stable")[:top])
