"""Figures as files for papers, drawn by the browser without a network."""

import struct

import plotly.graph_objects as go
import pytest
from chromium import find_chromium, missing
from synthetic_result import CLASSES, make_result

from lens_probes.errors import InputError
from lens_probes.report import class_distributions, save_figure, share_by_layer


@pytest.fixture(scope="module")
def small():
    return make_result()


def test_png_has_the_size_asked_for_and_svg_the_words(small, tmp_path):
    if find_chromium() is None:
        missing("no Chromium or Chrome found")
    figure = share_by_layer(small)
    png = save_figure(figure, tmp_path / "new" / "share.png", width=700, scale=3).read_bytes()
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", png[16:24]) == (2100, 3 * figure.layout.height)
    svg = save_figure(class_distributions(small), tmp_path / "classes.svg").read_text("utf-8")
    assert svg.startswith("<svg")
    assert CLASSES[1] in svg
    assert "separates the classes with no overlap" in svg
    assert figure.layout.width is None


def test_mistakes_are_said_in_one_line(tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"format of a figure '\.pdf'.*\.png.*\.svg"):
        save_figure(go.Figure(), tmp_path / "figure.pdf")
    with pytest.raises(InputError, match="no browser at"):
        save_figure(go.Figure(), tmp_path / "figure.svg", browser=str(tmp_path / "none"))
    monkeypatch.setattr("shutil.which", lambda _: None)
    monkeypatch.delenv("LENS_PROBES_BROWSER", raising=False)
    with pytest.raises(InputError, match="no Chromium or Chrome was found") as error:
        save_figure(go.Figure(), tmp_path / "figure.svg")
    assert "\n" not in str(error.value)
