"""Figures hold the numbers of the tables, and their titles name the right place."""

from dataclasses import replace

import numpy as np
import pytest
from synthetic_result import CLASSES, PLANTED, SCRIPT, SEPARATED, make_result

from lens_probes.drawing.frame import layer_axis
from lens_probes.report import (
    accuracy_by_layer,
    best_auc_map,
    class_distributions,
    effect_and_significance,
    example_figures,
    share_by_layer,
    unit_figures,
    word_distributions,
)

FIGURES = (
    accuracy_by_layer,
    best_auc_map,
    class_distributions,
    effect_and_significance,
    share_by_layer,
    word_distributions,
)


def title(figure):
    return figure.layout.meta["title"]


def caption(figure):
    return figure.layout.meta["caption"]


def test_the_profile_is_the_layers_table_with_gaps(result):
    figure = share_by_layer(result)
    assert [line.name for line in figure.data] == ["mlp_pre", "q"]
    for line in figure.data:
        rows = result.layers[result.layers["site"] == line.name]
        np.testing.assert_array_equal(line.x, rows["layer"])
        np.testing.assert_array_equal(line.y, rows["share_significant"])
        assert line.connectgaps is False
        np.testing.assert_array_equal(line.customdata[:, 0], rows["n_significant"])
    dead = next(line for line in figure.data if line.name == "q")
    assert np.isnan(dead.y[0])


def test_lines_differ_in_more_than_colour(result):
    styles = {(line.line.color, line.marker.symbol) for line in share_by_layer(result).data}
    assert len(styles) == 2
    assert len({symbol for _, symbol in styles}) == 2


def test_profile_titles_name_the_layer_and_site(result):
    assert title(share_by_layer(result)) == (
        "Significant units are most common in layer 2 of q: 100.0% of 12 tested"
    )
    layers = result.layers.copy()
    layers.loc[(layers["layer"] == 2) & (layers["site"] == "q"), "share_significant"] = 0.01
    layers.loc[(layers["layer"] == 3) & (layers["site"] == "q"), "share_significant"] = 0.02
    moved = title(share_by_layer(replace(result, layers=layers)))
    assert moved.startswith(
        "Significant units are most common in layer 2 of mlp_pre: 8.3% of 12 tested"
    )
    assert "layer 2 of mlp_pre" in title(accuracy_by_layer(result))


def test_titles_of_nothing(result):
    none = result.layers.assign(
        share_significant=0.0, mean_accuracy_significant_positive=np.nan, best_auc=np.nan
    )
    empty = replace(result, layers=none)
    assert title(share_by_layer(empty)) == "No unit is significant in any layer"
    assert title(accuracy_by_layer(empty)).startswith("No significant unit is higher for negation")
    assert title(best_auc_map(empty)) == "No layer and site has a unit that could be tested"


def test_ties_are_not_hidden(result):
    layers = result.layers.assign(share_significant=0.25)
    assert title(share_by_layer(replace(result, layers=layers))).endswith(
        ", and as many in 5 more places"
    )


def test_reference_line_at_one_half(result):
    lines = accuracy_by_layer(result).layout.shapes
    assert {(line.yref, line.y0, line.y1) for line in lines} == {("y", 0.5, 0.5), ("y2", 0.5, 0.5)}
    assert "the larger class scores 55.6%" in caption(accuracy_by_layer(result))


def test_auc_map_is_the_best_auc_in_its_own_direction(result):
    (cells,) = best_auc_map(result).data
    assert list(cells.y) == ["mlp_pre", "q"]
    assert list(cells.x) == ["0", "2", "3"]
    table = result.layers.set_index(["site", "layer"])["best_auc"]
    for i, site in enumerate(cells.y):
        for j, layer in enumerate(cells.x):
            auc = table[site, int(layer)]
            np.testing.assert_equal(cells.z[i][j], max(auc, 1 - auc) if auc == auc else np.nan)
    assert cells.z[1][2] == 1
    assert table["q", 3] == 0
    assert title(best_auc_map(result)).endswith("in layer 3 of q: AUC 1.000")
    assert cells.customdata[1][2].startswith(f"{SEPARATED}: AUC ")


def test_a_layer_and_site_that_was_not_read_is_blank(result):
    layers = result.layers.drop(index=result.layers.index[-1])
    (cells,) = best_auc_map(replace(result, layers=layers)).data
    assert np.isnan(cells.z[1][2])
    assert cells.z[0][2] == best_auc_map(result).data[0].z[0][2]


