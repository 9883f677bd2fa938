"""Progress of a sweep: every stage has its bar, on standard error only, and is timed."""

from __future__ import annotations

import numpy as np
import pytest

import lens_probes as lp

pytestmark = pytest.mark.model

STATISTICS = ("statistics", "checks", "statistics, untrained", "paintings and unit cards")


def sweep_of(model: lp.LensModel, **options: object) -> lp.SweepResult:
    tokens = np.random.default_rng(0).integers(3, 390, (40, 8))
    label = np.arange(40) % 2
    examples = lp.Examples.from_tokens(tokens, -1, label, [f"w{i % 8}" for i in range(40)])
    return lp.sweep(model, examples, sites=["q"], layers=[0, 1], n_permutations=20, **options)


def test_progress_shows_each_stage_and_nothing_else_is_written(
    tiny_model: lp.LensModel, capfd: pytest.CaptureFixture[str]
) -> None:
    shown = sweep_of(tiny_model, progress=True)
    written = capfd.readouterr()
    assert written.out == ""
    ends = [part.split("\r")[-1] for part in written.err.split("\n")]
    bars = {end.partition(":")[0]: end.partition(":")[2] for end in ends if ":" in end}
    assert [name for name in bars if name in STATISTICS] == list(STATISTICS)
    assert "forward passes" in bars
    for name in ("statistics", "checks", "statistics, untrained"):
        n_read = int(bars[name].split("array")[0].strip())
        assert n_read >= 2, "each of two arrays is read once or more"
    hidden = sweep_of(tiny_model, progress=False)
    assert capfd.readouterr() == ("", "")
    assert set(STATISTICS) < set(shown.timings) == set(hidden.timings)
    assert shown.units.equals(hidden.units)
