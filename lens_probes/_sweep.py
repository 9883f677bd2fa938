"""The main path: examples -> activations -> statistics -> result."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from lens_probes.activations.collect import check_work, collect
from lens_probes.checks.hard_negatives import auc_others, further_negatives
from lens_probes.checks.level import errors_at_this_design
from lens_probes.checks.sweep_checks import (
    layer_checks,
    significant_units,
    sweep_checks,
    untrained_counts,
)
from lens_probes.errors import (
    MOST_PERMUTATIONS,
    MOST_SEED,
    InputError,
    alpha_of,
    choice,
    flag,
    whole,
)
from lens_probes.examples.examples import Examples
from lens_probes.examples.folds import make_folds
from lens_probes.examples.notes import notes_on, refuse_padding
from lens_probes.model.load import LensModel, check_model
from lens_probes.probes.base import Probe, examples_of
from lens_probes.result.provenance import provenance_of
from lens_probes.result.result import summarise_layers
from lens_probes.sites import check_layers, check_sites
from lens_probes.stages import Stages
from lens_probes.storage.json_values import to_json_value
from lens_probes.sweep_result import SweepResult
from lens_probes.units.adjustment import Adjustment
from lens_probes.units.best import evidence_of, paint_best
from lens_probes.units.contexts import unit_details
from lens_probes.units.decision import (
    LEVELS,
    METHODS,
    SCOPES,
    Level,
    Method,
    Preset,
    Scope,
    course_p,
    preset_decision,
    resolve,
)
from lens_probes.units.significance import decide, families
from lens_probes.units.table import covariates_of, in_turn, unit_tables, with_shrunk_effects
from lens_probes.units.tuned import tuned_by_layer, tuned_in_all


def sweep(
    model: LensModel,
    probe: Probe | Examples,
    *,
    sites: Iterable[str] = ("mlp_pre",),
    layers: Iterable[int] | int | None = None,
    preset: Preset = "rigorous",
    alpha: float = 0.05,
    method: Method | None = None,
    level: Level | None = None,
    scope: Scope | None = None,
    min_per_group: int | None = None,
    n_permutations: int = 1000,
    untrained: bool = True,
    seed: int = 0,
    batch_size: int | None = None,
    progress: bool = False,
    store: str | Path | None = None,
    executor: Executor | None = None,
) -> SweepResult:
    """Test every unit of some sites and layers for a difference between two classes of tokens.

    Parameters
    ----------
    probe
        A probe, or examples of one's own (`Examples.from_tokens`).
    sites, layers
        Names of `lens_probes.sites.SITES`; layer indices, None for all of them.
    preset
        `"rigorous"`: max-T permutation over replication groups (word types, joined where they are
        read at one token) and all units of the sweep, with held-out scores, nulls and controls.
        `"course"`: what the lessons do: Wald test of the logistic regression, Bonferroni within
        one layer and site, nothing else.
    alpha, method, scope
        Level, correction and family (layer, site, model) instead of the preset's. `"max_t"` names
        units with a family-wise error, `"max_adjusted"` too, given speakers, frequency, length and
        date; to count them `"bh"`, `"by"`, or `"hierarchical"` (layers,
        then units) bound the false discovery rate, by each unit's p of the same permutations
        (`pooled_p`; paired t of pairs), `"bonferroni"` and `"holm"` their family-wise error.
    level
        `"word"`: groups count (default of the rigorous preset); `"token"`: examples do. Where
        groups cannot decide (unknown, too few), the rigorous preset falls back to tokens and says
        why; with a method or level="word" asked for, that is an error.
    min_per_group
        Examples that a group needs to count; None: 5 where half of the groups (of a value: 20)
        have them, else 1.
    n_permutations, seed
        Of the permutation test; the seed also draws folds, nulls and the untrained weights.
    untrained
        Repeat the rigorous sweep on untrained weights: a second round of forward passes.
    store, executor
        Folder that keeps activations, so that a stopped sweep goes on where it was, and who
        computes them; see `collect`.
    progress
        A bar on standard error for each stage: forward passes, statistics, checks, untrained.

    Raises
    ------
    InputError
        Whatever is wrong with the request, in one line, before the forward passes where possible.
    """
    check_model(model)
    check_work(batch_size, progress, store, executor)
    n_permutations = whole("n_permutations", n_permutations, least=1, most=MOST_PERMUTATIONS)
    seed = whole("seed", seed, least=0, most=MOST_SEED)
    alpha, untrained = alpha_of(alpha), flag("untrained", untrained)
    wanted = check_sites(sites, model.shapes), check_layers(layers, model.n_layers)
    choice("preset", preset, ("course", "rigorous"))
    choice("method", "max_t" if method is None else method, METHODS)
    choice("scope", "model" if scope is None else scope, SCOPES)
    choice("level", "word" if level is None else level, LEVELS)
    if min_per_group is not None:
        min_per_group = whole("min_per_group", min_per_group, least=1)
    rigorous = preset == "rigorous"
    stages = Stages(shown=progress)
    with stages.stage("examples", bar=False):
        examples = examples_of(model, probe)
        refuse_padding(examples, model.tokenizer)
        asked = preset_decision(
            preset,
            alpha=alpha,
            method=method,
            level=level,
            scope=scope,
            n_permutations=n_permutations,
            seed=seed,
            course_p=course_p(examples),
        )
        _check_labels(examples)
        others, missing = further_negatives(model, probe) if rigorous else (None, [])
        insist = level == "word" or (method is not None and level is None)
        decision, resolution = resolve(asked, examples, insist=insist, min_per_group=min_per_group)
    read = partial(
        collect,
        sites=wanted[0],
        layers=wanted[1],
        batch_size=batch_size,
        progress=progress,
        store=store,
        executor=executor,
    )
    with stages.stage("forward passes", bar=False):
        activations = stages.watched(read(model, examples))

    with stages.stage("statistics"):
        folds = make_folds(examples, seed=seed)
        covariates = covariates_of(examples, model.tokenizer)
        units = unit_tables(
            activations, examples, covariates, folds if rigorous else None,
            decision.min_per_group if rigorous else None,
        )  # fmt: skip
        units = with_shrunk_effects(units)
        adjustment = Adjustment.of(examples, model.tokenizer) if rigorous else None
        units, decided = decide(units, decision, in_turn(activations), examples, adjustment)
        validation: dict[str, Any] = {"resolution": resolution, "notes": [*folds.notes, *missing]}
        validation["notes"] += notes_on(examples, model.tokenizer)

    if others is not None:
        with stages.stage("forward passes, further negative set", bar=False):
            units["auc_others"] = auc_others(
                activations, read(model, others.examples), examples, units, others.label
            )
            validation["others"] = others.described()

    per_layer = summarise_layers(units)
    if adjustment is not None:
        with stages.stage("checks"):
            family = families(units, decision)
            errors = errors_at_this_design(
                units, examples, decision, adjustment, max(decided.get("threshold", [np.nan]))
            )
            decided |= {} if errors is None else errors.said(decided)
            if decision.method == "max_t":
                bounds = tuned_by_layer(units, decided, family)
                per_layer = per_layer.merge(bounds, on=["layer", "site"])
                validation["tuned"] = tuned_in_all(units, decided)
            choose = partial(
                significant_units, examples=examples, decision=decision, family=family,
                adjustment=adjustment,
            )  # fmt: skip
            checks, nested = layer_checks(activations, examples, decision, choose, folds, seed=seed)
            per_layer = per_layer.merge(checks, on=["layer", "site"])
            validation["held_out_by"] = folds.main_name
            validation |= nested
            validation |= sweep_checks(activations, examples, decision, model.tokenizer, seed=seed)
    if rigorous and untrained:
        with stages.stage("forward passes, untrained", bar=False):
            again = stages.watched(read(model.reinitialised(seed), examples))
        with stages.stage("statistics, untrained"):
            per_layer = per_layer.join(untrained_counts(in_turn(again, activations), choose))

    with stages.stage("paintings and unit cards"):
        evidence = evidence_of(activations, units)
        paintings = paint_best(model, examples, units)
        details = unit_details(model, examples, evidence, units)
    return SweepResult(
        units=units,
        layers=per_layer,
        examples=examples.table(),
        evidence=evidence,
        provenance=to_json_value(
            provenance_of(model, examples, activations, decided), "provenance"
        ),
        validation=to_json_value(validation, "validation"),
        paintings=paintings,
        details=details,
        timings=stages.seconds,
    )


def _check_labels(examples: Examples) -> None:
    to_json_value(dict(examples.origin))
    if examples.value is not None:
        if len(examples) < 3 or np.ptp(examples.value) == 0:
            raise InputError(
                f"{len(examples)} examples with {len(set(examples.value.tolist()))} different "
                "values: 3 examples and 2 values or more are needed."
            )
        return
    for name, n in zip(examples.class_names, examples.n_per_class, strict=True):
        if n < 2:
            raise InputError(f"class {name!r} has {n} examples: 2 or more are needed in each.")
