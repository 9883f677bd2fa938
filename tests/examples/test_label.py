"""The kinds of label: what each is permuted by, held out by, and told apart by."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lens_probes import stats
from lens_probes.examples.examples import Examples
from lens_probes.examples.label import Label, Pairs, TwoClasses
from lens_probes.examples.values import Values

N = 24
WORD = np.repeat(np.arange(8), 3)
X = np.random.default_rng(0).normal(size=(N, 6))


def given(**columns: object) -> Examples:
    tokens = np.arange(2 * N).reshape(N, 2) + 10
    tokens[:, 1] = 90 + WORD
    return Examples.from_tokens(tokens, -1, word=[f"w{k}" for k in WORD], **columns)  # type: ignore[arg-type]


def paired(group: np.ndarray) -> Pairs:
    return Pairs(np.tile([0, 1], N // 2), ("a", "b"), np.repeat(np.arange(N // 2), 2))


def test_examples_say_what_is_asked_of_the_units() -> None:
    two = given(label=WORD % 2, class_names=("even", "odd"))
    assert type(two.contrast) is TwoClasses
    assert two.contrast.describe() == "even (12) v odd (12)"
    assert two.contrast.of(4) == "odd"
    assert two.contrast.token_p == "score_p"
    assert not two.own_control
    values = given(value=WORD * 1.5, value_name="size")
    assert type(values.contrast) is Values
    assert values.contrast.describe() == "size (0 to 10.5)"
    assert values.contrast.of(4) == "size 1.5"
    assert values.contrast.course_p("wald_p") == values.contrast.token_p == "r_p"
    label = np.tile([0, 1], N // 2)
    pairs = replace(given(label=label, group=WORD // 2), pair=np.repeat(np.arange(N // 2), 2))
    assert type(pairs.contrast) is Pairs
    assert pairs.own_control
    assert pairs.contrast.course_p("paired_p") == "paired_p"
    assert two.contrast.course_p("paired_p") == "t_p"


@pytest.mark.parametrize(
    ("label", "counts", "moved"),
    [
        (TwoClasses(WORD % 2, ("a", "b")), (4, 4), "class"),
        (Values(WORD * 1.0, "size"), (8,), "value"),
        (Pairs(np.tile([0, 1], 12), ("a", "b"), np.repeat(np.arange(12), 2)), (4,), "pair"),
    ],
    ids=["classes", "values", "pairs"],
)
def test_each_kind_has_one_permutation_and_knows_what_it_resolves(
    label: Label, counts: tuple[int, ...], moved: str
) -> None:
    group = WORD // 2 if moved == "pair" else WORD
    assert label.counts(group) == counts
    assert label.relabelled(group) == moved
    assert not label.problem()
    test = label.permute(X, group, n_permutations=10_000)
    gate = label.resolution(group, n_permutations=10_000, alpha=0.05)
    assert gate.n_relabellings == test.n_distinct_relabellings
    assert np.nanmin(test.p_family) >= gate.p_min * (1 - 1e-12)
    part = label.select(np.arange(12))
    assert len(part.numbers) == 12
    assert type(part) is type(label)


def test_pairs_of_one_group_are_swapped_together_and_others_as_two_classes() -> None:
    label, two = paired(WORD), TwoClasses(np.tile([0, 1], N // 2), ("a", "b"))
    group = np.repeat(np.arange(4), 6)
    sides, index = np.unique(2 * group + label.y, return_inverse=True)
    means = np.stack([X[index == k].mean(axis=0) for k in range(len(sides))])
    swapped = stats.max_permutation(means, sides % 2, within=sides // 2)
    assert np.array_equal(label.permute(X, group).p_family, swapped.p_family)
    alone = np.arange(N)
    assert not label.own_control(alone)
    assert label.counts(alone) == (12, 12)
    assert np.array_equal(label.permute(X, alone).value, two.permute(X, alone).value)


def test_a_group_of_both_classes_is_mixed_and_one_of_two_values_varies() -> None:
    y = (WORD % 2).copy()
    y[0] = 1
    mixed = TwoClasses(y, ("a", "b")).mixed(WORD)
    assert mixed.tolist() == [True] * 3 + [False] * 21
    assert not TwoClasses(y, ("a", "b")).constant_in(WORD)
    assert not Values(np.arange(N) * 1.0, "n").constant_in(WORD)
    assert not Values(np.arange(N) * 1.0, "n").mixed(WORD).any()


def test_what_cannot_be_tested_is_said_in_one_line() -> None:
    assert "class 'b' has 1 examples" in TwoClasses(np.array([0, 0, 1]), ("a", "b")).problem()
    assert "1 different values" in Values(np.ones(5), "n").problem()
