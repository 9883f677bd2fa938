"""Where a word begins and ends in a text: marks, joiners, entities, scripts without spaces."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Literal

from lens_probes.errors import InputError

Rule = Literal["course", "extended"]

# Unseen, and no end of a word: soft hyphen, joiner and non-joiner, word joiner.
_UNSEEN = "\u00ad\u200c\u200d\u2060\ufeff"
_JOINERS = frozenset("'-_\u2010\u2011\u200b" + _UNSEEN)
_ENTITY = re.compile(r"&(?:#0*39|#0*8217|#x0*27|#x0*2019|apos|rsquo);", re.IGNORECASE)
_LONGEST_ENTITY = 10
# Han, kana, Thai, Lao, Tibetan, Myanmar, Khmer: words stand side by side with nothing between.
_NO_SPACES = re.compile(
    "[\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003ffff]"
)


def word_pattern(words: Mapping[str, int]) -> re.Pattern[str]:
    """All that may be one of some words, in any case, after what is no letter or digit.

    Raises
    ------
    InputError
        No word, or an empty one.
    """
    if not words or "" in words:
        raise InputError("words must name one word or more, and none of them may be empty.")
    forms = {form for word in words for form in _forms(word)}
    longest_first = sorted(forms, key=lambda word: (-len(word), word))
    # First letters are tried before whole words: twice as fast for two dozen words.
    firsts = "".join(sorted({re.escape(form[0]) for form in forms}))
    either = "|".join(map(re.escape, longest_first))
    before = rf"(?:(?<!\w)|(?={_NO_SPACES.pattern}))"
    return re.compile(rf"{before}(?=[{firsts}])(?:{either})", re.IGNORECASE)


def _forms(word: str) -> Iterator[str]:
    """A word with its accents composed and decomposed, and as its capitals compose (the I of İ)."""
    yield from (unicodedata.normalize(form, word) for form in ("NFC", "NFD"))
    capitals = unicodedata.normalize("NFC", word.upper())
    if unicodedata.normalize("NFC", capitals.lower()) == unicodedata.normalize("NFC", word):
        yield capitals


def goes_on_before(body: str, start: int) -> bool:
    """Whether a word that begins before this place goes on through it, unseen or by a mark."""
    before = body[start - 1 : start]
    if before and (before in _UNSEEN or unicodedata.category(before)[0] == "M"):
        return True
    return (
        before == ";" and _ENTITY.search(body[max(0, start - _LONGEST_ENTITY) : start]) is not None
    )


def beside(body: str, found: re.Match[str]) -> str | None:
    """Why the ends of a word of a script without spaces cannot be seen, or None."""
    sides = ((found.start() - 1, found.start()), (found.end(), found.end() + 1))
    inner = (found.group()[0], found.group()[-1])
    for (start, end), edge in zip(sides, inner, strict=True):
        beside = body[max(0, start) : end]
        if _NO_SPACES.match(edge) and beside and unicodedata.category(beside)[0] in "LNM":
            return "between letters of a script without spaces, where its ends cannot be seen"
    return None


def followed_wrongly(body: str, end: int, rule: Rule) -> str | None:
    """Why what stands behind a word makes it no target, or None."""
    following = body[end : end + 1]
    if rule == "course":
        return None if following.isspace() else "next token does not begin with white space"
    wrongly = unicodedata.category(following)[0] in "LNM" if following else False
    if wrongly or (following and following in _JOINERS) or _ENTITY.match(body, end):
        return "followed by a letter, digit, apostrophe or hyphen"
    return None
