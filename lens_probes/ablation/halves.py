"""Two halves of the examples: units are chosen on one, their use is measured on the other."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int
from numpy.typing import NDArray

from lens_probes import stats
from lens_probes.errors import InputError
from lens_probes.examples.examples import Examples
from lens_probes.examples.folds import passage_ids
from lens_probes.examples.replication_groups import mixed_examples

GROUP = "replication group"
_FEWEST = 10
_TRIES = 50


@dataclass(frozen=True)
class Halves:
    """Examples that units are chosen on, and examples that their use is measured on.

    `passage` [example of all] is what intervals resample. `by` says what is never on both sides;
    examples that would be (of a group of one half in a passage of the other) are in neither.
    `notes` say what is not as it should be.
    """

    chosen: Int[np.ndarray, " example"]
    measured: Int[np.ndarray, " example"]
    passage: NDArray[np.object_]
    by: tuple[str, ...]
    notes: tuple[str, ...] = ()


def halves(examples: Examples, *, seed: int = 0) -> Halves:
    """Split so that no passage and no group is on both sides, as far as the examples allow.

    A unit that was chosen because it knows a few words is measured on others; and no token that is
    read is on both sides. Replication groups are dealt to the halves at random; each passage goes
    where most of its examples have their groups, and the rest of it is left out. Where that leaves
    fewer than 10 examples of a class in a half, passages alone are kept apart; without passages,
    groups alone, or nothing.

    Raises
    ------
    InputError
        A continuous label, or fewer than four examples in a class.
    """
    if examples.value is not None:
        raise InputError(
            f"the label is continuous ({examples.value_name}), and a causal card compares two "
            "classes: give examples with label 0 and 1."
        )
    if len(examples.class_names) > 2:
        raise InputError(
            f"the examples have {len(examples.class_names)} classes, and a causal card compares "
            "two: give examples of two of them."
        )
    if min(examples.n_per_class) < 4:
        raise InputError(
            f"the classes have {examples.n_per_class[0]} and {examples.n_per_class[1]} examples: "
            "4 or more are needed in each, half to choose units and half to measure."
        )
    notes = []
    passage = passage_ids(examples)
    if passage is None:
        notes.append("no passages are known: halves are split, intervals made by example")
    alone = np.array([str(row) for row in range(len(examples))], dtype=object)
    known = alone if passage is None else passage
    side = _by_group_and_passage(examples, known, seed)
    by: tuple[str, ...] = (GROUP,) if passage is None else (GROUP, "passage")
    if side is None:
        notes.append(_why_groups_are_shared(examples))
        side, by = _by_passage(examples, passage, seed), ("passage",)
        if side is None:
            if passage is not None:
                notes.append("too few passages for two halves: examples are split at random")
            side, by = _at_random(examples, seed), ()
    return Halves(np.flatnonzero(side == 0), np.flatnonzero(side == 1), known, by, tuple(notes))


def without_left_out(examples: Examples, split: Halves) -> tuple[Examples, Halves]:
    """Examples of either half alone, and the halves of these."""
    kept = np.sort(np.concatenate([split.chosen, split.measured]))
    chosen, measured = (np.searchsorted(kept, rows) for rows in (split.chosen, split.measured))
    halved = replace(split, chosen=chosen, measured=measured, passage=split.passage[kept])
    return examples.select(kept), halved


def draw_windows(
    examples: Examples, rows: NDArray[np.int64], n: int | None, *, seed: int = 0
) -> NDArray[np.int64]:
    """At most n of these examples, as evenly from both classes as they allow; None takes all."""
    if n is None or n >= len(rows):
        return rows
    rng = np.random.default_rng(seed)
    ones, zeros = (rng.permutation(rows[examples.label[rows] == label]) for label in (1, 0))
    n_ones = min(len(ones), max(n // 2, n - len(zeros)))
    return np.sort(np.concatenate([ones[:n_ones], zeros[: n - n_ones]]))


def _by_group_and_passage(
    examples: Examples, passage: NDArray[np.object_], seed: int
) -> NDArray[np.int64] | None:
    """[example] side 0 or 1, or 2 for neither; None where too few examples would be left.

    Of several splits of the groups the one is taken that leaves most examples of the rarer class.
    """
    group = examples.group
    if group is None:
        return None
    both = bool(mixed_examples(examples).any())
    deal = stats.folds_by_passage if both else stats.folds_by_word
    best, most = None, _FEWEST - 1
    _, which = np.unique(passage.astype(str), return_inverse=True)
    rng = np.random.default_rng(seed)
    for draw in rng.integers(0, 2**31, _TRIES).tolist():
        try:
            group_side = deal(examples.label, group, n_folds=2, seed=draw)
        except ValueError:
            return None
        there = np.bincount(which, weights=group_side) / np.bincount(which)
        passage_side = np.where(there == 0.5, rng.integers(0, 2, len(there)), there > 0.5)
        side = np.where(passage_side[which] == group_side, group_side, 2)
        left = min(
            int(((side == half) & (examples.label == label)).sum())
            for half in (0, 1)
            for label in (0, 1)
        )
        if left > most:
            best, most = side, left
    return best


def _why_groups_are_shared(examples: Examples) -> str:
    why = "too few groups, passages or examples"
    why = "no words are known" if examples.group is None else why
    return f"words are on both sides ({why}): units may be chosen for words that are measured"


def _by_passage(
    examples: Examples, passage: NDArray[np.object_] | None, seed: int
) -> NDArray[np.int64] | None:
    if passage is None:
        return None
    try:
        side: NDArray[np.int64] = stats.folds_by_passage(
            examples.label, passage, n_folds=2, seed=seed
        )
    except ValueError:
        return None
    return side


def _at_random(examples: Examples, seed: int) -> NDArray[np.int64]:
    rng = np.random.default_rng(seed)
    side = np.empty(len(examples), dtype=np.int64)
    for label in (0, 1):
        rows = rng.permutation(np.flatnonzero(examples.label == label))
        side[rows] = np.arange(len(rows)) % 2
    return side
