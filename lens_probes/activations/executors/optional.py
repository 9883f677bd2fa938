"""Engines that not every installation has."""

from __future__ import annotations

import importlib
from typing import Any

from lens_probes.errors import InputError


def optional_package(module: str, extra: str) -> Any:
    """A package that comes with an extra; one line that says which, where it is not there."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InputError(
            f"this executor needs the package {module.replace('_', '-')}: run "
            f"`pip install 'lens-probes[{extra}]'`."
        ) from error
