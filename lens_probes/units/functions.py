"""Functions of a site's units, for `Site.from_function`: directions, components, dictionaries."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from lens_probes.arrays import array_of
from lens_probes.errors import InputError, choice

if TYPE_CHECKING:
    import torch

_ACTIVATIONS = ("none", "relu", "sigmoid", "tanh")


@dataclass(frozen=True, eq=False)
class Linear:
    """x W + b of every example, and an activation of it; see `linear`."""

    W: Float[np.ndarray, "base_unit unit"]
    b: Float[np.ndarray, " unit"]
    activation: str = "none"

    @property
    def digest(self) -> str:
        """sha256 of weights, offsets and activation."""
        digest = hashlib.sha256(f"linear {self.W.shape} {self.activation}".encode())
        digest.update(self.W.tobytes() + self.b.tobytes())
        return digest.hexdigest()

    def random_twin(self, seed: int) -> Linear:
        """Random directions of the same lengths, with the same offsets."""
        drawn = np.random.default_rng(seed).normal(size=self.W.shape)
        drawn *= np.linalg.norm(self.W, axis=0) / np.linalg.norm(drawn, axis=0)
        return Linear(drawn.astype(np.float32), self.b, self.activation)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Linear) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """[example, base unit] -> [example, unit]."""
        if x.shape[1] != len(self.W):
            raise InputError(f"W is for {len(self.W)} units, the site has {x.shape[1]}")
        found = x @ x.new_tensor(self.W) + x.new_tensor(self.b)
        apply: Callable[[], torch.Tensor] | None = getattr(found, self.activation, None)
        return found if apply is None else apply()


def linear(W: Any, b: Any = None, activation: str = "none") -> Linear:
    """Directions of a site's activations as units: x W + b.

    A probe's direction, principal components (`W = pca.components_.T`, `b = -pca.mean_ @ W`), an
    encoder (`activation="relu"`).

    Parameters
    ----------
    W
        [base unit, unit] weights; one direction may be [base unit].
    b
        [unit] offsets, or None.
    activation
        `"none"`, `"relu"`, `"sigmoid"` or `"tanh"`.

    Raises
    ------
    InputError
        Shapes that do not fit, numbers that are not finite.
    """
    weights = _numbers("W", W)
    weights = weights[:, None] if weights.ndim == 1 else weights
    if weights.ndim != 2 or not weights.size:
        raise InputError(f"W must be [base unit, unit]; got the shape {weights.shape}.")
    offsets = np.zeros(weights.shape[1], np.float32) if b is None else _numbers("b", b)
    if offsets.shape != weights.shape[1:]:
        raise InputError(
            f"b must be [unit] = ({weights.shape[1]},), as W has columns; got {offsets.shape}."
        )
    return Linear(weights, offsets, choice("activation", activation, _ACTIVATIONS))


def _numbers(name: str, value: Any) -> Any:
    got = array_of(name, value)
    if got.dtype.kind not in "fiub" or not np.isfinite(got).all():
        raise InputError(f"{name} must be finite numbers; got {got.dtype}.")
    return np.ascontiguousarray(got, np.float32)
