"""Numbers of a lesson on planted activations: interval, null, untrained value; the sweep's own."""

from __future__ import annotations

import numpy as np
import pytest
from planted import planted
from scipy import stats as scipy_stats

import lens_probes as lp
from lens_probes.checks.heldout import heldout_by_layer
from lens_probes.course import Data, Found, OverGroups
from lens_probes.course.measure import measure, measure_items, measure_over_groups, over_groups


def share(data: Data) -> Found:
    layers = lp.sweep_activations(data.activations, data.examples, preset="course").layers
    return {"share": (*layers[["n_significant", "n_tested"]].sum(),)}


def share_of(_: Data, tested: OverGroups) -> Found:
    return {"share": (*tested.layers[["n_significant", "n_tested"]].sum(),)}


def test_what_is_planted_has_an_interval_and_null_and_untrained_have_nothing() -> None:
    found = measure(share, planted({0: 20, 1: 20, 2: 20}, words=0.1), draws=20)
    value = found.parts["share"]
    assert value.low <= value.value <= value.high
    assert value.high - value.low < 0.1
    assert value.value == pytest.approx(0.5, abs=0.05)
    assert value.of == 120
    assert value.null < 0.2
    assert value.untrained < 0.02
    assert len(value.drawn) == len(value.null_draws) == 20
    claim = found.claim("L15.a", "course", "share", how="as here", missing="why")
    assert (claim.claim, claim.how, claim.missing) == ("L15.a", "as here", "why")
    assert "20 halves of the groups" in claim.interval_is


def test_word_identity_alone_passes_tokens_and_not_groups() -> None:
    data = planted({0: 0, 1: 0, 2: 0}, words=2.0)
    tokens = measure(share, data, draws=10).parts["share"]
    assert tokens.value > 0.2
    assert tokens.null > 0.2
    assert measure_over_groups(share_of, data, draws=10)["share"] <= 0.02
    tuned = planted({0: 20, 1: 20, 2: 20}, words=0.5, effect=3.0)
    groups = measure_over_groups(share_of, tuned, draws=10).parts["share"]
    assert groups.value == pytest.approx(0.5, abs=0.05)
    assert groups.null <= 0.02
    assert groups.untrained <= 0.02


def test_the_test_over_groups_is_the_sweeps_own() -> None:
    data = planted({0: 12, 1: 3}, words=1.0, effect=3.0)
    data.activations[1, "mlp_pre"][:, 30:] = 1  # constant
    by_weights = over_groups(data)
    for one in (data, data.untrained):
        swept = lp.sweep_activations(one.activations, one.examples, seed=0)
        tested = by_weights[one.is_trained]
        assert (tested.units["significant"] == swept.units["significant"]).all()
        np.testing.assert_allclose(tested.units["value"], swept.units["permuted_value"])
        for name in ("n_tested", "n_significant", "n_significant_positive"):
            assert (tested.layers[name] == swept.layers[name]).all()
    assert by_weights[True].units["significant"].sum() > 10


def test_z_of_groups_is_welchs_t_of_word_means_as_a_normal_z() -> None:
    data = planted({0: 5}, words=1.0)
    means = data.x.astype(float).reshape(16, 12, 40).mean(1)
    welch = scipy_stats.ttest_ind(means[8:], means[:8], equal_var=False)
    exact = np.sign(welch.statistic) * scipy_stats.norm.isf(welch.pvalue / 2)
    order = np.random.default_rng(0).permutation(192)
    for one in (data, data.rows(order)):
        z = over_groups(one)[True].units["value"]
        np.testing.assert_allclose(z, exact, rtol=5e-3)


@pytest.mark.parametrize(
    ("types", "rejects"), [((1, 6), False), ((3, 3), False), ((4, 4), True), ((2, 9), True)]
)
def test_too_few_groups_are_said(types: tuple[int, int], rejects: bool) -> None:
    data = planted({0: 40}, effect=9.0)
    names = [f"w{k}" for k in range(types[0])] + [f"w{8 + k}" for k in range(types[1])]
    found = measure_over_groups(share_of, data.rows(np.isin(data.word, names[:8] + names[8:])),
                                draws=4)  # fmt: skip
    assert (found.missing == "") == rejects
    if rejects:
        assert found["share"] == 1
    else:
        assert "no test over groups can reject" in found.missing
        assert found.claim("L15.a", "rigorous", "share", how="").missing == found.missing


def test_accuracy_on_held_out_words_finds_what_is_planted_and_not_word_identity() -> None:
    def low(data: Data) -> float:
        return float(heldout_by_layer(data.activations, data.examples).iloc[:2].mean())

    tuned = planted({0: 20, 1: 20, 2: 20}, effect=1.2)
    assert low(tuned) == pytest.approx(scipy_stats.norm.cdf(0.6), abs=0.03)
    words = planted({0: 0, 1: 0, 2: 0}, words=2.0)
    layers = lp.sweep_activations(words.activations, words.examples, preset="course").layers
    assert layers["mean_accuracy_significant_positive"].mean() > 0.6
    assert not low(words) >= 0.58


def test_a_draw_with_a_lone_example_of_a_class_has_no_value() -> None:
    data = planted({0: 5})
    lone = data.rows(np.r_[0, 12, 24, 100, 112, 124])
    found = measure(share, lone, draws=6).parts["share"]
    assert np.isfinite(found.value)
    assert len(found.drawn) == 6
    few = measure(share, data.rows(np.r_[0:2, 100:124]), draws=4, ids=np.arange(26)).parts["share"]
    assert len(few.drawn) == 4


def test_numbers_of_things_without_labels() -> None:
    x = np.random.default_rng(0).normal(1, 1, 200)
    found = measure_items(
        lambda rows: {"mean": x[rows].mean(), "share": (int((x[rows] > 0).sum()), len(rows))},
        len(x), of="starts", draws=40, untrained={"mean": 0.0}, null={"mean": 0.5}, null_is="noise",
    )  # fmt: skip
    mean = found.parts["mean"]
    assert mean.low < x.mean() < mean.high
    assert (mean.high - mean.low) / 2 == pytest.approx(1.96 / np.sqrt(200), rel=0.4)
    assert (mean.null, mean.null_draws, mean.untrained) == (0.5, (), 0.0)
    assert found.parts["share"].of == 200
    assert "40 halves of the starts" in found.interval_is
    exact = measure_items(lambda _: {"error": 0.0}, 3, of="tokens", draws=0)
    assert exact.interval_is == ""
    drawn = measure_items(
        lambda rows: {"mean": x[rows].mean()}, 200, of="starts", draws=4,
        null=[{"mean": 0.0}, {"mean": 0.2}],
    )  # fmt: skip
    assert drawn.parts["mean"].null_draws == (0.0, 0.2)
