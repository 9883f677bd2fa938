"""Data of a lesson: rows, halves of groups, relabellings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from planted import planted

from lens_probes import stats
from lens_probes.course import Data
from lens_probes.course.data import half_data, shuffled_data


def read_at(data: Data, tokens: np.ndarray) -> Data:
    """The same with other tokens read."""
    ids = np.array(data.examples.tokens)
    ids[:, -1] = tokens
    return replace(data, examples=replace(data.examples, tokens=ids))


def n_groups(data: Data) -> list[int]:
    return [len(set(data.group[data.label == k].tolist())) for k in (0, 1)]


def drawn(data: Data, n: int) -> list[Data]:
    return list(half_data(data, data.group, n, 0, anew=True))


def test_draws_keep_classes_and_relabellings_keep_words() -> None:
    data = planted({0: 0})
    made = drawn(data, 6)
    for one, other in zip(made[::2], made[1::2], strict=True):
        for half in (one, other):
            assert n_groups(half) == [8, 8]
            assert len(set(half.word)) == 8, "each counts twice"
        assert set(one.word) | set(other.word) == set(data.word)
        assert len(one.untrained) == len(one.x)
    for shuffled in shuffled_data(data, 5, 0):
        assert shuffled.label.sum() == shuffled.untrained.label.sum() == 96
        for word in set(data.word):
            assert len(set(shuffled.label[data.word == word])) == 1


def test_what_holds_groups_out_knows_the_second_copy() -> None:
    data = planted({0: 0})
    for half in half_data(data, data.group, 4, 0, anew=False):
        assert n_groups(half) == [4, 4]
        assert len(half) == 192


def test_draws_of_a_part_are_of_its_own_words() -> None:
    part = planted({0: 0}).rows(np.r_[0:24, 120:192])
    for half in drawn(part, 5):
        assert set(half.word) <= set(part.word)
        assert n_groups(half) == [2, 6]


def test_words_read_at_one_token_are_drawn_and_relabelled_together() -> None:
    # w0 and w1 share a token, w2 and w3, ...
    pairs = read_at(planted({0: 0}), np.repeat(np.arange(16) // 2, 12))
    for half in drawn(pairs, 5):
        assert n_groups(half) == [4, 4]
        for group in set(half.group.tolist()):
            assert len(set(half.word[half.group == group])) == 2
    for shuffled in shuffled_data(pairs, 5, 0):
        for group in set(pairs.group.tolist()):
            assert len(set(shuffled.label[pairs.group == group])) == 1
    # A group with both classes is drawn as two, one in each class.
    mixed = read_at(planted({0: 0}), np.repeat(np.arange(16) % 8, 12))
    for data in (mixed, *drawn(mixed, 5)):
        assert n_groups(data) == [8, 8]


def test_relabellings_are_never_the_real_split_or_its_mirror_image() -> None:
    data = planted({0: 10}, effect=4.0)
    few = data.rows(np.isin(data.group, [0, 1, 14, 15]))
    for shuffled in shuffled_data(few, 40, 0):
        same = shuffled.label == few.label
        assert same.any()
        assert not same.all()
    two = few.rows(np.isin(few.word, ["w0", "w15"]))
    assert list(shuffled_data(two, 5, 0)) == [], "one word a class has no other split"


def test_pairs_are_drawn_together_and_swapped_inside() -> None:
    data = planted({0: 4})
    paired = replace(data, examples=replace(data.examples, pair=np.tile(np.arange(96), 2)))
    for half in drawn(paired, 4):
        assert half.examples.pair is not None
        assert half.examples.n_per_class == (96, 96)
        assert len(set(half.examples.pair.tolist())) == 96
    for shuffled in shuffled_data(paired, 4, 0):
        assert (shuffled.label[:96] != shuffled.label[96:]).all()
        assert 0 < (shuffled.label != data.label).sum() < 192


def test_rows_of_both_classes_and_some_layers() -> None:
    data = planted({0: 1, 1: 1})
    part = data.rows(np.r_[0:30, 96:146]).balanced(10, 0)
    assert part.examples.n_per_class == (10, 10)
    assert list(data.only("mlp_pre", layer=1).activations) == [(1, "mlp_pre")]
    x = data.only("mlp_pre", layer=0)
    other = x.relabelled(1 - x.label)
    t = stats.ttest(x.x, x.examples.label).t
    np.testing.assert_allclose(stats.ttest(other.x, other.examples.label).t, -t)


def test_a_value_is_relabelled_with_its_median_split() -> None:
    data = planted({0: 1})
    value = np.repeat(np.arange(16.0), 12)
    examples = replace(data.examples, value=value, value_name="length")
    length = replace(data, examples=examples, bare=None)
    for shuffled in shuffled_data(length, 3, 0):
        assert sorted(set(shuffled.label.tolist())) == list(range(16))
        assert (shuffled.examples.label == (shuffled.label > 7.5)).all()
    assert all(len(half) == 96 for half in half_data(length, length.group, 2, 0, anew=True))
