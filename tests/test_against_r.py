"""Agreement with R's t.test, glm, anova and p.adjust, to 1e-8 relative.

The values were made once by tests/fixtures/r/make.R; its header names the R version.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lens_probes import stats

FOLDER = Path(__file__).parent / "fixtures" / "r"


def table(name: str) -> pd.DataFrame:
    return pd.read_csv(FOLDER / name, comment="#")


@pytest.mark.parametrize("problem", range(1, 25))
def test_t_tests_and_logistic_regression(problem: int) -> None:
    data = table("data.csv").query("problem == @problem")
    reference = table("reference.csv").set_index("problem").loc[problem]
    x, y = data["x"].to_numpy()[:, None], data["y"].to_numpy()
    got = vars(stats.ttest(x, y)) | vars(stats.logistic(x, y))
    assert got["status"][0] == "ok"
    for name, value in reference.items():
        # R's own t statistic of a large offset loses digits, hence not 1e-10.
        assert got[str(name)][0] == pytest.approx(value, rel=1e-8), name
    for name in ("t_p", "welch_p", "wald_p", "lrt_p", "score_p"):
        assert got[f"log10_{name}"][0] == pytest.approx(np.log10(reference[name]), rel=1e-8)


@pytest.mark.parametrize("method", ["bonferroni", "holm", "bh", "by"])
def test_corrections(method: str) -> None:
    values = table("adjusted.csv")
    got = stats.adjust(values["p"].to_numpy(), method=method)
    np.testing.assert_allclose(got, values[method], rtol=1e-12)
