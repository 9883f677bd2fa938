"""Token length in characters: a continuous label on every token of a text (lessons L11 to L13)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from lens_probes.errors import MOST, InputError, at_least, whole
from lens_probes.examples.examples import Examples
from lens_probes.examples.labels import above_median
from lens_probes.examples.tokenised import tokenised
from lens_probes.examples.windows import years_of
from lens_probes.probes.base import Probe, check_text
from lens_probes.texts.load import Text

if TYPE_CHECKING:
    from lens_probes.model.load import LensModel

VALUE_NAME = "token length (characters)"


@dataclass(frozen=True)
class TokenLengthProbe(Probe):
    """Which units follow the length of a token?

    The text is cut into sequences; every token of them is an example, and a sequence is run once.
    The length counts the characters of the token without white space around it. Tokens of white
    space alone and parts of a character have no length: they are read by the model and left out.

    Parameters
    ----------
    text
        Where to take sequences from: documents of at least `length` tokens, in random places.
    n_sequences, length
        16 sequences of 512 tokens (the lesson's 8,192 tokens) by default.
    skip
        Tokens at the start of a sequence that are read by the model and left out: the first is an
        attention sink in most models. The lesson leaves out none.
    """

    text: Text
    n_sequences: int = 16
    length: int = 512
    skip: int = 1
    seed: int = 0

    name = "token_length"
    question = "Which units follow the length of a token?"
    class_names = ("up to the median length", "longer than the median")
    control = "partial correlation, given the log of the token's count in the text plus one"
    course_p = "r_p"
    course_options: ClassVar = {"skip": 0}

    def __post_init__(self) -> None:
        check_text(self)
        at_least(0, seed=self.seed)
        for name in ("n_sequences", "length", "skip"):
            whole(name, getattr(self, name), most=MOST)
        if self.n_sequences < 1 or self.length < 2 or not 0 <= self.skip < self.length:
            raise InputError(
                "n_sequences must be 1 or more, length 2 or more and skip 0 to length - 1; got "
                f"{self.n_sequences}, {self.length} and {self.skip}."
            )

    def examples(self, model: LensModel) -> Examples:
        """Every token of the sequences; an error where the text has too few."""
        documents = list(tokenised(self.text, model.tokenizer))
        places = [
            (number, start)
            for number, document in enumerate(documents)
            for start in range(0, len(document.ids) - self.length + 1, self.length)
        ]
        if len(places) < self.n_sequences:
            raise InputError(
                f"text {self.text.name!r} has {len(places)} sequences of {self.length} tokens, "
                f"{self.n_sequences} are needed: give a longer text, or ask for fewer or shorter."
            )
        drawn = np.random.default_rng(self.seed).choice(len(places), self.n_sequences, False)
        rows, position, words, lengths, numbers, offsets = [], [], [], [], [], []
        blank = 0
        for number, start in (places[i] for i in sorted(drawn.tolist())):
            document = documents[number]
            for at in range(self.skip, self.length):
                piece = document.piece(start + at)
                if not piece.strip():
                    blank += 1
                    continue
                rows.append(document.ids[start : start + self.length])
                position.append(at)
                words.append(piece)
                lengths.append(len(piece.strip()))
                numbers.append(number)
                offsets.append(start + at)
        value = np.array(lengths, dtype=np.float64)
        if len(set(lengths)) < 2:
            raise InputError(f"all tokens of text {self.text.name!r} are equally long.")
        total = self.n_sequences * self.length
        counts = np.bincount(np.concatenate([document.ids for document in documents]))
        read = np.stack(rows)[np.arange(len(rows)), position]
        sources = [self.text.documents[i] for i in numbers]
        return Examples(
            tokens=np.stack(rows),
            position=np.array(position, dtype=np.int64),
            label=above_median(value),
            word=np.array(words, dtype=object),
            source=np.array([document.source for document in sources], dtype=object),
            document=np.array([document.name for document in sources], dtype=object),
            offset=np.array(offsets, dtype=np.int64),
            value=value,
            value_name=VALUE_NAME,
            covariates={"log_count": np.log(counts[read] + 1.0)},
            class_names=self.class_names,
            counts={
                "tokens run": total,
                f"left out: first {self.skip} of a sequence": self.n_sequences * self.skip,
                "left out: white space or part of a character": blank,
                "drawn": len(rows),
            },
            origin=self.origin(),
            date=years_of(sources),
        )
