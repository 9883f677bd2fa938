"""Finding target words in a text and cutting their windows: Text -> Examples."""

from __future__ import annotations

import bisect
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lens_probes.errors import InputError, unknown
from lens_probes.examples import NO_TOKEN, Examples
from lens_probes.texts import Document, Text

Rule = Literal["course", "extended"]
Balance = Literal["word", "natural"]
Context = Literal["window", "sentence", "word"]

_APOSTROPHES = str.maketrans({"\u2019": "'", "\u2018": "'", "\u02bc": "'", "\uff07": "'"})
_SENTENCE_END = re.compile(r"[.!?][\"')\]\u201d\u2019]*\s+|\n\s*\n")
_DOCUMENTS_AT_ONCE = 32
_JOINERS = frozenset("'-_\u2010\u2011\u00ad\u200b\u200c\u200d\u2060")


@dataclass(frozen=True)
class Target:
    """One usable occurrence: its word type, class, document and first and last token there."""

    word: str
    label: int
    document: int
    first: int
    last: int


@dataclass(frozen=True)
class Exclusion:
    """Targets of one class that do not count before a pattern, with the reason that is counted."""

    label: int
    before: re.Pattern[str]
    reason: str

    def excludes(self, body: str, found: re.Match[str], label: int) -> bool:
        """Whether this occurrence is left out."""
        return label == self.label and self.before.match(body, found.end()) is not None


@dataclass(frozen=True)
class Window:
    """What an example keeps around its target.

    `before` and `after` are tokens around the token that is read; a target with fewer is dropped.
    `"sentence"` starts at the target's sentence instead, `"word"` at the target itself.
    """

    context: Context = "window"
    before: int = 90
    after: int = 10
    bos: bool = False

    def __post_init__(self) -> None:
        if self.context not in ("window", "sentence", "word"):
            raise unknown("context", self.context, ("window", "sentence", "word"))
        if self.before < 0 or self.after < 0:
            raise InputError(
                f"before and after must be 0 or more; got {self.before} and {self.after}."
            )


@dataclass(frozen=True)
class Targets:
    """Usable occurrences in a text, its tokens, and how many were dropped for which reason."""

    usable: tuple[Target, ...]
    tokens: tuple[NDArray[np.int64], ...]
    sentence_starts: tuple[NDArray[np.int64], ...]
    counts: Mapping[str, int]


def find_targets(
    text: Text,
    tokenizer: Any,
    words: Mapping[str, int],
    *,
    rule: Rule,
    window: Window,
    unless: Exclusion | None = None,
) -> Targets:
    """Every occurrence of some words in a text that can be read at a token's end.

    An occurrence is a candidate if its first character follows a non-word character or the start
    of the text ("knot" holds no candidate); upper and lower case and curly apostrophes are the
    same. It counts if what follows is right: whitespace (`rule="course"`, so that "can" in
    "cannot" and "not," do not count), or no letter, digit, apostrophe or hyphen
    (`rule="extended"`, so that "not," counts). Its tokens must hold nothing but itself and white
    space, and its window must fit.

    Parameters
    ----------
    words
        Word type (lower case, straight apostrophe) -> class 0 or 1.
    unless
        Occurrences to leave out and count, because of what follows them.
    """
    pattern = _pattern(words)
    counts: Counter[str] = Counter(candidates=0)
    usable: list[Target] = []
    tokens, starts = [], []
    for number, (document, encoding) in enumerate(_encoded(text, tokenizer)):
        ids, first_char, end_char = encoding
        body = document.text.translate(_APOSTROPHES)
        sentences = _sentence_starts(body, end_char)
        tokens.append(ids)
        starts.append(sentences)
        for found in pattern.finditer(body):
            counts["candidates"] += 1
            word = found.group().lower()
            if word not in words:
                counts["dropped: spelt with letters that only fold to the word's"] += 1
                continue
            problem = _followed_wrongly(body, found.end(), rule)
            if problem is None and unless is not None and unless.excludes(body, found, words[word]):
                problem = unless.reason
            span = _token_span(body, first_char, end_char, *found.span())
            if problem is None and span is None:
                problem = "shares a token with other text"
            if problem is None and span is not None:
                problem = _out_of_window(span, sentences, len(ids), window)
            if problem is None and span is not None:
                usable.append(Target(word, words[word], number, *span))
            else:
                counts[f"dropped: {problem}"] += 1
    counts["usable"] = len(usable)
    return Targets(tuple(usable), tuple(tokens), tuple(starts), dict(counts))


