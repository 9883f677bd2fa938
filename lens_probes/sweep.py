"""The main path: examples -> activations -> statistics -> result."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from lens_probes import stats
from lens_probes.activations import Activations, collect
from lens_probes.decision import Method, Preset, Scope, decide, preset_decision
from lens_probes.errors import InputError
from lens_probes.examples import NO_TOKEN, Examples
from lens_probes.model import LensModel
from lens_probes.paint import Painting, paint
from lens_probes.probes.base import Probe
from lens_probes.result import SweepResult, summarise_layers
from lens_probes.sites import unit_name

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
    batch_size: int | None = None,
    progress: bool = False,
) -> SweepResult:
    """Test every unit of some sites and layers for a difference between two classes of tokens.

    Parameters
    ----------
    probe
        A probe, or examples of one's own (`Examples.from_tokens`).
    sites, layers
        Names of `lens_probes.sites.SITES`; layer indices, None for all of them.
    preset
        `"rigorous"`: score test, Holm over all units of the sweep. `"course"`: what the lessons
        do: Wald test of the logistic regression, Bonferroni within one layer and site.
    alpha, method, scope
        Level, correction (bonferroni, holm, bh, by) and family (layer, site, model) instead of the
        preset's.

    Raises
    ------
    InputError
        Whatever is wrong with the request, in one line, before the forward passes where possible.
    """
    decision = preset_decision(preset, alpha=alpha, method=method, scope=scope)
    clock = _Clock()
    examples = probe if isinstance(probe, Examples) else probe.examples(model)
    _check_classes(examples)
    clock.lap("examples")
    activations = collect(
        model, examples, sites=sites, layers=layers, batch_size=batch_size, progress=progress
    )
    clock.lap("forward passes")
    tables = [_unit_table(activations, key, examples.label) for key in activations]
    units, decided = decide(pd.concat(tables, ignore_index=True), decision)
    clock.lap("statistics")
    result = SweepResult(
        units=units,
        layers=summarise_layers(units),
        examples=examples.table(),
        evidence=_evidence(activations, units),
        provenance=_provenance(model, examples, activations, decided),
        paintings=_paint_best(model, examples, units),
    )
    clock.lap("paintings")
    result.timings.update(clock.seconds)
    return result


def unit_statistics(
    x: Float[np.ndarray, "example unit"], y: Int[np.ndarray, " example"]
) -> dict[str, Any]:
    """Every token-level statistic of the units of one layer and site, by column name."""
    columns: dict[str, Any] = {}
    for part in (stats.moments, stats.ttest, stats.logistic, stats.auc):
        columns |= vars(part(x, y))
    return columns


def _unit_table(
    activations: Activations, key: tuple[int, str], label: Int[np.ndarray, " example"]
) -> pd.DataFrame:
    layer, site = key
    x, shape = activations[key], activations.shapes[site]
    try:
        columns = unit_statistics(x, label)
    except ValueError as error:
        raise InputError(f"layer {layer}, site {site}: {error}") from error
    names = [unit_name(layer, site, unit, shape) for unit in range(x.shape[1])]
    index = {"layer": layer, "site": site, "unit": np.arange(x.shape[1]), "name": names}
    return pd.DataFrame(index | columns)


def _check_classes(examples: Examples) -> None:
    for name, n in zip(examples.class_names, examples.n_per_class, strict=True):
        if n < 2:
            raise InputError(f"class {name!r} has {n} examples: 2 or more are needed in each.")


def _evidence(activations: Activations, units: pd.DataFrame) -> pd.DataFrame:
    """Activations [example, unit] of the best units of every layer and site."""
    ranked = units.dropna(subset="log10_score_p").sort_values("log10_score_p", kind="stable")
    best = ranked.groupby(["layer", "site"], sort=False).head(EVIDENCE_PER_SITE).sort_index()
    places = zip(best["name"], best["layer"], best["site"], best["unit"], strict=True)
    return pd.DataFrame({name: activations[layer, site][:, u] for name, layer, site, u in places})


def _paint_best(model: LensModel, examples: Examples, units: pd.DataFrame) -> tuple[Painting, ...]:
    """Windows spread over each class, under the unit with the strongest evidence."""
    if units["log10_score_p"].isna().all() or model.tokenizer is None:
        return ()
    best = units.loc[units["log10_score_p"].idxmin()]
    rows: list[int] = []
    for label in (0, 1):
        of_class = np.flatnonzero(examples.label == label)
        spread = np.linspace(0, len(of_class) - 1, min(PAINTED_PER_CLASS, len(of_class)))
        rows += of_class[np.unique(spread.astype(int))].tolist()
    return paint(
        model,
        [examples.tokens[row][examples.tokens[row] != NO_TOKEN] for row in rows],
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
            "tokens_up_to_target": [int(examples.position.min()) + 1,
                                    int(examples.position.max()) + 1],
            "sha256": examples.digest,
            "counts": dict(examples.counts),
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
