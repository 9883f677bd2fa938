"""Minimal pairs: two texts that differ in one word, and continuations that are right after one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int
from numpy.typing import NDArray

from lens_probes.errors import InputError, place_of, shown
from lens_probes.model.load import LensModel
from lens_probes.probes.toml_file import read_toml

SHIPPED = ("agreement", "polarity")
_FIELD = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class PairGroup:
    """Prompts of one construction and one number of tokens; they run as one batch.

    Attributes
    ----------
    construction
        Its name.
    tokens
        [prompt, position].
    good, bad
        [prompt, continuation] token ids.
    form
        [prompt] 0 or 1: which word of its contrast pair it has.
    word
        [prompt] number of its contrast pair.
    """

    construction: str
    tokens: Int[np.ndarray, "prompt position"]
    good: Int[np.ndarray, "prompt continuation"]
    bad: Int[np.ndarray, "prompt continuation"]
    form: Int[np.ndarray, " prompt"]
    word: Int[np.ndarray, " prompt"]

    def __len__(self) -> int:
        return len(self.tokens)

    def some(self, rows: NDArray[np.bool_]) -> PairGroup:
        """Some of its prompts."""
        return PairGroup(
            self.construction, self.tokens[rows], self.good[rows], self.bad[rows],
            self.form[rows], self.word[rows],
        )  # fmt: skip


@dataclass(frozen=True)
class Pairs:
    """A behaviour: groups of prompts; `n_dropped` had another number of tokens than their like."""

    name: str
    question: str
    groups: tuple[PairGroup, ...]
    n_dropped: int

    def __len__(self) -> int:
        return sum(map(len, self.groups))


def load_pairs(model: LensModel, source: str | Path, *, seed: int = 0) -> Pairs:
    """Pairs of a TOML template: one that is shipped, by its name, or a file.

    `template` texts hold `{contrast}`, of which every pair is used in both forms, and fields that
    are drawn from `[fill]`, alike for both. A `continuation` is the word of its form, good, against
    that of the other. Prompts of a construction of another number of tokens than most are dropped,
    both of a pair.

    Raises
    ------
    InputError
        A template that is not as described, a continuation of several tokens, no tokenizer.
    """
    if model.tokenizer is None:
        raise InputError("this model has no tokenizer, and pairs are texts: load one that has.")
    name = str(source)
    if name in SHIPPED:
        path = Path(str(resources.files("lens_probes") / "data" / f"{name}.toml"))
    else:
        path = place_of("pairs", source)
        if not path.is_file():
            raise InputError(
                f"no pairs {shown(name)}: choose from {', '.join(SHIPPED)}, or a file."
            )
    said = read_toml(path)
    contrast, continuation = (_pairs_of(said, key, path) for key in ("contrast", "continuation"))
    ids = np.array([[_one_token(model, word) for word in pair] for pair in continuation])
    rng, groups, dropped = np.random.default_rng(seed), [], 0
    for one in _constructions(said, path):
        rows = _prompts(model, one["template"], contrast, said.get("fill", {}), path, rng)
        lengths = [{len(prompt) for prompt in pair} for pair in rows]
        usual = _most_common([next(iter(found)) for found in lengths if len(found) == 1])
        kept = [i for i, found in enumerate(lengths) if found == {usual}]
        dropped += 2 * (len(rows) - len(kept))
        if not kept:
            raise InputError(f"{path}: no pair of {one['name']!r} has equal numbers of tokens.")
        form = np.tile([0, 1], len(kept))
        groups.append(PairGroup(
            str(one["name"]), np.array([prompt for i in kept for prompt in rows[i]]),
            ids[:, form].T, ids[:, 1 - form].T, form, np.repeat(kept, 2),
        ))  # fmt: skip
    return Pairs(str(said.get("name", path.stem)), str(said.get("question", "")),
                 tuple(groups), dropped)  # fmt: skip


def _prompts(
    model: LensModel, template: str, contrast: list[list[str]], fill: Mapping[str, Any],
    path: Path, rng: np.random.Generator,
) -> list[list[list[int]]]:  # fmt: skip
    """[pair, form] token ids."""
    found = []
    for pair in contrast:
        drawn = {}
        for field in dict.fromkeys(_FIELD.findall(template)):
            if field == "contrast":
                continue
            words = fill.get(field) if isinstance(fill, Mapping) else None
            if not isinstance(words, list) or not words:
                raise InputError(f"{path}: {{{field}}} has no words in [fill].")
            drawn[field] = str(words[int(rng.integers(len(words)))])
        texts = [template.format(contrast=word, **drawn) for word in pair]
        found.append([list(model.tokenizer(text)["input_ids"]) for text in texts])
    return found


def _constructions(said: Mapping[str, Any], path: Path) -> list[dict[str, Any]]:
    listed = said.get("construction")
    good = isinstance(listed, list) and bool(listed)
    for one in listed if isinstance(listed, list) else []:
        template = one.get("template") if isinstance(one, dict) else None
        good = good and isinstance(template, str) and "{contrast}" in template and "name" in one
        if good and set("{}") & set(_FIELD.sub("", template or "")):
            raise InputError(
                f"{path}: template {shown(template)} has a brace that belongs to no field: write "
                "{contrast}, or {name} of words in [fill]."
            )
    if not good:
        raise InputError(
            f"{path}: give [[construction]] tables, each with a name and a template that has "
            "{contrast}."
        )
    return list(listed or [])


def _pairs_of(said: Mapping[str, Any], key: str, path: Path) -> list[list[str]]:
    pairs = said.get(key)
    good = isinstance(pairs, list) and bool(pairs)
    for pair in pairs if isinstance(pairs, list) else []:
        good = good and isinstance(pair, list) and len(pair) == 2
        good = good and all(isinstance(word, str) and word.strip() for word in pair)
    if not good:
        raise InputError(f'{path}: {key} must be pairs of words, such as [["is", "are"]].')
    return [list(pair) for pair in pairs or []]


def _one_token(model: LensModel, word: str) -> int:
    ids = model.tokenizer(f" {word}", add_special_tokens=False)["input_ids"]
    if len(ids) != 1:
        raise InputError(
            f"continuation {word!r} is {len(ids)} tokens of this model, and has to be one: choose "
            "another word."
        )
    return int(ids[0])


def _most_common(values: list[int]) -> int:
    return int(np.bincount(values).argmax()) if values else -1
