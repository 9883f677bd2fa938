"""A screen on disk, and the map of a sweep."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import lens_probes as lp
from lens_probes.checks.toy_use import DOUBLED, ENCODED, TYPICAL, USED, toy_of_use
from lens_probes.errors import InputError
from lens_probes.screening.map import CORNERS, with_tuned
from lens_probes.screening.saved import MANIFEST

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def toy_run() -> tuple[lp.Screen, lp.SweepResult, np.ndarray]:
    toy = toy_of_use(0)
    result = lp.sweep(toy.model, toy.examples, sites=["mlp_pre"], untrained=False, method="bh")
    return lp.screen(toy.model, toy.examples, result), result, toy.kind


def test_the_map_counts_every_corner(
    toy_run: tuple[lp.Screen, lp.SweepResult, np.ndarray],
) -> None:
    screen, result, kind = toy_run
    row = screen.map.iloc[0]
    assert [row["layer"], row["site"]] == [0, "mlp_post"]
    assert sum(row[name] for name in CORNERS) == len(screen.units)
    assert row["tuned_used"] == np.isin(kind, [USED, DOUBLED]).sum()
    assert row["tuned_no_measured_use"] >= (kind == ENCODED).sum()
    assert row["other_used"] == 0
    both = with_tuned(screen.units, result)
    assert both["tuned"].sum() == result.units["significant"].sum()
    assert row["other_no_measured_use"] > (kind == TYPICAL).sum() / 2
    assert any("Tuned units by the sweep" in line for line in screen.text_lines())


def test_a_sweep_of_something_else_is_refused(
    toy_run: tuple[lp.Screen, lp.SweepResult, np.ndarray],
) -> None:
    _, result, _ = toy_run
    other = toy_of_use(1)
    with pytest.raises(InputError, match="sweep of other examples"):
        lp.screen(other.model, other.examples, result)
    same = toy_of_use(0)
    with pytest.raises(InputError, match="sweep of another model"):
        lp.screen(other.model, same.examples, result)
    with pytest.raises(InputError, match="is a sweep of mlp_pre"):
        lp.screen(same.model, same.examples, result, sites=["z"])


def test_it_is_saved_whole_and_read_back(
    toy_run: tuple[lp.Screen, lp.SweepResult, np.ndarray], tmp_path: Path
) -> None:
    screen, _, _ = toy_run
    folder = screen.save(tmp_path / "screen")
    again = lp.Screen.load(folder)
    for name in ("units", "calibration", "null", "map"):
        pd.testing.assert_frame_equal(getattr(again, name), getattr(screen, name))
    assert again.text_lines() == screen.text_lines()
    with pytest.raises(InputError, match="already holds"):
        screen.save(folder)
    said = json.loads((folder / MANIFEST).read_text())
    assert said["format"] == 1
    (folder / "units.parquet").write_bytes(b"")
    with pytest.raises(InputError, match="damaged"):
        lp.Screen.load(folder)
    with pytest.raises(InputError, match="no screen in"):
        lp.Screen.load(tmp_path)


def test_the_report_of_the_sweep_shows_it(
    toy_run: tuple[lp.Screen, lp.SweepResult, np.ndarray], tmp_path: Path
) -> None:
    screen, result, _ = toy_run
    run = result.save(tmp_path / "run")
    before = lp.SweepResult.load(run).write_report(tmp_path / "before.html").read_text()
    assert "Tuned and used" not in before
    screen.save(run / "screen")
    loaded = lp.SweepResult.load(run)
    assert loaded.screen is not None
    page = loaded.write_report(tmp_path / "after.html").read_text()
    for said in ("Tuned and used", "used by the model", "times the typical unit of its size"):
        assert said in page, said
    n_used = int(screen.map["tuned_used"].iloc[0])
    assert f"Of the tuned units {n_used} are called used, of the others 0" in page
    other = lp.sweep(
        toy_of_use(0).model, toy_of_use(1).examples, sites=["mlp_pre"], untrained=False, method="bh"
    ).save(tmp_path / "other")
    screen.save(other / "screen")
    with pytest.raises(InputError, match="the screen beside this result is of other"):
        lp.SweepResult.load(other).write_report(tmp_path / "r.html")
