"""Reading the residual stream and what is written to it, at every position."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import ArrayLike, NDArray

from lens_probes.arrays import array_of
from lens_probes.errors import InputError
from lens_probes.model.load import LensModel
from lens_probes.model.wrap import Model, check_model
from lens_probes.sites import SITES, check_sites

Tokens = ArrayLike


def check_tokens(model: LensModel, tokens: Tokens, *, axes: int = 2) -> NDArray[np.int64]:
    """Token ids as [sequence, position] (`axes=2`; one sequence may come alone) or [position].

    Raises
    ------
    InputError
        Ids that are no whole numbers or not in the vocabulary, another shape (sequences of unequal
        length among them), too many positions.
    """
    try:
        ids = array_of("tokens", tokens)
    except InputError:  # sequences of unequal length among them
        ids = np.empty(0)
    if axes == 2 and ids.ndim == 1:
        ids = ids[None]
    shape = "[position]" if axes == 1 else "[sequence, position], all of one length"
    if ids.ndim != axes or ids.size == 0 or not np.issubdtype(ids.dtype, np.integer):
        raise InputError(
            f"tokens must be whole numbers {shape}; got shape {list(ids.shape)} of {ids.dtype}."
        )
    n_ctx, n_vocab = int(model.cfg.n_ctx), int(model.cfg.d_vocab)
    if ids.shape[-1] > n_ctx:
        raise InputError(f"{ids.shape[-1]} tokens, the model takes {n_ctx}: shorten the text.")
    if ids.min() < 0 or ids.max() >= n_vocab:
        wrong = int(ids.min() if ids.min() < 0 else ids.max())
        raise InputError(
            f"token id {wrong} is outside the model's vocabulary (0 to {n_vocab - 1}): were the "
            "tokens made with this model's tokenizer?"
        )
    return ids.astype(np.int64)


def read(
    model: LensModel, tokens: NDArray[np.int64], keys: Iterable[tuple[int, str]]
) -> dict[tuple[int, str], NDArray[np.floating[Any]]]:
    """(layer, site) -> [sequence, position, unit], heads flattened, in float32 or the model's."""
    keys = list(keys)
    check_sites([site for _, site in keys], model.shapes)
    hooks = {(layer, site): SITES[site].hook_name(layer) for layer, site in keys}
    batch = torch.from_numpy(tokens).to(model.device)
    with model.computing(gradients=False):
        _, cache = model.run_with_cache(
            batch, names_filter=list(dict.fromkeys(hooks.values())), return_type=None
        )
    missing = [hook for hook in hooks.values() if hook not in cache]
    assert not missing, f"the cache lacks {missing}"  # a list of names drops unknown ones silently
    return {key: to_numpy(cache[hook].flatten(2)) for key, hook in hooks.items()}


def stream(model: Model, tokens: Tokens) -> Float[np.ndarray, "state sequence position d_model"]:
    """The residual stream between all blocks: state `l` enters block `l`, the last leaves the last.

    `n_layers + 1` states; none of them has been through the final norm.

    Raises
    ------
    InputError
        Tokens the model cannot read.
    """
    model = check_model(model)
    ids = check_tokens(model, tokens)
    keys = [(layer, "resid_pre") for layer in range(model.n_layers)]
    keys.append((model.n_layers - 1, "resid_post"))
    return np.stack(list(read(model, ids, keys).values()))


def to_numpy(values: torch.Tensor) -> NDArray[np.floating[Any]]:
    """A NumPy array, float32 where the model computes in half precision."""
    if values.dtype not in (torch.float32, torch.float64):
        values = values.float()
    array: NDArray[np.floating[Any]] = values.cpu().numpy()
    return array
