"""Units that the training examples of each fold take, and what they are worth held out."""

from __future__ import annotations

from typing import Any

import numpy as np

from lens_probes.stats._group_design import GroupDesign
from lens_probes.stats._layer_probe import layer_probe
from lens_probes.stats._ridge_logit import ridge_path
from lens_probes.stats._selectors import ALONE, path_order, scores_alone
from lens_probes.stats.group_heldout import heldout_auc
from lens_probes.stats.inputs import Bools, Floats, Ints

# Draws of permuted labels: choosing jointly costs as much as the fold itself, so fewer there.
N_SHUFFLES, N_SHUFFLES_JOINT = 10, 3
CHOSEN, RANDOM = "auc", "random_auc"


class TrainingDraws:
    """What each fold's training takes: by its labels, by permuted labels, at random."""

    def __init__(
        self, design: GroupDesign, folds: Ints, seed: int, width: int, most: int, *, alone: bool
    ) -> None:
        self.design, self.folds, self.most = design, folds, most
        n_shuffles = N_SHUFFLES if alone else N_SHUFFLES_JOINT
        self.shuffles = tuple(f"shuffled {draw}" for draw in range(n_shuffles))
        kinds = (CHOSEN, RANDOM, *self.shuffles)
        self.ids = np.unique(folds)
        rng = np.random.default_rng(seed)
        self.units = {(kind, i): np.empty(0, np.int64) for kind in kinds for i in self.ids}
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
            self.labels[CHOSEN, i] = self.labels[RANDOM, i] = design.labels
        for kind in self.shuffles:
            for i in self.ids:
                here = home != i
                dealt = design.labels.copy()
                dealt[here] = rng.permutation(design.labels[here])
                self.labels[kind, i] = dealt

    def read(self, first: int, part: Floats, selector: str) -> None:
        """One array, whose units are counted from `first`."""
        means = self.design.means(part) if selector in ALONE else None
        for i in self.ids:
            train = self.folds != i
            centre, spread = part[train].mean(axis=0), part[train].std(axis=0)
            z = (part - centre) / np.where(spread > 0, spread, np.inf)
            self.grams[i] += z @ z.T / self.width
            for kind in (CHOSEN, *self.shuffles):
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
            self._keep((RANDOM, i), units, -place.astype(np.float64), z[:, units - first])

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
            row[: len(self.units[CHOSEN, i])] = self.units[CHOSEN, i]
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
        scores, fitted = self._scores(CHOSEN, ks, l2)
        said = {name: np.full(len(ks), np.nan) for name in ("auc", "auc_low", "auc_high")}
        found = heldout_auc(scores[:, fitted], y, index, self.folds)
        said["auc"][fitted] = np.nan_to_num(found.auc_heldout, nan=0.5)
        said["auc_low"][fitted] = found.auc_heldout_low
        said["auc_high"][fitted] = found.auc_heldout_high
        above = (scores > 0) == y[:, None]
        places = [(self.folds == i) & (y == c) for i in self.ids for c in (False, True)]
        right = np.mean([above[place].mean(axis=0) for place in places], axis=0)
        said["accuracy"] = np.where(fitted, right, np.nan)
        said["random_auc"] = self._auc(RANDOM, ks, l2)
        shuffled = np.array([self._auc(kind, ks, l2) for kind in self.shuffles])
        said["shuffled_auc"] = shuffled.mean(axis=0)
        said["shuffled_auc_sd"] = shuffled.std(axis=0, ddof=1)
        return said

    def _auc(self, kind: str, ks: tuple[int, ...], l2: float) -> Floats:
        """Held-out AUC [k] of one kind; NaN where there are fewer units."""
        scores, fitted = self._scores(kind, ks, l2)
        auc = np.full(len(ks), np.nan)
        found = heldout_auc(
            scores[:, fitted], self.design.positive, self.design.groups.index, self.folds
        )
        auc[fitted] = np.nan_to_num(found.auc_heldout, nan=0.5)
        return auc

    def _scores(self, kind: str, ks: tuple[int, ...], l2: float) -> tuple[Floats, Bools]:
        """Held-out scores [example, k] of one kind, and which k [k] all folds could fit."""
        index = self.design.groups.index
        scores = np.full((len(index), len(ks)), np.nan)
        for i in self.ids:
            train, columns = self.folds != i, self.columns[kind, i]
            side = self.labels[kind, i][index]
            fits = [k for k in ks if k <= columns.shape[1]]
            path = ridge_path(columns[train], side[train], fits, l2=l2) if fits else []
            for j, (k, beta) in enumerate(zip(fits, path, strict=True)):
                scores[~train, j] = columns[~train, :k] @ beta[:-1] + beta[-1]
        return scores, np.isfinite(scores).all(axis=0)
