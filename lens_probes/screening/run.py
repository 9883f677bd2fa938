"""screen(): what the model does without each unit, of every unit at once, by gradients."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from lens_probes.ablation.windows import POSITIONS, Positions
from lens_probes.errors import InputError, alpha_of, at_least, choice, flag, given_as, whole
from lens_probes.examples.examples import Examples
from lens_probes.model.wrap import Model, check_model
from lens_probes.probes.base import Probe, examples_of
from lens_probes.result.result import SweepData
from lens_probes.screening.estimate import Run, used_counts
from lens_probes.screening.map import check_result, tuned_by_used
from lens_probes.screening.metrics import OnLogits, metric_of
from lens_probes.screening.saved import METHOD, Screen
from lens_probes.sites import check_layers, check_sites

N_WINDOWS = 64


def screen(
    model: Model,
    probe: Probe | Examples,
    result: SweepData | None = None,
    sites: Iterable[str] = ("mlp_post",),
    layers: Iterable[int] | int | None = None,
    metric: str | OnLogits = "kl",
    positions: Positions = "read",
    seed: int = 0,
    *,
    n_windows: int | None = N_WINDOWS,
    n_exact: int = 300,
    n_exact_windows: int = 16,
    n_draws: int = 12,
    after: int = 10,
    alpha: float = 0.05,
    untrained: bool = False,
    progress: bool = False,
) -> Screen:
    """Estimate for every unit what the model does when it is set to its mean, and judge it.

    One pass forward and a few back give the effect of all units: a loss to first order (gradient
    times change), a divergence by half the squared change times the Fisher information of the next
    token. A sample of units is ablated exactly on every run, and where the two disagree the screen
    says that it is not valid. A unit counts as used if it does more than units of its layer and
    site that write as much: the size of the write alone ranks units almost as ablation does.

    Parameters
    ----------
    model
        Of `load_model`, or a model in memory (`wrap_model`).
    probe
        A probe, or examples of one's own, as for `sweep`.
    result
        A sweep of these examples: its decision makes the map of tuned by used units.
    sites, layers
        Names of `lens_probes.sites.SITES`; layer indices, None for all.
    metric
        `"kl"`: divergence of the next-token distribution at the read position. `"loss"`: mean loss
        on up to `after` tokens after it. Or a function from logits [window, d_vocab] at the read
        position to [window]; its change counts as use where it rises.
    positions
        Where units are set to their mean: `"read"`, or `"all"` tokens (whole windows are
        differentiated: some ten times as slow).
    n_windows
        Windows, evenly of both classes; None takes all examples, and where there are fewer than
        the default all are taken.
    n_exact, n_exact_windows
        Units that are ablated exactly, at least, evenly over layers and sites, and in how many of
        the windows.
    n_draws
        Random projections a divergence is taken from.
    alpha
        Level, over all units of the run, of the verdict "used".
    untrained
        The same screen of the model with fresh random weights, counted beside it.
    seed
        Of the windows, the draws and the exact units.
    after
        Tokens after the target that a loss is taken over, at most.
    progress
        A bar on standard error.

    Raises
    ------
    InputError
        Whatever is wrong with the request, in one line, before the passes where possible.

    Notes
    -----
    Nanda (2023), "Attribution patching"; Kramar et al. (2024), "AtP*"; the null is Efron's (2004).
    """
    model = check_model(model)
    at_least(1, n_exact=n_exact, n_draws=n_draws)
    at_least(2, n_exact_windows=n_exact_windows)
    at_least(0, seed=seed, after=after)
    if n_windows is not None:
        n_windows = whole("n_windows", n_windows, least=2)
    choice("positions", positions, POSITIONS)
    flag("progress", progress)
    given_as("result", result, SweepData | None, "a SweepResult, or None")
    measure = metric_of(metric, after=after, draws=n_draws)
    options: dict[str, Any] = {
        "sites": list(check_sites(sites, model.shapes)),
        "layers": list(check_layers(layers, model.n_layers)), "metric": measure.name,
        "positions": positions, "seed": int(seed), "n_windows": n_windows, "n_exact": n_exact,
        "n_exact_windows": n_exact_windows, "n_draws": n_draws, "after": after,
        "alpha": alpha_of(alpha), "untrained": flag("untrained", untrained),
    }  # fmt: skip
    model.check_writable(options["sites"])
    examples = examples_of(model, probe)
    if n_windows is not None and n_windows != N_WINDOWS and n_windows > len(examples):
        raise InputError(
            f"n_windows is {n_windows:,} and there are {len(examples):,} windows: ask for as "
            "many or fewer, None for all, or draw more examples."
        )
    if result is not None:
        check_result(model, examples, result, options["sites"])
    run = Run(model, examples, measure, options, progress)
    found = run.screened()
    timings = dict(run.seconds)
    null = found.null
    if untrained:
        clock = time.perf_counter()
        twin = Run(model.reinitialised(seed), examples, measure, options, progress).screened()
        counts = used_counts(twin.units, "n_used_untrained")
        null = null.merge(counts, on=["layer", "site"], how="left")
        timings["untrained model"] = time.perf_counter() - clock
    return Screen(
        units=found.units,
        calibration=found.calibration,
        null=null,
        map=tuned_by_used(found.units, result),
        provenance={
            "model": model.provenance,
            "examples": run.about(),
            "sweep": None if result is None else dict(result.provenance["decision"]),
            "method": METHOD,
            "way": run.way,
            "options": options,
            "missed": found.missed,
            "floor": found.floor,
        },
        timings=timings,
    )
