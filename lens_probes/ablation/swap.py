"""Write swaps: the top units' own changes, written in the directions of other units.

Units that are tuned to one property change together. An effect of many small changes that point the
same way in every window varies more from one choice of directions to another than that of changes
that are independent, so sets of random units, which move apart, are no null for a set that moves
together: they call too many sets used. A swap keeps every change of the top units in every window,
and the length of what each writes; only the directions are other units'. What it asks is whether
the rest of the model reads these directions more than those.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray

from lens_probes.ablation.jobs import SwapJob, replace_units
from lens_probes.ablation.windows import PASS_WINDOWS, Positions, Replacement, grouped
from lens_probes.errors import InputError
from lens_probes.examples.examples import Examples
from lens_probes.model.load import LensModel
from lens_probes.sites import SITES

Hooks = list[tuple[str, Callable[..., Any]]]
NO_DIRECTION = "no direction of its own: it acts through attention, so nothing can be swapped"
_WRITES = {"mlp_pre": "mlp_post", "mlp_pre_linear": "mlp_post"}
_THROUGH_ATTENTION = ("q", "k", "v")
_SHORT = 1e-6
_TRIES = 3
_SAME, _SAME_FLOORS = 0.05, 5.0


@dataclass(frozen=True)
class Writes:
    """Where the units of a site write, and how long what each writes at 1 is; arrays [unit].

    `mlp_post` and `z`: the rows of the output matrix; `mlp_pre` and `mlp_pre_linear`: through the
    activation function to `mlp_post`; the residual stream and what is added to it: basis vectors.
    """

    site: str
    length: Float[np.ndarray, " unit"]

    def swaps(
        self, top: Int[np.ndarray, " k"], others: Int[np.ndarray, " unit"], n: int, *, seed: int
    ) -> tuple[Int[np.ndarray, "set k"], Float[np.ndarray, "set k"]]:
        """For n different swaps the units that take the places of the top ones, and the factors.

        A unit that writes next to nothing has no direction and takes no place. Fewer than n come
        out where there are not so many.
        """
        others = others[self.length[others] > _SHORT * np.median(self.length)]
        k, rng = len(top), np.random.default_rng(seed)
        found: dict[tuple[int, ...], None] = {}
        for _ in range(_TRIES * n if len(others) >= k else 0):
            found[tuple(rng.choice(others, k, replace=False).tolist())] = None
            if len(found) == n:
                break
        into = np.array(list(found), dtype=np.int64).reshape(len(found), k)
        return into, (self.length[top] / self.length[into]).astype(np.float32)


def writes_of(model: LensModel, layer: int, site: str) -> Writes | str:
    """Where the units of a site write, or why they have no direction of their own."""
    if site in _THROUGH_ATTENTION:
        return NO_DIRECTION
    written = _WRITES.get(site, site)
    try:
        if written == "mlp_post":
            rows = model.mlp_output_weights(layer)
        elif written == "z":
            rows = model.attention_output_weights(layer)
        else:
            return Writes(written, np.ones(model.shapes[site].n_units))
    except InputError as error:
        return str(error).rstrip(".")
    return Writes(written, rows.double().norm(dim=1).cpu().numpy())


def swap_job(
    model: LensModel,
    key: tuple[int, str],
    writes: Writes,
    new: Replacement,
    examples: Examples,
    top: NDArray[np.int64],
    others: NDArray[np.int64],
    *,
    n: int,
    positions: Positions,
    after: int,
    seed: int,
) -> SwapJob:
    """n swaps of what `new` changes in the top units; last the change in its own place.

    The last must do what the ablation does: see `not_itself`.
    """
    into, scale = writes.swaps(top, others, n, seed=seed)
    change = _written(model, key, writes.site, new, examples, positions, after)
    return SwapJob(
        key[0], writes.site, np.concatenate([into, top[None]]),
        np.concatenate([scale, np.ones((1, len(top)), np.float32)]),
        tuple(rows[:, top] for rows in change),
    )  # fmt: skip


def not_itself(swapped: float, ablated: float, floor: float) -> str:
    """Why swaps are no null: the top units' changes in their own place are not their ablation.

    Parameters
    ----------
    swapped, ablated, floor
        Divergence, in nats, of the change written in its own place, of the ablation, and of
        nothing.
    """
    if abs(swapped - ablated) <= _SAME * ablated + _SAME_FLOORS * floor:
        return ""
    return (
        f"what these units change is not all they write: writing it again changes the next-token "
        f"distribution by {swapped:.2g} nats, ablating them by {ablated:.2g}"
    )


def _written(
    model: LensModel,
    key: tuple[int, str],
    written: str,
    new: Replacement,
    examples: Examples,
    positions: Positions,
    after: int,
) -> list[Float[np.ndarray, "position unit"]]:
    """How replacing each unit changes it where it writes, one array an example."""
    layer, site = key
    found: list[NDArray[np.float32]] = [np.empty((0, 0), np.float32)] * len(examples)
    for group in grouped(examples, after):
        where = group.where(positions)
        n = where.stop - where.start
        for part in group.part(PASS_WINDOWS):
            tokens = torch.from_numpy(part.tokens.astype(np.int64)).to(model.device)
            values = new.values(part.rows, n).to(model.device)
            seen: list[torch.Tensor] = []

            def keep(tensor: torch.Tensor, hook: object, seen: list[torch.Tensor] = seen) -> None:
                seen.append(tensor.flatten(2).float())

            every = torch.ones(1, model.shapes[site].n_units, dtype=torch.bool)
            replace = replace_units(every.to(model.device), values, where, len(part.rows))
            kept: Hooks = [(SITES[written].hook_name(layer), keep)]
            changed: Hooks = [(SITES[site].hook_name(layer), replace), *kept]
            with torch.inference_mode():
                for hooks in (kept, changed):
                    model.run_with_hooks(
                        tokens, fwd_hooks=hooks, stop_at_layer=layer + 1, return_type=None
                    )
            change = (seen[1] - seen[0])[:, where].cpu().numpy()
            for row, own in zip(part.rows, change, strict=True):
                found[row] = own
    return found
