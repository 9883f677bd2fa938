"""Units that the training examples of each fold take, and what they are worth held out."""

from __future__ import annotations

from typing import Any

import numpy as np

from lens_probes.stats._group_design import GroupDesign
from lens_probes.stats._layer_probe import layer_probe
from lens_probes.stats._ridge_logit import ridge_logit
from lens_probes.stats._selectors import ALONE, path_order, scores_alone
from lens_probes.stats.group_heldout import heldout_auc
from lens_probes.stats.inputs import Floats, Ints

KINDS = ("auc", "shuffled_auc", "random_auc")


class TrainingDraws:
    """What each fold's training takes: by its labels, by permuted labels, at random."""

    def __init__(self, design: GroupDesign, folds: Ints, seed: int, width: int, most: int) -> None:
        self.design, self.folds, self.most = design, folds, most
        self.ids = np.unique(folds)
        rng = np.random.default_rng(seed)
        self.units = {(kind, i): np.empty(0, np.int64) for kind in KINDS for i in self.ids}
        self.sizes = {key: np.empty(0) for key in self.units}
        self.columns = {key: np.empty((len(folds), 0)) for key in self.units}
        self.grams = {i: np.zeros((len(folds), len(folds))) for i in self.ids}
        self.random = {i: rng.permutation(width)[:most] for i in self.ids}
        self.width = width
        self.labels = {}  # of examples, in training, by kind
        home = np.empty(len(design.labels), dtype=np.int64)
        home[design.groups.index] = folds
        self.home = home
        for i in self.ids:
            here = home != i
            dealt = design.labels.copy()
            dealt[here] = rng.permutation(design.labels[here])
            self.labels["auc", i] = self.labels["random_auc", i] = design.labels
            self.labels["shuffled_auc", i] = dealt

    def read(self, first: int, part: Floats, selector: str) -> None:
        """One array, whose units are counted from `first`."""
        means = self.design.means(part) if selector in ALONE else None
        for i in self.ids:
            train = self.folds != i
            centre, spread = part[train].mean(axis=0), part[train].std(axis=0)
            z = (part - centre) / np.where(spread > 0, spread, np.inf)
            self.grams[i] += z @ z.T / self.width
            for kind in ("auc", "shuffled_auc"):
                labels = self.labels[kind, i]
                if means is not None:
                    size = scores_alone(
                        selector, means, self.design.groups.sizes, labels, self.home[None] != i
                    )[0]
                    order = np.argsort(-size, kind="stable")[: self.most]
                    size = size[order]
                else:
                    side = labels[self.design.groups.index]
                    order = path_order(selector, z[train], side[train], self.most)
                    size = -np.arange(len(order), dtype=np.float64)
                self._keep((kind, i), first + order, size, z[:, order])
            place = np.flatnonzero(
                (self.random[i] >= first) & (self.random[i] < first + z.shape[1])
            )
            units = self.random[i][place]
            self._keep(("random_auc", i), units, -place.astype(np.float64), z[:, units - first])

    def _keep(self, key: Any, units: Ints, sizes: Floats, columns: Floats) -> None:
        """Merge units with those kept, the strongest first and no more than are needed."""
        sizes = np.concatenate([self.sizes[key], sizes])
        order = np.argsort(-sizes, kind="stable")[: self.most]
        self.sizes[key] = sizes[order]
        self.units[key] = np.concatenate([self.units[key], units])[order]
        self.columns[key] = np.concatenate([self.columns[key], columns], axis=1)[:, order]

    def chosen(self) -> Ints:
        """Units [fold, unit] that each fold's training took, -1 where it took no more."""
        table = np.full((len(self.ids), self.most), -1, dtype=np.int64)
        for row, i in zip(table, self.ids, strict=True):
            row[: len(self.units["auc", i])] = self.units["auc", i]
        return table

    @property
    def all_units(self) -> Floats:
        """Held-out scores [example] of the probe on all units."""
        score = np.empty(len(self.folds))
        for i in self.ids:
            train = self.folds != i
            score[~train] = layer_probe(self.grams[i], self.design.positive, train)
        return score

    def scored(self, ks: tuple[int, ...], l2: float) -> dict[str, Floats]:
        """Held-out scores [k] by name."""
        y, index = self.design.positive, self.design.groups.index
        said = {}
        for kind in KINDS:
            scores = np.full((len(y), len(ks)), np.nan)
            for i in self.ids:
                train, columns = self.folds != i, self.columns[kind, i]
                side = self.labels[kind, i][index]
                beta = None
                for j, k in enumerate(ks):
                    if k > columns.shape[1]:
                        break
                    beta = ridge_logit(columns[train, :k], side[train], l2=l2, start=beta)
                    scores[~train, j] = columns[~train, :k] @ beta[:-1] + beta[-1]
            fitted = np.isfinite(scores).all(axis=0)
            auc, low, high, right = np.full((4, len(ks)), np.nan)
            found = heldout_auc(scores[:, fitted], y, index, self.folds)
            auc[fitted], low[fitted] = (
                np.nan_to_num(found.auc_heldout, nan=0.5),
                found.auc_heldout_low,
            )
            high[fitted] = found.auc_heldout_high
            said[kind] = auc
            if kind == "auc":
                above = (scores > 0) == y[:, None]
                right[fitted] = [
                    np.mean([above[(self.folds == i) & (y == c), j].mean()
                             for i in self.ids for c in (False, True)])
                    for j in np.flatnonzero(fitted)
                ]  # fmt: skip
                said |= {"auc_low": low, "auc_high": high, "accuracy": right}
        return said
