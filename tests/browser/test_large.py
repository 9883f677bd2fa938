"""A sweep of 537,600 units, half of them significant: one small file that opens and answers."""

import numpy as np
import pandas as pd
import pytest
from chromium import opened, wait_until
from synthetic_result import make_result, replace, with_checks

from lens_probes.report import write_report
from lens_probes.result.layers import summarise_layers

LAYERS, SITES, WIDTH = 30, ("mlp_pre", "q", "k", "v"), 4480
N = LAYERS * len(SITES) * WIDTH


@pytest.fixture(scope="module")
def large():
    """Rows of a real table, drawn with replacement and scaled so that no two are the same."""
    rng = np.random.default_rng(0)
    small = with_checks(make_result((150, 150), layers=range(6), width=200))
    tested = small.units.dropna(subset="log10_score_p")
    units = tested.iloc[rng.integers(0, len(tested), N)].reset_index(drop=True)
    units["layer"] = np.repeat(np.arange(LAYERS), len(SITES) * WIDTH)
    units["site"] = np.tile(np.repeat(SITES, WIDTH), LAYERS)
    units["unit"] = np.tile(np.arange(WIDTH), LAYERS * len(SITES))
    units["name"] = [
        f"L{a}.{b}.{c}"
        for a, b, c in zip(units["layer"], units["site"], units["unit"], strict=True)
    ]
    scale = rng.uniform(0.9, 1.1, N)
    for column in units.select_dtypes("float").columns:
        units[column] *= scale
    log10_p = units["log10_score_p"]
    units["significant"] = log10_p.rank(method="first") <= N / 2
    best = units.sort_values("log10_score_p").groupby(["layer", "site"]).head(2)
    evidence = pd.DataFrame(rng.normal(size=(300, len(best))), columns=best["name"])
    return replace(small, units=units, layers=summarise_layers(units), evidence=evidence)


def test_537600_units_open_and_answer(browser, large, tmp_path):
    assert len(large.units) == 537_600
    assert large.units["significant"].sum() == 268_800
    path = write_report(large, tmp_path / "large.html")
    assert path.stat().st_size < 12 * 2**20
    with opened(browser, path) as seen:
        page = seen.page
        status = page.locator("#unit-status")
        assert status.inner_text() == "Units 1 to 25 of 20,000"
        caption = page.locator("#unit-caption").inner_text()
        assert "The other 517,600, all with a larger score p or none" in caption
        assert "units.parquet" in caption
        page.locator("#unit-table thead button", has_text="AUC ± se").click()
        strongest = large.units.nsmallest(20_000, "log10_score_p").set_index("name")["auc"]
        rows = page.locator("#unit-table tbody th").all_inner_texts()
        assert np.float32(strongest[rows]).tolist() == np.float32(strongest.nlargest(25)).tolist()
        page.locator("[name=site]").select_option("k")
        page.locator("[name=unit]").fill("L7.")
        kept = [name for name in strongest.index if name.startswith("L7.k.")]
        said = f"Units 1 to 25 of {len(kept):,} that match, of 20,000"
        wait_until(page, f"document.querySelector('#unit-status').textContent === '{said}'")
        page.locator("#unit-map").scroll_into_view_if_needed()
        page.locator("#unit-map .main-svg").first.wait_for()
        assert seen.errors == []
