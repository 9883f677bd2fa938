"""A continuous label: r in every figure and table, and none of the two-class words."""

from dataclasses import replace

import numpy as np
import pytest
from continuous_result import CONSTANT, FALLS, RISES, VALUE, make_continuous
from html_page import Page

from lens_probes.report import (
    best_correlation_map,
    correlation_by_layer,
    correlation_map,
    effect_and_significance,
    share_by_layer,
    value_distributions,
    value_histogram,
    value_scatter,
    word_values,
)
from lens_probes.report.html import report_html
from lens_probes.report.value_figures import value_groups

FIGURES = (
    best_correlation_map,
    correlation_by_layer,
    correlation_map,
    effect_and_significance,
    share_by_layer,
    value_distributions,
    value_histogram,
    value_scatter,
    word_values,
)


@pytest.fixture(scope="module")
def continuous():
    return make_continuous()


@pytest.fixture(scope="module")
def continuous_page(continuous):
    return Page(report_html(continuous))


def title(figure):
    return figure.layout.meta["title"]


def test_no_word_of_two_classes_is_left(continuous_page):
    shown = [e.text for tag in ("h3", "figcaption", "caption", "li", "dd", "td", "th")
             for e in continuous_page.all(tag)]  # fmt: skip
    figures = [s.text for s in continuous_page.all("script") if "data-for" in s.attributes]
    for word in ("AUC", "accurac", "Hedges", "separat", "score p", "logit", "tell the classes"):
        assert not [text for text in shown + figures if word in text], word


def test_figures_and_sections(continuous_page):
    ids = [e.attributes["id"] for e in continuous_page.all("div", "plot")]
    keys = {key for key in ids if not key.startswith("card-")}
    assert len(ids) - len(keys) == 8
    assert keys == {
        "share", "values", "correlation", "correlation-map", "best-r", "effects", "scatter",
        "funnel", "unit-map", "distributions", "words",
    }  # fmt: skip
    facts = next(t.text for t in continuous_page.all("table") if "what was read" in t.text)
    assert f"{VALUE}: from 1 to 9, median 5" in facts
    assert "group 1: longer than the median" in facts


def test_top_table_is_ranked_by_r(continuous, continuous_page):
    table = next(t for t in continuous_page.all("table") if "smallest p of r" in t.text)
    rows = [e for e in continuous_page.all("th") if e.attributes["scope"] == "row"]
    names = [e.text for e in rows if e.parent.parent.parent is table]
    ranked = continuous.units.dropna(subset="log10_r_p").sort_values("log10_r_p")
    assert names == list(ranked["name"][:25])
    assert names[:2] == [RISES, FALLS]
    assert CONSTANT not in names


def test_lines_are_the_quantiles_of_the_layers_table(continuous):
    figure = correlation_by_layer(continuous)
    table = continuous.layers
    (q_median,) = [t for t in figure.data if t.name == "median" and t.yaxis == "y2"]
    rows = table[table["site"] == "q"]
    np.testing.assert_array_equal(q_median.y, rows["median_r"])
    assert np.isnan(q_median.y[0])
    edges = [t for t in figure.data if t.name == "5th to 95th percentile" and t.yaxis == "y2"]
    np.testing.assert_array_equal(edges[0].y, rows["q05_r"])
    np.testing.assert_array_equal(edges[1].y, rows["q95_r"])
    widest = table.loc[(table["q95_r"] - table["q05_r"]).idxmax()]
    assert f"layer {widest['layer']} of {widest['site']}" in title(figure)


def test_the_map_counts_every_tested_unit_once(continuous):
    figure = correlation_map(continuous)
    counted = np.stack([cells.customdata.sum(axis=0) for cells in figure.data])
    tested = continuous.layers.pivot(index="site", columns="layer", values="n_tested")
    np.testing.assert_array_equal(counted, tested.loc[["mlp_pre", "q"]])
    for cells in figure.data:
        columns = np.nansum(cells.z, axis=0)
        np.testing.assert_allclose(columns[cells.customdata.sum(axis=0) > 0], 1)
    assert np.isnan(figure.data[1].z[:, 0]).all()
    r = continuous.units["r"]
    assert title(figure).startswith(f"r runs from {r.min():.2f} to {r.max():.2f}".replace("-", "−"))


