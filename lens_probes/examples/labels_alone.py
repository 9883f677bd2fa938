"""Examples of labels alone, beside activations that are there already: no tokens are known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from lens_probes.arrays import array_of, in_order, names_of
from lens_probes.errors import InputError
from lens_probes.examples.examples import Examples
from lens_probes.examples.ids import numbered
from lens_probes.examples.labels import above_median, labels_of, median_names


def labels_alone(
    label: Any,
    n: int,
    *,
    word: Iterable[str | int] | None = None,
    group: Iterable[str | int] | None = None,
    source: Iterable[str | int] | None = None,
    pair: Iterable[str | int] | None = None,
    covariates: Mapping[str, Any] | None = None,
    label_name: str = "label",
) -> Examples:
    """Examples without tokens: two different labels are classes, more numbers are values.

    Parameters
    ----------
    label
        [example] two classes, by name or number, in order; or a continuous label.
    n
        Examples that there are activations of.
    word, group, source, pair, covariates
        As in `Examples`; each [example].

    Raises
    ------
    InputError
        Lengths that differ, a label that is missing or is no name and no number, one class alone.
    """
    cells = in_order("the labels", array_of("the labels", label) if _is_array(label) else label)
    if len(cells) != n:
        raise InputError(
            f"{n} examples have activations and {len(cells)} have labels: give as many."
        )
    cells = [cell.item() if isinstance(cell, np.generic) else cell for cell in cells]
    found = labels_of(cells, label_name, lambda i: f"the {label_name} of example {i}")
    pairs = names_of("pair", pair, n)
    labels = found.label
    if labels is None:
        assert found.value is not None
        labels = above_median(found.value)
    return Examples(
        tokens=np.zeros((n, 0), dtype=np.int64),
        position=np.full(n, -1),
        label=labels,
        value=found.value,
        value_name="" if found.value is None else label_name,
        class_names=found.class_names or median_names(label_name),
        word=names_of("word", word, n),
        own_group=names_of("group", group, n),
        source=names_of("source", source, n),
        pair=None if pairs is None else numbered(pairs.astype(str)),
        covariates=covariates,
        origin={"kind": "labels given with activations"},
    )


def _is_array(label: Any) -> bool:
    return hasattr(label, "detach") or isinstance(label, np.ndarray)
