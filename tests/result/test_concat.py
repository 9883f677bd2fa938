"""Sweeps in parts, joined: the numbers of one sweep, or a line that says why not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from result_parts import LABEL, WORD, swept
from word_examples import made_examples

import lens_probes as lp
from lens_probes.model.load import LensModel
from lens_probes.report.words.summary import summary

FIRST, SECOND = [(0, "a"), (0, "b"), (1, "a")], [(1, "b"), (2, "a"), (2, "b")]


@pytest.mark.parametrize(
    "options",
    [{"method": "bh"}, {"scope": "layer"},
     {"word": None, "preset": "course"}],
    ids=str,
)  # fmt: skip
def test_the_units_are_those_of_one_sweep(options: dict[str, Any], tmp_path: Path) -> None:
    whole = swept([*FIRST, *SECOND], **options)
    joined = lp.concat([swept(FIRST, **options), swept(SECOND, **options)])
    # Permutations over another family share no p of a unit alone; all else is the same.
    pooled = [c for c in whole.units if "pooled" in c or c == "q_word"]
    exact = whole.units.drop(columns=pooled)
    if options.get("method") in (None, "max_t"):
        pd.testing.assert_frame_equal(joined.units[exact.columns], exact, rtol=1e-6)
    assert joined.units["name"].tolist() == whole.units["name"].tolist()
    if "rank" in whole.units:
        np.testing.assert_array_equal(joined.units["rank"], whole.units["rank"])
    pd.testing.assert_frame_equal(
        joined.layers[["layer", "site", "n_tested"]], whole.layers[["layer", "site", "n_tested"]]
    )
    assert (joined.units["p_corrected"].notna() == whole.units["p_corrected"].notna()).all()
    assert any("joined of 2 sweeps" in note for note in joined.validation["notes"])
    joined.save(tmp_path / "run")
    loaded = lp.SweepResult.load(tmp_path / "run")
    assert loaded.write_report(tmp_path / "report.html").exists()
    assert summary(loaded)


def test_what_cannot_be_joined_is_one_line() -> None:
    one, two = swept(FIRST), swept(SECOND)
    with pytest.raises(lp.InputError, match="max_t over all units of a sweep cannot be joined"):
        lp.concat([one, two])
    bh = swept(FIRST, method="bh")
    for part, said in (
        (swept(SECOND, method="bh", alpha=0.04), "of another decision"),
        (swept(SECOND, label=1 - LABEL, method="bh"), "of another examples"),
        (swept(FIRST, method="bh"), "layer 0, site a is in two parts"),
        (WORD, "a part must be a SweepResult"),
    ):
        with pytest.raises(lp.InputError, match=said):
            lp.concat([bh, part])
    with pytest.raises(lp.InputError, match="no results given"):
        lp.concat([])
    assert lp.concat([one]) is one


@pytest.mark.model
def test_sites_of_ones_own_are_joined_with_those_of_the_model(tiny_model: LensModel) -> None:
    own = lp.Site.from_function("half", "mlp_post", lambda x: x[:, :8] / 2)
    parts = [
        lp.sweep(
            tiny_model, made_examples(), sites=[site], layers=[0], method="bh",
            untrained=False, n_permutations=20,
        )
        for site in ("mlp_out", own)
    ]  # fmt: skip
    joined = lp.concat(parts)
    assert joined.layers["site"].tolist() == ["mlp_out", "half"]
    assert joined.provenance["model"]["proof"]["half"] == "proved"
