"""Figures as files for papers, drawn by the browser without a network."""

import re
import struct

import plotly.graph_objects as go
import pytest
from chromium import find_chromium, missing
from synthetic_result import CLASSES, make_result

from lens_probes.drawing.save_figure import bare
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


def test_a_figure_for_a_paper_is_a_column_wide_without_title_and_caption(small, tmp_path):
    if find_chromium() is None:
        missing("no Chromium or Chrome found")
    figure = share_by_layer(small)
    svg = save_figure(figure, tmp_path / "share.svg", paper="column").read_text("utf-8")
    assert 'width="336"' in svg
    assert "most common in layer" not in svg
    assert "mlp_pre" in svg
    pdf = save_figure(figure, tmp_path / "share.pdf", paper="column").read_bytes()
    assert pdf.startswith(b"%PDF-")
    (box,) = set(re.findall(rb"/MediaBox *\[([\d. ]+)\]", pdf))
    left, bottom, right, top = map(float, box.split())
    # 336 pixels at 96 an inch are 252 points: 89 mm.
    assert (right - left, top - bottom) == pytest.approx(
        (252, 0.75 * bare(figure).layout.height), abs=1
    )
    assert "most common" in figure.layout.title.text


def test_mistakes_are_said_in_one_line(tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"format of a figure '\.gif'.*\.png.*\.svg.*\.pdf"):
        save_figure(go.Figure(), tmp_path / "figure.gif")
    with pytest.raises(InputError, match="paper"):
        save_figure(go.Figure(), tmp_path / "figure.svg", paper="poster")
    with pytest.raises(InputError, match="no browser at"):
        save_figure(go.Figure(), tmp_path / "figure.svg", browser=str(tmp_path / "none"))
    monkeypatch.setattr("shutil.which", lambda _: None)
    monkeypatch.delenv("LENS_PROBES_BROWSER", raising=False)
    with pytest.raises(InputError, match="no Chromium or Chrome was found") as error:
        save_figure(go.Figure(), tmp_path / "figure.svg")
    assert "\n" not in str(error.value)