def test_layer_axis_shows_the_layers_read_or_evenly_spaced_ones():
    assert layer_axis([0, 8, 29])["tickvals"] == [0, 8, 29]
    many = layer_axis(range(36))
    assert many["tickvals"] == list(range(0, 36, 3))


def test_effects_are_all_units_when_they_are_few(result):
    bars, *points = effect_and_significance(result).data
    tested = result.units.dropna(subset="log10_score_p")
    drawn = {
        (detail[0], x, y)
        for trace in points
        for detail, x, y in zip(trace.customdata, trace.x, trace.y, strict=True)
    }
    assert drawn == {
        (row["name"], row["hedges_g"], -row["log10_score_p"]) for _, row in tested.iterrows()
    }
    assert np.nansum(bars.y) == len(tested) == 59
    text = caption(effect_and_significance(result))
    assert "Points: 59 of 72 units; the bars count all 59. 13 units have no score_p" in text
    assert "both functions of t" in text


def test_effects_are_grouped_by_significance_and_direction(result):
    _, *points = effect_and_significance(result).data
    of = {detail[0]: trace.name for trace in points for detail in trace.customdata}
    assert of[PLANTED] == "significant, higher for negation"
    assert of[SEPARATED] == "significant, higher for plain &amp; &lt;i&gt;simple&lt;/i&gt;"
    assert of["L3.mlp_pre.2"] == "not significant"
    assert sum(map(len, (trace.x for trace in points[1:]))) == result.units["significant"].sum()
    largest = f"{result.units['hedges_g'].min():.2f}".replace("-", "−")
    assert title(effect_and_significance(result)) == (
        f"14 of 72 units are significant; the largest effect is g = {largest} ({SEPARATED})"
    )


def test_legend_symbols_are_those_of_units_that_do_not_separate(result):
    flipped = result.units.sort_values("log10_score_p", kind="stable").reset_index(drop=True)
    flipped["direction"] = -1.0
    figure = effect_and_significance(replace(result, units=flipped))
    symbols = list(figure.data[2].marker.symbol)
    assert symbols[0] == "circle"
    assert symbols[-1] == "diamond-open"
    assert symbols.count("diamond-open") == 1


def test_wald_p_of_separated_units_is_missing_and_counted():
    course = make_result(preset="course")
    names = {
        detail[0]
        for trace in effect_and_significance(course).data[1:]
        for detail in trace.customdata
    }
    assert SEPARATED not in names
    text = caption(effect_and_significance(course))
    assert "14 units have no wald_p" in text
    assert "functions of t" not in text


def test_thinning_keeps_extremes_and_every_occupied_cell():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=50_000), rng.exponential(size=50_000)
    group = (y > 3).astype(int)
    kept = unit_figures.thin(x, y, group)
    assert len(kept) < 15_000
    assert np.all(np.diff(kept) > 0)
    assert set(np.argsort(-y)[: unit_figures.STRONGEST]) <= set(kept)
    by_effect = np.argsort(x)
    assert set(by_effect[: unit_figures.EXTREMES]) <= set(kept)
    assert set(by_effect[-unit_figures.EXTREMES :]) <= set(kept)
    coarse = lambda i: set(zip(np.round(x[i], 0), group[i], strict=True))  # noqa: E731
    assert coarse(kept) == coarse(np.arange(50_000))


def test_distributions_are_the_evidence(result):
    figure = class_distributions(result)
    assert (
        title(figure) == f"{SEPARATED}, the strongest unit, separates the classes with no overlap"
    )
    label = result.examples["label"].to_numpy()
    zero, mean_zero, one, mean_one = figure.data[:4]
    np.testing.assert_array_equal(zero.x, result.evidence[SEPARATED][label == 0])
    np.testing.assert_array_equal(one.x, result.evidence[SEPARATED][label == 1])
    assert mean_zero.x[0] == pytest.approx(result.evidence[SEPARATED][label == 0].mean())
    assert mean_one.x[0] == pytest.approx(result.evidence[SEPARATED][label == 1].mean())
    assert np.all(np.abs(zero.y) <= 0.5)
    assert np.all(np.abs(one.y - 1) <= 0.5)
    assert len(figure.data) == 4 * len(result.evidence.columns)
    panels = [note.text for note in figure.layout.annotations]
    assert panels[0] == f"{SEPARATED}: AUC 1.000, separated"


