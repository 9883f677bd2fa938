"""Activations and examples -> result: what every sweep does, wherever its activations come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from lens_probes._request import Design
from lens_probes.activations.collect import Activations
from lens_probes.checks.directions import directions_of
from lens_probes.checks.hard_negatives import FurtherNegatives, auc_others
from lens_probes.checks.level import errors_at_this_design
from lens_probes.checks.sets import (
    UnitSets,
    unit_sets,
    with_untrained,
)
from lens_probes.checks.sweep_checks import (
    layer_checks,
    significant_units,
    sweep_checks,
    untrained_counts,
)
from lens_probes.examples.examples import Examples
from lens_probes.examples.folds import Folds, make_folds
from lens_probes.model.load import LensModel
from lens_probes.result.layers import summarise_layers
from lens_probes.result.provenance import provenance_of
from lens_probes.stages import Stages
from lens_probes.storage.json_values import to_json_value
from lens_probes.sweep_result import SweepResult
from lens_probes.units.adjustment import Adjustment
from lens_probes.units.contexts import unit_details
from lens_probes.units.paint import evidence_of, paint_best
from lens_probes.units.presence import with_presence
from lens_probes.units.significance import decide, families
from lens_probes.units.table import covariates_of, in_turn, unit_tables, with_shrunk_effects
from lens_probes.units.tuned import tuned_by_layer, tuned_in_all


@dataclass(frozen=True)
class WithModel:
    """What a sweep does with its model beside reading the examples.

    `read` collects the same layers and sites; `others` is the probe's further negative set, or
    None; `untrained`: repeat the rigorous sweep on untrained weights.
    """

    model: LensModel
    read: Callable[[LensModel, Examples], Activations]
    others: FurtherNegatives | None
    untrained: bool


def analyse(
    activations: Activations,
    design: Design,
    stages: Stages,
    *,
    source: Mapping[str, Any],
    notes: Sequence[str],
    with_model: WithModel | None = None,
) -> SweepResult:
    """Statistics, checks and what a report shows, of activations in the order of the examples.

    Parameters
    ----------
    source
        What the provenance says of the model, or of activations that were given.
    notes
        What is known of the examples and what is left out, beside what the folds say.
    with_model
        None where there is none: then nothing is said of confounds that a tokenizer tells, of
        untrained weights, of further negatives; no window is painted.

    Raises
    ------
    InputError
        An activation that is not finite, by its layer, site, unit and example.
    """
    request, examples, decision = design.request, design.examples, design.decision
    model = None if with_model is None else with_model.model
    tokenizer = None if model is None else model.tokenizer
    with stages.stage("statistics"):
        folds = make_folds(examples, seed=request.seed)
        adjustment = Adjustment.of(examples, tokenizer) if request.rigorous else None
        units = unit_tables(
            activations, examples, covariates_of(examples, tokenizer),
            folds if request.rigorous else None,
            decision.min_per_group if request.rigorous else None,
        )  # fmt: skip
        units = with_shrunk_effects(units)
        units, sparse = (
            with_presence(units, activations, examples, decision)
            if request.rigorous
            else (units, [])
        )
        units, decided = decide(units, decision, in_turn(activations), examples, adjustment)
    validation: dict[str, Any] = {
        "resolution": design.resolution,
        "notes": [*folds.notes, *sparse, *notes],
    }
    if with_model is not None and (others := with_model.others) is not None:
        with stages.stage("forward passes, further negative set", bar=False):
            read = with_model.read(with_model.model, others.examples)
            units["auc_others"] = auc_others(activations, read, examples, units, others.label)
            validation["others"] = others.described()
    per_layer = summarise_layers(units)
    sets: UnitSets | None = None
    if request.sets:
        with stages.stage("sets of units"):
            sets = unit_sets(activations, examples, request.sets, folds, seed=request.seed)
    directions: pd.DataFrame | None = None
    if adjustment is not None:
        checks = _Checks(activations, design, units, folds, adjustment)
        with stages.stage("checks"):
            decided |= checks.errors(decided)
            per_layer, said = checks.made(per_layer, decided, tokenizer)
            validation |= said
            directions = directions_of(activations, examples)
        if with_model is not None and with_model.untrained:
            with stages.stage("forward passes, untrained", bar=False):
                fresh = with_model.model.reinitialised(request.seed)
                again = stages.watched(with_model.read(fresh, examples))
            with stages.stage("statistics, untrained"):
                counts = untrained_counts(in_turn(again, activations), checks.choose)
                per_layer = per_layer.join(counts)
                if sets is not None:
                    bare = unit_sets(again, examples, request.sets, folds, seed=request.seed)
                    sets = with_untrained(sets, bare)
    with stages.stage("paintings and unit cards"):
        evidence = evidence_of(activations, units)
        paintings = () if model is None else paint_best(model, examples, units, evidence)
        details = {} if model is None else unit_details(model, examples, evidence, units)
    return SweepResult(
        units=units,
        layers=per_layer,
        examples=examples.table(),
        evidence=evidence,
        provenance=to_json_value(
            provenance_of(source, examples, activations, decided), "provenance"
        ),
        validation=to_json_value(validation, "validation"),
        paintings=paintings,
        details=details,
        timings=stages.seconds,
        direction_table=directions,
        sets=None if sets is None else sets.table,
        set_members=None if sets is None else sets.members,
        activations=activations,
    )


class _Checks:
    """What the rigorous preset checks of a sweep's own activations."""

    def __init__(
        self,
        activations: Activations,
        design: Design,
        units: pd.DataFrame,
        folds: Folds,
        adjustment: Adjustment,
    ) -> None:
        self.activations, self.design, self.units = activations, design, units
        self.folds, self.adjustment = folds, adjustment
        self.family = families(units, design.decision)
        self.choose = partial(
            significant_units,
            examples=design.examples,
            decision=design.decision,
            family=self.family,
            adjustment=adjustment,
        )

    def errors(self, decided: dict[str, Any]) -> dict[str, Any]:
        """Simulated errors of the deciding test in this design, for the decision's record."""
        errors = errors_at_this_design(
            self.units, self.design.examples, self.design.decision, self.adjustment,
            max(decided.get("threshold", [np.nan])),
        )  # fmt: skip
        return {} if errors is None else errors.said(decided)

    def made(
        self, per_layer: pd.DataFrame, decided: dict[str, Any], tokenizer: Any
    ) -> tuple[pd.DataFrame, dict[str, Any]]:
        """The layers' table with what is checked in each, and what is said once for all."""
        examples, decision = self.design.examples, self.design.decision
        seed = self.design.request.seed
        said: dict[str, Any] = {}
        if decision.method == "max_t":
            bounds = tuned_by_layer(self.units, decided, self.family)
            per_layer = per_layer.merge(bounds, on=["layer", "site"])
            said["tuned"] = tuned_in_all(self.units, decided)
        table, nested = layer_checks(
            self.activations, examples, decision, self.choose, self.folds, seed=seed
        )
        said |= {"held_out_by": self.folds.main_name, **nested}
        said |= sweep_checks(self.activations, examples, decision, tokenizer, seed=seed)
        return per_layer.merge(table, on=["layer", "site"]), said
