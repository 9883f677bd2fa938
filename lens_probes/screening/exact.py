"""Single units ablated exactly, by the causal card's own passes, for a sample to compare with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray

from lens_probes.ablation.effects import measure
from lens_probes.ablation.jobs import Job, JobsOfLayer
from lens_probes.ablation.rerun import Way, rerun, start
from lens_probes.ablation.windows import Group, Positions, Replacement, masks
from lens_probes.model.load import LensModel
from lens_probes.screening.gradients import Key, first_token
from lens_probes.screening.metrics import Metric, value_of
from lens_probes.sites import SITES

_COPIES, _WINDOWS = 64, 8


def exact_effects(
    model: LensModel,
    groups: Sequence[Group],
    units: dict[Key, NDArray[np.int64]],
    reference: dict[Key, Float[np.ndarray, " unit"]],
    metric: Metric,
    *,
    positions: Positions,
    way: Way,
    advance: Callable[[int], Any] = lambda _: None,
) -> dict[Key, Float[np.ndarray, " unit"]]:
    """Mean effect over some windows of each unit set to its reference; at times of none at all.

    What comes behind the units of each layer's first site is the effect of an ablation of nothing:
    rounding.
    """
    none = np.empty(0, dtype=np.int64)
    jobs, seen = [], set()
    for (layer, site), chosen in units.items():
        sets = [np.array([unit]) for unit in chosen]
        if layer not in seen:
            sets.append(none)
            seen.add(layer)
        fixed = Replacement(reference[layer, site].astype(np.float32))
        mask = masks(sets, model.shapes[site].n_units)
        jobs.append(Job(layer, site, mask, fixed, metric.after == 0))
    if metric.on_logits is not None:
        every = _of_logits(model, groups, jobs, metric, positions, way, advance)
    else:
        name = "kl" if metric.name == "kl" else "loss_after"
        layers = list(dict.fromkeys(job.layer for job in jobs))
        together = [JobsOfLayer(i, tuple(job for job in jobs if job.layer == i)) for i in layers]
        measured = measure(
            model, list(groups), together, positions=positions, way=way, advance=advance
        )
        of_layer = dict(zip(layers, measured, strict=True))
        every, begun = [], dict.fromkeys(layers, 0)
        for job in jobs:
            mine = slice(begun[job.layer], begun[job.layer] + len(job))
            begun[job.layer] = mine.stop
            every.append(getattr(of_layer[job.layer], name)[mine].mean(axis=1))
    return dict(zip(units, every, strict=True))


def _of_logits(
    model: LensModel, groups: Sequence[Group], jobs: Sequence[Job], metric: Metric,
    positions: Positions, way: Way, advance: Callable[[int], Any],
) -> list[NDArray[np.float64]]:  # fmt: skip
    """As `measure`, of a number that the user makes of the logits at the read position."""
    assert metric.on_logits is not None
    totals = [np.zeros(len(job)) for job in jobs]
    with torch.inference_mode():
        for group in (part for whole in groups for part in whole.part(_WINDOWS)):
            first = first_token(group, positions, way)
            tokens = torch.from_numpy(group.tokens[:, : group.read + 1].astype(np.int64))
            begun = start(model, tokens.to(model.device), first, [job.layer for job in jobs])
            intact = value_of(metric.on_logits, begun.logits[:, -1].float())
            replaced = group.where(positions)
            length = begun.logits.shape[1]
            where = slice(replaced.start - first, min(replaced.stop - first, length))
            for job, total in zip(jobs, totals, strict=True):
                edits = job.edits(group.rows, where, model.device)
                name = SITES[job.site].hook_name(job.layer)
                for at in range(0, len(job), _COPIES):
                    here = slice(at, min(at + _COPIES, len(job)))
                    logits = rerun(model, begun, job.layer, here.stop - at,
                                   fwd_hooks=[(name, edits(here))])  # fmt: skip
                    values = [value_of(metric.on_logits, one[:, -1].float()) for one in logits]
                    total[here] += [float((one - intact).double().sum()) for one in values]
                advance(len(job) * len(group.rows))
    n = sum(len(group.rows) for group in groups)
    return [total / n for total in totals]
