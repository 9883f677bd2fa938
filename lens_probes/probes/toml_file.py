"""TOML files of users, within limits: the parser's time and depth grow without bound."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from lens_probes.errors import InputError, one_line
from lens_probes.storage.integrity import open_file

MOST_BYTES = 2**20
_MOST_KEY_PARTS = 100
_PART = r"""(?:[\w-]+|"[^"\n]*"|'[^'\n]*')"""
# Only from the start of a word, so that a long word is gone through once.
_LONG_KEY = re.compile(rf"(?<![\w-]){_PART}(?:[ \t]*\.[ \t]*{_PART}){{{_MOST_KEY_PARTS}}}")


def read_toml(path: Path) -> dict[str, Any]:
    """What a TOML file says.

    Raises
    ------
    InputError
        It cannot be read, is too large, is not TOML, or is nested without end.
    """
    try:
        with open_file(path) as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}.") from error
    if len(data) > MOST_BYTES:
        raise InputError(f"{path} has more than {MOST_BYTES // 2**20} MiB: give fewer words.")
    try:
        text = data.decode()
        if _LONG_KEY.search(text):
            raise ValueError(f"a key of more than {_MOST_KEY_PARTS} parts")
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not TOML: {one_line(error)}.") from error
