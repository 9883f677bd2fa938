"""The report as a file: complete, safe, offline, reproducible, small."""

import base64
import itertools
import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from html_page import Page
from synthetic_result import CLASSES, CONSTANT, PLANTED, SCRIPT, SEPARATED, make_result

from lens_probes.errors import InputError
from lens_probes.report import write_report
from lens_probes.report.figures import share_by_layer
from lens_probes.report.html import report_html
from lens_probes.report.words.headline import Headline
from lens_probes.report.words.summary import summary


def cells(page, caption):
    """Rows of the table with this caption, header first."""
    (table,) = (t.parent for t in page.all("caption") if caption in t.text)
    rows = [e for e in page.all("tr") if inside(e, table)]
    return [[c.text.strip() for c in page.elements if c.parent is row] for row in rows]


def inside(element, ancestor):
    while element is not None and element is not ancestor:
        element = element.parent
    return element is not None


def test_title_is_the_question_and_sections_are_there(page, result):
    assert page.all("title")[0].text == "Which units are tuned to negation?"
    assert [h.text for h in page.all("h1")] == ["Which units are tuned to negation?"]
    assert [h.text for h in page.all("h2")] == [
        Headline.of(result).verdict,
        "How it was measured",
        "Layers",
        "Units",
        "Unit cards",
        "Examples under the best units",
        "Text under the best unit",
        "Checks",
        "Provenance",
    ]


def test_the_answer_is_the_one_the_library_gives(page, result):
    (shown,) = page.all("ul", "answer")
    assert [line for line in shown.text.split("\n") if line.strip()] == list(summary(result))


def test_facts_of_the_measurement_and_counts(page, result):
    text = "\n".join(table.text for table in page.all("table", "facts"))
    for fact in ("40 examples, 4 word types", "50 examples, 3 word types"):
        assert fact in text
    counts = dict(cells(page, "Targets found")[1:])
    assert counts == {"candidates": "1,234", "dropped: too near the start": "34", "drawn": "90"}
    decision = dict(cells(page, "How significance was decided")[1:])
    left_out = result.provenance["decision"]["left_out"]
    assert left_out == 13
    assert decision["left out (no p-value)"] == "13"
    assert decision["correction"] == "Holm"
    assert decision["tests in a family (m)"] == "59"


def test_cautions_in_plain_words(page):
    for said in (
        "The score test and Student t are functions of each other, not independent confirmation",
        "they count tokens, not words",
        "no finite beta",
        "(1 of 72 units here)",
    ):
        assert any(said in item.text for item in page.all("li")), said


def test_top_table_is_result_top(page, result):
    header, *rows = cells(page, "with the smallest score p")
    top = result.top(25)
    assert [row[0] for row in rows] == list(top["name"])
    assert rows[0][0] == SEPARATED
    assert CONSTANT not in {row[0] for row in rows}
    best = dict(zip(header, rows[0], strict=True))
    assert best["higher for"] == CLASSES[0]
    assert best["beta"] == best["beta std"] == "–"
    assert best["status"] == "separated"
    assert best["score p"] == "1.4 × 10−20"
    planted = dict(zip(header, next(row for row in rows if row[0] == PLANTED), strict=True))
    unit = top.set_index("name").loc[PLANTED]
    assert planted["AUC ± se"] == f"{unit['auc']:.3f} ± {unit['auc_se']:.3f}"
    assert planted["accuracy"] == f"{unit['accuracy']:.1%}"
    g = f"{unit['hedges_g']:.2f} [{unit['g_low']:.2f}, {unit['g_high']:.2f}]"
    assert planted["Hedges' g [95 %]"] == g


def test_layers_table_has_every_row_and_column(page, result):
    header, *rows = cells(page, "Every layer and site")
    assert len(rows) == len(result.layers) == 6
    assert len(header) == len(result.layers.columns)
    dead = next(row for row in rows if row[:2] == ["0", "q"])
    assert dict(zip(header, dead, strict=True))["share significant"] == "–"


def test_columns_may_be_absent_or_new(result):
    units = result.units.drop(columns=["hedges_g", "g_low", "g_high", "beta_std"])
    units["icc"] = 0.625
    units["log10_word_p"] = -4.0
    layers = result.layers.assign(mean_auc_heldout=0.7512, n_words=3)
    page = Page(report_html(replace(result, units=units, layers=layers)))
    header, first, *_ = cells(page, "with the smallest score p")
    best = dict(zip(header, first, strict=True))
    assert "beta std" not in best
    assert (best["ICC"], best["word p"]) == ("0.63", "1.0 × 10−4")
    header, first, *_ = cells(page, "Every layer and site")
    assert dict(zip(header, first, strict=True))["mean auc heldout"] == "0.751"


