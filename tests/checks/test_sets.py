"""Sets of k units in a sweep: tables, folders, reports, what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import lens_probes as lp
from lens_probes.report.html import report_html
from lens_probes.report.set_figures import set_figure, set_table

GROUP = np.arange(192) % 24
LABEL = (GROUP < 12).astype(int)
PLANTED = (3, 5)


def arrays() -> dict[tuple[int, str], np.ndarray]:
    """Units that follow words; two of layer 1 follow the label as well."""
    rng = np.random.default_rng(0)
    x = {
        (layer, site): rng.standard_normal((192, 20)) + 0.4 * rng.standard_normal((24, 20))[GROUP]
        for layer in (0, 1)
        for site in ("a", "resid_post")
    }
    x[1, "a"][:, list(PLANTED)] += 2.0 * LABEL[:, None]
    return x


@pytest.fixture(scope="module")
def result() -> lp.SweepResult:
    return lp.sweep_activations(
        arrays(), LABEL, group=GROUP, sets=(1, 2, 8), n_permutations=50, preset="course"
    )


def test_every_layer_and_site_and_the_sweep_have_rows(result: lp.SweepResult) -> None:
    sets = result.sets
    assert sets is not None
    places = sets[["layer", "site"]].drop_duplicates()
    assert len(places) == 5
    assert places.iloc[-1].tolist() == [-1, "all"]
    assert sets["k"].tolist() == [1, 2, 8] * 5
    at = sets[(sets["layer"] == 1) & (sets["site"] == "a")].set_index("k")
    assert at["auc_heldout"][2] > 0.95
    assert (at["auc_heldout_low"] < at["auc_heldout"]).all()
    assert at["smallest_k"].iloc[0] <= 2


def test_members_are_the_planted_units_by_name(result: lp.SweepResult) -> None:
    assert result.set_members is not None
    members = result.set_members[result.set_members["member"]]
    of_sweep = members[members["layer"] == -1]
    assert {"L1.a.3", "L1.a.5"} <= set(of_sweep["name"])
    of_layer = members[(members["layer"] == 1) & (members["site"] == "a")]
    assert set(PLANTED) <= set(of_layer["unit"])


def test_one_layers_rows_are_those_of_the_statistic(result: lp.SweepResult) -> None:
    assert result.sets is not None
    fold = lp.stats.folds_by_word(LABEL, GROUP, n_folds=5, seed=0)
    alone = lp.stats.sparse_probe(
        arrays()[1, "a"].astype(np.float32), LABEL, groups=GROUP, k=(1, 2, 8), fold=fold
    )
    at = result.sets[(result.sets["layer"] == 1) & (result.sets["site"] == "a")]
    np.testing.assert_allclose(at["auc_heldout"], alone.auc)
    assert at["auc_all_units"].iloc[0] == pytest.approx(alone.auc_all)


def test_sets_are_saved_loaded_and_shown(result: lp.SweepResult, tmp_path: Path) -> None:
    loaded = lp.SweepResult.load(result.save(tmp_path / "run"))
    assert result.sets is not None
    assert loaded.sets is not None
    assert loaded.sets.equals(result.sets)
    page = report_html(loaded)
    assert "How many units does it take?" in page
    assert "sets=(1, 2, 8)" in page
    table = set_table(loaded)
    assert len(table.rows) == 5
    assert "L1.a.3" in str(table.rows)
    figure = set_figure(loaded)
    assert len({trace.name for trace in figure.data}) == 4


def test_a_sweep_without_sets_says_nothing_of_them() -> None:
    plain = lp.sweep_activations(arrays(), LABEL, group=GROUP, n_permutations=50, preset="course")
    assert plain.sets is None
    assert "How many units does it take?" not in report_html(plain)


def test_sets_of_parts_are_joined_without_the_whole_sweeps() -> None:
    parts = [
        lp.sweep_activations(
            {k: v for k, v in arrays().items() if k[0] == layer}, LABEL, group=GROUP,
            sets=(2,), preset="course",
        )
        for layer in (0, 1)
    ]  # fmt: skip
    joined = lp.concat(parts)
    assert joined.sets is not None
    assert joined.sets["layer"].tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"sets": "many"}, "k must be numbers of units"),
        ({"sets": (3, 2)}, "small to large"),
        ({"sets": True, "group": None}, "no word types or groups are known"),
        ({"sets": True, "group": np.where(GROUP < 12, GROUP % 3, GROUP)}, "there are 12 and 3"),
        ({"sets": True, "examples": np.random.default_rng(0).random(192)}, "two classes"),
    ],
)
def test_what_has_no_sets_is_refused_in_one_line(options: dict[str, object], said: str) -> None:
    given = {"examples": LABEL, "group": GROUP, "preset": "course", **options}
    with pytest.raises(lp.InputError, match=said) as error:
        lp.sweep_activations(arrays(), **given)  # type: ignore[arg-type]
    assert "\n" not in str(error.value)
