"""Negation: "not", "can't", "never" against affirmations, in running text (lessons L20 to L23)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import TYPE_CHECKING, Literal

from lens_probes.errors import InputError, unknown
from lens_probes.examples import Examples
from lens_probes.probes.base import Probe
from lens_probes.targets import (
    Balance,
    Context,
    Exclusion,
    Rule,
    Window,
    cut_windows,
    draw_targets,
)
from lens_probes.targets import find_targets as find
from lens_probes.texts import Text

if TYPE_CHECKING:
    from lens_probes.model import LensModel

CLASSES = ("affirmation", "negation")
# "could not" is no affirmation; a causal model that has read "could" cannot know, and the course
# counts it.
BEFORE_NOT = Exclusion(
    0,
    re.compile(r"\s+(?:not|never)(?!\w)", re.IGNORECASE),
    "affirmation before not or never",
)


class NegationProbe(Probe):
    """Which units tell a negation from an affirmation?

    Parameters
    ----------
    text
        Where to look for targets.
    words
        `"extended"`: pairs of the same word affirmed and negated (can/can't, always/never, ...),
        about two dozen types a class. `"course"`: the lesson's few words, with its rule that white
        space must follow. Or your own: `{"affirmation": [...], "negation": [...]}`.
    max_per_class
        Examples drawn for each class, at most; None takes all.
    balance
        `"word"`: as evenly over word types as they allow; `"natural"`: at random. By default
        natural for the course's words, word for all others.
    context
        `"window"`: `before` tokens and the target; `"sentence"`: from the start of its sentence;
        `"word"`: the target alone.
    bos
        Put the BOS token first. The course does not.
    """

    name = "negation"
    question = "Which units are tuned to negation?"
    class_names = CLASSES

    def __init__(
        self,
        text: Text,
        words: Literal["extended", "course"] | Mapping[str, Sequence[str]] = "extended",
        *,
        max_per_class: int | None = 300,
        balance: Balance | None = None,
        context: Context = "window",
        before: int = 90,
        after: int = 10,
        bos: bool = False,
        seed: int = 0,
    ) -> None:
        if max_per_class is not None and max_per_class < 2:
            raise InputError(f"max_per_class must be 2 or more; got {max_per_class}.")
        if balance not in (None, "word", "natural"):
            raise unknown("balance", balance, ("word", "natural"))
        self.text = text
        self.set_name = words if isinstance(words, str) else "custom"
        self.words = word_classes(words)
        self.rule: Rule = "course" if self.set_name == "course" else "extended"
        self.balance: Balance = balance or ("natural" if self.rule == "course" else "word")
        self.min_per_word = 5 if self.set_name == "extended" else 1
        self.max_per_class = max_per_class
        self.window = Window(context, before, after, bos)
        self.seed = seed

    def examples(self, model: LensModel) -> Examples:
        """Draw the examples; an error if the text has fewer than two of a class."""
        found = find(
            self.text,
            model.tokenizer,
            self.words,
            rule=self.rule,
            window=self.window,
            unless=None if self.rule == "course" else BEFORE_NOT,
        )
        drawn, counts = draw_targets(
            found,
            max_per_class=self.max_per_class,
            balance=self.balance,
            min_per_word=self.min_per_word,
            seed=self.seed,
        )
        for label, name in enumerate(self.class_names):
            n = sum(target.label == label for target in drawn)
            if n < 2:
                said = "; ".join(f"{reason} {number}" for reason, number in counts.items())
                raise InputError(
                    f"text {self.text.name!r} has {n} usable targets of class {name}, 2 or more "
                    f"are needed ({said}): give a longer text or other words."
                )
        return cut_windows(
            self.text,
            found,
            drawn,
            self.window,
            class_names=self.class_names,
            counts=counts,
            origin=self._origin(),
            bos_token_id=model.tokenizer.bos_token_id,
        )

    def _origin(self) -> dict[str, object]:
        return {
            "probe": self.name,
            "question": self.question,
            "text": {"name": self.text.name, "from": self.text.origin, "sha256": self.text.sha256},
            "words": {
                name: sorted(word for word, label in self.words.items() if label == i)
                for i, name in enumerate(self.class_names)
            },
            "word_set": self.set_name,
            "rule": self.rule,
            "balance": self.balance,
            "max_per_class": self.max_per_class,
            "min_per_word": self.min_per_word,
            "context": self.window.context,
            "before": self.window.before,
            "after": self.window.after,
            "bos": self.window.bos,
            "seed": self.seed,
        }


def word_classes(words: str | Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Word type -> class, for a set of data/negation.toml or a mapping of one's own."""
    if isinstance(words, str):
        sets = tomllib.loads(
            resources.files("lens_probes").joinpath("data/negation.toml").read_text("utf-8")
        )
        if words not in sets:
            raise unknown("word set", words, sets)
        chosen = sets[words]
        if "pairs" in chosen:
            pairs = chosen["pairs"]
            chosen = dict(
                zip(CLASSES, (list(side) for side in zip(*pairs, strict=True)), strict=True)
            )
    else:
        if set(words) != set(CLASSES):
            raise InputError(
                f"words must have the keys {CLASSES[0]} and {CLASSES[1]}; got {sorted(words)}."
            )
        chosen = words
    classes: dict[str, int] = {}
    for label, name in enumerate(CLASSES):
        for word in chosen[name]:
            key = word.strip().lower().replace("\u2019", "'")
            if not key or not key[0].isalnum() or any(c.isspace() for c in key):
                raise InputError(f"not a word: {word!r} in {name}; give single words.")
            if classes.setdefault(key, label) != label:
                raise InputError(f"word {key!r} is in both classes: leave it in one.")
    return classes
