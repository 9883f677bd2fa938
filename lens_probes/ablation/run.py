"""ablate(): take the best units away and see what the model does without them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from lens_probes.ablation.card import METHOD, CausalCard
from lens_probes.ablation.design import Design
from lens_probes.ablation.effects import TOKENS_PER_PASS, measure
from lens_probes.ablation.halves import Halves, draw_windows, halves, without_left_out
from lens_probes.ablation.measured import Candidates, Measured, Plan
from lens_probes.ablation.request import check_texts, places_of_model
from lens_probes.ablation.rerun import Way, way_of
from lens_probes.ablation.setup import Setup
from lens_probes.ablation.steering import PREFIXES, steer_best
from lens_probes.ablation.tables import dose_table, null_table, set_table
from lens_probes.ablation.unit_table import unit_table
from lens_probes.ablation.untrained import SETS_ONLY, with_untrained
from lens_probes.ablation.verdict import overall
from lens_probes.ablation.windows import Kind, Positions, grouped
from lens_probes.activations.collect import collect
from lens_probes.errors import at_least, flag, given_as
from lens_probes.examples.examples import Examples
from lens_probes.model.wrap import Model, check_model
from lens_probes.probes.base import Probe, examples_of
from lens_probes.result.result import SweepData


def ablate(
    model: Model,
    probe: Probe | Examples,
    *,
    result: SweepData | None = None,
    sites: Iterable[str] | None = None,
    layers: Iterable[int] | int | None = None,
    top: int = 20,
    kind: Kind = "mean",
    positions: Positions = "read",
    n_nulls: int = 100,
    n_unit_nulls: int | None = None,
    n_controls: int = 20,
    n_windows: int | None = 50,
    after: int = 10,
    alpha: float = 0.05,
    interest: float = 1.0,
    untrained: bool = False,
    words: tuple[Sequence[str], Sequence[str]] | None = None,
    prefixes: Sequence[str] = PREFIXES,
    seed: int = 0,
    tokens_per_pass: int = TOKENS_PER_PASS,
    progress: bool = False,
) -> CausalCard:
    """Ablate the top units of each layer and site, on held-out windows, beside what chance does.

    Units are ranked by the score test on one half of the passages; their use is measured on the
    other, against the same changes written in the directions of other units (see `swap`). At the
    read position only what follows can change: keys and values of the tokens before are kept, and
    copies of the windows, each without another set, share passes from the layer on.

    Parameters
    ----------
    model
        Of `load_model`, or a model in memory (`wrap_model`).
    probe
        A probe, or examples of one's own, as for `sweep`.
    result
        A sweep of these examples: its sites and layers are the default, and its decision says
        which units are encoded. Without one, a permutation test over replication groups on the
        chosen half says so (see `encoded.tuned`).
    top
        Units in a set.
    kind
        `"zero"`; `"mean"` over the chosen half; `"resample"`: the value in another measured window.
    positions
        `"read"`: where the unit is read; `"all"`: at every token (whole windows run again: about
        ten times the time with windows of 100 tokens).
    n_nulls
        Write swaps for each layer and site, `1 / alpha - 1` or more, better 100; and as many random
        sets like the top units in mean and in what is changed, which say what is typical.
    n_unit_nulls
        Random units for the units' own tests; each is compared with those that change about as
        much. None: as many of these as one unit alone needs to pass after correction
        (`top / alpha`) where they exist, in all half as many again; 0: no test of single units.
    n_controls
        Sets of non-significant units, and of units ranked by shuffled labels.
    n_windows
        Measured windows, evenly of both classes; None takes all of the half.
    after
        Tokens after the target that are scored, at most.
    interest
        Smallest effect of interest, a share of what the median random unit or set does: less than
        that is said to be no more than a typical unit.
    untrained
        The same card of the model with fresh random weights beside it: twice the time.
    words, prefixes
        Possible next words of class 0 and 1 (by default the examples' own words) and the texts
        after which steering looks for them. No steering, with a note, where there are none.
    sites
        Names of `SITES`; None: the sweep's.
    layers
        Layer indices; None: the sweep's, or all.
    alpha
        Level of the tests, after correction.
    seed
        Of the halves, the swaps and the random sets.
    tokens_per_pass
        Tokens in one forward pass; None: as many as the device takes well.
    progress
        A bar on standard error.

    Raises
    ------
    InputError
        Whatever is wrong with the request, in one line, before the forward passes where possible.
    """
    clock = time.perf_counter()
    model = check_model(model)
    flag("progress", progress)
    at_least(1, tokens_per_pass=tokens_per_pass)
    given_as("result", result, SweepData | None, "a SweepResult, or None")
    design = Design(top, kind, positions, n_nulls, n_unit_nulls, n_controls, n_windows, after,
                    alpha, interest, untrained, seed)  # fmt: skip
    if untrained:
        model.check_reinitialised()
    check_texts(words, prefixes)
    given = examples_of(model, probe)
    places = places_of_model(model, given, result, sites, layers, top)
    examples, split = without_left_out(given, halves(given, seed=seed))
    rows = draw_windows(examples, split.measured, n_windows, seed=seed)
    groups = grouped(examples.select(rows), after)
    activations = collect(
        model, examples, sites=places.sites, layers=places.layers, progress=progress
    )
    setup = Setup(model, examples, activations, split, rows, design)
    chosen = [setup.candidates(key, result) for key in activations]
    timings = {"activations and sets": time.perf_counter() - clock}
    clock = time.perf_counter()
    way: Way = way_of(model, groups) if positions == "read" else "whole"
    jobs = [setup.jobs(one) for one in chosen]
    every_job = [job for of_one in jobs for job in of_one]
    with tqdm(total=sum(map(len, every_job)) * len(rows), desc="ablations",
              unit="window", disable=not progress) as bar:  # fmt: skip
        effects = measure(model, groups, every_job, positions=positions, way=way,
                          tokens_per_pass=tokens_per_pass, advance=bar.update)  # fmt: skip
    timings["ablations"] = time.perf_counter() - clock
    clock = time.perf_counter()
    found = iter(effects)
    every = [Measured(one, *islice(found, len(own))) for one, own in zip(chosen, jobs, strict=True)]
    plan = Plan(split.passage[rows], examples.label[rows], design)
    table = set_table(every, plan)
    verdict, why = overall(table)
    steering, slopes, notes = steer_best(model, examples, chosen, words, prefixes, way)
    if positions == "read" and way == "whole":
        notes.append("whole windows were run again: kept keys and values are not exact here")
    timings["verdicts and steering"] = time.perf_counter() - clock
    card = CausalCard(
        verdict=verdict,
        why=why,
        sets=table.join(slopes),
        units=unit_table(every, plan),
        doses=dose_table(every, plan),
        nulls=null_table(every),
        steering=steering,
        provenance={
            "model": model.provenance,
            "examples": _about(given, examples, split, rows),
            "sweep": None if result is None else dict(result.provenance["decision"]),
            "way": way,
            "method": METHOD,
            "options": places.options(design),
            "notes": [
                *design.notes,
                *split.notes,
                *_few(rows, n_windows),
                *_set_notes(chosen),
                *notes,
            ],
        },
        timings=timings,
    )
    if not untrained:
        return card
    twin = ablate(
        model.reinitialised(seed), given, sites=places.sites, layers=places.layers, words=words,
        prefixes=prefixes, tokens_per_pass=tokens_per_pass, progress=progress,
        **asdict(design) | SETS_ONLY,
    )  # fmt: skip
    return with_untrained(card, twin)


def _few(rows: NDArray[np.int64], n_windows: int | None) -> list[str]:
    if n_windows is None or len(rows) >= n_windows:
        return []
    return [f"{len(rows)} windows are measured, not {n_windows}: the half has no more"]


def _set_notes(chosen: list[Candidates]) -> list[str]:
    return [f"L{one.layer}.{one.site}: {note}" for one in chosen for note in one.notes]


def _about(
    given: Examples, examples: Examples, split: Halves, rows: NDArray[np.int64]
) -> dict[str, Any]:
    label = examples.label[rows]
    return {
        "sha256": given.digest,
        "class_names": list(given.class_names),
        "apart": list(split.by),
        "n_chosen": len(split.chosen),
        "n_left_out": len(given) - len(examples),
        "n_measured": [int((label == value).sum()) for value in (0, 1)],
        "n_passages_measured": len(set(split.passage[rows])),
    }
