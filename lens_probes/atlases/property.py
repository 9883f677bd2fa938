"""A property of tokens: its name, and the rule that says which tokens have it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Int

from lens_probes.atlases.tokens import Tokens
from lens_probes.errors import InputError, one_line

Labels = Int[np.ndarray, " token"]
Rule = Callable[[Tokens], Any]

CONFOUNDS = ("frequency", "length", "capitals", "pieces", "space")


@dataclass(frozen=True)
class Property:
    """One property of tokens.

    Attributes
    ----------
    name, section, means
        What it is called, the heading it stands under, and a phrase that says what has it.
    rule
        Tokens -> [token]: 1 where a token has it, 0 where not, -1 where the question makes no
        sense.
    unmatched
        Confounds (of `CONFOUNDS`) that it is itself, which classes are not matched by.
    """

    name: str
    rule: Rule = field(repr=False)
    section: str = "your own"
    means: str = ""
    unmatched: tuple[str, ...] = ()

    def labels(self, tokens: Tokens) -> Labels:
        """[token] 1, 0 or -1.

        Raises
        ------
        InputError
            The rule fails, or gives something else.
        """
        try:
            given = np.asarray(self.rule(tokens))
        except Exception as error:  # whatever a function of the user's raises
            raise InputError(
                f"property {self.name!r} fails: {type(error).__name__}: {one_line(error, 120)}."
            ) from error
        fits = given.shape == (len(tokens),) and given.dtype.kind in "biuf"
        if not fits or not np.isin(given, (-1, 0, 1)).all():
            raise InputError(
                f"property {self.name!r} must give [token] = ({len(tokens)},) numbers, each 1 "
                f"(has it), 0 (has it not) or -1 (neither); it gives {given.dtype} of shape "
                f"{given.shape}."
            )
        labels: Labels = given.astype(np.int8)
        return labels
