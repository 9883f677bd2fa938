"""`--config FILE.toml`: options of a command from a file, by the same names.

They are put into the command line as if typed, so that a result says all that it was asked for.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lens_probes.errors import InputError

OPTION = "--config"


def with_config(given: Sequence[str]) -> list[str]:
    """The command line with the options of its file; what is typed counts more than the file.

    Options at the top of the file are for every command, those under [sweep.negation] for
    `sweep negation` alone, and count more. A list is joined by commas; true and false are flags.

    Raises
    ------
    InputError
        No file is named, or it cannot be read as TOML, or holds what no option takes.
    """
    kept, path = _taken_out(given)
    if path is None:
        return kept
    table = _read(path)
    command = [token for token in kept if not token.startswith("-")]
    options: dict[str, Any] = {}
    for name in ["", *command]:
        if name:
            table = table.get(name, {})
            if not isinstance(table, Mapping):
                break
        options |= {k: v for k, v in table.items() if not isinstance(v, Mapping)}
    typed = {token.split("=")[0] for token in kept if token.startswith("--")}
    added = []
    for key, value in options.items():
        name = key.replace("_", "-")
        if not {f"--{name}", f"--no-{name}"} & typed:
            added += _as_typed(path, name, value)
    return [*kept, *added]


def _taken_out(given: Sequence[str]) -> tuple[list[str], Path | None]:
    kept, path, tokens = [], None, iter(given)
    for token in tokens:
        if token == OPTION:
            named = next(tokens, None)
            if named is None:
                raise InputError(f"{OPTION} needs a TOML file.")
            path = Path(named)
        elif token.startswith(f"{OPTION}="):
            path = Path(token.removeprefix(f"{OPTION}="))
        else:
            kept.append(token)
    return kept, path


def _read(path: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(path.expanduser().read_text("utf-8"))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}.") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path} is not TOML: {error}.") from error


def _as_typed(path: Path, name: str, value: object) -> list[str]:
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no-{name}"]
    if isinstance(value, list) and all(isinstance(one, str | int) for one in value):
        value = ",".join(map(str, value))
    if not isinstance(value, str | int | float):
        raise InputError(f"{path}: {name} is no text, number, true, false or list of those.")
    return [f"--{name}", str(value)]
