"""The file of a shard: numbers in float32, or in half of that where it was asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float32
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save
from safetensors.torch import save as save_torch

from lens_probes.errors import InputError
from lens_probes.storage.integrity import open_file

# What activations may be stored in: `model` is the model's own type (of float64, float32).
StoreDtype = Literal["float32", "float16", "bfloat16", "model"]
STORE_DTYPES = ("float32", "float16", "bfloat16", "model")
Stored = Literal["float32", "float16", "bfloat16"]

# NumPy has no bfloat16: its bits stand in an array of this type, which nothing else here has.
_BITS = np.dtype("<u2")
Tensors = dict[str, NDArray[Any]]


def stored_type(asked: StoreDtype, model_dtype: str) -> Stored:
    """What the numbers of a model of this dtype are stored in."""
    of_model: dict[str, Stored] = {"float16": "float16", "bfloat16": "bfloat16"}
    return of_model.get(model_dtype, "float32") if asked == "model" else asked


def bytes_of(stored: Stored) -> int:
    """Bytes of one number."""
    return 4 if stored == "float32" else 2


def in_dtype(values: Float32[np.ndarray, "example unit"], stored: Stored, what: str) -> Any:
    """Numbers as they are stored, rounded to the nearest.

    Raises
    ------
    InputError
        One that is beyond float16; `what` says whose.
    """
    if stored == "float32":
        return np.ascontiguousarray(values, "<f4")
    if stored == "bfloat16":
        return torch.from_numpy(values).to(torch.bfloat16).view(torch.uint16).numpy()
    with np.errstate(over="ignore"):
        half = np.ascontiguousarray(values, "<f2")
    beyond = np.isinf(half) & np.isfinite(values)
    if beyond.any():
        raise InputError(
            f"an activation of {what}, {values[beyond][0]:.4g}, is beyond float16 (65,504): store "
            "activations in bfloat16 or float32."
        )
    return half


def as_float32(values: NDArray[Any]) -> Float32[np.ndarray, "example unit"]:
    """The numbers of a stored array."""
    if values.dtype == _BITS:
        return torch.from_numpy(values).view(torch.bfloat16).float().numpy()
    single: Float32[np.ndarray, "example unit"] = values.astype(np.float32, copy=False)
    return single


def shard_bytes(tensors: Tensors, stored: Stored, metadata: Mapping[str, str]) -> bytes:
    """A safetensors file; the same numbers are the same bytes."""
    if stored != "bfloat16":
        return save(tensors, metadata=dict(metadata))
    as_torch = {name: _to_torch(values) for name, values in tensors.items()}
    return save_torch(as_torch, metadata=dict(metadata))


def shard_tensors(path: Path, names: Sequence[str] = ()) -> tuple[dict[str, str], Tensors]:
    """What a shard's file says of itself, and some of its tensors, or all.

    Raises OSError, SafetensorError, ValueError where it cannot be read.
    """
    open_file(path).close()  # a pipe would be waited for without end
    with safe_open(path, framework="np") as file:
        said = file.metadata() or {}
        wanted = list(names or file.keys())
        half = {name for name in wanted if file.get_slice(name).get_dtype() == "BF16"}
        read: Tensors = {name: file.get_tensor(name) for name in wanted if name not in half}
    if half:
        with safe_open(path, framework="pt") as file:
            read |= {name: file.get_tensor(name).view(torch.uint16).numpy() for name in half}
    return said, read


def _to_torch(values: NDArray[Any]) -> torch.Tensor:
    tensor = torch.from_numpy(values)
    return tensor.view(torch.bfloat16) if values.dtype == _BITS else tensor
