"""What saved files must hold: checked when they are read, before anything is made of them.

Further keys are free, so that what another version adds is no damage; a type is never converted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lens_probes.errors import InputError, one_line
from lens_probes.storage.integrity import read_file

Sha256 = Annotated[str, Field(pattern=r"\A[0-9a-f]{64}\z")]
Number = float | None  # finite (see Saved): JSON has no NaN
Pair = Annotated[list[int], Field(min_length=2, max_length=2)]
Names = Annotated[list[str], Field(min_length=2)]
OfClasses = Annotated[list[int], Field(min_length=2)]  # one number for each class


class Saved(BaseModel):
    """A JSON object of ours."""

    # JSON has whole numbers beyond every float: they are no numbers of ours either.
    model_config = ConfigDict(
        extra="allow", strict=True, allow_inf_nan=False, protected_namespaces=()
    )


def checked(
    content: Any, schema: type[Saved], path: Path, *, newest: int | None = None
) -> dict[str, Any]:
    """The content of a saved file as it came, once it is known to fit.

    Parameters
    ----------
    newest
        The one value of `format` that this version reads and writes; None where there is none.

    Raises
    ------
    InputError
        Another format, a missing key or a wrong type, with its place; a number that is not finite.
    """
    if newest is not None and isinstance(content, Mapping):
        check_format(content.get("format"), newest, path)
    try:
        text = json.dumps(content, allow_nan=False)
        schema.model_validate_json(text, strict=True)
    except (ValidationError, ValueError, RecursionError) as error:
        raise InputError(f"{path} is not as this version writes it: {_first(error)}.") from error
    kept: dict[str, Any] = content
    return kept


def read_json(path: Path, schema: type[Saved], *, newest: int | None = None) -> dict[str, Any]:
    """The content of a file that fits; InputError also where it cannot be read or is no JSON."""
    try:
        content = json.loads(read_file(path))
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror}).") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is damaged ({one_line(error, 80)}).") from error
    return checked(content, schema, path, newest=newest)


def check_version(data: bytes, newest: int, path: Path) -> None:
    """An error for a whole file of another version, whose seal may be another one, or none."""
    try:
        found = json.loads(data)["format"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return  # the seal tells what it is
    if type(found) is int and found != newest:
        check_format(found, newest, path)


def check_format(found: object, newest: int, path: Path) -> None:
    """An error that says whether a file is of a later or of an earlier version."""
    if type(found) is not int:
        raise InputError(f"{path} is not ours: it has no number of its format.")
    if found > newest:
        raise InputError(
            f"{path} is of a later version (format {found}; this one reads {newest}): update "
            "lens-probes to read it."
        )
    if found < newest:
        raise InputError(
            f"{path} is of an earlier version (format {found}; this one reads {newest}): make it "
            "again with the same command, in another folder."
        )


def _first(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error)[:120]
    wrong = error.errors(include_url=False, include_input=False, include_context=False)
    place = ".".join(str(part)[:40] for part in wrong[0]["loc"]) or "the whole"
    more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
    return f"{place}: {wrong[0]['msg']}{more}"