def test_distributions_name_word_and_source_on_hover(result):
    labels = {
        text for trace in class_distributions(result, n=1).data[::2] for text in trace.customdata
    }
    assert "שלום, speaker 2" in labels
    assert all(SCRIPT not in text for text in labels)


def test_many_examples_are_thinned_and_counted(result, monkeypatch):
    monkeypatch.setattr(example_figures, "MAX_POINTS", 10)
    figure = class_distributions(result, n=1)
    assert [len(trace.x) for trace in figure.data] == [10, 1, 10, 1]
    assert "20 of 90 are drawn in every panel" in caption(figure)
    whole = class_distributions(result, n=1).data[1].x[0]
    label = result.examples["label"].to_numpy()
    assert whole == pytest.approx(result.evidence[SEPARATED][label == 0].mean())


def test_words_are_ordered_by_their_means(result):
    figure = word_distributions(result)
    labels = list(figure.layout.yaxis.ticktext)
    means = (
        result.evidence[SEPARATED]
        .groupby([result.examples["label"], result.examples["word"]])
        .mean()
    )
    expected = [*means[0].sort_values().index, *means[1].sort_values().index]
    shown = [label.rsplit(" (", 1)[0].strip("\u2068\u2069") for label in labels]
    assert shown == [
        w[:13].replace("<", "&lt;").replace(">", "&gt;") + "…" if len(w) > 14 else w
        for w in expected
    ]
    assert title(figure) == (
        f"{SEPARATED}: every word of {CLASSES[0]} has a higher mean than any of negation"
    )


def test_words_of_another_direction_stand_alone(result):
    labels = word_distributions(result).layout.yaxis.ticktext
    assert "\u2068שלום\u2069 (10)" in labels
    assert "not (16)" in labels


def test_words_that_overlap_are_said_to(result):
    evidence = result.evidence[["L3.mlp_pre.2"]]
    figure = word_distributions(replace(result, evidence=evidence))
    means = (
        evidence["L3.mlp_pre.2"].groupby([result.examples["label"], result.examples["word"]]).mean()
    )
    sign = result.units.set_index("name").loc["L3.mlp_pre.2", "direction"]
    pairs = [sign * one > sign * zero for one in means[1] for zero in means[0]]
    assert 0 < np.mean(pairs) < 1
    assert title(figure).endswith(f"in {np.mean(pairs):.0%} of pairs of words")


@pytest.mark.parametrize("draw", FIGURES)
def test_figures_take_their_theme_from_the_template(result, draw):
    figure = draw(result)
    assert figure.layout.template.layout.paper_bgcolor == "white"
    figure.update_layout(template="plotly_dark")
    assert figure.layout.paper_bgcolor is None
    assert figure.layout.plot_bgcolor is None
    assert figure.layout.font.color is None


@pytest.mark.parametrize("draw", FIGURES)
def test_text_of_figures_is_never_markup(result, draw):
    import re

    figure = draw(result)
    source = figure.to_json().replace(r"\u003c", "<").replace(r"\u003e", ">")
    marker = r'<span style=\\"color:#[0-9A-F]{6}\\">[^<]*<\\u002fspan>'
    for text in re.findall(r'"(?:text|name)":"((?:[^"\\]|\\.)*)"', source):
        assert set(re.findall(r"<[^>]*>", re.sub(marker, "", text))) <= {"<br>"}, text


def test_units_with_p_of_zero_are_at_the_top_edge_and_counted(result):
    """All pairs differ by the same: t is infinite, log10 p is -inf."""
    units = result.units.copy()
    units.loc[units["name"] == PLANTED, "log10_score_p"] = -np.inf
    before, after = (
        effect_and_significance(replace(result, units=table)) for table in (result.units, units)
    )
    assert "p exactly 0" not in caption(before)
    assert "p exactly 0, drawn as triangles at the top edge: 1." in caption(after)
    assert "the bars count all 59" in caption(after)
    heights = np.concatenate([trace.y for trace in after.data[1:]])
    (shown,) = (
        (y, symbol, detail[3])
        for trace in after.data[1:]
        for y, symbol, detail in zip(trace.y, trace.marker.symbol, trace.customdata, strict=True)
        if detail[0] == PLANTED
    )
    assert shown == (heights.max(), "triangle-up", "0")
    assert np.isfinite(heights).all()
    alone = effect_and_significance(replace(result, units=units[units["name"] == PLANTED]))
    assert np.isfinite(np.concatenate([trace.y for trace in alone.data[1:]])).all()
