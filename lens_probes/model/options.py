"""How a model is loaded: device or devices, dtype, weight processing, revision; checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Literal

import torch

from lens_probes.errors import InputError, choice, given_as, one_line, shown, unknown

# `as given`: of a model in memory, whatever was done to it.
Processing = Literal["none", "standard", "as given"]
DeviceMap = str | Mapping[str, str | int]
DTYPES = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "float64": torch.float64,
}
_MAPS = ("auto", "balanced", "balanced_low_0", "sequential")


@dataclass(frozen=True)
class Options:
    """Device, dtype and weight processing, checked by `options_of`."""

    device: str
    dtype: torch.dtype
    processing: Processing
    device_map: DeviceMap | None = None
    max_memory: Mapping[str | int, str | int] | None = None
    revision: str | None = None


def options_of(
    device: Any, dtype: Any, processing: Any, device_map: Any, max_memory: Any, revision: Any
) -> Options:
    """Options of `load_model`.

    Raises
    ------
    InputError
        One of them is none, or two that do not go together.
    """
    if isinstance(dtype, str) and dtype in DTYPES:
        dtype = DTYPES[dtype]
    if not isinstance(dtype, torch.dtype) or dtype not in DTYPES.values():
        raise unknown("dtype", dtype, DTYPES)
    choice("processing", processing, ("none", "standard"))
    given_as("revision", revision, str | None, "the name of a branch, a tag or a commit")
    _check_map(device, device_map, max_memory)
    if device_map is not None and processing != "none":
        raise InputError(
            "weights that are spread over devices cannot be folded and centred: leave out "
            "device_map, or processing."
        )
    return Options(_device(device), dtype, processing, device_map, max_memory, revision)


def _check_map(device: Any, device_map: Any, max_memory: Any) -> None:
    if device_map is None:
        if max_memory is not None:
            raise InputError("max_memory goes with device_map: give device_map='auto' too.")
        return
    if isinstance(device_map, str):
        choice("device_map", device_map, _MAPS)
    else:
        how = f"one of {', '.join(_MAPS)}, or a mapping from parts of the model to devices"
        given_as("device_map", device_map, Mapping, how)
    given_as("max_memory", max_memory, Mapping | None, "a mapping from devices to '10GiB' or bytes")
    if device != "auto":
        raise InputError(f"give device or device_map, not both; got device={shown(device)}.")
    if find_spec("accelerate") is None:
        raise InputError("device_map needs accelerate: pip install 'lens-probes[big]'.")


def _device(name: str) -> str:
    given_as("device", name, str, "auto, cpu, cuda or another torch device by its name")
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"cannot use device {name!r}: {one_line(error, 120)}.") from error
    return name
