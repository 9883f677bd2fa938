"""Figures as PNG, SVG or PDF files for papers, drawn by any Chromium on this machine, offline."""

from __future__ import annotations

import base64
import html
import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from lens_probes.drawing.chart import embedded
from lens_probes.drawing.frame import LEGEND_SPACE
from lens_probes.errors import InputError, choice, unknown

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
BROWSER_VARIABLE = "LENS_PROBES_BROWSER"
_FORMATS = {".png": "image/png;base64,", ".svg": "image/svg+xml,", ".pdf": ""}
Paper = Literal["column", "text"]
# 89 and 183 mm, one and two columns of a journal, at 96 pixels an inch.
PAPER_WIDTHS = {"column": 336, "text": 692}
_PAGE = """<!DOCTYPE html><meta charset="utf-8"><div id="figure"></div><pre id="drawn"></pre>
<style>@page {{ size: {width}px {height}px; margin: 0; }} body {{ margin: 0; }}
#drawn {{ display: none; }}</style><script>{plotly}</script><script>
const figure = {figure};
Plotly.newPlot("figure", figure.data, figure.layout, {{staticPlot: true}})
  .then((drawn) => Plotly.toImage(drawn, {options}))
  .then((url) => {{ document.getElementById("drawn").textContent = url; }})
  .catch((error) => {{ document.getElementById("drawn").textContent = "failed: " + error; }});
</script>"""


def save_figure(
    figure: go.Figure,
    path: str | Path,
    *,
    width: int = 900,
    scale: float = 2,
    paper: Paper | None = None,
    browser: str | None = None,
    timeout: float = 120,
) -> Path:
    """Write a figure as `path`, .png, .svg or .pdf, `width` pixels wide; return the path.

    A PNG has `scale` times as many pixels either way. The height is the figure's own. `paper` makes
    it as wide as a column (89 mm) or the text (183 mm) of a paper at 96 pixels an inch, letters of
    9 to 10 points, without title and caption: those are `figure.layout.meta`, for the paper's own.
    Chromium
    draws it: `browser`, or $LENS_PROBES_BROWSER, or the first one found; it needs no network. (The
    usual way, kaleido, downloads a browser of its own.)

    Parameters
    ----------
    figure
        A Plotly figure.
    path
        Ends in .png, .svg or .pdf.
    width
        In pixels.
    scale
        Of a PNG: pixels for each pixel of the figure.
    paper
        As wide as a `"column"` or the `"text"` of a paper, in place of `width`.
    browser
        Path of a Chromium.
    timeout
        In seconds.

    Raises
    ------
    InputError
        Another suffix, no browser, a browser that fails, a place that cannot be written.
    """
    target = Path(path).expanduser()
    if target.suffix not in _FORMATS:
        raise unknown("format of a figure", target.suffix, _FORMATS)
    if paper is not None:
        choice("paper", paper, PAPER_WIDTHS)
        figure, width = bare(figure), PAPER_WIDTHS[paper]
    program = browser or find_browser()
    height = int(figure.layout.height or 450)
    image = "svg" if target.suffix == ".pdf" else target.suffix[1:]
    options = {"format": image, "width": width, "height": height}
    if target.suffix == ".png":
        options["scale"] = scale
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "figure.html"
        drawing = go.Figure(figure).update_layout(width=width, height=height)
        source = _PAGE.format(
            plotly=get_plotlyjs(),
            figure=embedded(json.loads(drawing.to_json(engine="json"))),
            options=embedded(options),
            width=width,
            height=height,
        )
        page.write_text(source, "utf-8")
        printed = Path(folder) / "figure.pdf" if target.suffix == ".pdf" else None
        shown = _rendered(program, page, Path(folder), timeout, printed)
        data = _decoded(shown, target.suffix) if printed is None else _printed(printed, shown)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    except OSError as error:
        raise InputError(f"cannot write the figure to {target}: {error.strerror}.") from error
    return target


def find_browser() -> str:
    """Path of a Chromium or Chrome; an error that says how to name one where there is none."""
    named = os.environ.get(BROWSER_VARIABLE)
    found = named or next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        raise InputError(
            f"no Chromium or Chrome was found to draw the figure: install one, or name its program "
            f"in {BROWSER_VARIABLE}; figure.write_html(path) needs none."
        )
    return found


def _rendered(program: str, page: Path, folder: Path, timeout: float, printed: Path | None) -> str:
    """The page as the browser left it, once the script has run; or it is printed to a PDF."""
    command = [
        program, "--headless", "--disable-gpu", "--virtual-time-budget=60000",
        "--no-first-run", f"--user-data-dir={folder / 'profile'}",
        *(["--dump-dom"] if printed is None else
          [f"--print-to-pdf={printed}", "--no-pdf-header-footer"]),
    ]  # fmt: skip
    # Chromium's sandbox refuses to run as root (containers); the page holds nothing but the figure.
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--no-sandbox")
    try:
        done = subprocess.run(
            [*command, page.as_uri()], capture_output=True, timeout=timeout, check=True
        )
    except FileNotFoundError as error:
        raise InputError(f"no browser at {program}: name one in {BROWSER_VARIABLE}.") from error
    except (subprocess.SubprocessError, OSError) as error:
        raise InputError(f"{program} could not draw the figure: {type(error).__name__}.") from error
    return done.stdout.decode("utf-8", "replace")


def bare(figure: go.Figure) -> go.Figure:
    """A copy without title and caption, and without the room above for them."""
    layout, small = figure.layout, go.Figure(figure)
    top = 12 if layout.showlegend is False else LEGEND_SPACE
    height = int(layout.height or 450) - (layout.margin.t or 0) + top
    return small.update_layout(title=None, height=height, margin={"t": top})


def _printed(file: Path, shown: str) -> bytes:
    if not file.exists():
        raise InputError(f"the browser did not print the figure: {shown[:200] or 'no file'}.")
    return file.read_bytes()


def _decoded(dom: str, suffix: str) -> bytes:
    found = re.search(r'<pre id="drawn">(.*?)</pre>', dom, re.DOTALL)
    drawn = html.unescape(found[1]) if found else ""
    start = "data:" + _FORMATS[suffix]
    if not drawn.startswith(start):
        raise InputError(f"the browser did not draw the figure: {drawn[:200] or 'no image'}.")
    content = drawn[len(start) :]
    return base64.b64decode(content) if suffix == ".png" else unquote(content).encode("utf-8")
