"""Texts fetched from a network: kept in the cache folder, each file whole or absent."""

from __future__ import annotations

from pathlib import Path

from lens_probes.model_files import cache_error, cache_folder
from lens_probes.sealed import StorageError, write_atomic


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
