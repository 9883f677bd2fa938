"""Token sequences that are text: tokenising their text gives the same sequence back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from lens_probes.errors import InputError
from lens_probes.model.load import LensModel

_ROUNDS = 50


@dataclass(frozen=True)
class TextTokens:
    """The tokens of a model that are text on their own: no special token, no part of a character.

    Attributes
    ----------
    ids
        Token ids in rising order [allowed].
    """

    tokenizer: Any
    ids: Int[np.ndarray, " allowed"]

    def texts(self, tokens: Int[np.ndarray, "sequence token"]) -> list[str]:
        """The sequences as text."""
        return _texts(self.tokenizer, tokens.tolist())

    def survives(self, tokens: Int[np.ndarray, "sequence token"]) -> Bool[np.ndarray, " sequence"]:
        """Which sequences are allowed tokens that their text is tokenised into again."""
        rows = tokens.tolist()
        again = _ids(self.tokenizer, _texts(self.tokenizer, rows)) if rows else []
        same = [row == back for row, back in zip(rows, again, strict=True)]
        return np.array(same, bool) & np.isin(tokens, self.ids).all(1)

    def draw(
        self, n: int, n_tokens: int, rng: np.random.Generator
    ) -> Int[np.ndarray, "sequence token"]:
        """Random sequences that survive.

        Tokens drawn evenly often merge with their neighbours in the text, so twice as many are
        drawn, their text is tokenised, and the first n_tokens are kept if they survive.
        """
        kept: list[list[int]] = []
        for _ in range(_ROUNDS):
            drawn = rng.choice(self.ids, (max(n - len(kept), 16), 2 * n_tokens))
            again = _ids(self.tokenizer, self.texts(drawn))
            rows = [row[:n_tokens] for row in again if len(row) >= n_tokens]
            if rows:
                tokens = np.array(rows)
                kept += tokens[self.survives(tokens)].tolist()
            if len(kept) >= n:
                return np.array(kept[:n])
        raise InputError(
            f"{len(kept)} of {n} random sequences of {n_tokens} tokens are tokenised into "
            "themselves: this tokenizer does not give back what it decodes; ask for fewer tokens."
        )


def text_tokens(model: LensModel) -> TextTokens:
    """Tokens of a model that its tokenizer gives back when their text is tokenised alone.

    Raises
    ------
    InputError
        A model without tokenizer, or one whose tokenizer gives back no token.
    """
    tokenizer = model.tokenizer
    if tokenizer is None:
        raise InputError(
            f"model {model.source!r} has no tokenizer, and text needs one: load a folder that "
            "has its tokenizer files."
        )
    known = min(len(tokenizer), int(model.cfg.d_vocab))
    special = set(tokenizer.all_special_ids)
    ids = [i for i in range(known) if i not in special]
    again = _ids(tokenizer, _texts(tokenizer, [[i] for i in ids]))
    whole = [i for i, back in zip(ids, again, strict=True) if back == [i]]
    if not whole:
        raise InputError(
            f"the tokenizer of {model.source!r} gives no token back when its text is tokenised: "
            "is it this model's tokenizer?"
        )
    return TextTokens(tokenizer, np.array(whole))


def _texts(tokenizer: Any, rows: list[list[int]]) -> list[str]:
    return [str(text) for text in tokenizer.batch_decode(rows, clean_up_tokenization_spaces=False)]


def _ids(tokenizer: Any, texts: list[str]) -> list[list[int]]:
    ids: list[list[int]] = tokenizer(texts, add_special_tokens=False)["input_ids"]
    return ids
