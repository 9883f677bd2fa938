"""Examples from token ids: what a user gives, checked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from numpy.typing import ArrayLike

from lens_probes.arrays import finite_values, names_of
from lens_probes.errors import InputError, given_as
from lens_probes.examples.checks import classes_in, names_for, positions_in, token_rows
from lens_probes.examples.labels import above_median, median_names


def from_tokens(
    tokens: ArrayLike | Sequence[Sequence[int]],
    position: ArrayLike,
    label: ArrayLike | None,
    word: Iterable[str | int] | None,
    source: Iterable[str | int] | None,
    group: Iterable[str | int] | None,
    value: ArrayLike | None,
    value_name: str,
    class_names: Sequence[str] | None,
) -> dict[str, Any]:
    """Columns of `Examples` of one's own token ids: see `Examples.from_tokens`.

    Raises
    ------
    InputError
        As `Examples.from_tokens` says.
    """
    rows, length = token_rows(tokens)
    n = len(rows)
    values = None
    given_as("value_name", value_name, str, "a text")
    if value is not None and label is None:
        values = finite_values("value", value, n)
        labels = above_median(values)
        names = median_names(value_name) if class_names is None else names_for((), class_names)
    elif label is not None and value is None:
        names = names_for(label, class_names)
        labels = classes_in(label, n, len(names))
    else:
        raise InputError("give label (0 or 1) or value (a continuous label), one of the two.")
    return {
        "tokens": rows,
        "position": positions_in(position, length),
        "label": labels,
        "word": names_of("word", word, n),
        "source": names_of("source", source, n),
        "own_group": names_of("group", group, n),
        "value": values,
        "value_name": "" if values is None else value_name,
        "class_names": names,
        "origin": {"kind": "tokens given by the user"},
    }