def test_text_of_users_is_text(report, page):
    assert SCRIPT not in report
    assert "<i>" not in report[: report.index('id="plotly-js"')]
    assert any(SCRIPT in cell.text for cell in page.all("td"))
    assert not any("alert(1)" in script.text for script in page.all("script", None)[-2:])
    assert len(page.all("script")) == report[: report.index('id="plotly-js"')].count("<script") + 2


def test_hover_labels_cannot_be_markup(page):
    words = page.figure("distributions")["data"]
    labels = [label for trace in words for label in trace.get("customdata", [])]
    assert any("&lt;script&gt;alert(1)&lt;/script&gt;" in label for label in labels)
    assert not any("<" in label for label in labels)


def test_nothing_is_asked_of_a_network(report, page):
    policy = next(m for m in page.all("meta") if "http-equiv" in m.attributes)
    assert policy.attributes["content"].startswith("default-src 'none';")
    assert not page.all("link")
    assert not page.all("img")
    assert not page.all("iframe")
    for element in page.elements:
        assert "src" not in element.attributes
        assert element.attributes.get("href", "#").startswith("#")
    for style in page.all("style"):
        assert "@import" not in style.text
        assert "url(" not in style.text


def test_plotly_is_inlined_once_and_draws_every_figure(report, page):
    assert report.count("* plotly.js v") == 1
    keys = {s.attributes["data-for"] for s in page.all("script") if "data-for" in s.attributes}
    assert keys == {e.attributes["id"] for e in page.all("div", "plot")}
    layers, units = {"share", "accuracy", "best-auc"}, {"effects", "funnel", "unit-map"}
    cards = {f"card-{place}-{part}" for place in range(4) for part in (0, 1)}
    assert keys == layers | units | cards | {"distributions", "fit", "words"}


def test_ids_are_unique_and_every_link_has_an_end(page):
    ids = [e.attributes["id"] for e in page.elements if "id" in e.attributes]
    assert len(ids) == len(set(ids))
    for element in page.elements:
        for name in ("aria-labelledby", "aria-describedby"):
            assert element.attributes.get(name, ids[0]) in ids
        assert element.attributes.get("href", f"#{ids[0]}")[1:] in ids


