"""Names of lines at their ends: every line has one, in its place, and none on another."""

import itertools

import numpy as np
import plotly.graph_objects as go
import pytest

from lens_probes.drawing.chart import Chart
from lens_probes.drawing.direct_labels import apart, label_ends
from lens_probes.drawing.frame import frame


def drawn(*ends):
    figure = go.Figure(
        [
            go.Scatter(
                x=[0, 1, 2], y=[0.1, end, np.nan], name=f"line {k}", line={"color": "#0072B2"},
                marker={"symbol": "square"},
            )
            for k, end in enumerate(ends)
        ]
    )  # fmt: skip
    figure.update_yaxes(range=[0, 1])
    return label_ends(frame(figure, "title", "caption", height=200), height=200)


def test_a_name_stands_at_the_last_point_with_its_marker():
    figure = drawn(0.2, 0.9)
    assert [(a.y, a.yref) for a in figure.layout.annotations] == [(0.2, "y"), (0.9, "y")]
    assert figure.layout.annotations[1].text == '<span style="color:#0072B2">■</span> line 1'
    assert figure.layout.showlegend is False
    assert Chart.of("key", figure).height < 230


def test_a_line_without_a_point_has_no_name():
    assert [a.y for a in drawn(np.nan, 0.5).layout.annotations] == [0.1, 0.5]
    nothing = drawn(0.5)
    nothing.data[0].y = [np.nan] * 3
    nothing.layout.annotations = ()
    assert label_ends(nothing, height=200).layout.annotations == ()


@pytest.mark.parametrize("ends", [(0.5, 0.5, 0.5), (1.0, 0.99), (0.0, 0.01, 0.02, 0.03)])
def test_names_that_would_overlap_are_moved_apart_and_keep_their_order(ends):
    places = apart(ends, 0.1, 0, 1)
    assert all(b - a >= 0.1 - 1e-9 for a, b in itertools.pairwise(sorted(places)))
    assert np.argsort(places, kind="stable").tolist() == np.argsort(ends, kind="stable").tolist()
    assert 0 <= min(places) <= max(places) <= 1


def test_names_that_are_apart_stay_and_too_many_are_spread_evenly():
    assert apart([0.8, 0.2], 0.1, 0, 1) == [0.8, 0.2]
    assert apart([0.5] * 5, 0.4, 0, 1) == pytest.approx([0, 0.25, 0.5, 0.75, 1])
