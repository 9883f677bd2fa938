"""The part of `result.json` that says what a rigorous sweep checked beside its tests."""

from __future__ import annotations

from pydantic import Field

from lens_probes.storage.schemas.base import Number, Pair, Saved


class Null(Saved):
    """How often a test passes where there is nothing to find."""

    nominal: Number
    unit: Number
    family: Number
    n: int


class Confound(Saved):
    """A property in both classes; a source or a document has levels in place of means."""

    auc: float
    mean0: Number = None
    mean1: Number = None
    levels: int | None = None
    not_given: str = ""


class Splits(Saved):
    """The classes beside other splits of their words."""

    share: Number
    other_splits_low: Number
    other_splits_median: Number
    other_splits_high: Number
    other_splits_max: Number
    p: Number
    p_min: Number
    n: int
    exact: bool
    n_words: Pair
    alpha_unit: Number


class Tuned(Saved):
    """Lower bounds on the number of tuned units."""

    n_tested: int
    at_least: int
    by_site: dict[str, int]
    confidence: float


class Estimate(Saved):
    """A held-out AUC with its interval."""

    auc: Number
    low: Number
    high: Number


class Nested(Saved):
    """What the training folds chose, and what it is worth."""

    unit: Estimate
    mean_difference: Estimate
    logistic_probe: Estimate
    chosen_unit: list[str]
    chosen_array: list[tuple[int, str]]


class NestedClasses(Saved):
    """The same of several classes."""

    unit: Number
    probe: Number
    chance: float
    confusion: list[list[int]]
    chosen_unit: list[str]
    chosen_array: list[tuple[int, str]]


class Others(Saved):
    """A further negative set."""

    what: str
    n: int
    label: int | None


class Validation(Saved):
    """What a rigorous sweep checked beside its tests."""

    resolution: str | None = None
    notes: list[str] = Field(default_factory=list)
    held_out_by: str | None = None
    nulls: dict[str, Null] = Field(default_factory=dict)
    confounds: dict[str, Confound] = Field(default_factory=dict)
    splits: Splits | None = None
    tuned: Tuned | None = None
    nested_best: Nested | None = None
    nested_best_r: float | None = None
    nested_classes: NestedClasses | None = None
    others: Others | None = None