def test_the_best_map_is_the_absolute_r(continuous):
    (cells,) = best_correlation_map(continuous).data
    assert cells.z[1][2] == pytest.approx(abs(continuous.layers["best_r"].iloc[5]))
    assert np.isnan(cells.z[1][0])
    assert "held-out" in cells.customdata[0][1]
    assert f"({RISES})" in title(best_correlation_map(continuous))


def test_effects_are_correlations_in_their_direction(continuous):
    figure = effect_and_significance(continuous)
    of = {detail[0]: trace for trace in figure.data[1:] for detail in trace.customdata}
    assert of[RISES].name == f"significant, rises with {VALUE}"
    assert of[FALLS].name == f"significant, falls with {VALUE}"
    r = continuous.units.set_index("name")["r"][RISES]
    assert title(figure).endswith(f"the largest effect is r = {r:.2f} ({RISES})")
    assert "effect: correlation r" in figure.layout.xaxis2.title.text


def test_scatter_holds_every_example_and_the_least_squares_line(continuous):
    figure = value_scatter(continuous, n=1)
    cloud, line = figure.data
    x, y = continuous.examples["value"], continuous.evidence[RISES]
    np.testing.assert_array_equal(cloud.y, y)
    assert np.abs(cloud.x - x).max() < 0.301
    slope, intercept = np.polyfit(x, y, 1)
    np.testing.assert_allclose(line.y, intercept + slope * np.array([1, 9]))
    assert title(figure).startswith(f"{RISES}, the strongest unit, rises with {VALUE}")


def test_word_means_count_each_word_once(continuous):
    cloud, line = word_values(continuous).data
    y, words = continuous.evidence[RISES], continuous.examples["word"]
    means = y.groupby(words).mean()
    assert sorted(cloud.y) == pytest.approx(sorted(means))
    lengths = continuous.examples.groupby("word")["value"].first()
    slope, intercept = np.polyfit(lengths, means, 1)
    np.testing.assert_allclose(line.y, intercept + slope * np.array([1, 9]))
    assert any("&lt;b&gt;bo" in text for text in cloud.customdata)


def test_histograms_are_shares_of_each_value(continuous):
    figure = value_distributions(continuous)
    assert len(figure.data) == 8
    for bars in figure.data:
        assert np.sum(bars.y) == pytest.approx(1)
    assert "at the greatest, 9" in title(figure)
    counted = sum(np.sum(bars.y) for bars in value_histogram(continuous).data)
    assert counted == len(continuous.examples)


@pytest.mark.parametrize(
    "value",
    [np.repeat([1.0, 2.0, 30.0], 5), np.arange(40) % 17 + 1.0, np.linspace(0, 1, 50) ** 2],
)
def test_groups_of_values_hold_every_example_once(value):
    groups = value_groups(value)
    assert sorted(np.concatenate([rows for _, rows in groups])) == list(range(len(value)))
    assert len(groups) <= 12
    means = [value[rows].mean() for _, rows in groups]
    assert means == sorted(means)


def test_a_result_in_which_nothing_could_be_tested(continuous):
    units = continuous.units.assign(
        r=np.nan, log10_r_p=np.nan, significant=False, status="constant"
    )
    layers = continuous.layers.copy()
    layers[[c for c in layers if c.endswith("_r") or c.startswith("share")]] = np.nan
    empty = replace(
        continuous, units=units, layers=layers, evidence=continuous.evidence[[]], paintings=()
    )
    for draw in FIGURES:
        assert title(draw(empty))


@pytest.mark.parametrize("draw", FIGURES)
def test_text_of_figures_is_never_markup(continuous, draw):
    names = ["<b>low</b>", "<i>high</i>"]
    examples = continuous.provenance["examples"] | {"class_names": names, "value_name": "a<u>b"}
    hostile = replace(continuous, provenance=continuous.provenance | {"examples": examples})
    source = draw(hostile).update_layout(meta=None).to_json()
    for tag in ("<b>", "<i>", "<u>", "\\u003cb\\u003e", "\\u003ci\\u003e", "\\u003cu\\u003e"):
        assert tag not in source
