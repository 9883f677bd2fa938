"""The cache folder: converted models and texts from a network, each file whole or absent."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from lens_probes.errors import InputError, one_line
from lens_probes.storage.integrity import StorageError, write_atomic
from lens_probes.storage.paths import user_path


def cache_folder() -> Path:
    """Where models and texts are kept: `LENS_PROBES_CACHE`, or the user's cache folder."""
    chosen = os.environ.get("LENS_PROBES_CACHE")
    return user_path(chosen) if chosen else Path(platformdirs.user_cache_dir("lens_probes"))


def text_cache() -> Path:
    """Where fetched texts are kept: the folder `texts` of the cache folder."""
    return cache_folder() / "texts"


def keep(path: Path, data: bytes) -> None:
    """Write a file in one step, so that no reader and no interruption ever sees half of it.

    Raises
    ------
    InputError
        The cache folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, data)
    except (OSError, StorageError) as error:
        raise cache_error(path.parent, error) from error


def cache_error(folder: Path, error: BaseException) -> InputError:
    """One line for a cache folder that cannot be written."""
    cause = error.__cause__ if isinstance(error, StorageError) and error.__cause__ else error
    why = getattr(cause, "strerror", None) or one_line(cause, 120)
    return InputError(
        f"cannot write the cache folder {folder} ({why}): free some space there, or set "
        "LENS_PROBES_CACHE to a folder that can be written."
    )
