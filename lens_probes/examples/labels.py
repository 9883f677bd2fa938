"""A column of labels as classes, or as a number for each example."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from lens_probes.errors import InputError, shown

Where = Callable[[int], str]
_NAMED = 12


@dataclass(frozen=True)
class Labels:
    """Rows that are kept, and the class or the number of each of them.

    rows: [example] index of the row; label: [example] class, None for numbers; value: [example]
    number, None for classes; class_names: of class 0, class 1, ..., None for numbers.
    """

    rows: Int[np.ndarray, " example"]
    label: Int[np.ndarray, " example"] | None
    value: Float[np.ndarray, " example"] | None
    class_names: tuple[str, ...] | None


def labels_of(cells: Sequence[Any], name: str, where: Where, classes: Any = None) -> Labels:
    """Different labels are classes, in order; more numbers than two are values.

    Parameters
    ----------
    cells, name
        The column and its name; numbers may be written as text.
    where
        What a cell is called in an error, by its index.
    classes
        Two labels, class 0 first: rows of other labels are left out.

    Raises
    ------
    InputError
        A label is missing, is of another kind than the others, is infinite; there is one label; one
        of several is there once; `classes` are no labels of the column.
    """
    for i, cell in enumerate(cells):
        if cell is None:
            raise InputError(f"{where(i)} is empty: give every row a label, or take the row out.")
        if not isinstance(cell, str | int | float):
            raise InputError(f"{where(i)} must be a name or a number; got {shown(cell)}.")
    numbers = [_number(cell) for cell in cells]
    said = [
        str(cell).strip() if number is None else f"{number:.15g}"
        for cell, number in zip(cells, numbers, strict=True)
    ]
    if classes is not None:
        return _of_classes(said, _chosen(classes, said, name), name)
    if any(number is not None for number in numbers):
        _check_numbers(cells, numbers, where)
        values = np.array(numbers, dtype=np.float64)
        if len(set(values.tolist())) > 2:
            return Labels(np.arange(len(values)), None, values, None)
        distinct = [f"{number:.15g}" for number in sorted(set(values.tolist()))]
        names = [f"{name} {one}" for one in distinct]
    else:
        distinct = names = sorted(set(said))
    if len(distinct) == 1:
        raise InputError(f"all labels in column {name!r} are {said[0]!r}: two classes are needed.")
    counts = Counter(said)
    if len(distinct) > 2 and min(counts.values()) < 2:
        rare = min(counts, key=lambda one: counts[one])
        raise InputError(
            f"{where(said.index(rare))} is the only {rare!r}: several classes need 2 examples or "
            f"more of each (choose some with classes=(...)); column {name!r} has {_listed(counts)}."
        )
    return _of_classes(said, distinct, name, names)


def _number(cell: Any) -> float | None:
    """The number in a cell, or None; True and False are names of classes."""
    if isinstance(cell, bool):
        return None
    try:
        return float(cell)
    except (ValueError, OverflowError):
        return None


def _check_numbers(cells: Sequence[Any], numbers: Sequence[float | None], where: Where) -> None:
    names = [i for i, number in enumerate(numbers) if number is None]
    if names:
        few = names if 2 * len(names) <= len(numbers) else _others(names, len(numbers))
        kind, rest = ("a number", "names") if few is not names else ("no number", "numbers")
        raise InputError(
            f"{where(few[0])} is {shown(cells[few[0]])}, {kind} among {rest}: give one kind."
        )
    for i, number in enumerate(numbers):
        if number is not None and not math.isfinite(number):
            raise InputError(f"{where(i)} is {shown(cells[i])}: give finite numbers.")


def _others(indices: list[int], n: int) -> list[int]:
    given = set(indices)
    return [i for i in range(n) if i not in given]


def _chosen(classes: Any, said: Sequence[str], name: str) -> list[str]:
    if isinstance(classes, str) or not isinstance(classes, Sequence) or len(classes) < 2:
        raise InputError(
            f"classes must be two labels or more, class 0 first; got {shown(classes)}."
        )
    chosen: list[str] = []
    for one in classes:
        number = _number(one) if isinstance(one, str | int | float) else None
        chosen.append(str(one).strip() if number is None else f"{number:.15g}")
        if chosen[-1] not in said:
            raise InputError(
                f"no label {shown(one)} in column {name!r}: it has {_listed(Counter(said))}."
            )
    if len(set(chosen)) < len(chosen):
        raise InputError(f"classes must be different labels; got {shown(classes)}.")
    return chosen


def _of_classes(
    said: Sequence[str], chosen: Sequence[str], name: str, names: Sequence[str] | None = None
) -> Labels:
    """Rows of the chosen labels, class 0 first."""
    kept = [i for i, one in enumerate(said) if one in chosen]
    label = np.array([chosen.index(said[i]) for i in kept], dtype=np.int64)
    if names is None:
        names = [f"{name} {one}" if _number(one) is not None else one for one in chosen]
    return Labels(np.array(kept, dtype=np.int64), label, None, tuple(names))


def _listed(counts: Counter[str]) -> str:
    shown_ = ", ".join(f"{one[:40]!r} ({n})" for one, n in counts.most_common(_NAMED))
    return shown_ + (f" and {len(counts) - _NAMED} more" if len(counts) > _NAMED else "")


def above_median(value: Float[np.ndarray, " example"]) -> Int[np.ndarray, " example"]:
    """[example] 1 where a value is above the median; at it too where nothing is above."""
    above = value > np.median(value)
    if not above.any():
        above = value >= np.median(value)
    return np.asarray(above, dtype=np.int64)


def median_names(value_name: str) -> tuple[str, str]:
    """Names of the two groups that a median makes."""
    return f"{value_name}: up to the median", f"{value_name}: above the median"
