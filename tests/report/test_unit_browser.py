"""What the page's script gets to sort and filter is the units table."""

import base64
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from continuous_result import make_continuous
from html_page import Page
from synthetic_result import CONSTANT, SCRIPT, SEPARATED, with_checks

from lens_probes.report.html import report_html
from lens_probes.report.unit_browser import pack, unit_browser
from lens_probes.report.unit_columns import unit_columns


def unpack(packed, n):
    """What the script of the page makes of a packed column."""
    if "all" in packed:
        return np.full(n, packed["all"])
    values = np.frombuffer(base64.b64decode(packed["base64"]), dtype=f"<{packed['type']}")
    return np.array([packed["labels"][v] for v in values]) if "labels" in packed else values


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([0, 255, 3], "u1"),
        ([-1, 1, 0], "i2"),
        ([0, 40_000], "i4"),
        ([0.25, np.nan, -1e9], "f4"),
        ([1.0, np.nan], "f4"),
        ([2.0**40, 1.0], "f4"),
        ([-3000.5, -2.0], "f4"),
    ],
)
def test_numbers_are_packed_in_the_fewest_bytes_that_hold_them(values, kind):
    packed = pack(pd.Series(values))
    assert packed["type"] == kind
    np.testing.assert_allclose(unpack(packed, len(values)), values, rtol=1e-7)


def test_constants_are_written_once():
    assert pack(pd.Series([300, 300])) == {"all": 300.0}
    assert "all" not in pack(pd.Series([np.nan, np.nan]))


def test_every_shown_column_comes_back(result):
    for of in (with_checks(result), make_continuous()):
        browser = unit_browser(of, cards=frozenset())
        data = browser.data
        units = of.units.set_index("name").loc[data["values"]["name"].split("\n")]
        assert len(units) == data["n"] == len(of.units)
        for column in data["columns"]:
            for need in set(column["needs"]) - {"name"}:
                found = unpack(data["values"][need], data["n"])
                if need == "status":
                    assert list(found) == list(units[need])
                else:
                    np.testing.assert_allclose(found, units[need].astype(float), rtol=1e-6)
        assert [c["header"] for c in data["columns"]] == [c.header for c in browser.table.columns]


def test_strongest_first_and_untested_last(result):
    data = unit_browser(result, cards=frozenset({SEPARATED})).data
    names = data["values"]["name"].split("\n")
    assert names[0] == SEPARATED
    assert names.index(CONSTANT) >= 59
    assert data["cards"] == [0]


def test_what_is_left_out_is_counted_and_its_file_is_named(result):
    browser = unit_browser(result, most=20, cards=frozenset())
    assert browser.data["n"] == 20
    assert browser.caption.startswith("20 of 72 units, in order of score p")
    assert "The other 52, all with a larger score p or none" in browser.caption
    assert "units.parquet" in browser.caption
    assert "parquet" not in unit_browser(result, cards=frozenset()).caption


def test_names_cannot_end_the_script(result):
    units = result.units.assign(name=[f"{SCRIPT}{i}" for i in range(len(result.units))])
    page = Page(report_html(replace(result, units=units, evidence=result.evidence[[]])))
    (source,) = (s for s in page.all("script") if s.attributes.get("id") == "unit-data")
    assert json.loads(source.text)["values"]["name"].startswith(SCRIPT)


def test_controls_offer_what_there_is(page):
    options = {
        select.attributes["name"]: [o.text for o in page.all("option") if o.parent is select]
        for select in page.all("select")
    }
    assert options["layer"] == ["all", "0", "2", "3"]
    assert options["site"] == ["all", "mlp_pre", "q"]
    assert options["status"] == ["all", "constant", "ok", "separated"]
    assert options["side"][0] == "both"
    (form,) = page.all("form")
    assert "hidden" in form.attributes
    for field in (*page.all("select"), *page.all("input")):
        assert field.within("label")


def test_each_kind_is_written_by_the_script_too(result):
    from importlib import resources

    script = resources.files("lens_probes.report").joinpath("templates/units.js").read_text()
    for of in (result, make_continuous()):
        for kind in {column.kind for column in unit_columns(of)}:
            assert f"    {kind}:" in script or f'"{kind}"' in script or f"    {kind}," in script
