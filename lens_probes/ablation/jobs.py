"""What is done to copies of the windows, one layer and site: units replaced, or writes swapped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray

from lens_probes.ablation.windows import Replacement
from lens_probes.model.parts import Hook
from lens_probes.sites import SITES

Edit = Callable[..., torch.Tensor]


@dataclass(frozen=True)
class Job:
    """Sets of units of one layer and site to ablate, each on its own.

    `short` runs no token after the one that is read: kl only, a fraction of the time.
    """

    layer: int
    site: str
    sets: Bool[np.ndarray, "set unit"]
    replacement: Replacement
    short: bool = False

    def __len__(self) -> int:
        return len(self.sets)

    def edits(
        self, rows: NDArray[np.int64], where: slice, device: torch.device
    ) -> Callable[[slice], Edit]:
        """For some windows: hooks that ablate some of the sets, one a copy of the windows."""
        values = self.replacement.values(rows, where.stop - where.start).to(device)

        def edit(here: slice) -> Edit:
            mask = torch.from_numpy(self.sets[here]).to(device)
            return replace_units(mask, values, where, len(rows))

        return edit


@dataclass(frozen=True)
class SwapJob:
    """One change of k units, written in each set in the place of k others.

    Attributes
    ----------
    layer, site
        Where it is written.
    into, scale
        [set, k] the unit that gets the change of the i-th, and the factor for its size there.
    change
        One array [position, k] an example, at the positions that are changed.
    """

    layer: int
    site: str
    into: Int[np.ndarray, "set k"]
    scale: Float[np.ndarray, "set k"]
    change: tuple[Float[np.ndarray, "position k"], ...]
    short: bool = False

    def __len__(self) -> int:
        return len(self.into)

    def edits(
        self, rows: NDArray[np.int64], where: slice, device: torch.device
    ) -> Callable[[slice], Edit]:
        """For some windows: hooks that write some of the swaps, one a copy of the windows."""
        n = where.stop - where.start
        change = torch.from_numpy(np.stack([self.change[row][:n] for row in rows])).to(device)

        def edit(here: slice) -> Edit:
            into, scale = (torch.from_numpy(a[here]).to(device) for a in (self.into, self.scale))
            return add_changes(into, scale, change, where)

        return edit


@dataclass(frozen=True)
class JobsOfLayer:
    """Jobs of one layer whose sets run side by side, whatever their sites.

    Few sets fill no pass, and most of what a pass costs is the same for one set and for ten.
    """

    layer: int
    jobs: tuple[Job | SwapJob, ...]

    def __len__(self) -> int:
        return sum(map(len, self.jobs))

    @property
    def site(self) -> str:
        """The sites, for a message."""
        return " or ".join(dict.fromkeys(job.site for job in self.jobs))

    @property
    def short(self) -> bool:
        """Whether no token after the one that is read is run."""
        return all(job.short for job in self.jobs)

    def parts(self, here: slice) -> list[tuple[int, slice, slice]]:
        """Of some sets in a row: each job's number, its sets among them, and their copies."""
        found, before = [], 0
        for i, job in enumerate(self.jobs):
            first, end = max(here.start, before), min(here.stop, before + len(job))
            if first < end:
                mine = slice(first - before, end - before)
                found.append((i, mine, slice(first - here.start, end - here.start)))
            before += len(job)
        return found


def hooks_of(
    job: Job | SwapJob | JobsOfLayer, rows: NDArray[np.int64], where: slice, device: torch.device
) -> Callable[[slice], list[Hook]]:
    """For some windows: what some of a job's sets do, one a copy of the windows."""
    jobs = job.jobs if isinstance(job, JobsOfLayer) else (job,)
    edits = [one.edits(rows, where, device) for one in jobs]
    names = [SITES[one.site].hook_name(one.layer) for one in jobs]

    def hooks(here: slice) -> list[Hook]:
        if not isinstance(job, JobsOfLayer):
            return [(names[0], edits[0](here))]
        return [
            (names[i], _on_rows(edits[i](mine), copies, len(rows)))
            for i, mine, copies in job.parts(here)
        ]

    return hooks


def _on_rows(edit: Edit, copies: slice, n_windows: int) -> Edit:
    """An edit of some of the copies alone."""
    at = slice(copies.start * n_windows, copies.stop * n_windows)

    def hook(tensor: torch.Tensor, hook: object) -> torch.Tensor:
        changed = tensor.clone()
        changed[at] = edit(tensor[at], hook=hook)
        return changed

    return hook


def replace_units(
    mask: Bool[torch.Tensor, "copy unit"],
    values: Float[torch.Tensor, "window position unit"],
    where: slice,
    n_windows: int,
) -> Edit:
    """Hook that sets each copy's units to `values` at some positions, and leaves all else."""

    def new(rows: torch.Tensor) -> torch.Tensor:
        return torch.where(mask[:, None, None, :], values.to(rows.dtype), rows)

    return _at(where, len(mask), n_windows, new)


def add_changes(
    into: Int[torch.Tensor, "copy k"],
    scale: Float[torch.Tensor, "copy k"],
    change: Float[torch.Tensor, "window position k"],
    where: slice,
) -> Edit:
    """Hook that adds each copy's scaled changes to its units at some positions."""

    def new(rows: torch.Tensor) -> torch.Tensor:
        added = (change * scale[:, None, None, :]).to(rows.dtype)
        return rows.scatter_add(-1, into[:, None, None, :].expand_as(added), added)

    return _at(where, len(into), len(change), new)


def _at(
    where: slice, copies: int, n_windows: int, new: Callable[[torch.Tensor], torch.Tensor]
) -> Edit:
    """Hook for [copy window, position, ...] that changes [copy, window, position, unit] there."""

    def hook(tensor: torch.Tensor, hook: object) -> torch.Tensor:
        flat = tensor.flatten(2).clone()
        at = flat[:, where]
        flat[:, where] = new(at.reshape(copies, n_windows, *at.shape[1:])).flatten(0, 1)
        return flat.reshape(tensor.shape)

    return hook
