"""Properties of tokens: word lists, patterns and functions; those shipped and those of a user."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from lens_probes.atlases.property import CONFOUNDS, Labels, Property, Rule
from lens_probes.atlases.rules import RULES
from lens_probes.atlases.tokens import Tokens
from lens_probes.errors import InputError, choice, one_line, shown, unknown
from lens_probes.probes.toml_file import read_toml
from lens_probes.storage.paths import user_path

AMONG = ("words", "numbers", "signs", "all")
OF = ("word", "previous word", "next word")
SHIPPED = "shipped"
_KEYS = ("words", "pattern", "except", "against", "among", "of", "case", "means", "unmatched")


def properties_of(given: Any) -> tuple[Property, ...]:
    """Properties as a user asks for them.

    Parameters
    ----------
    given
        `"shipped"`, or a list of: `"shipped"`, names of shipped ones, TOML files, Python files
        (each of their public functions is a property), functions of `Tokens`, `Property`.

    Raises
    ------
    InputError
        Something else, a file that is wrong (by its key), a name given twice.
    """
    parts = [given] if isinstance(given, str | Path | Property) or callable(given) else given
    if not isinstance(parts, Iterable) or isinstance(parts, Mapping):
        raise InputError(f"properties must be 'shipped' or a list; got {shown(given)}.")
    found = [one for part in parts for one in _of_one(part)]
    names = [one.name for one in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"property {twice[0]!r} is given twice: rename one of them.")
    if not found:
        raise InputError("properties is empty: give 'shipped', a TOML file or a function.")
    return tuple(found)


def shipped() -> tuple[Property, ...]:
    """The properties of the package, in the order of its files."""
    folder = resources.files("lens_probes").joinpath("data", "properties")
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".toml")), key=lambda f: f.name)
    listed = [one for file in files for one in _of_toml(Path(str(file)))]
    return (*listed, *RULES)


def _of_one(part: Any) -> tuple[Property, ...]:
    if isinstance(part, Property):
        return (part,)
    if callable(part):
        return (_of_function(part),)
    if not isinstance(part, str | Path):
        raise InputError(
            f"a property must be a name, a file or a function of tokens; got {shown(part)}."
        )
    if part == SHIPPED:
        return shipped()
    suffix = Path(part).suffix.lower()
    if suffix == ".toml":
        return _of_toml(user_path(part))
    if suffix == ".py":
        return _of_python(user_path(part))
    by_name = {one.name: one for one in shipped()}
    if str(part) not in by_name:
        raise unknown("property", part, [SHIPPED, *by_name])
    return (by_name[str(part)],)


def _of_function(function: Rule) -> Property:
    name = getattr(function, "__name__", type(function).__name__).replace("_", " ")
    means = (getattr(function, "__doc__", None) or "").strip().split("\n")[0].rstrip(".")
    return Property(name, function, means=means)


def _of_python(path: Path) -> tuple[Property, ...]:
    """The public functions that a Python file defines; the file is run."""
    spec = importlib.util.spec_from_file_location("properties_of_a_user", path)
    try:
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    except Exception as error:
        raise InputError(
            f"cannot run {path}: {type(error).__name__}: {one_line(error, 120)}."
        ) from error
    own = [
        value
        for name, value in vars(module).items()
        if not name.startswith("_")
        and callable(value)
        and getattr(value, "__module__", "") == module.__name__
    ]
    if not own:
        raise InputError(f"{path} defines no function: give one that takes tokens.")
    return tuple(_of_function(function) for function in own)


def _of_toml(path: Path) -> tuple[Property, ...]:
    """Every table of a TOML file; `section`, above them, is their heading.

    Raises
    ------
    InputError
        By the property and the key that is wrong.
    """
    content = read_toml(path)
    section = content.pop("section", path.stem)
    if not isinstance(section, str):
        raise InputError(f"{path}: section must be a text; got {shown(section)}.")
    if not content:
        raise InputError(f"{path} has no property: write [name] and words = [...] below it.")
    return tuple(_of_table(path, section, name, table) for name, table in content.items())


def _of_table(path: Path, section: str, name: str, table: Any) -> Property:
    where = f"{path}: property {name!r}"
    if not isinstance(table, dict):
        raise InputError(f"{where} must be a table with words or pattern; got {shown(table)}.")
    for key in table:
        if key not in _KEYS:
            raise InputError(f"{where}: {unknown('key', key, _KEYS)}")
    if ("words" in table) == ("pattern" in table):
        raise InputError(f"{where} needs words or pattern, one of the two.")
    case = table.get("case", False)
    if not isinstance(case, bool):
        raise InputError(f"{where}: case must be true or false; got {shown(case)}.")
    try:
        of = choice("of", table.get("of", "word"), OF)
        among = choice("among", table.get("among", "words"), AMONG)
        unmatched = tuple(
            choice("confound in unmatched", one, CONFOUNDS)
            for one in _list(where, "unmatched", table.get("unmatched", []))
        )
    except InputError as error:
        raise InputError(f"{where}: {str(error).removeprefix(where + ': ')}") from error
    means = table.get("means", name)
    if not isinstance(means, str):
        raise InputError(f"{where}: means must be a text; got {shown(means)}.")
    has = _matcher(where, "words" if "words" in table else "pattern", table, case)
    but = _matcher(where, "except", table, case) if "except" in table else None
    against = _matcher(where, "against", table, case) if "against" in table else None
    rule = _Listed(has, but, against, among, of, case)
    return Property(name, rule, section, means, unmatched)


Matcher = Callable[[str], bool]


def _matcher(where: str, key: str, table: Mapping[str, Any], case: bool) -> Matcher:
    """Whether a word is among those of a key: a list of words, or a pattern of whole words."""
    given = table[key]
    if key == "words" or isinstance(given, list):
        words = frozenset(w if case else w.lower() for w in _list(where, key, given))
        if not words:
            raise InputError(f"{where}: {key} is empty: give one word or more.")
        return words.__contains__
    if not isinstance(given, str):
        raise InputError(f"{where}: {key} must be a text; got {shown(given)}.")
    try:
        pattern = re.compile(given)
    except re.error as error:
        raise InputError(f"{where}: {key} is no regular expression ({error}).") from error
    return lambda word: pattern.fullmatch(word) is not None


def _list(where: str, key: str, given: Any) -> Sequence[str]:
    if not isinstance(given, list) or not all(isinstance(w, str) and w.strip() for w in given):
        raise InputError(f"{where}: {key} must be a list of texts; got {shown(given)}.")
    return given


@dataclass(frozen=True)
class _Listed:
    """The rule of a table: 1 for words of `has` but not `but`, 0 for `against` or all others."""

    has: Matcher
    but: Matcher | None
    against: Matcher | None
    among: str
    of: str
    case: bool

    def __call__(self, tokens: Tokens) -> Labels:
        columns = {"previous word": tokens.previous, "next word": tokens.following}
        own = tokens.written if self.case else tokens.word
        seen: dict[str, int] = {}
        labels = np.empty(len(tokens), dtype=np.int8)
        for i, word in enumerate(columns.get(self.of, own)):
            if word not in seen:
                seen[word] = self._one(word)
            labels[i] = seen[word]
        labels[~tokens.among(self.among)] = -1
        return labels

    def _one(self, word: str) -> int:
        if not word:
            return -1
        if self.has(word):
            return -1 if self.but is not None and self.but(word) else 1
        return 0 if self.against is None or self.against(word) else -1
