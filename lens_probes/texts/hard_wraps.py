"""Hard wraps undone: lines broken by an editor at a fixed width become paragraphs again.

A language model reads a line end as a token of its own, and as a sign of verse or code. In a book
wrapped at 72 characters one token in fifteen would be such an accident.

A break is taken for a hard wrap only where the next word would not have fitted on the line, by the
width at which this text is wrapped. All other breaks stay: ends of paragraphs, headings, verse,
lists, tables and everything whose indentation changes.
"""

from __future__ import annotations

import re
from itertools import groupby, pairwise

# A width outside these is no editor's: narrower is verse, wider is one paragraph a line.
_WIDTHS = range(45, 101)
_FULL = 0.8
_LONGEST = 1.2
_LIST_ITEM = re.compile(r"\s*(?:[-*•+]|\(?(?:\d{1,3}|[ivxlc]{1,6}|[a-zA-Z])[.)])\s")
# Before a list item; after other words a number at the start of a line is part of a sentence.
_CLOSING = ".:;,!?…)]\"'”’"
_COLUMNS = re.compile(r"\S {3,}\S")
_LEADING_MARKS = re.compile(r"^[\W_]+")
_COMPOUND = re.compile(r"[^\W\d_]-$")
_TAIL = 4  # characters: a dash of two, and a blank before it
_SUSPENDED = ("and ", "or ", "to ", "und ", "oder ")


def unwrap(text: str) -> str:
    """The text with hard wraps undone, trailing blanks cut and one blank line at most in a row.

    Unwrapping again changes nothing. Verse that starts its lines in lower case, at the left margin
    and nearly as long as the book's prose lines, cannot be told from prose and is joined.
    """
    while (joined := _once(text)) != text:
        text = joined
    return text


def _once(text: str) -> str:
    lines = [line.rstrip() for line in text.split("\n")]
    blocks = [list(group) for filled, group in groupby(lines, key=bool) if filled]
    width = _wrap_width(lines)
    if width in _WIDTHS and not _is_verse_throughout(blocks):
        blocks = [b if _is_verse(b, width) else _join(b, width) for b in blocks]
    return "\n\n".join("\n".join(block) for block in blocks)


def _wrap_width(lines: list[str]) -> int:
    """The length below which four fifths of the characters stand.

    Counted in characters, not in lines: short lines of dialogue weigh little, and joining lines can
    only move it up, so that what was left apart once is left apart again.
    """
    lengths = sorted(len(line) for line in lines if line)
    total = sum(length + 1 for length in lengths)
    passed = 0
    for length in lengths:
        passed += length + 1
        if 5 * passed >= 4 * total:
            return length
    return 0


def _is_verse_throughout(blocks: list[list[str]]) -> bool:
    following = [line for block in blocks for line in block[1:]]
    return _share_capitalised(following) > 0.6


def _is_verse(block: list[str], width: int) -> bool:
    """Whether every line starts with a capital, more often than names and sentences explain."""
    following = block[1:]
    if _share_capitalised(following) < 0.9:
        return False
    return len(following) >= 4 or not all(_is_full(a, b, width) for a, b in pairwise(block))


def _share_capitalised(lines: list[str]) -> float:
    """Share of lines whose first letter is a capital; 0 where there is no line."""
    return sum(_LEADING_MARKS.sub("", line)[:1].isupper() for line in lines) / max(len(lines), 1)


def _join(block: list[str], width: int) -> list[str]:
    joined: list[str] = []
    start = 0
    while start < len(block):
        parts, tail, stop = [block[start]], block[start], start + 1
        while stop < len(block) and _is_hard_wrap(block[stop - 1], block[stop], width):
            # By the end of the line so far alone: a paragraph of n lines is not read n times.
            parts.append(_glued(tail[-_TAIL:], block[stop]))
            tail, stop = tail[-_TAIL:] + parts[-1], stop + 1
        line = "".join(parts)
        # Lines that together still fit in one were not broken for want of room, unless the
        # paragraph ends there.
        at_end = stop == len(block) or _starts_afresh(block[stop - 1], block[stop])
        joined += [line] if at_end or len(line) > _LONGEST * width else block[start:stop]
        start = stop
    return joined


def _is_hard_wrap(line: str, following: str, width: int) -> bool:
    return (
        len(line) <= _LONGEST * width
        and _is_full(line, following, _FULL * width)
        and not _starts_afresh(line, following)
    )


def _is_full(line: str, following: str, width: float) -> bool:
    """Whether the first word of the line that follows would not have fitted."""
    return len(line) + 1 + len(following.split(maxsplit=1)[0]) > width


def _starts_afresh(line: str, following: str) -> bool:
    """Whether the second line starts something of its own, however long the first is."""
    if _indent(following) not in (0, _indent(line)):
        return True
    if _LIST_ITEM.match(following) and (line[-1] in _CLOSING or _LIST_ITEM.match(line)):
        return True
    if _COLUMNS.search(line) or _COLUMNS.search(following):
        return True
    speaks = following.lstrip().startswith(("--", "—", "–"))
    return speaks and line.rstrip("_\"'”’»)")[-1:] in (".", "!", "?", "…", ":")


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _glued(line: str, following: str) -> str:
    """What a line adds to the one before: after a blank, but for a dash or a hyphen at the break.

    `line` is what has been joined so far, or its last `_TAIL` characters.
    """
    following = following.lstrip()
    dash_before = line.endswith(("--", "—")) and not line.endswith((" --", " —"))
    dash_after = following.startswith(("--", "—")) and not following.startswith(("-- ", "— "))
    compound = _COMPOUND.search(line) and following[0].isalpha()
    if dash_before or dash_after or (compound and not following.startswith(_SUSPENDED)):
        return following
    return f" {following}"
