"""Maps, funnels, fits and replications hold the numbers of the tables."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
from continuous_result import make_continuous
from synthetic_result import CLASSES, PLANTED, SCRIPT, SEPARATED

from lens_probes.errors import InputError
from lens_probes.report import (
    effect_and_precision,
    layer_unit_map,
    logistic_fit,
    replication_scatter,
    replication_table,
    share_by_layer,
)
from lens_probes.report.map_figures import binned


@dataclass(frozen=True)
class StandIn:
    """What a replication holds."""

    units: pd.DataFrame
    lines: pd.DataFrame
    provenance: dict


@pytest.fixture(scope="module")
def replication(result):
    rng = np.random.default_rng(0)
    t1 = result.units["t"].to_numpy(float)
    t2 = 0.8 * t1 + rng.normal(size=len(t1))
    one, two = result.units["significant"].to_numpy(bool), np.abs(t2) > 5
    group = np.select([one & two, one, two], ["both", "first", "second"], "none")
    units = result.units[["name", "layer", "site", "unit"]].assign(t1=t1, t2=t2, group=group)
    units["name"] = [SCRIPT, *units["name"][1:]]
    lines = pd.DataFrame(
        {
            "kind": ["new words", "new passage"],
            "n": ["60 v 60", "0 v 0"],
            "sign_agreement": [0.875, np.nan],
            "effect_correlation": [0.5, 0.75],
            "note": ["", "2 words left out"],
        }
    )
    return StandIn(units, lines, {"first": {"examples": result.provenance["examples"]}})


def title(figure):
    return figure.layout.meta["title"]


def test_map_keeps_the_largest_effect_of_a_bin_with_its_sign_and_unit():
    units = pd.DataFrame(
        {"layer": [0, 0, 0, 0, 4, 4, 4, 4], "unit": [0, 1, 2, 3] * 2,
         "g": [1.0, -3.0, np.nan, np.nan, 0.5, 0.25, 2.0, -1.0]}
    )  # fmt: skip
    z, which = binned(units, "g", [0, 4], 4, 2)
    np.testing.assert_array_equal(z, [[-3, np.nan], [0.5, 2]])
    np.testing.assert_array_equal(which, [[1, -1], [0, 2]])


def test_map_finds_planted_units_and_leaves_dead_layers_blank(result):
    mlp, q = layer_unit_map(result).data
    table = result.units.set_index("name")["hedges_g"]
    assert mlp.z[1][5] == pytest.approx(table[PLANTED], rel=1e-6)
    assert mlp.customdata[1][5] == 5
    assert q.z[2][7] == pytest.approx(table[SEPARATED], rel=1e-6)
    assert np.isnan(q.z[0]).all()
    coarse = layer_unit_map(result, bins=4).data[0]
    assert coarse.z.shape == (3, 4)
    assert coarse.z[1][1] == mlp.z[1][5]


def test_a_million_units_make_a_map_of_the_same_size(result):
    rng = np.random.default_rng(0)
    layer, unit = np.divmod(np.arange(1_000_000), 250_000)
    many = pd.DataFrame(
        {"layer": layer, "site": "mlp_pre", "unit": unit, "name": "",
         "hedges_g": rng.normal(size=10**6), "log10_score_p": -rng.exponential(size=10**6)}
    )  # fmt: skip
    (cells,) = layer_unit_map(replace(result, units=many)).data
    assert cells.z.shape == (4, 128)
    assert np.abs(cells.z).max() == pytest.approx(many["hedges_g"].abs().max(), rel=1e-6)


def test_funnel_errors_are_those_of_the_logit(result):
    figure = effect_and_precision(result)
    units = result.units.set_index("name")
    drawn = {
        name: (x, y)
        for trace in figure.data[2:]
        for name, x, y in zip(trace.customdata, trace.x, trace.y, strict=True)
    }
    assert SEPARATED not in drawn
    fitted = units[np.isfinite(units["beta_se"])]
    assert set(drawn) == set(fitted.index)
    for name, row in fitted.iterrows():
        z = drawn[name][0] / drawn[name][1]
        assert z == pytest.approx(row["wald_z"], rel=1e-4)
    outside = (fitted["wald_z"].abs() > 1.959964).mean()
    assert title(figure).startswith(f"{outside:.1%} of {len(fitted)} units lie outside")


def test_funnel_of_correlations():
    of = make_continuous()
    figure = effect_and_precision(of)
    units = of.units.dropna(subset="r")
    outside = (units["r"].abs() > 1.959964 * np.sqrt((1 - units["r"] ** 2) / 178)).mean()
    assert title(figure).startswith(f"{outside:.1%} of {len(units)} units")


def test_fitted_curve_is_the_logistic_of_the_table(result):
    figure = logistic_fit(result, PLANTED)
    zero, one, curve = figure.data
    row = result.units.set_index("name").loc[PLANTED]
    expected = 1 / (1 + np.exp(-(row["intercept"] + row["beta"] * np.array(curve.x))))
    np.testing.assert_allclose(curve.y, expected, rtol=1e-9)
    assert curve.x[0] == result.evidence[PLANTED].min()
    label = result.examples["label"].to_numpy()
    np.testing.assert_array_equal(one.x, result.evidence[PLANTED][label == 1])
    assert np.abs(np.array(zero.y)).max() < 0.2
    assert f"{np.exp(row['beta_std']):.2f}" in title(figure)
    assert CLASSES[1] in title(figure)


def test_a_separated_unit_has_no_curve_and_is_not_the_default(result):
    assert title(logistic_fit(result)).startswith(PLANTED) or "L2.q.0" in title(
        logistic_fit(result)
    )
    figure = logistic_fit(result, SEPARATED)
    assert len(figure.data) == 2
    assert title(figure) == f"{SEPARATED} has no finite logistic fit: separated"
    with pytest.raises(InputError, match=r"unit with kept activations .*L9\.q\.1"):
        logistic_fit(result, "L9.q.1")


def test_replication_scatter_is_the_table(replication):
    figure = replication_scatter(replication)
    *groups, diagonal = figure.data
    known = replication.units.dropna(subset=["t1", "t2"])
    for trace, group in zip(groups, ("none", "first", "second", "both"), strict=True):
        rows = known[known["group"] == group]
        np.testing.assert_allclose(sorted(trace.x), sorted(rows["t1"]), rtol=1e-6)
        np.testing.assert_allclose(sorted(trace.y), sorted(rows["t2"]), rtol=1e-6)
    assert list(diagonal.x) == list(diagonal.y)
    r = np.corrcoef(known["t1"], known["t2"])[0, 1]
    both, first = (known["group"] == "both").sum(), known["group"].isin(["both", "first"]).sum()
    assert title(figure) == (
        f"t of the two rounds correlates at r = {r:.2f} over {len(known)} units; "
        f"{both} of {first} significant units are significant again"
    )
    assert not any("<" in name for trace in groups for name in trace.customdata)


def test_replication_lines_are_a_table(replication):
    table = replication_table(replication)
    assert [c.header for c in table.columns] == [
        "new", "examples", "sign agrees", "r of effects", "note",
    ]  # fmt: skip
    assert table.rows[0][:3] == ("new words", "60 v 60", "87.5%")
    assert table.rows[1][2] == "–"


def test_a_replication_without_common_units(replication):
    empty = replace(replication, units=replication.units.assign(t2=np.nan))
    assert title(replication_scatter(empty)) == "No unit has a t in both rounds"


def test_intervals_of_shares_are_wilsons(result):
    from scipy.stats import binomtest

    for line in share_by_layer(result).data:
        rows = result.layers[result.layers["site"] == line.name]
        for place, row in enumerate(rows.itertuples()):
            if row.n_tested:
                ci = binomtest(row.n_significant, row.n_tested).proportion_ci(method="wilson")
                high = line.y[place] + line.error_y.array[place]
                low = line.y[place] - line.error_y.arrayminus[place]
                assert (low, high) == pytest.approx((ci.low, ci.high), abs=1e-9)