def draw_targets(
    targets: Targets,
    *,
    max_per_class: int | None,
    balance: Balance,
    min_per_word: int = 1,
    seed: int = 0,
) -> tuple[list[Target], dict[str, int]]:
    """Sample targets of each class: `"natural"` at random, `"word"` as evenly over types as can be.

    Types with fewer than `min_per_word` usable occurrences are dropped and counted. The sample
    comes in the order of the text.
    """
    rng = np.random.default_rng(seed)
    counts = dict(targets.counts)
    per_type: dict[str, list[Target]] = {}
    for target in targets.usable:
        per_type.setdefault(target.word, []).append(target)
    rare = {word for word, found in per_type.items() if len(found) < min_per_word}
    if rare:
        reason = f"dropped: type with fewer than {min_per_word} usable occurrences"
        counts[reason] = sum(len(per_type.pop(word)) for word in rare)
    drawn: list[Target] = []
    for label in (0, 1):
        types = sorted(word for word, found in per_type.items() if found[0].label == label)
        sizes = [len(per_type[word]) for word in types]
        total = sum(sizes) if max_per_class is None else min(max_per_class, sum(sizes))
        if balance == "word":
            quotas = _even_quotas(sizes, total)
            for word, quota in zip(types, quotas, strict=True):
                picked = rng.choice(len(per_type[word]), quota, replace=False)
                drawn += [per_type[word][i] for i in picked]
        else:
            pool = [target for word in types for target in per_type[word]]
            drawn += [pool[i] for i in rng.choice(len(pool), total, replace=False)]
    counts["not drawn"] = sum(map(len, per_type.values())) - len(drawn)
    counts["drawn"] = len(drawn)
    return sorted(drawn, key=lambda t: (t.document, t.last)), counts


def cut_windows(
    text: Text,
    targets: Targets,
    drawn: list[Target],
    window: Window,
    *,
    class_names: tuple[str, str],
    counts: Mapping[str, int],
    origin: Mapping[str, Any],
    bos_token_id: int | None = None,
) -> Examples:
    """Examples of some targets: the window before, the target, `after` tokens."""
    if window.bos and bos_token_id is None:
        raise InputError("this tokenizer has no BOS token: leave bos out.")
    prefix = [bos_token_id] if window.bos else []
    rows, position, firsts = [], [], []
    for t in drawn:
        ids, first = targets.tokens[t.document], _first(t, targets, window)
        rows.append([*prefix, *ids[first : t.last + window.after + 1].tolist()])
        position.append(t.last - first + len(prefix))
        firsts.append(max(0, t.first - first + len(prefix)))
    padded = np.full((len(rows), max(map(len, rows))), NO_TOKEN, dtype=np.int64)
    for i, row in enumerate(rows):
        padded[i, : len(row)] = row
    documents = [text.documents[t.document] for t in drawn]
    return Examples(
        tokens=padded,
        position=np.array(position, dtype=np.int64),
        label=np.array([t.label for t in drawn], dtype=np.int64),
        word=np.array([t.word for t in drawn], dtype=object),
        source=np.array([d.source for d in documents], dtype=object),
        document=np.array([d.name for d in documents], dtype=object),
        offset=np.array([t.last for t in drawn], dtype=np.int64),
        first=np.array(firsts, dtype=np.int64),
        class_names=class_names,
        counts=counts,
        origin=origin,
    )


