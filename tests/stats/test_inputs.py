"""Every public function refuses bad input with the same one-line messages."""

import numpy as np
import pytest
import torch

from lens_probes import stats

FUNCTIONS = [stats.moments, stats.ttest, stats.logistic, stats.auc]
Y = np.array([0, 1, 0, 1, 1, 0])


def units(*, dtype=np.float32):
    return np.random.default_rng(0).normal(size=(6, 3)).astype(dtype)


@pytest.mark.parametrize("function", [*FUNCTIONS, stats.correlation])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_non_finite_value_is_named(function, value):
    x = units()
    x[4, 2] = value
    with pytest.raises(ValueError, match="unit 2, example 4: the activation is") as error:
        function(x, Y)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_name_counts_from_the_first_unit_of_all(function):
    x = np.zeros((6, 600), dtype=np.float16)
    x[1, 555] = np.nan
    with pytest.raises(ValueError, match="unit 555, example 1"):
        function(x, Y)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_labels_must_be_zero_or_one(function):
    with pytest.raises(ValueError, match="y has values 1, 2: labels must be 0 or 1"):
        function(units(), Y + 1)
    with pytest.raises(ValueError, match="labels must be 0 or 1"):
        function(units(), np.array([0, 1, 0, np.nan, 1, 1]))
    with pytest.raises(ValueError, match="labels must be 0 or 1"):
        function(units(), np.array(["a", "b", "a", "b", "a", "b"]))
    with pytest.raises(ValueError, match=r"y has shape \(5,\) but x has 6 examples"):
        function(units(), Y[:5])


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_class_needs_two_examples(function):
    with pytest.raises(ValueError, match="class 1 has 1 examples: at least 2 are needed"):
        function(units(), np.array([0, 0, 0, 1, 0, 0]))
    with pytest.raises(ValueError, match="class 0 has 0 examples: at least 2 are needed"):
        function(units(), np.ones(6))


@pytest.mark.parametrize("function", [*FUNCTIONS, stats.correlation])
def test_units_must_be_a_real_matrix(function):
    with pytest.raises(ValueError, match=r"x has shape \(6,\): it must be \[example, unit\]"):
        function(units()[:, 0], Y)
    with pytest.raises(ValueError, match="x has dtype complex64"):
        function(units().astype(np.complex64), Y)


@pytest.mark.parametrize("function", [*FUNCTIONS, stats.correlation])
@pytest.mark.parametrize(
    "convert",
    [
        torch.from_numpy,
        lambda x: torch.from_numpy(x).requires_grad_(),
        np.asfortranarray,
        lambda x: np.repeat(x, 2, axis=1)[:, ::2],
        lambda x: x.tolist(),
        lambda x: x.astype(">f4"),
        lambda x: x.astype(np.float64),
    ],
)
def test_any_container_gives_the_same_numbers(function, convert):
    x = units()
    want, have = function(x, Y), function(convert(x), torch.from_numpy(Y))
    for name in vars(want):
        np.testing.assert_array_equal(getattr(have, name), getattr(want, name))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.int8, torch.bool])
def test_narrow_types_are_read_exactly(dtype):
    x = (torch.from_numpy(units()) * 3).to(dtype)
    for function in (stats.ttest, stats.auc):
        want, have = function(x.double(), Y), function(x, Y)
        for name in vars(want):
            np.testing.assert_array_equal(getattr(have, name), getattr(want, name))


@pytest.mark.parametrize("function", [*FUNCTIONS, stats.correlation])
def test_no_units_give_no_numbers(function):
    result = function(np.empty((6, 0)), Y)
    assert all(np.size(v) == 0 for v in vars(result).values() if isinstance(v, np.ndarray))


def test_a_range_beyond_float64_is_refused():
    with pytest.raises(ValueError, match="unit 1: its values span"):
        stats.ttest(np.array([[0, -1e308], [1, 1e308], [2, -1e308], [3, 1e308]]), [0, 1, 0, 1])
