"""Figures of the residual stream draw the numbers given, and keep sinks apart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from lens_probes.report.residual_figures import (
    LEAST_ERROR,
    correlation_sentence,
    ordinary_median,
    sight_map,
    sight_sentence,
    state_correlation,
    steps_by_layer,
    sum_errors,
    token_correlation_map,
)
from lens_probes.residual import (
    BlockSums,
    PathLength,
    Sight,
    Sink,
    StreamCorrelation,
    TokenCorrelations,
)


def title(figure: Any) -> str:
    return str(figure.layout.meta["title"])


def test_sum_errors_name_the_worst_layer() -> None:
    nothing = np.zeros((1, 1, 1))
    sums = [
        BlockSums(layer, nothing, nothing, nothing, nothing, error, error)
        for layer, error in enumerate([1e-7, 3e-5, 0.0])
    ]
    figure = sum_errors(sums)
    np.testing.assert_allclose(figure.data[0].y, [1e-7, 3e-5, LEAST_ERROR])
    assert figure.layout.yaxis.type == "log"
    assert "up to 3e-05 of its norm in each of 3 layers (largest in layer 1)" in title(figure)


def correlation(sinks: tuple[Sink, ...]) -> StreamCorrelation:
    """Three layers and tokens; the token at position 0 has r of 1, the others 0.5 and 0.7."""
    r = np.tile([1.0, 0.5, 0.7], (3, 1, 1))
    return StreamCorrelation(
        r=r,
        r_masked=r - 0.1,
        n_masked=np.full((3, 1, 3), 2),
        outlying_share=np.zeros((4, 16)),
        norm=np.ones((4, 1, 3)),
        sinks=sinks,
        outlier_z=6.0,
        sink_ratio=10.0,
    )


def test_sinks_are_drawn_apart_from_the_median() -> None:
    figure = state_correlation(correlation((Sink(2, 0, 0, 50.0),)))
    raw, masked, sinks = figure.data
    # The sink at state 2 enters layer 2 and leaves layer 1; in layer 0 the token is ordinary.
    np.testing.assert_allclose(raw.y, [0.7, 0.6, 0.6])
    np.testing.assert_allclose(masked.y, [0.6, 0.5, 0.5])
    assert list(sinks.x) == [1, 2]
    assert list(sinks.y) == [1, 1]
    assert "at 0.600 (median over layers)" in title(figure)
    assert "least in layer 1, 0.500. At attention sinks: 1.000" in title(figure)
    assert len(state_correlation(correlation(())).data) == 2


def test_a_layer_of_sinks_alone_is_a_gap() -> None:
    sink = np.array([[[True, True]], [[False, True]]])
    got = ordinary_median(np.array([[[1.0, 1.0]], [[0.25, 1.0]]]), sink)
    np.testing.assert_array_equal(got, [np.nan, 0.25])
    every = tuple(Sink(state, 0, position, 20.0) for state in range(4) for position in range(3))
    figure = state_correlation(correlation(every))
    assert np.isnan(np.array(figure.data[0].y, float)).all()
    assert title(figure).startswith("Every token is an attention sink")


def test_no_masked_correlation_is_said() -> None:
    found = correlation(())
    found = replace(found, r_masked=np.full_like(found.r, np.nan))
    line = correlation_sentence(found)
    assert "at 0.700 (median over layers), and are too short to correlate without" in line


def test_steps_are_split_by_sublayer() -> None:
    norm = np.array([[1.0, 1.0, 1000.0], [10.0, 10.0, 1000.0], [10.0, 10.0, 1000.0]])
    path = PathLength(
        sequence=np.zeros(3, int),
        position=np.arange(3),
        norm=norm,
        step=norm * [[9.0], [0.2], [0.4]],
        attention=norm * [[3.0], [0.3], [0.1]],
        mlp=norm * [[8.0], [0.1], [0.35]],
        straight=np.ones(3),
    )
    figure = steps_by_layer(path)
    assert [trace.name for trace in figure.data] == ["whole block", "attention", "MLP"]
    for trace, want in zip(
        figure.data, [[9, 0.2, 0.4], [3, 0.3, 0.1], [8, 0.1, 0.35]], strict=True
    ):
        np.testing.assert_allclose(trace.y, want)
    assert title(figure) == (
        "The MLP adds more than attention in 2 of 3 layers; tokens move most in layer 0, by 900% "
        "of their norm (after it in layer 2, by 40%)"
    )


def test_token_map_is_labelled_by_position_and_token() -> None:
    r = np.array([[1, 0.1, 0.2], [0.1, 1, 0.6], [0.2, 0.6, 1]])
    found = TokenCorrelations(3, "q", np.zeros((3, 8)), r, 0.15, 0.6)
    figure = token_correlation_map(found, ["The", " <b>", "\n"])
    (cells,) = figure.data
    np.testing.assert_array_equal(cells.z, r)
    assert (cells.zmin, cells.zmax) == (-1, 1)
    assert list(figure.layout.xaxis.ticktext) == ["0 The", "1 &lt;b&gt;", "2 ↵"]
    assert "In L3.q the first token correlates with the others at 0.15" in title(figure)


def sight(sees: list[list[bool]]) -> Sight:
    change = np.where(np.array(sees)[..., None], [0.1, 0.4], 0.0)
    return Sight(np.array([4, 5]), change, np.array(sees), np.zeros((2, 8), int))


def test_who_sees_whom() -> None:
    parts = [" tooth", "paste"]
    figure = sight_map(sight([[True, True], [False, True]]), parts)
    (cells,) = figure.data
    np.testing.assert_array_equal(cells.z, [[0.4, 0.4], [0, 0.4]])
    assert cells.text.tolist() == [["sees it", "sees it"], ["blind", "sees it"]]
    assert list(figure.layout.yaxis.ticktext) == ["tooth", "paste"]
    assert "In “ tooth|paste” the first token is blind to the rest" in title(figure)
    both = sight_sentence(sight([[True, True], [True, True]]), parts)
    assert "“ tooth” sees “paste”, which comes after it" in both
    neither = sight_sentence(sight([[True, False], [False, True]]), parts)
    assert "does not notice a change of one before it" in neither
