"""What the rigorous preset adds: shown where it is, left out where it is not."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from html_page import Page
from synthetic_result import CLASSES, with_checks

from lens_probes.report import (
    accuracy_by_layer,
    effect_and_significance,
    share_by_layer,
    unit_or_layer,
)
from lens_probes.report.checks import confound_table, notes, null_table
from lens_probes.report.html import report_html
from lens_probes.report.repeat import python_lines


@pytest.fixture(scope="module")
def checked(result):
    return with_checks(result)


@pytest.fixture(scope="module")
def checked_page(checked):
    return Page(report_html(checked))


def test_checks_have_their_section_only_where_there_are_any(page, checked_page):
    assert "replication on new examples" in [item.text for item in page.all("li")]
    assert "nulls (shuffled labels)" in [item.text for item in page.all("li")]
    assert "nulls (shuffled labels)" not in [item.text for item in checked_page.all("li")]
    shown = checked_page
    assert "Checks" in [h.text for h in shown.all("h2")]
    assert {"held-out", "share"} <= {e.attributes["id"] for e in shown.all("div", "plot")}
    assert any("Hedges' g and beta describe tokens" in item.text for item in shown.all("li"))
    assert not any("they count tokens, not words" in item.text for item in shown.all("li"))
    assert any(item.text.startswith("7 v 5 word types") for item in shown.all("li"))


def test_nulls_are_shown_as_nominal_and_measured(checked, result):
    assert null_table(result) is None
    tokens, words = null_table(checked).rows
    assert tokens[1:] == ("5.0%", "5.1%", "4.5%", "200")
    assert words[0].startswith("classes shuffled over groups of words")
    assert words[1:] == ("5.0%", "33.3%", "–", "200")


def test_confounds_are_shown_with_their_own_auc(checked, result):
    assert confound_table(result) is None
    table = confound_table(checked)
    assert [c.header for c in table.columns][1:3] == [f"mean, {name}" for name in CLASSES]
    assert table.rows == (("characters", "4.25", "3.00", "0.250"),)


def test_notes_are_sentences(checked, result):
    assert notes(result) == ()
    assert notes(checked) == (
        "7 v 5 word types: 792 relabellings, smallest p 0.0013.",
        "Held-out scores leave out whole words.",
        "No passages are known: no held-out scores by passage.",
    )


def test_held_out_figure_is_the_layers_table(checked):
    figure = unit_or_layer(checked)
    lines = [trace for trace in figure.data if trace.name == "chosen unit"]
    assert len(lines) == 2
    for line, site in zip(lines, ("mlp_pre", "q"), strict=True):
        rows = checked.layers[checked.layers["site"] == site]
        np.testing.assert_array_equal(line.y, rows["best_unit_auc_heldout"])
        assert not line.connectgaps
    assert np.isnan(lines[1].y[0])
    assert [trace.name for trace in figure.data].count("control task") == 4
    assert figure.layout.meta["title"] == (
        "Units that training folds choose in the sweep have AUC 0.750 on the fold left out, "
        "whichever they are; a probe on the layer that they choose 0.850"
    )


def test_untrained_weights_are_the_largest_share_of_a_site_in_grey(checked):
    layers = checked.layers.assign(untrained_share_significant=np.arange(len(checked.layers)) / 100)
    figure = share_by_layer(replace(checked, layers=layers))
    *lines, area = figure.data
    assert [line.name for line in lines] == ["mlp_pre", "q"]
    most = layers.groupby("layer")["untrained_share_significant"].max()
    np.testing.assert_array_equal(area.x, most.index)
    np.testing.assert_array_equal(area.y, most)
    assert area.name == "untrained"
    assert "Grey: the same model with random weights" in figure.layout.meta["caption"]


def test_accuracies_held_out_and_in_sample_have_a_panel_a_site(checked):
    figure = accuracy_by_layer(checked)
    table = checked.layers
    for number, site in enumerate(dict.fromkeys(table["site"]), start=1):
        axis = "y" if number == 1 else f"y{number}"
        lines = {line.name: line for line in figure.data if line.yaxis == axis}
        rows = table[table["site"] == site]
        assert set(lines) == {"in sample", "held out"}
        np.testing.assert_array_equal(
            lines["held out"].y, rows["mean_accuracy_significant_positive_heldout"]
        )
        np.testing.assert_array_equal(
            lines["in sample"].y, rows["mean_accuracy_significant_positive"]
        )
        np.testing.assert_array_equal(lines["in sample"].customdata, rows["n_significant_positive"])
        assert figure.layout[f"yaxis{axis[1:]}"].title.text == site
    assert "Held out: " in figure.layout.meta["caption"]


def test_accuracy_title_prefers_held_out_numbers(checked):
    title = accuracy_by_layer(checked).layout.meta["title"]
    assert title.endswith("most accurate in layer 0 of mlp_pre: 61.0% on average (held-out)")


def test_without_them_nothing_is_drawn_of_them(result):
    for draw in (share_by_layer, accuracy_by_layer):
        assert len(draw(result).data) == 2
    assert "Grey" not in share_by_layer(result).layout.meta["caption"]
    assert "Held out" not in accuracy_by_layer(result).layout.meta["caption"]


def test_a_panel_has_at_most_four_sites_and_the_rest_is_said(checked):
    sites = ("mlp_pre", "q", "k", "v", "z")
    rows = checked.layers[checked.layers["site"] == "q"]
    many = replace(checked, layers=pd.concat([rows.assign(site=site) for site in sites]))
    figure = share_by_layer(many)
    counts = {axis: [t.name for t in figure.data if t.yaxis == axis] for axis in ("y", "y2")}
    assert counts["y"] == ["mlp_pre", "q", "k", "v", "untrained"]
    assert counts["y2"] == ["z", "untrained"]
    first = share_by_layer(many, sites=sites[1:])
    assert "The other 1 sites are under Layers." in first.layout.meta["caption"]
    colours = {line.name: line.line.color for line in figure.data}
    assert all(line.line.color == colours[line.name] for line in first.data)


def test_word_level_p_is_drawn_where_a_permutation_decides(checked):
    figure = effect_and_significance(checked)
    assert figure.layout.yaxis2.title.text == "−log10 word_p"
    assert "Colour: significant by p_family, not by the height" in figure.layout.meta["caption"]
    assert "functions of t" not in figure.layout.meta["caption"]
    drawn = {
        detail[0]: y for t in figure.data[1:] for detail, y in zip(t.customdata, t.y, strict=True)
    }
    known = checked.units.dropna(subset="log10_word_p").set_index("name")["log10_word_p"]
    assert drawn == {name: -value for name, value in known.items()}


def test_options_of_the_permutation_are_in_the_lines_that_repeat_it(checked, result):
    for line in ("method='max_t'", "n_permutations=1000", "seed=0"):
        assert f"    {line},\n" in python_lines(checked)
    assert "untrained" not in python_lines(checked)
    assert "    untrained=False,\n" in python_lines(result)


def test_permutation_decisions_are_spelt_out(checked_page):
    text = next(
        t.text for t in checked_page.all("table") if "How significance was decided" in t.text
    )
    assert "max-T permutation" in text
    assert "word (what the p-value counts)" in text
    assert "3.250 to 4.500" in text
    assert "3 v 4" in text
    assert "reason for this level" not in text
