"""Values as JSON has them: what a result's JSON can hold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lens_probes.errors import InputError


def to_json_value(value: Any, name: str = "origin") -> Any:
    """The same as dicts, lists, strings, numbers, booleans and None; NaN and infinity as None.

    Raises
    ------
    InputError
        Something else, named by its place.
    """
    if isinstance(value, Mapping):
        return {str(key): to_json_value(part, f"{name}.{key}") for key, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset | np.ndarray):
        parts = sorted(value, key=str) if isinstance(value, set | frozenset) else value
        return [to_json_value(part, f"{name}[{i}]") for i, part in enumerate(parts)]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Path):
        return str(value)
    raise InputError(
        f"{name} is a {type(value).__name__}, which a result cannot keep: use text, numbers, lists "
        "and dicts in a probe's options."
    )
