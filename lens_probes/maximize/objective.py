"""One unit as a function of the input: of embeddings, with gradients, or of token ids."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from jaxtyping import Float, Int

from lens_probes.activations.collect import TOKENS_PER_BATCH
from lens_probes.errors import InputError, at_least, choice, flag, whole
from lens_probes.model.load import LensModel
from lens_probes.sites import SITES, SiteShape, check_layers, check_sites, unit_name

Read = Literal["last", "mean"]


class _SiteRead(Exception):  # noqa: N818  (nothing is wrong)
    """Raised by the hook that has read the site: nothing after it needs to run."""


@dataclass(frozen=True)
class Objective:
    """The activation of one unit, at the last position or averaged over all of them.

    Attributes
    ----------
    unit
        Index in the site; at per-head sites `head * d + i`.
    neighbours
        Indices nearest to the unit's (within its head at per-head sites), read along with it.
    position_embeddings
        False: learned position embeddings are replaced by zeros.
    """

    model: LensModel
    site: str
    layer: int
    unit: int
    neighbours: tuple[int, ...]
    read: Read
    position_embeddings: bool

    @property
    def name(self) -> str:
        """Name of the unit, such as `L13.mlp_pre.2022`."""
        return unit_name(self.layer, self.site, self.unit, self.model.shapes[self.site])

    @property
    def positions(self) -> str:
        """Where positions enter, in words, for the result."""
        if not self.model.has_position_embeddings:
            return "inside attention; replacing embeddings leaves them in place"
        return "learned embeddings, " + ("added" if self.position_embeddings else "left out")

    def of_tokens(
        self, tokens: Int[np.ndarray, "sequence token"]
    ) -> Float[np.ndarray, " sequence"]:
        """Activation of the unit for sequences of token ids, in batches."""
        size = max(1, TOKENS_PER_BATCH // tokens.shape[1])
        parts = []
        with torch.no_grad():
            for first in range(0, len(tokens), size):
                values = self._forward(self._ids(tokens[first : first + size]), lambda _: None)
                parts.append(values[:, 0].float().cpu().numpy())
        return np.concatenate(parts)

    def gradient_at_tokens(
        self, tokens: Int[np.ndarray, "sequence token"]
    ) -> Float[torch.Tensor, "sequence token d_model"]:
        """Gradient of each sequence's activation with respect to its tokens' embeddings."""
        size = max(1, TOKENS_PER_BATCH // tokens.shape[1])
        gradients: list[torch.Tensor] = []
        for first in range(0, len(tokens), size):
            leaves: list[torch.Tensor] = []

            def as_leaf(tensor: torch.Tensor, leaves: list[torch.Tensor] = leaves) -> torch.Tensor:
                leaves.append(tensor.detach().clone().requires_grad_())
                return leaves[0]

            with self.model.computing(gradients=True):
                columns = self._forward(self._ids(tokens[first : first + size]), as_leaf)
                gradients += torch.autograd.grad(columns[:, 0].sum(), leaves)
        return torch.cat(gradients)

    def of_embeddings(
        self, embeddings: Float[torch.Tensor, "sequence token d_model"]
    ) -> Float[torch.Tensor, "sequence column"]:
        """Activation of the unit and its neighbours (columns 1 on), without gradients."""
        size = max(1, TOKENS_PER_BATCH // embeddings.shape[1])
        with torch.no_grad():
            return torch.cat([self._inserted(part) for part in torch.split(embeddings, size)])

    def with_gradient(
        self, embeddings: Float[torch.Tensor, "sequence token d_model"]
    ) -> tuple[
        Float[torch.Tensor, "sequence column"], Float[torch.Tensor, "sequence token d_model"]
    ]:
        """`of_embeddings`, and the gradient of each sequence's own activation."""
        size = max(1, TOKENS_PER_BATCH // embeddings.shape[1])
        values: list[torch.Tensor] = []
        gradients: list[torch.Tensor] = []
        for part in torch.split(embeddings.detach(), size):
            with self.model.computing(gradients=True):
                leaf = part.clone().requires_grad_()
                columns = self._inserted(leaf)
                gradients += torch.autograd.grad(columns[:, 0].sum(), leaf)
            values.append(columns.detach())
        return torch.cat(values), torch.cat(gradients)

    def _ids(self, tokens: Int[np.ndarray, "sequence token"]) -> torch.Tensor:
        return torch.from_numpy(np.asarray(tokens, np.int64)).to(self.model.device)

    def _inserted(self, embeddings: torch.Tensor) -> torch.Tensor:
        stand_in = _ordinary_token(self.model)
        tokens = torch.full(embeddings.shape[:2], stand_in, device=self.model.device)
        return self._forward(tokens, lambda tensor: embeddings.to(tensor.dtype))

    def _forward(
        self, tokens: torch.Tensor, embed: Callable[[torch.Tensor], torch.Tensor | None]
    ) -> torch.Tensor:
        """One forward pass up to the site: [sequence, column]; None from `embed` changes nothing.

        Half precision becomes float32 here, so that a mean is not rounded to it.
        """
        columns = [self.unit, *self.neighbours]
        read: list[torch.Tensor] = []
        reached: set[str] = set()

        def insert(tensor: torch.Tensor, hook: object) -> torch.Tensor | None:
            reached.add("hook_embed")
            return embed(tensor)

        def leave_out(tensor: torch.Tensor, hook: object) -> torch.Tensor:
            reached.add("hook_pos_embed")
            return torch.zeros_like(tensor)

        def read_unit(tensor: torch.Tensor, hook: object) -> None:
            reached.add(place)
            read.append(tensor.flatten(2)[..., columns])
            raise _SiteRead

        place = SITES[self.site].hook_name(self.layer)
        hooks: list[tuple[str, Any]] = [("hook_embed", insert), (place, read_unit)]
        if not self.position_embeddings:
            hooks.append(("hook_pos_embed", leave_out))
        with contextlib.suppress(_SiteRead):
            self.model.run_with_hooks(tokens, fwd_hooks=hooks, return_type=None)
        missed = {name for name, _ in hooks} - reached
        if missed:
            raise RuntimeError(f"{', '.join(sorted(missed))} was not reached in this model")
        values = read[0] if read[0].dtype == torch.float64 else read[0].float()
        return values[:, -1] if self.read == "last" else values.mean(1)


def unit_objective(
    model: LensModel,
    *,
    site: str,
    layer: int,
    unit: int,
    n_tokens: int,
    read: Read = "last",
    position_embeddings: bool = True,
    n_neighbours: int = 0,
) -> Objective:
    """Check what was asked of a unit against the model.

    Raises
    ------
    InputError
        A site, layer or unit the model lacks; more tokens than it takes; position embeddings to
        be left out of a model that has none.
    """
    [name] = check_sites([site], model.shapes)
    [at] = check_layers(whole("layer", layer), model.n_layers)
    flag("position_embeddings", position_embeddings)
    shape = model.shapes[name]
    index = whole("unit", unit)
    if not 0 <= index < shape.n_units:
        raise InputError(
            f"no unit {unit}: {name} of this model has units 0 to {shape.n_units - 1} in a layer."
        )
    choice("read", read, get_args(Read))
    n_ctx = int(model.cfg.n_ctx)
    at_least(1, n_tokens=n_tokens)
    if n_tokens > n_ctx:
        raise InputError(f"n_tokens is {n_tokens}, the model takes {n_ctx}: ask for fewer.")
    if not position_embeddings and not model.has_position_embeddings:
        raise InputError(
            "position_embeddings=False, but this model has none to leave out (positions enter "
            "inside attention): leave position_embeddings at True."
        )
    near = _neighbours(index, shape, n_neighbours)
    return Objective(model, name, at, index, near, read, position_embeddings)


def _neighbours(unit: int, shape: SiteShape, n: int) -> tuple[int, ...]:
    head = unit // shape.d
    others = [i for i in range(head * shape.d, (head + 1) * shape.d) if i != unit]
    return tuple(sorted(sorted(others, key=lambda i: (abs(i - unit), i))[:n]))


def _ordinary_token(model: LensModel) -> int:
    """An id to stand where embeddings are inserted: a padding token would be masked out."""
    special = set() if model.tokenizer is None else set(model.tokenizer.all_special_ids)
    return next(i for i in range(int(model.cfg.d_vocab)) if i not in special)
