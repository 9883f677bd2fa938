"""Texts fetched from a network: kept in the cache folder, each file whole or absent."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from lens_probes.errors import InputError
from lens_probes.model_files import cache_folder


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
        number, name = tempfile.mkstemp(prefix=f".{path.name[:40]}-", dir=path.parent)
        work = Path(name)
        try:
            with open(number, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            work.chmod(0o644)
            work.replace(path)
        finally:
            work.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(
            f"cannot write the cache folder {path.parent} ({error.strerror}): set "
            "LENS_PROBES_CACHE to a folder that can be written."
        ) from error
