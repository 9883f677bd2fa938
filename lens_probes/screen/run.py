"""screen(): what the model does without each unit, of every unit at once, by gradients."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from tqdm.auto import tqdm

from lens_probes.ablate.halves import draw_windows
from lens_probes.ablate.rerun import Way, way_of
from lens_probes.ablate.windows import POSITIONS, Group, Positions, grouped
from lens_probes.errors import alpha_of, at_least, choice, flag, given_as, whole
from lens_probes.examples.examples import Examples
from lens_probes.examples.folds import passage_ids
from lens_probes.model.load import LensModel, check_model
from lens_probes.probes.base import Probe, examples_of
from lens_probes.result.result import SweepData
from lens_probes.screen.calibration import calibration_table, draw_units, missed_bound
from lens_probes.screen.exact import exact_effects
from lens_probes.screen.gradients import Key, first_token, place_of, slopes, windows_per_pass
from lens_probes.screen.map import check_result, tuned_by_used
from lens_probes.screen.metrics import Metric, OnLogits, metric_of
from lens_probes.screen.saved import METHOD, Screen
from lens_probes.screen.sums import Sums
from lens_probes.screen.verdict import Estimates, unit_table
from lens_probes.screen.writes import behind, write_lengths
from lens_probes.sites import check_layers, check_sites, unit_name

_BLOCKS = 16


def screen(
    model: LensModel,
    probe: Probe | Examples,
    result: SweepData | None = None,
    sites: Iterable[str] = ("mlp_post",),
    layers: Iterable[int] | int | None = None,
    metric: str | OnLogits = "kl",
    positions: Positions = "read",
    seed: int = 0,
    *,
    n_windows: int | None = 64,
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
        Windows, evenly of both classes; None takes all examples.
    n_exact, n_exact_windows
        Units that are ablated exactly, at least, evenly over layers and sites, and in how many of
        the windows.
    n_draws
        Random projections a divergence is taken from.
    alpha
        Level, over all units of the run, of the verdict "used".
    untrained
        The same screen of the model with fresh random weights, counted beside it.

    Raises
    ------
    InputError
        Whatever is wrong with the request, in one line, before the passes where possible.

    Notes
    -----
    Nanda (2023), "Attribution patching"; Kramar et al. (2024), "AtP*"; the null is Efron's (2004).
    """
    check_model(model)
    at_least(1, n_exact=n_exact, n_draws=n_draws)
    at_least(2, n_exact_windows=n_exact_windows)
    at_least(0, seed=seed, after=after)
    if n_windows is not None:
        whole("n_windows", n_windows, least=2)
    choice("positions", positions, POSITIONS)
    flag("progress", progress)
    given_as("result", result, SweepData | None, "a SweepResult, or None")
    measure = metric_of(metric, after=after, draws=n_draws)
    options = {
        "sites": list(check_sites(sites, model.shapes)),
        "layers": list(check_layers(layers, model.n_layers)), "metric": measure.name,
        "positions": positions, "seed": int(seed), "n_windows": n_windows, "n_exact": n_exact,
        "n_exact_windows": n_exact_windows, "n_draws": n_draws, "after": after,
        "alpha": alpha_of(alpha), "untrained": flag("untrained", untrained),
    }  # fmt: skip
    model.check_writable(options["sites"])
    examples = examples_of(model, probe)
    if result is not None:
        check_result(model, examples, result, options["sites"])
    run = _Run(model, examples, measure, options, progress)
    found = run.screened()
    timings = dict(run.seconds)
    null = found.null
    if untrained:
        twin = _Run(model.reinitialised(seed), examples, measure, options, progress)
        clock = time.perf_counter()
        null = null.merge(_counts(twin.screened().units), on=["layer", "site"], how="left")
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


@dataclass(frozen=True)
class _Found:
    units: pd.DataFrame
    calibration: pd.DataFrame
    null: pd.DataFrame
    missed: dict[str, Any]
    floor: float


