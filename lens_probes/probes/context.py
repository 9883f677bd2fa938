"""What a leading space, and what all words before it, change about a token (lesson L10)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from lens_probes.errors import InputError, at_least, choice, flag, given_as, shown
from lens_probes.examples.examples import Examples
from lens_probes.examples.windows import starts_with_bos
from lens_probes.probes.base import Probe
from lens_probes.probes.word_sets import bundled_data, bundled_set, list_of_words

if TYPE_CHECKING:
    from lens_probes.model.load import LensModel

_NAMES = {"space": ("no space", "leading space"), "context": ("alone", "in context")}
_QUESTIONS = {
    "space": "Which units tell a word with a leading space from the same word without one?",
    "context": "Which units tell a token in its context from the same token alone?",
}


@dataclass(frozen=True)
class ContextProbe(Probe):
    """Which units tell a token in its context from the same token without it?

    Every token is in both classes, so the test is paired: labels are swapped within pairs.

    Parameters
    ----------
    change
        `"space"`: lone words with and without a leading space, read at their last token.
        `"context"`: the tokens of a text that the model itself writes after `prompt`, in that
        text and alone.
    words
        For `"space"`: the words; 100 nouns by default.
    prompt, n_tokens, seed
        For `"context"`: the lesson's prompt and 200 tokens by default; the seed of the sampling.
        A text that ends sooner is taken as it is, and counted.
    bos
        Put the BOS token first. Without it a lone token is the first of its sequence, which is an
        attention sink in most models.
    """

    change: Literal["space", "context"] = "context"
    words: Sequence[str] | None = None
    prompt: str | None = None
    n_tokens: int = 200
    bos: bool | None = None
    seed: int = 0

    name = "context"
    control = "two different words, in the same two conditions"
    course_p = "paired_p"

    def __post_init__(self) -> None:
        choice("change", self.change, _NAMES)
        at_least(2, n_tokens=self.n_tokens)
        at_least(0, seed=self.seed)
        if self.bos is not None:
            flag("bos", self.bos)
        given_as("prompt", self.prompt, str | None, "a text")
        if self.words is not None:
            words = list_of_words("this contrast", self.words)
            if len(words) < 2:
                raise InputError(f"words must be a list of two or more; got {shown(self.words)}.")
            object.__setattr__(self, "words", words)
        object.__setattr__(self, "class_names", _NAMES[self.change])
        object.__setattr__(self, "question", _QUESTIONS[self.change])

    def examples(self, model: LensModel) -> Examples:
        """Both conditions of every word or token, as pairs."""
        tokenizer = model.tokenizer
        if tokenizer is None:
            raise InputError("this model has no tokenizer, so words have no tokens.")
        if self.bos and tokenizer.bos_token_id is None:
            raise InputError("this tokenizer has no BOS token: leave bos out.")
        bos = starts_with_bos(tokenizer) if self.bos is None else self.bos
        prefix = [tokenizer.bos_token_id] if bos else []
        if self.change == "space":
            return self._space(tokenizer, prefix)
        return self._context(model, prefix)

    def _space(self, tokenizer: Any, prefix: list[int]) -> Examples:
        words = list(dict.fromkeys(self.words or bundled_set("grammar", "course")["noun"]))
        plain, spaced = (
            [list(tokenizer(space + word, add_special_tokens=False)["input_ids"]) for word in words]
            for space in ("", " ")
        )
        kept = [k for k in range(len(words)) if plain[k] and plain[k] != spaced[k]]
        if len(kept) < 2:
            raise InputError(
                "this tokenizer gives a word the same tokens with and without a leading space: "
                "there is nothing to compare."
            )
        rows = [prefix + side[k] for side in (plain, spaced) for k in kept]
        counts = {
            "words": len(words),
            "dropped: same tokens with and without a leading space": len(words) - len(kept),
        }
        firsts = [len(prefix)] * len(rows)
        last = [len(row) - 1 for row in rows]
        return self._pairs(rows, last, firsts, [words[k] for k in kept], counts, bos=bool(prefix))

    def _context(self, model: LensModel, prefix: list[int]) -> Examples:
        prompt = self.prompt or bundled_data("context")["prompt"]
        given, written = write_on(model, prompt, self.n_tokens, self.seed)
        kept = [(k, int(token)) for k, token in enumerate(written)]
        whole = [*prefix, *given.tolist(), *written.tolist()]
        start = len(prefix) + len(given)
        rows = [[*prefix, token] for _, token in kept] + [whole for _ in kept]
        position = [len(prefix)] * len(kept) + [start + k for k, _ in kept]
        words = [str(model.tokenizer.decode([token])) for _, token in kept]
        counts = {"tokens asked for": self.n_tokens, "tokens written before the end": len(written)}
        text = str(model.tokenizer.decode(whole))
        return self._pairs(rows, position, position, words, counts, bos=bool(prefix), written=text)

    def _pairs(
        self,
        rows: list[list[int]],
        position: list[int],
        firsts: list[int],
        words: list[str],
        counts: dict[str, int],
        **origin: Any,
    ) -> Examples:
        n = len(words)
        made = Examples.from_tokens(rows, position, np.repeat([0, 1], n), words * 2)
        return replace(
            made,
            first=np.array(firsts, dtype=np.int64),
            pair=np.tile(np.arange(n), 2),
            class_names=self.class_names,
            counts={**counts, "pairs": n},
            origin=self.origin(**origin),
        )


def write_on(
    model: LensModel, prompt: str, n_tokens: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ids of a prompt, and of the text that the model writes after it.

    Shorter than `n_tokens` where the model ends its text.
    """
    given = np.array(model.tokenizer(prompt, add_special_tokens=False)["input_ids"], np.int64)
    written = model.continue_tokens(given, n_tokens, seed=seed)
    special = np.isin(written, list(model.tokenizer.all_special_ids))
    end = int(np.argmax(special)) if special.any() else len(written)
    if end < 2:
        raise InputError(
            f"the model ended its text after {end} tokens: give another prompt or seed."
        )
    return given, written[:end]
