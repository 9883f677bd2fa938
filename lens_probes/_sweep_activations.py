"""A sweep of activations that are there already: statistics, checks and report without a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
from numpy.typing import ArrayLike

from lens_probes._analysis import analyse
from lens_probes._request import Request
from lens_probes.activations.given import Given, given_activations
from lens_probes.errors import InputError, flag
from lens_probes.examples.examples import Examples
from lens_probes.examples.labels_alone import labels_alone
from lens_probes.examples.notes import notes_on
from lens_probes.stages import Stages
from lens_probes.sweep_result import SweepResult
from lens_probes.units.adjustment import Adjustment
from lens_probes.units.decision import Level, Method, Preset, Scope

_WITHOUT_MODEL = (
    "activations were given without their model: there are no untrained weights, no further "
    "negative set, no confounds of the text, no painted windows and no direct effects"
)


def sweep_activations(
    activations: Any,
    examples: Any,
    names: Any = None,
    word: Iterable[str | int] | None = None,
    group: Iterable[str | int] | None = None,
    *,
    source: Iterable[str | int] | None = None,
    pair: Iterable[str | int] | None = None,
    covariates: Mapping[str, ArrayLike] | None = None,
    label_name: str = "label",
    preset: Preset = "rigorous",
    alpha: float = 0.05,
    method: Method | None = None,
    level: Level | None = None,
    scope: Scope | None = None,
    min_per_group: int | None = None,
    n_permutations: int = 1000,
    sets: bool | Iterable[int] = False,
    seed: int = 0,
    progress: bool = False,
) -> SweepResult:
    """Test units of your own, given as numbers: features, directions, another model's activations.

    All statistics, checks and the report of `sweep` that need no model. On the activations that a
    sweep has read the columns of both are equal to the bit, but for those that confounds of the
    text go into: give `covariates` for them.

    Parameters
    ----------
    activations
        [example, unit] by (layer, site), with any name for a site; or one such array. NumPy,
        torch, lists, a data frame (its columns name the units), what `collect` gave, or the path
        of an activation store.
    examples
        Examples, or [example] labels: two classes, by name or number, or a continuous label.
    names
        Names of the units: a list for one array, lists by (layer, site) for several.
    word, group, source, pair
        [example] word type, independent group, passage and pair, beside labels. Groups, else word
        types, are the unit of replication.
    covariates
        [example] numbers by name that partial effects and the adjusted test are given.
    label_name
        What a continuous label is called.
    preset, alpha, method, level, scope, min_per_group, n_permutations, sets, seed, progress
        As in `sweep`.

    Raises
    ------
    InputError
        A shape, length, name or number that is wrong, in one line.

    Examples
    --------
    >>> import numpy as np
    >>> import lens_probes as lp
    >>> y = np.repeat([0, 1], 20)
    >>> x = np.random.default_rng(0).normal(size=(40, 3)) + 3 * y[:, None] * [1, 0, 0]
    >>> word = [f"w{i // 2}" for i in range(40)]
    >>> result = lp.sweep_activations(x, y, word=word, n_permutations=199)
    >>> result.top(1)["name"].item()
    'L0.units.0'
    """
    request = Request(
        preset, alpha, method, level, scope, min_per_group, n_permutations, seed, sets
    )
    stages = Stages(shown=flag("progress", progress))
    with stages.stage("examples", bar=False):
        given = given_activations(activations, names)
        beside = {"word": word, "group": group, "source": source, "pair": pair}
        found = _examples(
            given, examples, beside | {"covariates": covariates, "label_name": label_name}
        )
        design = request.design(found)
        notes = [*notes_on(found, None), _WITHOUT_MODEL]
        if request.rigorous and not Adjustment.of(found, None).names:
            notes.append("no covariates were given: there is no test adjusted for them")
    return analyse(
        stages.watched(given.activations),
        design,
        stages,
        source={"model": None, "activations": dict(given.origin)},
        notes=notes,
    )


def _examples(given: Given, examples: Any, beside: dict[str, Any]) -> Examples:
    n = given.n_examples
    if isinstance(examples, Examples):
        extra = [
            k for k, v in beside.items() if v is not None and (k, v) != ("label_name", "label")
        ]
        if extra:
            raise InputError(
                f"{extra[0]} belongs to the examples: make them with it, or give labels in place "
                "of examples."
            )
        if len(examples) != n:
            raise InputError(
                f"{n} examples have activations and {len(examples)} are given: give as many."
            )
        return examples
    indexed = isinstance(examples, pd.Series) and given.index is not None
    if indexed and not examples.index.equals(given.index):
        raise InputError(
            "the labels and the activations are pandas objects with other indices: bring the rows "
            "into one order (labels.loc[frame.index])."
        )
    return labels_alone(examples, n, **beside)
