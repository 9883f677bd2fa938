"""Hidden states as Hugging Face gives them, and what a hook sees instead (L07)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import ArrayLike

from lens_probes.arrays import array_of
from lens_probes.errors import InputError
from lens_probes.model.wrap import Model, check_model
from lens_probes.residual.stream import Tokens, stream, to_numpy


@dataclass(frozen=True)
class HiddenStateDifference:
    """Largest difference from reference hidden states, over all tokens.

    Attributes
    ----------
    hook
        [state], absolute, of what a hook sees: 0 for all but the last, which lacks the final norm.
    normed
        Of the last state once the final norm is applied to it: 0 again.
    hook_relative, normed_relative
        The same as the norm of a token's difference by the norm of its reference state. Where two
        implementations compute, this is what stays at floating-point error: at an attention sink
        the stream itself reaches tens of thousands.
    """

    hook: Float[np.ndarray, " state"]
    normed: float
    hook_relative: Float[np.ndarray, " state"]
    normed_relative: float


@dataclass(frozen=True)
class HiddenStates:
    """States between the blocks: `n_layers + 1` of them, each [sequence, position, d_model].

    Attributes
    ----------
    hook
        What hooks see: the residual stream that enters each block, and that leaves the last.
    normed
        The last of them after the final norm, weight and bias included.
    """

    hook: Float[np.ndarray, "state sequence position d_model"]
    normed: Float[np.ndarray, "sequence position d_model"]

    @property
    def hugging_face(self) -> Float[np.ndarray, "state sequence position d_model"]:
        """`output_hidden_states` of transformers: the last one has been through the final norm."""
        return np.concatenate([self.hook[:-1], self.normed[None]])

    def difference(self, reference: ArrayLike) -> HiddenStateDifference:
        """Largest differences from the `hidden_states` of a Hugging Face model (L07.a).

        Raises
        ------
        InputError
            Reference states of another shape.
        """
        given = array_of("reference", reference)
        if given.dtype.kind not in "fiu":
            raise InputError(f"reference hidden states must be numbers; got {given.dtype}.")
        given = given.astype(np.float64)
        if given.shape != self.hook.shape:
            raise InputError(
                f"reference hidden states must be {list(self.hook.shape)} [state, sequence, "
                f"position, d_model], stacked; got {list(given.shape)}."
            )
        hook, normed = self.hook - given, self.normed - given[-1]
        size = np.linalg.norm(given, axis=-1)
        return HiddenStateDifference(
            hook=np.abs(hook).max(axis=(1, 2, 3)),
            normed=float(np.abs(normed).max()),
            hook_relative=(np.linalg.norm(hook, axis=-1) / size).max(axis=(1, 2)),
            normed_relative=float((np.linalg.norm(normed, axis=-1) / size[-1]).max()),
        )


def hidden_states(model: Model, tokens: Tokens) -> HiddenStates:
    """All hidden states of some sequences (L07).

    Of the model as loaded: after standard processing they differ from Hugging Face's.

    Raises
    ------
    InputError
        Tokens the model cannot read.
    """
    model = check_model(model)
    states = stream(model, tokens)
    with model.computing(gradients=False):
        last = torch.from_numpy(states[-1]).to(model.device, model.dtype)
        normed = model.final_norm(last)
    return HiddenStates(states, to_numpy(normed))
