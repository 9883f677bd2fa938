"""Tokens of one text, a word or sign each, as one chunk."""

from __future__ import annotations

import re

import numpy as np

from lens_probes.atlases.tokens import Tokens, _chunk
from lens_probes.examples.tokenised import Tokenised
from lens_probes.examples.windows import Window


def made_tokens(text: str) -> Tokens:
    """Each word with the space before it, and each sign, is a token; all are read."""
    pieces = list(re.finditer(r" ?\w+| ?[^\w\s]", text))
    document = Tokenised(
        text, np.arange(len(pieces)), [m.start() for m in pieces], [m.end() for m in pieces]
    )
    window = Window("document", 0, 0, False, "last", 512)
    return Tokens(**_chunk(document, 0, 0, 0, len(pieces), window))