class _Run:
    """One model screened: gradients, calibration, verdicts."""

    def __init__(
        self, model: LensModel, examples: Examples, metric: Metric, options: dict[str, Any],
        progress: bool,
    ) -> None:  # fmt: skip
        self.model, self.metric, self.options, self.progress = model, metric, options, progress
        n, seed = options["n_windows"], options["seed"]
        self.rows = draw_windows(examples, np.arange(len(examples)), n, seed=seed)
        self.examples = examples.select(self.rows)
        self.source = examples
        self.block, self.exact = _blocks(self.examples, options["n_exact_windows"], seed)
        self.groups = grouped(self.examples, metric.after)
        self.positions: Positions = options["positions"]
        read = self.positions == "read"
        self.way: Way = way_of(model, self.groups) if read else "whole"
        self.seconds: dict[str, float] = {}

    def about(self) -> dict[str, Any]:
        """The examples, as a screen keeps them."""
        zeros, ones = self.examples.n_per_class
        return {
            "sha256": self.source.digest,
            "class_names": list(self.source.class_names),
            "n_screened": [zeros, ones],
            "n_blocks": int(self.block.max()) + 1,
            "n_exact_windows": int(self.exact.sum()),
            "origin": dict(self.source.origin),
        }

    def screened(self) -> _Found:
        """Everything that is known of the units of this model."""
        clock = time.perf_counter()
        sums = self._sums()
        reference = {key: one.mean.astype(np.float32) for key, one in sums.items()}
        c = behind(self.model, reference)
        self.seconds["gradients"] = time.perf_counter() - clock
        clock = time.perf_counter()
        floor, calibration, missed = self._calibrated(sums, reference, c)
        self.seconds["calibration"] = time.perf_counter() - clock
        clock = time.perf_counter()
        found = {key: self._estimates(one, c[key], key) for key, one in sums.items()}
        places = calibration[["layer", "site"]].itertuples(index=False, name=None)
        valid = dict(zip(places, calibration["valid"].tolist(), strict=True))
        units, null = unit_table(
            found, valid, self.model.shapes, order=self.metric.order, floor=floor,
            alpha=self.options["alpha"],
        )  # fmt: skip
        null = null.merge(_counts(units, suffix=""), on=["layer", "site"])
        self.seconds["verdicts"] = time.perf_counter() - clock
        return _Found(units, calibration, null, missed, floor)

    def _sums(self) -> dict[Key, Sums]:
        """Every window once, through all layers and sites."""
        model, options = self.model, self.options
        places = [place_of(model, site) for site in options["sites"]]
        order, n_blocks = self.metric.order, int(self.block.max()) + 1
        sums = {
            (layer, site): Sums(model.shapes[site].n_units, n_blocks, order)
            for layer in options["layers"]
            for site in options["sites"]
        }
        noise = torch.Generator(device=model.device).manual_seed(options["seed"])
        with tqdm(total=len(self.rows), desc="gradients", unit="window",
                  disable=not self.progress) as bar:  # fmt: skip
            for part in self._parts():
                every = slopes(
                    model, part, options["layers"], places, self.metric,
                    positions=self.positions, way=self.way, noise=noise,
                )  # fmt: skip
                for key, one in every:
                    sums[key].add(one, self.block[part.rows])
                bar.update(len(part.rows))
        return sums

    def _parts(self) -> Iterable[Group]:
        for group in self.groups:
            first = first_token(group, self.positions, self.way)
            yield from group.part(windows_per_pass(self.model, group, first))

    def _calibrated(
        self,
        sums: dict[Key, Sums],
        reference: dict[Key, Float[np.ndarray, " unit"]],
        c: dict[Key, Float[np.ndarray, " unit"]],
    ) -> tuple[float, pd.DataFrame, dict[str, Any]]:
        """The rounding floor, the calibration table, and the bound on what was missed."""
        blocks = np.unique(self.block[self.exact])
        estimates = {key: _mean_over(one, c[key], blocks) for key, one in sums.items()}
        n, seed = self.options["n_exact"], self.options["seed"]
        units = draw_units(estimates, n, seed=seed)
        groups = grouped(self.examples.select(np.flatnonzero(self.exact)), self.metric.after)
        total = sum(len(one) + 1 for one in units.values()) * int(self.exact.sum())
        with tqdm(total=total, desc="exact ablations", disable=not self.progress) as bar:
            exact = exact_effects(
                self.model, groups, units, reference, self.metric, positions=self.positions,
                way=self.way, advance=bar.update,
            )  # fmt: skip
        nothing = max(float(np.abs(one[-1])) for one in exact.values())
        floor = max(nothing, _rounding(self.model, self.metric))
        measured = {key: one[:-1] for key, one in exact.items()}
        shapes = self.model.shapes
        names = {
            (layer, site): [unit_name(layer, site, unit, shapes[site]) for unit in chosen.tolist()]
            for (layer, site), chosen in units.items()
        }
        table = calibration_table(estimates, units, measured, floor, names)
        every = np.abs(np.concatenate(list(estimates.values())))
        threshold = max(floor, float(np.quantile(every, _THRESHOLD)))
        seen, at_most = missed_bound(estimates, units, measured, threshold)
        missed = {"threshold": threshold, "n_above": int((every >= threshold).sum()),
                  "seen": seen, "at_most": at_most,
                  "n_exact": sum(map(len, units.values()))}  # fmt: skip
        return floor, table, missed

    def _estimates(self, one: Sums, c: Float[np.ndarray, " unit"], key: Key) -> Estimates:
        every = np.arange(len(one.n_windows))
        size = one.size(c) * write_lengths(self.model, *key)
        return Estimates(_mean_over(one, c, every), one.effects(c), size, one.n_windows)


_THRESHOLD = 0.99


def _mean_over(
    one: Sums, c: Float[np.ndarray, " unit"], blocks: NDArray[np.int64]
) -> NDArray[np.float64]:
    """[unit] mean effect over the windows of some blocks; 0 of a unit that never changes."""
    n = one.n_windows[blocks]
    effects = one.effects(c)[blocks][n > 0]
    mean: NDArray[np.float64] = (effects * (n[n > 0] / n.sum())[:, None]).sum(axis=0)
    return np.where(one.size(c) > 0, mean, 0.0)


def _blocks(
    examples: Examples, n_exact: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """[window] its block, whole passages dealt at random; and the windows that are ablated."""
    passage = passage_ids(examples)
    known = np.arange(len(examples)).astype(str) if passage is None else passage.astype(str)
    _, which = np.unique(known, return_inverse=True)
    n = int(which.max()) + 1
    deal = np.random.default_rng(seed).permutation(n) % min(n, _BLOCKS)
    block = deal[which]
    sizes = np.cumsum(np.bincount(block))
    enough = int(np.searchsorted(sizes, min(n_exact, len(examples))))
    return block, block <= enough


def _rounding(model: LensModel, metric: Metric) -> float:
    """Effects that rounding alone may have: of logits of this model's size, in its type."""
    eps = float(torch.finfo(model.dtype).eps) * _LOGITS
    return 0.5 * eps**2 if metric.order == 2 else eps


_LOGITS = 16.0


def _counts(units: pd.DataFrame, suffix: str = "_untrained") -> pd.DataFrame:
    used = units["used"] == "used"
    counts = used.groupby([units["layer"], units["site"]]).sum().astype(np.int64)
    return counts.rename(f"n_used{suffix}").reset_index()
