"""One model screened: gradients of every unit, a sample ablated exactly, verdicts."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from tqdm.auto import tqdm

from lens_probes.ablation.halves import draw_windows
from lens_probes.ablation.rerun import Way, way_of
from lens_probes.ablation.verdict import USED
from lens_probes.ablation.windows import Group, Positions, grouped
from lens_probes.examples.examples import Examples
from lens_probes.examples.folds import passage_ids
from lens_probes.model.load import LensModel
from lens_probes.screening.calibration import calibration_table, draw_units, missed_bound
from lens_probes.screening.exact import exact_effects
from lens_probes.screening.gradients import Key, first_token, place_of, slopes, windows_per_pass
from lens_probes.screening.metrics import Metric
from lens_probes.screening.sums import Sums
from lens_probes.screening.verdict import Estimates, unit_table
from lens_probes.screening.writes import behind, write_lengths
from lens_probes.sites import unit_name

_BLOCKS = 16
_THRESHOLD = 0.99  # share of units below the effect that missed ones are counted from
_LOGITS = 16.0  # size of logits, for what rounding does to them


@dataclass(frozen=True)
class Found:
    """What is known of the units of one model."""

    units: pd.DataFrame
    calibration: pd.DataFrame
    null: pd.DataFrame
    missed: dict[str, Any]
    floor: float


class Run:
    """One model screened: gradients, calibration, verdicts."""

    def __init__(
        self, model: LensModel, examples: Examples, metric: Metric, options: Mapping[str, Any],
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

    def screened(self) -> Found:
        """Everything that is known of the units of this model."""
        clock = time.perf_counter()
        sums = self.sums()
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
        null = null.merge(used_counts(units, "n_used"), on=["layer", "site"])
        self.seconds["verdicts"] = time.perf_counter() - clock
        return Found(units, calibration, null, missed, floor)

    def sums(self) -> dict[Key, Sums]:
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
        n_sets = sum(map(len, units.values())) + len({layer for layer, _ in units})
        total = n_sets * int(self.exact.sum())
        with tqdm(total=total, desc="exact ablations", disable=not self.progress) as bar:
            exact = exact_effects(
                self.model, groups, units, reference, self.metric, positions=self.positions,
                way=self.way, advance=bar.update,
            )  # fmt: skip
        nothing = max(
            float(np.abs(rest)) for k, one in exact.items() for rest in one[len(units[k]) :]
        )
        floor = max(nothing, _rounding(self.model, self.metric))
        measured = {key: one[: len(units[key])] for key, one in exact.items()}
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


def used_counts(units: pd.DataFrame, name: str) -> pd.DataFrame:
    """Layer, site, and how many of its units are called used."""
    used = units["used"] == USED
    counts = used.groupby([units["layer"], units["site"]]).sum().astype(np.int64)
    return counts.rename(name).reset_index()
