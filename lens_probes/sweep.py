"""The main path: examples -> activations -> statistics -> result."""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lens_probes.activations import Activations, collect
from lens_probes.decision import (
    Method,
    Preset,
    Scope,
    course_p,
    preset_decision,
    rank_column,
    resolve,
)
from lens_probes.errors import InputError
from lens_probes.example_checks import NO_TOKEN
from lens_probes.examples import Examples
from lens_probes.model import LensModel
from lens_probes.paint import paint
from lens_probes.painting import Painting
from lens_probes.plain import plain
from lens_probes.probes.base import Probe
from lens_probes.result import SweepResult, summarise_layers
from lens_probes.significance import decide, families
from lens_probes.sites import check_layers, check_sites
from lens_probes.unit_contexts import unit_details
from lens_probes.unit_table import covariates_of, in_turn, specificity, unit_table
from lens_probes.validate.checks import layer_checks, sweep_checks, untrained_shares
from lens_probes.validate.folds import make_folds

EVIDENCE_PER_SITE = 2
PAINTED_PER_CLASS = 3


def sweep(
    model: LensModel,
    probe: Probe | Examples,
    *,
    sites: Iterable[str] = ("mlp_pre",),
    layers: Iterable[int] | int | None = None,
    preset: Preset = "rigorous",
    alpha: float = 0.05,
    method: Method | None = None,
    scope: Scope | None = None,
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
        `"rigorous"`: max-T permutation over word types and all units of the sweep, with held-out
        scores, nulls and controls. `"course"`: what the lessons do: Wald test of the logistic
        regression, Bonferroni within one layer and site, nothing else.
    alpha, method, scope
        Level, correction (max_t, bonferroni, holm, bh, by) and family (layer, site, model)
        instead of the preset's. Any method but max_t decides at token level. Where word types
        cannot decide (unknown, in both classes, too few), the rigorous preset falls back to tokens
        and says why; with max_t asked for, that is an error.
    n_permutations, seed
        Of the permutation test; the seed also draws folds, nulls and the untrained weights.
    untrained
        Repeat the rigorous sweep on untrained weights: a second round of forward passes.
    store, executor
        Folder that keeps activations, so that a stopped sweep goes on where it was, and who
        computes them; see `collect`.

    Raises
    ------
    InputError
        Whatever is wrong with the request, in one line, before the forward passes where possible.
    """
    clock = _Clock()
    if not isinstance(probe, Probe | Examples):
        raise InputError(f"probe must be a Probe or Examples; got {type(probe).__name__}.")
    examples = probe if isinstance(probe, Examples) else probe.examples(model)
    asked = preset_decision(
        preset,
        alpha=alpha,
        method=method,
        scope=scope,
        n_permutations=n_permutations,
        seed=seed,
        course_p=course_p(examples),
    )
    _check_labels(examples)
    others, without = _further_negatives(model, probe, preset)
    decision, resolution = resolve(asked, examples, insist=method == "max_t")
    clock.lap("examples")
    how: dict[str, Any] = {
        "batch_size": batch_size, "progress": progress, "store": store, "executor": executor
    }  # fmt: skip
    names, wanted = check_sites(sites, model.shapes), check_layers(layers, model.n_layers)
    activations = collect(model, examples, sites=names, layers=wanted, **how)
    clock.lap("forward passes")
    folds = make_folds(examples, seed=seed)
    covariates = covariates_of(examples, model.tokenizer)
    tables = [
        unit_table(activations, key, examples, covariates, folds if preset == "rigorous" else None)
        for key in activations
    ]
    units = pd.concat(tables, ignore_index=True)
    units, decided = decide(units, decision, in_turn(activations), examples)
    validation: dict[str, Any] = {"resolution": resolution, "notes": [*folds.notes, *without]}
    clock.lap("statistics")
    if others is not None and isinstance(probe, Probe):
        read = collect(model, others, sites=names, layers=wanted, **how)
        units["auc_others"] = np.concatenate(
            [
                specificity(
                    activations[key], read[key], examples.label, direction, probe.others_label
                )
                for key, direction in zip(activations, _by_key(units, "direction"), strict=True)
            ]
        )
        validation["others"] = {
            "what": probe.control, "n": len(others), "label": probe.others_label
        }  # fmt: skip
        clock.lap("forward passes, further negative set")
    per_layer = summarise_layers(units)
    if preset == "rigorous":
        family = families(units, decision)
        checks = layer_checks(activations, examples, decision, family, folds, seed=seed)
        per_layer = per_layer.merge(checks, on=["layer", "site"])
        validation |= {"held_out_by": folds.main_name}
        validation |= sweep_checks(activations, examples, decision, model.tokenizer, seed=seed)
        clock.lap("checks")
        if untrained:
            per_layer["untrained_share_significant"] = untrained_shares(
                model, examples, activations, decision, family, seed=seed, how=how
            )
            clock.lap("forward passes, untrained")
    evidence = _evidence(activations, units)
    paintings = _paint_best(model, examples, units)
    details = unit_details(model, examples, evidence, units)
    clock.lap("paintings and unit cards")
    return SweepResult(
        units=units,
        layers=per_layer,
        examples=examples.table(),
        evidence=evidence,
        provenance=plain(_provenance(model, examples, activations, decided), "provenance"),
        validation=plain(validation, "validation"),
        paintings=paintings,
        details=details,
        timings=clock.seconds,
    )


def _further_negatives(
    model: LensModel, probe: Probe | Examples, preset: Preset
) -> tuple[Examples | None, list[str]]:
    """The probe's further negative set, or None with the reason."""
    if isinstance(probe, Examples) or preset == "course":
        return None, []
    try:
        others = probe.others(model)
    except InputError as error:
        return None, [f"no further negative set ({probe.control}): {error}"]
    if others is None and type(probe).others is not Probe.others:
        return None, [f"no further negative set ({probe.control}): the text has too few"]
    return others, []


def _check_labels(examples: Examples) -> None:
    plain(dict(examples.origin))
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


def _by_key(units: pd.DataFrame, column: str) -> list[NDArray[np.float64]]:
    """A column of the units, one array for each layer and site in their order."""
    groups = units.groupby(["layer", "site"], sort=False)[column]
    return [values.to_numpy(float) for _, values in groups]


def _evidence(activations: Activations, units: pd.DataFrame) -> pd.DataFrame:
    """Activations [example, unit] of the best units of every layer and site."""
    rank = rank_column(units)
    ranked = units.dropna(subset=rank).sort_values(rank, kind="stable")
    best = ranked.groupby(["layer", "site"], sort=False).head(EVIDENCE_PER_SITE).sort_index()
    places = zip(best["name"], best["layer"], best["site"], best["unit"], strict=True)
    return pd.DataFrame(
        {name: activations[layer, site][:, u].copy() for name, layer, site, u in places}
    )


def _paint_best(model: LensModel, examples: Examples, units: pd.DataFrame) -> tuple[Painting, ...]:
    """Windows spread over each class, under the unit with the strongest evidence."""
    rank = rank_column(units)
    ranked = units.dropna(subset=rank)
    if ranked.empty or model.tokenizer is None:
        return ()
    best = ranked.iloc[int(ranked[rank].argmin())]
    rows: list[int] = []
    n_ctx = int(model.cfg.n_ctx)
    for label in (0, 1):
        of_class = np.flatnonzero(examples.label == label)
        spread = np.linspace(0, len(of_class) - 1, min(PAINTED_PER_CLASS, len(of_class)))
        rows += of_class[np.unique(spread.astype(int))].tolist()
    return paint(
        model,
        [examples.tokens[row][examples.tokens[row] != NO_TOKEN][:n_ctx] for row in rows],
        layer=int(best["layer"]),
        site=str(best["site"]),
        unit=int(best["unit"]),
        titles=[examples.class_names[examples.label[row]] for row in rows],
        targets=[int(examples.position[row]) for row in rows],
    )


def _provenance(
    model: LensModel, examples: Examples, activations: Activations, decided: dict[str, Any]
) -> dict[str, Any]:
    n_words = [
        0 if examples.word is None else len(set(examples.word[examples.label == label]))
        for label in (0, 1)
    ]
    return {
        "model": model.provenance,
        "examples": {
            "class_names": list(examples.class_names),
            "n_per_class": list(examples.n_per_class),
            "n_words_per_class": n_words,
            "n_sources": 0 if examples.source is None else len(set(examples.source)),
            "by_source": examples.by_source().to_dict("records"),
            "tokens_up_to_target": [int(examples.position.min()) + 1,
                                    int(examples.position.max()) + 1],
            "sha256": examples.digest,
            "counts": dict(examples.counts),
            "value_name": examples.value_name or None,
            "tokens_computed": activations.tokens_computed,
            "origin": dict(examples.origin),
        },
        "layers": sorted({layer for layer, _ in activations}),
        "sites": list(dict.fromkeys(site for _, site in activations)),
        "decision": decided,
    }  # fmt: skip


class _Clock:
    """Seconds between laps."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.seconds[name] = now - self._last
        self._last = now