def _pattern(words: Mapping[str, int]) -> re.Pattern[str]:
    longest_first = sorted(words, key=lambda word: (-len(word), word))
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})", re.IGNORECASE)


def _encoded(
    text: Text, tokenizer: Any
) -> Iterator[tuple[Document, tuple[NDArray[np.int64], list[int], list[int]]]]:
    """Each document with its token ids and the first and end character of each token."""
    if tokenizer is None:
        raise InputError("this model has no tokenizer, so targets cannot be found in a text.")
    if not getattr(tokenizer, "is_fast", False):
        raise InputError(
            "this model's tokenizer gives no character offsets (it is not a fast tokenizer): "
            "targets cannot be found; use Examples.from_tokens."
        )
    for start in range(0, len(text.documents), _DOCUMENTS_AT_ONCE):
        documents = text.documents[start : start + _DOCUMENTS_AT_ONCE]
        encodings = tokenizer(
            [document.text for document in documents],
            add_special_tokens=False,
            return_offsets_mapping=True,
            return_attention_mask=False,
            verbose=False,
        )
        pairs = zip(encodings["input_ids"], encodings["offset_mapping"], strict=True)
        for document, (ids, offsets) in zip(documents, pairs, strict=True):
            yield (
                document,
                (
                    np.array(ids, dtype=np.int64),
                    [first for first, _ in offsets],
                    [end for _, end in offsets],
                ),
            )


def _followed_wrongly(body: str, end: int, rule: Rule) -> str | None:
    following = body[end : end + 1]
    if rule == "course":
        return None if following.isspace() else "next token does not begin with white space"
    if following and (unicodedata.category(following)[0] in "LNM" or following in _JOINERS):
        return "followed by a letter, digit, apostrophe or hyphen"
    return None


def _token_span(
    body: str, first_char: list[int], end_char: list[int], start: int, end: int
) -> tuple[int, int] | None:
    """First and last token of body[start:end], or None if one holds other characters too."""
    first = bisect.bisect_right(end_char, start)
    # A character may be split over several tokens that all end with it: the last one is read.
    last = bisect.bisect_right(end_char, end) - 1
    while last > first and first_char[last] == end_char[last]:
        last -= 1
    if last < first or end_char[last] != end:
        return None
    return None if body[first_char[first] : start].strip() else (first, last)


def _out_of_window(
    span: tuple[int, int], sentences: NDArray[np.int64], n_tokens: int, window: Window
) -> str | None:
    last = span[1]
    if window.context == "window" and last < window.before:
        return f"fewer than {window.before} tokens before it"
    if last + window.after >= n_tokens:
        return f"fewer than {window.after} tokens after it"
    return None


def _first(target: Target, targets: Targets, window: Window) -> int:
    """Index of the first token of a target's window."""
    if window.context == "window":
        return target.last - window.before
    if window.context == "word":
        return target.first
    starts = targets.sentence_starts[target.document]
    return int(starts[np.searchsorted(starts, target.first, side="right") - 1])


def _sentence_starts(body: str, end_char: list[int]) -> NDArray[np.int64]:
    """Token index at which each sentence starts; the first is 0."""
    firsts = (bisect.bisect_right(end_char, m.end()) for m in _SENTENCE_END.finditer(body))
    return np.unique([0, *(first for first in firsts if first < len(end_char))])


def _even_quotas(sizes: list[int], total: int) -> list[int]:
    """Share `total` out as evenly as sizes allow, the remainder to the first types."""
    quotas = [0] * len(sizes)
    left = total
    while left > 0:
        open_types = [i for i, size in enumerate(sizes) if quotas[i] < size]
        share = max(1, left // len(open_types))
        for i in open_types:
            step = min(share, sizes[i] - quotas[i], left)
            quotas[i] += step
            left -= step
    return quotas