def test_landmarks_captions_and_scopes(page):
    assert page.all("html")[0].attributes["lang"] == "en"
    for landmark in ("main", "header", "nav", "footer"):
        assert len(page.all(landmark)) == 1
    levels = [int(e.tag[1]) for e in page.elements if re.fullmatch("h[1-6]", e.tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert all(header.attributes.get("scope") in ("col", "row") for header in page.all("th"))
    for table in page.all("table"):
        region = table.parent.attributes
        assert region.get("tabindex") == "0"
        assert region.get("aria-labelledby") or region.get("aria-label")


def test_same_result_same_bytes(result, report, tmp_path):
    again = write_report(make_result(), tmp_path / "again.html").read_bytes()
    assert again == report.encode()


def test_saved_and_loaded_result_gives_the_same_report(result, report, tmp_path):
    loaded = type(result).load(result.save(tmp_path / "run"))
    assert report.startswith(report_html(loaded))


def test_75000_units_stay_small(result, tmp_path):
    rng = np.random.default_rng(0)
    many = result.units.sample(75_000, replace=True, random_state=0).reset_index(drop=True)
    log10_p = -rng.exponential(20, len(many))
    many = many.assign(
        name=[f"L{i % 30}.mlp_pre.{i}" for i in range(len(many))],
        hedges_g=rng.normal(size=len(many)),
        log10_score_p=log10_p,
        significant=log10_p < -6,
    )
    written = write_report(replace(result, units=many), tmp_path / "big.html")
    assert written.stat().st_size < 10 * 2**20
    page = Page(written.read_text("utf-8"))
    caption = next(c.text for c in page.all("figcaption") if c.text.startswith("Points: "))
    traces = page.figure("effects")["data"][1:]
    drawn = sum(len(trace["customdata"]) for trace in traces)
    assert f"Points: {drawn:,} of 75,000 units" in caption
    assert drawn < 15_000
    names = {detail[0] for trace in traces for detail in trace["customdata"]}
    assert set(many.nsmallest(500, "log10_score_p")["name"]) <= names
    bars = page.figure("effects")["data"][0]["y"]
    assert sum(n for n in decoded(bars) if n == n) == 75_000


def decoded(values):
    """A list, or plotly's base64 of an array."""
    if isinstance(values, list):
        return [float("nan") if v is None else v for v in values]
    return np.frombuffer(base64.b64decode(values["bdata"]), dtype=values["dtype"]).tolist()


def test_no_words_no_paintings_no_counts(result):
    examples = result.examples.assign(word=None, source=None)
    described = {**result.provenance["examples"], "n_words_per_class": [0, 0], "n_sources": 0}
    described |= {"counts": {}, "origin": {"kind": "tokens given by the user"}}
    provenance = {**result.provenance, "examples": described}
    del provenance["command"]
    shown = Page(
        report_html(replace(result, examples=examples, provenance=provenance, paintings=()))
    )
    assert [h.text for h in shown.all("h1")] == [f"Which units tell negation from {CLASSES[0]}?"]
    assert "Text under the best unit" not in [h.text for h in shown.all("h2")]
    facts = dict(cells(shown, "Examples and what was read")[1:])
    assert facts["words"].startswith("not given")
    assert facts["sources (speakers, files)"] == "not given"
    assert "Examples.from_tokens" in shown.all("pre")[0].text


def test_a_result_in_which_nothing_could_be_tested():
    result = make_result(layers=(0, 2, 3))
    dead = result.units.assign(significant=False, status="constant", direction=np.nan)
    dead[["log10_score_p", "score_p", "hedges_g", "auc", "accuracy", "p_corrected"]] = np.nan
    layers = result.layers.copy()
    layers[[c for c in layers if c.startswith(("share", "mean", "best_a"))]] = np.nan
    layers["best_unit"] = None
    empty = replace(
        result, units=dead, layers=layers, evidence=pd.DataFrame(index=range(90)), paintings=()
    )
    page = Page(report_html(empty))
    titles = [h.text for h in page.all("h3")]
    assert "No unit could be tested in any layer" in titles
    assert "No unit has both an effect and a p-value" in titles
    assert share_by_layer(empty).layout.meta["title"] == "No unit could be tested in any layer"


def test_provenance_and_lines_to_repeat_it(page, result):
    text = page.all("pre")
    assert text[0].text == result.provenance["command"]
    lines = text[1].text
    compile(lines, "report", "exec")
    assert "lp.load_text('texts/novel.txt')" in lines
    assert "words='extended'" in lines
    assert "layers=[0, 2, 3]" in lines
    recorded = dict(cells(page, "Everything recorded")[1:])
    assert recorded["model.weights_sha256"] == "ab" * 32
    assert recorded["model.versions.torch"] == "2.13.0"
    assert recorded["model.bos_token"] == "<|endoftext|>"
    assert recorded["examples.sha256"] == "cd" * 32


def test_timings(page):
    assert cells(page, "Seconds spent")[1:] == [
        ["forward passes", "1.25 s"],
        ["statistics", "0.50 s"],
    ]


def test_a_path_that_cannot_be_written(result, tmp_path):
    (tmp_path / "file").write_text("in the way")
    for path, why in (
        (tmp_path, "is a folder: name a file"),
        (tmp_path / "file", "exists and is not a report: name another file"),
        (tmp_path / "file" / "report.html", "file"),
    ):
        with pytest.raises(InputError, match=why) as error:
            write_report(result, path)
        assert "\n" not in str(error.value)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file"]


def test_a_failed_write_leaves_the_old_report(result, tmp_path, monkeypatch):
    path = write_report(result, tmp_path / "report.html")
    old = path.read_text()

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lens_probes.report.html.report_html", lambda *_, **__: "new")
    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(InputError, match="No space left"):
        write_report(result, path)
    assert path.read_text() == old
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


def test_new_folders_are_made_and_the_path_comes_back(result, tmp_path, monkeypatch):
    monkeypatch.setattr("lens_probes.report.html.report_html", lambda *_, **__: "שלום")
    path = write_report(result, str(tmp_path / "a" / "b" / "report.html"))
    assert path == tmp_path / "a" / "b" / "report.html"
    assert path.read_text("utf-8").startswith("שלום")


def test_figure_json_is_strict(page):
    def refuse(constant):
        raise AssertionError(constant)

    for script in page.all("script"):
        if script.attributes.get("type") == "application/json":
            json.loads(script.text, parse_constant=refuse)
            assert "<" not in script.text
