"""Figures of maximisation: what they draw are the numbers given, and titles say what they show."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tiny_models import byte_level_tokenizer

from lens_probes.drawing.activation_axis import ActivationAxis, one_line_text, said
from lens_probes.drawing.page import Finding
from lens_probes.maximize import (
    Maximized,
    MaximizedTokens,
    Reproducibility,
    Similarity,
    TopContexts,
    Winners,
)
from lens_probes.maximize.contexts import Found, Places
from lens_probes.maximize.gradient import Decoded
from lens_probes.maximize.reading import Sinks
from lens_probes.report.maximize_figures import (
    activation_path,
    decode_cosines,
    optima_compared,
    restarts_against_chance,
)
from lens_probes.report.sampling_figures import (
    context_said,
    context_strip,
    winner_sentence,
    winner_tokens,
)

TOKENIZER = byte_level_tokenizer()
NOBODY, ROAD, RIVER = (TOKENIZER(word)["input_ids"][0] for word in (" nobody", " road", " river"))
NO_SINKS = Sinks("L1.resid_mid", 1.0, 4.0, False, 0, 100, {}, {})


def title(figure: Any) -> str:
    return str(figure.layout.meta["title"])


def decoded(cosine: float, first: str) -> Decoded:
    tokens = np.array([[1, 2], [3, 4]])
    return Decoded(tokens, np.full((2, 2), cosine), ((first, " b"), ("<i>", "d")))


def maximized(end: float, neighbour_end: float) -> Maximized:
    steps = np.linspace(0, 1, 401)[:, None]
    path = 0.1 + steps * (np.array([end, end / 2]) - 0.1)
    near = np.repeat((steps * neighbour_end)[:, :, None], 2, axis=1).repeat(3, axis=2)
    return Maximized(
        name="L1.q.h0.7",
        embeddings=np.ones((2, 2, 4)),
        start_embeddings=np.ones((2, 2, 4)),
        path=path,
        neighbours=(6, 8, 9),
        neighbours_path=near,
        decoded=decoded(0.25, " end"),
        start_decoded=decoded(0.15, " start"),
        settings={"n_tokens": 2, "read": "last", "optimizer": "Adam", "learning_rate": 0.1,
                  "l2": 0.0, "steps": 400},
    )  # fmt: skip


def test_axis_is_logarithmic_only_where_it_must_be() -> None:
    linear = ActivationAxis.of([-1, 3], [0.5, 1])
    assert linear.unit is None
    np.testing.assert_array_equal(linear.place([-1, 3]), [-1, 3])
    axis = ActivationAxis.of([-20.0, 5000.0], [0.3, -0.5])
    assert axis.unit == 0.1
    # Ten times the value is one step further, on either side; zero is in the middle.
    far = axis.place([100.0, 1000.0, -100.0, -1000.0, 0.0])
    np.testing.assert_allclose(np.diff(far[:2]), 1, atol=1e-5)
    np.testing.assert_allclose(far[:2], -far[2:4])
    assert far[4] == 0
    layout = axis.layout("activation")
    assert layout["ticktext"][0].startswith("−")
    assert "0" in layout["ticktext"]
    assert "logarithmic" in layout["title"]["text"]
    np.testing.assert_allclose(
        axis.place([float(t.replace("−", "-").replace(",", "")) for t in layout["ticktext"]]),
        layout["tickvals"],
    )
    # A start at exactly zero has no decade of its own.
    assert np.isfinite(ActivationAxis.of([0.0, 1e6], [0.0]).place([0.0, 1e6])).all()
    assert ActivationAxis.of([0.0], [0.0]).unit is None


def test_said_is_plain_text() -> None:
    assert (said(-0.5), said(1234.5), said(2.5e8)) == ("−0.500", "1,230", "2.50e+08")
    assert one_line_text("a\r\nb\x1b[2J") == "a↵b\ufffd[2J"
    assert len(one_line_text("x" * 99)) == 40


def test_path_shows_unit_and_neighbours() -> None:
    run = maximized(500.0, -3.0)
    figure = activation_path(run)
    near, target = figure.data
    values = target.customdata[~np.isnan(target.customdata)]
    assert values.max() == pytest.approx(500)
    assert values.min() == pytest.approx(0.1)
    assert len(values) == 2 * 200
    assert np.nanmin(near.customdata) == pytest.approx(-3)
    assert np.nanmax(np.abs(target.y)) < 5
    assert title(figure) == (
        "L1.q.h0.7 goes from 0.100 to 375 in 400 steps; none of its 3 neighbours rises as far"
    )
    assert "3 of its 3 neighbours rise as far" in title(activation_path(maximized(500.0, 900.0)))
    alone = replace(run, neighbours=(), neighbours_path=run.neighbours_path[..., :0])
    assert len(activation_path(alone).data) == 1


def test_cosines_stand_beside_those_of_the_start() -> None:
    figure = decode_cosines(maximized(5.0, 0.0))
    start, end = figure.data
    assert set(start.y) == {0.15}
    assert set(end.y) == {0.25}
    assert end.text[0] == "“ end”"
    assert "&lt;i&gt;" in end.text[2]
    assert "cosine 0.250 to their nearest token, random starts at 0.150" in title(figure)
    assert "100% decode to their start's own token" in title(figure)


def similarity(n_distinct: int, cosine: float) -> Similarity:
    return Similarity(n_distinct, np.array([cosine]), np.array([0.0]), np.zeros(2))


def test_restarts_stand_beside_chance() -> None:
    null = tuple(similarity(n, 0.01 * n) for n in (2, 3, 4))
    found = Reproducibility(maximized(5.0, 0.0), similarity(4, 0.5), null, 4, 1.0, 0.25, 1.0)
    figure = restarts_against_chance(found)
    assert list(figure.data[0].x) == [2, 3, 4]
    np.testing.assert_allclose(figure.data[1].x, [0.02, 0.03, 0.04])
    assert [shape.x0 for shape in figure.layout.shapes] == [4, 0.5]
    assert "4 distinct tokens of 4; random embeddings to 2 to 4" in title(figure)
    assert "p 1.000, cosine: p 0.250" in figure.layout.meta["caption"]


def searched(best: float, random_best: float) -> MaximizedTokens:
    return MaximizedTokens(
        name="L1.q.h0.7",
        tokens=np.array([[1, 2]]),
        text=("found text",),
        activation=np.array([best]),
        path=np.array([[1.0], [best]]),
        n_evaluations=900,
        n_refused=0,
        random_activation=np.linspace(-1, random_best, 900),
        random_text="x",
        settings={},
    )


def contexts(top: float = 9.0) -> TopContexts:
    """Two units; the first is driven by " nobody", at places 0 and 1."""
    ids = np.array([[ROAD, NOBODY, ROAD], [RIVER, NOBODY, -1], [-1, ROAD, RIVER]])
    places = Places(np.zeros(3, int), np.arange(3), np.arange(3), ids)

    def found(values: list[float], place: list[int]) -> Found:
        return Found(np.array([values, values]).T, np.array([place, place]).T)

    return TopContexts(
        units=np.array([7, 8]),
        names=("L1.q.h0.7", "L1.q.h1.0"),
        top=found([top, top - 1], [0, 1]),
        bottom=found([-2.0, -1.0], [2, 2]),
        quantiles=(0.5,),
        quantile=found([0.5], [2]),
        random=found([0.25], [2]),
        mean=np.array([0.5, 0.5]),
        sd=np.array([2.5, 2.5]),
        places=places,
        documents=(("d", "s"),),
        n_tokens=1000,
        n_counted=990,
        n_sampled=500,
        left_out={"position 0": 10},
        sinks=NO_SINKS,
        settings={"before": 1, "after": 1, "text": "a text"},
        tokenizer=TOKENIZER,
    )


def test_found_text_stands_beside_random_real_and_free() -> None:
    figure = optima_compared(searched(6.0, 3.0), maximized(700.0, 0.0))
    random, found, free = figure.data
    assert list(figure.layout.yaxis.ticktext) == ["random tokens", "text found", "free embeddings"]
    assert (len(random.x), list(found.customdata)) == (400, [6.0])
    assert random.customdata.max() == 3.0
    assert sorted(free.customdata) == [350, 700]
    assert "6.00, more than the best of 900 random ones (3.00)" in title(figure)
    assert "no more than" in title(optima_compared(searched(3.0, 3.0)))
    real = optima_compared(searched(6.0, 3.0), real=contexts()).data[2]
    assert list(real.customdata) == [8, 9]
    assert real.text[1] == "… road[ nobody]"
    assert "best real text to 9.00" in title(optima_compared(searched(6.0, 3.0), None, contexts()))


def test_winners_are_counted_by_token() -> None:
    wins = np.array([NOBODY] * 6 + [ROAD] * 3 + [RIVER])[:, None]
    winners = Winners(
        units=np.array([7]),
        names=("L1.q.h0.7",),
        value=np.ones((10, 1)),
        token_id=wins,
        position=np.full((10, 1), 4),
        place=np.arange(10)[:, None] // 2,
        first_wins=np.array([2]),
        sink_wins=np.array([0]),
        n_tokens=1000,
        n_batches=10,
        batch=4,
        length=10,
        n_short_documents=0,
        n_short_tokens=0,
        sinks=NO_SINKS,
        settings={"skip_first": True},
        tokenizer=TOKENIZER,
    )
    figure = winner_tokens(winners, 7)
    (bars,) = figure.data
    assert list(bars.x) == [0.6, 0.3, 0.1]
    assert list(bars.text) == ["“ nobody”", "“ road”", "“ river”"]
    assert title(figure) == (
        "“ nobody” wins 60% of 10 batches of L1.q.h0.7, at 3 places of the corpus; 3 tokens win "
        "at all"
    )
    assert "20.0% of batches (left out)" in figure.layout.meta["caption"]
    whole = replace(winners, n_tokens=50)
    assert "80% of the corpus: too much" in winner_sentence(whole, 7, "x")


def test_strip_shows_all_heights() -> None:
    figure = context_strip(contexts(), 8)
    assert list(figure.layout.yaxis.ticktext) == ["bottom", "random", "quantile 0.5", "top"]
    assert [list(trace.x) for trace in figure.data] == [[-2, -1], [0.25], [0.5], [9, 8]]
    assert figure.data[3].text[0] == " road[ nobody] road"
    assert "L1.q.h1.0 to 8.00 to 9.00, 3.0 SD or more above its mean" in title(figure)
    assert "1 random ones reach 0.250. “ nobody” is 2 of the 2" in title(figure)
    long = contexts().contexts(7)[0]
    long = replace(long, before="a" * 90, after="\nb" * 50)
    said_so = context_said(long, 60)
    assert len(said_so) == 60
    assert "[ nobody]↵b" in said_so


def test_a_page_is_safe_and_its_numbers_are_json(tmp_path: Any) -> None:
    finding = Finding(
        kind="A kind",
        question="Which <b>?",
        answer=("</script><script>alert(1)</script>",),
        figures={"path": activation_path(maximized(5.0, 0.0))},
        numbers={"array": np.array([1.0, np.nan]), "nested": {"n": np.int64(3)}},
        recorded={"value": float("inf")},
        contexts={"top": contexts().contexts(7, kinds=["top"])},
        tables={"t": pd.DataFrame({"a": [1]})},
    )
    page = finding.save(tmp_path / "out", command="lens-probes x").read_text("utf-8")
    assert "alert(1)" in page
    assert "<script>alert(1)" not in page
    assert "<h1><bdi>Which &lt;b&gt;?</bdi></h1>" in page
    assert "<mark> nobody</mark>" in page
    assert finding.html() == finding.html()
    text = (tmp_path / "out" / "numbers.json").read_text()
    assert "NaN" not in text
    assert pd.read_json(tmp_path / "out" / "numbers.json", typ="series")["numbers"] == {
        "array": [1.0, None], "nested": {"n": 3},
    }  # fmt: skip
    assert pd.read_parquet(tmp_path / "out" / "t.parquet")["a"].tolist() == [1]
