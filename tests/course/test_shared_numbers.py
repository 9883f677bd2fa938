"""Numbers that lessons share: given frequency, over word types, in a second batch."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm

from lens_probes.course.length import LengthSums
from lens_probes.course.profiles import max_t_threshold, too_few_words, word_z
from lens_probes.course.second_batch import holds
from lens_probes.course.spread import Sample

RNG = np.random.default_rng(0)


def sample(words: list[str], label: list[int], x: np.ndarray) -> Sample:
    _, group = np.unique(words, return_inverse=True)
    names = np.array(words, object)
    return Sample({(0, "mlp_pre"): x}, np.array(label), names, group, group)


def test_length_given_frequency_equals_ordinary_least_squares() -> None:
    n = 400
    count = RNG.normal(size=n)
    length = -0.6 * count + RNG.normal(size=n)
    y = np.column_stack([length, count, length > np.median(length)])
    x = 0.4 * length[:, None] + 0.8 * count[:, None] + RNG.normal(size=(n, 2))
    none = np.zeros((1, 0, 2))
    sums = LengthSums(
        n=np.array([n, 0.0]), first=np.array([False, True]),
        y=np.stack([y.sum(0), np.zeros(3)]),
        yy=np.stack([np.einsum("na,nb->ab", y, y), np.zeros((3, 3))]),
        x=np.stack([x.sum(0), np.zeros(2)])[None], xx=np.stack([(x**2).sum(0), np.zeros(2)])[None],
        xy=np.stack([y.T @ x, np.zeros((3, 2))])[None], null=none, null_partial=none,
    )  # fmt: skip
    weight = np.ones(2)
    r, shift = sums.correlations(weight, partial=True)
    for unit in range(2):
        left = sm.OLS(x[:, unit], sm.add_constant(count)).fit().resid
        right = sm.OLS(length, sm.add_constant(count)).fit().resid
        assert r[0, unit] == pytest.approx(np.corrcoef(left, right)[0, 1])
        fit = sm.OLS(x[:, unit], sm.add_constant(y[:, 1:])).fit()
        assert shift[0, unit] == pytest.approx(fit.params[2] / x[:, unit].std())
    raw, plain = sums.correlations(weight, partial=False)
    assert raw[0, 0] == pytest.approx(np.corrcoef(x[:, 0], length)[0, 1])
    longer = y[:, 2] == 1
    gap = x[longer, 0].mean() - x[~longer, 0].mean()
    assert plain[0, 0] == pytest.approx(gap / x[:, 0].std())


@pytest.mark.parametrize(
    ("types", "rejects"), [((1, 6), False), ((3, 3), False), ((4, 4), True), ((2, 9), True)]
)
def test_too_few_word_types_are_said(types: tuple[int, int], rejects: bool) -> None:
    names = [f"{label}{i}" for label in (0, 1) for i in range(types[label]) for _ in range(5)]
    label = [int(name[0]) for name in names]
    x = np.array(label)[:, None] * 9.0 + 0.01 * RNG.normal(size=(len(names), 3))
    found = sample(names, label, x)
    assert (too_few_words(found) == "") == rejects
    # What is said agrees with the test: a perfect unit passes exactly where it may.
    passed = np.abs(word_z(found, (0, "mlp_pre"), 5)) > max_t_threshold(found)
    assert passed.any() == rejects
    if not rejects:
        assert f"{types[1]} v {types[0]} groups of words" in too_few_words(found)


def test_a_second_batch_is_judged_over_word_types_where_asked() -> None:
    # "the" alone drives unit 0 in most tokens; unit 1 follows the class in every word.
    words = ["the"] * 30 + list("abcdefgh") + [c * 2 for c in "abcdefgh"]
    label = [1] * 34 + [0] * 4 + [1] * 4 + [0] * 4
    y = np.array(label)
    x = np.column_stack([np.array(words) == "the", y]) + 0.2 * RNG.normal(size=(len(words), 2))
    first = sample(words, label, x)
    passed = np.array([True, True])
    by_word = holds(first, first, passed, by="word")
    assert by_word["auc_second"] > 0.99
    others = sample(words[30:], label[30:], x[30:])
    assert holds(first, others, passed, by="word")["auc_second"] > 0.99
