"""Every number in a figure's title or caption is that of the column it comes from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import caption_claims
import note_claims
import numpy as np
import pytest
from caption_claims import CLAIMS, FIXED

import lens_probes as lp
from lens_probes.checks.toy import toy_model
from lens_probes.drawing.chart import Chart
from lens_probes.report import (
    checks,
    figures,
    fit_figures,
    html,
    map_figures,
    methods,
    unit_figures,
)
from lens_probes.report.cautions import cautions
from lens_probes.report.replication_figures import replication_scatter

pytestmark = pytest.mark.model


def toy_examples(n_words: int) -> lp.Examples:
    """Contexts of words of the toy model; the first twenty words are class 1."""
    rng = np.random.default_rng(n_words)
    word = np.repeat(np.r_[np.arange(n_words), 20 + np.arange(n_words)], 5)
    tokens = rng.integers(40, 80, (len(word), 8))
    tokens[:, -1] = word
    return lp.Examples.from_tokens(tokens, -1, word < 20, [f"w{i}" for i in word])


@pytest.fixture(scope="module")
def model() -> lp.LensModel:
    return toy_model(0)


@pytest.fixture(scope="module")
def results(model: lp.LensModel) -> dict[str, lp.SweepResult]:
    given = toy_examples(12)
    word = np.array([int(w[1:]) for w in given.word])
    values = lp.Examples.from_tokens(
        given.tokens, -1, word=given.word.tolist(), value=given.label + 0.1 * (word % 7)
    )
    short = {"sites": ["mlp_pre"], "untrained": False}
    return {
        "two classes": lp.sweep(model, given, sites=["mlp_pre", "q"], untrained=False),
        "no category": lp.sweep(model, replace(given, label=word % 2), **short),
        "tokens": lp.sweep(model, given, level="token", **short),
        "no words": lp.sweep(model, replace(given, word=None), **short),
        "values": lp.sweep(model, values, **short),
        "course": lp.sweep(model, given, preset="course", **short),
    }


def charts(result: lp.SweepResult) -> Iterator[Chart]:
    yield Chart.of("share", figures.share_by_layer(result))
    yield from html._layer_charts(result)
    yield from html._example_charts(result)
    yield Chart.of("effects", unit_figures.effect_and_significance(result))
    yield Chart.of("funnel", fit_figures.effect_and_precision(result))
    yield Chart.of("map", map_figures.layer_unit_map(result))
    if checks.has_held_out(result):
        yield Chart.of("held-out", checks.unit_or_layer(result))
    for _, drawn in html.unit_cards(result, result.details):
        yield from drawn


def test_every_number_of_a_caption_is_that_of_its_column(
    results: dict[str, lp.SweepResult],
) -> None:
    said = set()
    for result in results.values():
        for chart in charts(result):
            unit = re.match(r"L\d+\.[\w.]+\w", chart.title)
            for sentence in caption_claims.numbered((chart.title, chart.caption), FIXED):
                said.add(held(sentence, result, "" if unit is None else unit[0]))
    assert set(CLAIMS) - said == set(), "sentences that no figure says"


def held(sentence: str, result: lp.SweepResult, unit: str) -> str:
    """The pattern that the sentence fits, once its numbers are known to be right."""
    text = sentence.replace("\u2212", "-")
    if group_means := re.fullmatch(
        r"L\S+: mean activation (\S+) at the least .*?, (\S+) to (\S+), and (\S+) at the greatest, "
        r"(\S+) to (\S+)", text,
    ):  # fmt: skip
        first, *least, last, low, high = map(float, group_means.groups())
        x, value = result.evidence[unit].to_numpy(float), result.examples["value"].to_numpy(float)
        for mean, (start, end) in ((first, least), (last, (low, high))):
            inside = (value >= start - 0.01) & (value <= end + 0.001)
            assert mean == pytest.approx(x[inside].mean(), abs=0.3), sentence
        return ""
    return caption_claims.held(sentence, result, CLAIMS, unit)


def test_every_number_of_a_caution_a_note_or_a_fact_is_that_of_its_column(
    results: dict[str, lp.SweepResult],
) -> None:
    said, tokens = set(), toy_examples(12).tokens
    claims = note_claims.CLAIMS | note_claims.FACTS
    for result in results.values():
        facts = methods.measured(result) | methods.decided(result)
        lines = [
            *cautions(result, intervened=False),
            *checks.notes(result),
            *(
                f"{name}: {value}"
                for name, value in facts.items()
                if isinstance(value, str) or name in note_claims.COUNTS
                if name != "layers read"
            ),
        ]
        noted = note_claims.Noted(result, tokens)
        for sentence in caption_claims.numbered(lines, note_claims.FIXED):
            said.add(caption_claims.held(sentence, noted, claims))
    assert set(claims) - said == set(), "sentences that no report says"


def test_a_wrong_number_or_an_unknown_sentence_is_noticed(
    results: dict[str, lp.SweepResult],
) -> None:
    result = results["two classes"]
    held("Always naming the larger class scores 50.0%.", result, "")
    with pytest.raises(AssertionError):
        held("Always naming the larger class scores 51.0%.", result, "")
    with pytest.raises(AssertionError, match="no column is known"):
        held("7 units are blue.", result, "")


def test_a_replication_says_its_units_and_correlation(
    model: lp.LensModel, results: dict[str, lp.SweepResult]
) -> None:
    again = lp.replicate(results["two classes"], toy_examples(18), model=model, n_permutations=9)
    figure = replication_scatter(again)
    units = again.units.dropna(subset=["t1", "t2"])
    first, both = units["significant1"].sum(), (units["group"] == "both").sum()
    assert figure.layout.meta["title"] == (
        f"t of the two rounds correlates at r = {np.corrcoef(units['t1'], units['t2'])[0, 1]:.2f} "
        f"over {len(units)} units; {both} of {first} significant units are significant again"
    )
    caption = figure.layout.meta["caption"]
    assert f"of {len(again.units)} units" in caption
    assert f"{len(again.units) - len(units)} units have no t in one of the rounds." in caption
