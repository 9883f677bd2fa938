"""Examples from lists of texts, spans and labels: what a user gives, checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from numpy.typing import ArrayLike

from lens_probes.arrays import class_names_of, finite_values, names_of
from lens_probes.errors import InputError, given_as, shown
from lens_probes.examples.checks import classes_in, names_for
from lens_probes.examples.labelled_texts import (
    Context,
    LabelledTexts,
    Read,
    Reading,
    Span,
    checked_span,
    checked_texts,
    words_of,
)
from lens_probes.model.wrap import Model, check_model


def from_texts(
    model: Model,
    texts: Iterable[str],
    label: ArrayLike | None = None,
    spans: Iterable[tuple[int, int]] | None = None,
    *,
    value: ArrayLike | None = None,
    value_name: str = "value",
    class_names: tuple[str, ...] | None = None,
    word: Iterable[str | int] | None = None,
    group: Iterable[str | int] | None = None,
    pair: Iterable[str | int] | None = None,
    source: Iterable[str | int] | None = None,
    context: Context = "text",
    before: int = 90,
    after: int = 10,
    bos: bool | None = None,
    read: Read = "last",
) -> dict[str, Any]:
    """Columns of `Examples` of one's own texts, each read at characters of it, or as a whole.

    Parameters
    ----------
    texts
        [example] texts.
    label
        [example] 0 or 1.
    spans
        [example] characters of the target: (start, end) as in a Python slice; None: whole texts.
    value, value_name
        [example] a continuous label in place of `label`.
    word, group
        [example] word types, by default the targets' texts in lower case, and groups that are
        independent of one another, in place of those found from words and read tokens. Where
        there are no words, or one word alone, each text is a group.
    pair, source
        [example] pairs, each once in both classes, and passages.
    context
        `"text"`: all of the text before the target; `"sentence"`: its sentence; `"window"`:
        `before` tokens before it and `after` behind, a target with fewer is dropped; `"word"`:
        the target alone.
    bos
        Put the BOS token first; None: where the tokenizer does so itself.
    read
        The `"last"` or the `"first"` token of the target, the `"mean"` over all of them, or
        `"every"` one of them as an example of its own.

    Raises
    ------
    InputError
        A text, span, label or name that is wrong, by the number of its example.
    """
    model = check_model(model)
    reading = Reading(context, before, after, bos, read)
    listed = _given_texts(texts)
    n, found = len(listed), _given_spans(spans, listed)
    given_as("value_name", value_name, str, "a text")
    if (label is None) == (value is None):
        raise InputError("give label (0 or 1) or value (a continuous label), one of the two.")
    names = {"word": word, "group": group, "pair": pair, "source": source}
    columns = {name: names_of(name, cells, n) for name, cells in names.items()}
    if columns["word"] is None and found is not None:
        columns["word"] = words_of(listed, found)
    return LabelledTexts(
        listed,
        found,
        None if label is None else classes_in(label, n, len(names_for(label, class_names))),
        None if value is None else finite_values("value", value, n),
        _example,
        value_name=value_name,
        class_names=None if class_names is None else class_names_of(class_names),
        **columns,
    ).columns(model, reading)


def _given_texts(texts: Any) -> list[str]:
    if isinstance(texts, str | bytes | Mapping | set | frozenset):
        raise InputError(f"texts must be a list of texts; got {shown(texts)}.")
    try:
        listed = list(texts)
    except TypeError as error:
        raise InputError(f"texts must be a list of texts; got {shown(texts)}.") from error
    if not listed:
        raise InputError("no texts given: give one for each example.")
    return checked_texts(listed, _example)


def _given_spans(spans: Any, texts: Sequence[str]) -> list[Span] | None:
    if spans is None:
        return None
    try:
        pairs = [(start, end) for start, end in spans]
    except (TypeError, ValueError) as error:
        raise InputError(
            f"spans must be (start, end) for each text; got {shown(spans)}."
        ) from error
    if len(pairs) != len(texts):
        raise InputError(f"spans has {len(pairs)} entries for {len(texts)} texts: give as many.")
    return [
        checked_span(*span, text, _example(i))
        for i, (span, text) in enumerate(zip(pairs, texts, strict=True))
    ]


def _example(index: int) -> str:
    """What an example is called in an error."""
    return f"example {index}"
