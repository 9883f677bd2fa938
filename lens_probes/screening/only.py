"""The model with some units as they are and all others at their mean, or the other way round."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray

from lens_probes import stats
from lens_probes.ablation.windows import Group
from lens_probes.model.load import LensModel
from lens_probes.screening.gradients import Key, Place, Slopes, slopes
from lens_probes.screening.metrics import Metric
from lens_probes.screening.pairs import PairGroup
from lens_probes.screening.writes import write_lengths
from lens_probes.sites import SITES

Means = Mapping[Key, torch.Tensor]


@dataclass(frozen=True, eq=False)
class Behaviour:
    """A model on minimal pairs, with the units of some layers and sites as what it is made of.

    `means` has for each group the mean [position, unit] of each layer and site over its prompts,
    of which both forms have as many: what is left where a unit is ablated says no form.
    """

    model: LensModel
    groups: tuple[PairGroup, ...]
    means: tuple[Means, ...]

    @property
    def keys(self) -> list[Key]:
        """Layers and sites."""
        return list(self.means[0])

    def widths(self) -> list[int]:
        """Units of each layer and site."""
        return [self.model.shapes[site].n_units for _, site in self.keys]

    def some(self, rows: Sequence[NDArray[np.bool_]]) -> Behaviour:
        """On some prompts of each group, with the means as they are."""
        groups = tuple(group.some(one) for group, one in zip(self.groups, rows, strict=True))
        return Behaviour(self.model, groups, self.means)

    def contrast(self, kept: Bool[np.ndarray, " unit"] | None) -> Float[np.ndarray, " prompt"]:
        """Logit of the right continuation less that of the wrong one, with these units alone.

        Units of all layers and sites stand in the order of `keys`; all that are not kept are at
        their mean at every token. None: the model as it is.
        """
        found = []
        with torch.inference_mode():
            for group, means in zip(self.groups, self.means, strict=True):
                tokens = torch.from_numpy(group.tokens.astype(np.int64)).to(self.model.device)
                hooks = [] if kept is None else self._hooks(kept, means)
                logits = self.model.run_with_hooks(tokens, fwd_hooks=hooks, return_type="logits")
                found.append(_margin(logits[:, -1].float(), group).double().cpu().numpy())
        return np.concatenate(found)

    def _hooks(self, kept: NDArray[np.bool_], means: Means) -> list[tuple[str, Any]]:
        parts = np.split(kept, np.cumsum(self.widths())[:-1])
        hooks = []
        for (layer, site), mask in zip(self.keys, parts, strict=True):
            if not mask.all():
                keep = torch.from_numpy(mask).to(self.model.device)
                hooks.append((SITES[site].hook_name(layer), _replace(keep, means[layer, site])))
        return hooks

    def effects(self) -> Float[np.ndarray, " unit"]:
        """To first order, what the contrast loses where each unit is at its mean at every token."""
        total: dict[Key, NDArray[np.float64]] = {}
        for key, one, mean, _ in self._slopes():
            change = mean.double() - one.written.double()
            lost = -(one.gradient[0].double() * change).sum((0, 1)).cpu().numpy()
            total[key] = total.get(key, 0.0) + lost
        every: NDArray[np.float64] = np.concatenate([total[key] for key in self.keys])
        share: NDArray[np.float64] = every / len(self)
        return share

    def tuning(self) -> Float[np.ndarray, " unit"]:
        """|t| of each unit at the last token between the two forms."""
        rows: dict[Key, list[NDArray[np.float32]]] = {key: [] for key in self.keys}
        for key, one, mean, _ in self._slopes():
            rows[key].append((one.value - mean)[:, -1].float().cpu().numpy())
        form = np.concatenate([group.form for group in self.groups])
        every = [np.abs(stats.ttest(np.concatenate(rows[key]), form).t) for key in self.keys]
        size: NDArray[np.float64] = np.nan_to_num(np.concatenate(every))
        return size

    def sizes(self) -> Float[np.ndarray, " unit"]:
        """Root mean square of what each unit writes less at its mean."""
        square: dict[Key, Any] = {}
        places = 0
        for key, one, mean, group in self._slopes():
            square[key] = square.get(key, 0.0) + (one.value - mean).double().square().sum((0, 1))
            places += group.tokens.size if key == self.keys[0] else 0
        each = [
            np.sqrt(square[key].cpu().numpy() / places) * write_lengths(self.model, *key)
            for key in self.keys
        ]
        return np.concatenate(each)

    def __len__(self) -> int:
        return sum(map(len, self.groups))

    def _slopes(self) -> Iterable[tuple[Key, Slopes, torch.Tensor, PairGroup]]:
        layers = sorted({layer for layer, _ in self.keys})
        sites = sorted({site for _, site in self.keys})
        for group, means in zip(self.groups, self.means, strict=True):
            read = group.tokens.shape[1] - 1
            metric = Metric("callable", 1, 0, 1, partial(_margin, group=group))
            here = Group(np.arange(len(group)), group.tokens, read, read)
            for key, one in slopes(
                self.model, here, layers, [Place(site, site) for site in sites], metric,
                positions="all", way="whole", noise=torch.Generator(),
            ):  # fmt: skip
                yield key, one, means[key], group


def behaviour_of(
    model: LensModel, groups: Sequence[PairGroup], layers: Sequence[int], sites: Sequence[str]
) -> Behaviour:
    """Read the mean of every unit at every position of each group."""
    keys = [(layer, site) for layer in layers for site in sites]
    names = {SITES[site].hook_name(layer): (layer, site) for layer, site in keys}
    means = []
    for group in groups:
        tokens = torch.from_numpy(group.tokens.astype(np.int64)).to(model.device)
        with model.computing(gradients=False):
            _, cache = model.run_with_cache(tokens, names_filter=list(names), return_type=None)
        means.append({key: cache[name].flatten(2).mean(0).clone() for name, key in names.items()})
    return Behaviour(model, tuple(groups), tuple(means))


def _replace(keep: torch.Tensor, mean: torch.Tensor) -> Any:
    def hook(tensor: torch.Tensor, hook: object) -> torch.Tensor:
        flat = tensor.flatten(2)
        return torch.where(keep, flat, mean.to(flat.dtype)).reshape(tensor.shape)

    return hook


def _margin(logits: torch.Tensor, group: PairGroup) -> torch.Tensor:
    good, bad = (torch.from_numpy(ids).to(logits.device) for ids in (group.good, group.bad))
    return (logits.gather(1, good) - logits.gather(1, bad)).mean(1)
