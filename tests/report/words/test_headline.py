"""The first screen and the six lines: each number is a cell of a table, each sentence is short."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from answer_claims import bare, n_numbers, sentences
from continuous_result import make_continuous
from html_page import Page
from synthetic_result import PLANTED, SEPARATED, make_result, with_checks

from lens_probes.report.html import report_html
from lens_probes.report.telling import telling_windows
from lens_probes.report.words.headline import Headline
from lens_probes.sweep_result import SweepResult


def decided(p_beyond: float = 0.001) -> SweepResult:
    """A rigorous result that has a verdict, and counts with untrained weights."""
    result = with_checks(make_result())
    decision = result.provenance["decision"] | {
        "p_beyond": p_beyond, "evidence_level": None, "exact": False, "n_relabellings": 35,
    }  # fmt: skip
    layers = result.layers.assign(untrained_n_significant=1, untrained_n_tested=12)
    units = result.units.assign(p_corrected=0.001 if p_beyond < 0.025 else 0.9)
    provenance = result.provenance | {"decision": decision}
    return replace(result, layers=layers, units=units, provenance=provenance)


RESULTS = {
    "words": decided(),
    "tokens": make_result(),
    "course": make_result(preset="course"),
    "values": make_continuous(60, width=20),
}


@pytest.mark.parametrize("name", RESULTS)
def test_shares_are_those_of_the_tables(name: str) -> None:
    result = RESULTS[name]
    units, layers = result.units, result.layers
    n = int(layers["n_tested"].sum())
    expected = [(int(units["significant"].sum()), n)]
    if name == "words":
        expected.append((int(units["significant_token_level"].sum()), n))
        expected.append((6, 72))
    shares = Headline.of(result).shares
    assert [(one.n, one.n_tested) for one in shares] == expected
    for one in shares:
        assert float(one.share.rstrip("%")) == pytest.approx(100 * one.n / one.n_tested, abs=0.051)
    page = Page(report_html(result))
    shown = [e.text for e in page.all("dd") if e.parent.parent.classes == ["shares"]]
    assert shown == [f"{one.share} {one.n:,} of {one.n_tested:,}" for one in shares]


@pytest.mark.parametrize("name", RESULTS)
def test_the_verdict_counts_the_significant_units_and_names_their_place(name: str) -> None:
    result = RESULTS[name]
    layers, said = result.layers, Headline.of(result).verdict
    n, tested = int(result.units["significant"].sum()), int(layers["n_tested"].sum())
    assert f"{n:,} of {tested:,} tested units" in said
    most = layers.loc[layers["n_significant"].idxmax()]
    assert (f"most in layer {most['layer']} of {most['site']}." in said) == bool(n)
    assert len(sentences(said)) == 1


def test_a_verdict_is_said_only_where_the_test_over_groups_decided() -> None:
    assert Headline.of(decided()).verdict.startswith("More than word identity: ")
    assert Headline.of(decided(0.5)).verdict.startswith("Not shown to be more than word identity: ")
    for name in ("tokens", "course", "values"):
        assert "identity" not in Headline.of(RESULTS[name]).verdict


@pytest.mark.parametrize("name", RESULTS)
def test_four_lines_of_short_sentences(name: str) -> None:
    result = RESULTS[name]
    lines = Headline.of(result).lines()
    assert len(lines) == 4
    assert not any("\n" in line for line in lines)
    for line in lines:
        for sentence in sentences(line):
            assert n_numbers(bare(sentence, result)) <= 2, sentence


def test_shares_in_the_terminal_have_two_numbers_a_sentence() -> None:
    line = Headline.of(decided()).lines()[1]
    assert re.fullmatch(
        r"Counting words [\d.]+% of units are significant, counting tokens [\d.]+%\. "
        r"Untrained weights [\d.]+%\.", line,
    )  # fmt: skip


def test_the_strongest_unit_is_the_first_of_the_table() -> None:
    assert Headline.of(decided()).strongest.startswith(f"Strongest unit: {SEPARATED}, higher for ")
    rank = np.where(RESULTS["tokens"].units["name"] == PLANTED, -99.0, -1.0)
    units = RESULTS["tokens"].units.assign(log10_score_p=rank)
    moved = Headline.of(replace(RESULTS["tokens"], units=units)).strongest
    assert moved == f"Strongest unit: {PLANTED}, higher for negation."


def test_the_telling_windows_are_the_extremes_of_their_classes() -> None:
    result = RESULTS["tokens"]
    first = result.paintings[0]
    low = replace(first, title="negation", values=(9.0, 9.0, -7.0), pieces=("a", " b", " c"))
    low = replace(low, target=2)
    other = replace(low, values=(9.0, 9.0, 8.0))
    shown = telling_windows(replace(result, paintings=(other, low, first)))
    # SEPARATED is higher for the first class, so its own is that one.
    assert [p.title.split(",")[0] for p in shown] == [first.title, "negation"]
    assert [p.values[p.target] for p in shown] == [first.values[first.target], -7.0]
    for cut, whole in zip(shown, (first, low), strict=True):
        assert "".join(cut.pieces) in "".join(whole.pieces)
        assert cut.pieces[cut.target] == whole.pieces[whole.target]
    assert telling_windows(replace(result, paintings=())) == ()


def test_long_windows_are_cut_around_the_token_that_is_read() -> None:
    result = RESULTS["tokens"]
    long = replace(
        result.paintings[0], pieces=tuple(f" word{i}" for i in range(100)),
        values=tuple(map(float, range(100))), target=60,
    )  # fmt: skip
    (cut,) = telling_windows(replace(result, paintings=(long,)))
    assert cut.pieces[cut.target] == " word60"
    assert cut.values[cut.target] == 60
    assert len("".join(cut.pieces)) < 150
