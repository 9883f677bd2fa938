"""The audits of planted truth and of numbers notice what is broken."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import binom

from lens_probes import stats
from lens_probes.checks import audit as audit_module
from lens_probes.checks import audit_numbers
from lens_probes.checks.audit import METHODS, audit, plant
from lens_probes.checks.audit_numbers import Mean, Rate, coverage, false_verdicts, selection
from lens_probes.checks.toy import plant_toy
from lens_probes.cli import main


def test_audit_keeps_its_promises_and_notices_a_broken_method(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    table = audit([plant(seed) for seed in range(4)]).set_index("method")
    assert table["kept"].all()
    assert table.loc["score test of tokens, Holm", "word_identity_called_tuned"] > 0.1
    assert table.loc["max-T over groups of words", "word_identity_called_tuned"] < 0.01
    assert table.loc["Wald test of tokens, Bonferroni", "recall"] < 0.9

    monkeypatch.setattr(audit_numbers, "causal_cards", lambda *_: [])
    for broken in (
        replace(METHODS[0], find=lambda planted: np.ones(len(planted.kind), dtype=bool)),
        replace(METHODS[0], find=lambda planted: np.zeros(len(planted.kind), dtype=bool)),
    ):
        assert not audit([plant(0)], [broken])["kept"].any()
        monkeypatch.setattr(audit_module.audit, "__defaults__", ((broken,),))
        assert main(["audit", "--seeds", "1"]) == 1
        assert "BROKEN" in capsys.readouterr().out
    assert main(["audit", "--seeds", "0"]) == 2


def test_audit_of_numbers_keeps_its_bounds_and_notices_broken_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines = [*coverage(12, 0.3), *selection(12, 20), false_verdicts(24, 20)]
    assert all(line.kept for line in lines), "\n".join(map(str, lines))
    word = stats.group_effects
    monkeypatch.setattr(stats, "group_effects", lambda x, y, _: word(x, y, np.arange(len(y))))
    assert not any(line.kept for line in coverage(12, 0.3)), "intervals that count examples"
    chosen = [Mean("chosen on all words", np.random.default_rng(0).normal(0.8, 0.1, 40), 0.5, 0.02)]
    assert not chosen[0].kept
    assert "BROKEN" in str(chosen[0])


@pytest.mark.parametrize(("count", "kept"), [(0, True), (8, True), (20, False)])
def test_a_rate_is_broken_where_its_bound_would_hardly_give_it(count: int, kept: bool) -> None:
    assert Rate("at most", count, 100, 0.0, 0.05).kept is kept
    assert Rate("at least", 100 - count, 100, 0.95, 1.0).kept is kept


@pytest.mark.parametrize("bounds", [(0.0, 0.07), (0.8, 1.0)])
@pytest.mark.parametrize("n", [10, 60, 1500])
def test_what_a_rate_could_have_noticed_is_called_broken_in_four_of_five_audits(
    n: int, bounds: tuple[float, float]
) -> None:
    noticed = Rate("some", 0, n, *bounds).noticed
    broken = sum(
        binom.pmf(k, n, noticed) for k in range(n + 1) if not Rate("some", k, n, *bounds).kept
    )
    assert broken == pytest.approx(0.8)
    assert f"{noticed:.3f}" in str(Rate("some", 0, n, *bounds))
    values = np.random.default_rng(n).normal(size=n)
    mean = Mean("some", values, 0.5, 0.02)
    error = values.std(ddof=1) / np.sqrt(n)
    at = np.random.default_rng(1).normal(0.5 + mean.noticed, error, 20_000)
    assert np.mean(np.abs(at - 0.5) > 0.02 + 3 * error) == pytest.approx(0.8, abs=0.02)


def test_too_few_simulations_notice_nothing_and_the_default_an_error_of_a_fifth() -> None:
    assert np.isnan(Rate("some", 1, 1, 0.0, 0.2).noticed)
    assert "none" in str(Rate("some", 1, 1, 0.0, 0.2))
    assert Rate("toy models at 10 seeds", 0, 60, 0.0, 0.07).noticed < 0.21
    assert Rate("sweeps at 10 seeds", 0, 100, 0.0, 0.06).noticed < 0.2


def test_causal_cards_of_toy_models() -> None:
    apart, used, unused = audit_numbers.causal_cards(1, 1)
    assert (apart.n, used.n, unused.n) == (1, 4, 4)
    assert used.count >= 3
    assert unused.count == 0


def test_audit_of_a_toy_language_model() -> None:
    before = torch.get_rng_state()
    planted = plant_toy(0)
    assert torch.equal(torch.get_rng_state(), before)
    constant = planted.kind == "constant"
    assert (planted.x[:, constant].std(0) == 0).all()
    table = audit([planted]).set_index("method")
    assert table.loc["max-T over groups of words", ["precision", "recall"]].tolist() == [1.0, 1.0]
    assert table.loc["score test of tokens, Holm", "precision"] < 0.9
