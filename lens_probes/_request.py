"""What is asked of a sweep's statistics, checked, and the decision that its examples allow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lens_probes.checks.sets import (
    check_sets,
    sizes_of_sets,
)
from lens_probes.errors import (
    MOST_PERMUTATIONS,
    MOST_SEED,
    InputError,
    alpha_of,
    choice,
    whole,
)
from lens_probes.examples.examples import Examples
from lens_probes.storage.json_values import to_json_value
from lens_probes.units.decision import (
    LEVELS,
    METHODS,
    SCOPES,
    Decision,
    Level,
    Method,
    Preset,
    Scope,
    course_p,
    preset_decision,
    resolve,
)


@dataclass(frozen=True)
class Request:
    """What is asked of a sweep's statistics, whatever its units: see `lens_probes.sweep`.

    Raises
    ------
    InputError
        An option that is none, in one line.
    """

    preset: Preset
    alpha: float
    method: Method | None
    level: Level | None
    scope: Scope | None
    min_per_group: int | None
    n_permutations: int
    seed: int
    sets: Any = False

    def __post_init__(self) -> None:
        n = whole("n_permutations", self.n_permutations, least=1, most=MOST_PERMUTATIONS)
        object.__setattr__(self, "n_permutations", n)
        object.__setattr__(self, "seed", whole("seed", self.seed, least=0, most=MOST_SEED))
        object.__setattr__(self, "alpha", alpha_of(self.alpha))
        choice("preset", self.preset, ("course", "rigorous"))
        choice("method", "max_t" if self.method is None else self.method, METHODS)
        choice("scope", "model" if self.scope is None else self.scope, SCOPES)
        choice("level", "word" if self.level is None else self.level, LEVELS)
        if self.min_per_group is not None:
            least = whole("min_per_group", self.min_per_group, least=1)
            object.__setattr__(self, "min_per_group", least)
        object.__setattr__(self, "sets", sizes_of_sets(self.sets))

    @property
    def rigorous(self) -> bool:
        """Whether groups, held-out scores, nulls and controls are wanted."""
        return self.preset == "rigorous"

    def design(self, examples: Examples) -> Design:
        """The decision that these examples allow.

        Raises
        ------
        InputError
            Too few examples, or groups that cannot decide where they were asked to.
        """
        asked = preset_decision(
            self.preset,
            alpha=self.alpha,
            method=self.method,
            level=self.level,
            scope=self.scope,
            n_permutations=self.n_permutations,
            seed=self.seed,
            course_p=course_p(examples),
        )
        _check_labels(examples)
        if self.sets:
            check_sets(examples)
        insist = self.level == "word" or (self.method is not None and self.level is None)
        decision, resolution = resolve(
            asked, examples, insist=insist, min_per_group=self.min_per_group
        )
        return Design(self, examples, decision, resolution)


@dataclass(frozen=True)
class Design:
    """Examples with the decision that they allow, and how small its p can be (`resolution`)."""

    request: Request
    examples: Examples
    decision: Decision
    resolution: str


def _check_labels(examples: Examples) -> None:
    to_json_value(dict(examples.origin))
    if problem := examples.contrast.problem():
        raise InputError(problem)
