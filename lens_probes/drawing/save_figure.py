"""Figures as PNG or SVG files for papers, drawn by any Chromium on this machine, offline."""

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
from urllib.parse import unquote

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from lens_probes.drawing.chart import embedded
from lens_probes.errors import InputError, unknown

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
BROWSER_VARIABLE = "LENS_PROBES_BROWSER"
_FORMATS = {".png": "image/png;base64,", ".svg": "image/svg+xml,"}
_PAGE = """<!DOCTYPE html><meta charset="utf-8"><div id="figure"></div><pre id="drawn"></pre>
<script>{plotly}</script><script>
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
    browser: str | None = None,
    timeout: float = 120,
) -> Path:
    """Write a figure as `path`, .png or .svg, `width` pixels wide; return the path.

    A PNG has `scale` times as many pixels either way. The height is the figure's own. Chromium
    draws it: `browser`, or $LENS_PROBES_BROWSER, or the first one found; it needs no network. (The
    usual way, kaleido, downloads a browser of its own.)

    Raises
    ------
    InputError
        Another suffix, no browser, a browser that fails, a place that cannot be written.
    """
    target = Path(path).expanduser()
    if target.suffix not in _FORMATS:
        raise unknown("format of a figure", target.suffix, _FORMATS)
    program = browser or find_browser()
    height = int(figure.layout.height or 450)
    options = {"format": target.suffix[1:], "width": width, "height": height}
    if target.suffix == ".png":
        options["scale"] = scale
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "figure.html"
        drawing = go.Figure(figure).update_layout(width=width, height=height)
        source = _PAGE.format(
            plotly=get_plotlyjs(),
            figure=embedded(json.loads(drawing.to_json(engine="json"))),
            options=embedded(options),
        )
        page.write_text(source, "utf-8")
        shown = _rendered(program, page, Path(folder), timeout)
    data = _decoded(shown, target.suffix)
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


def _rendered(program: str, page: Path, folder: Path, timeout: float) -> str:
    """The page as the browser left it, once the script has run."""
    command = [
        program, "--headless", "--disable-gpu", "--virtual-time-budget=60000",
        "--no-first-run", f"--user-data-dir={folder / 'profile'}", "--dump-dom",
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


def _decoded(dom: str, suffix: str) -> bytes:
    found = re.search(r'<pre id="drawn">(.*?)</pre>', dom, re.DOTALL)
    drawn = html.unescape(found[1]) if found else ""
    start = "data:" + _FORMATS[suffix]
    if not drawn.startswith(start):
        raise InputError(f"the browser did not draw the figure: {drawn[:200] or 'no image'}.")
    content = drawn[len(start) :]
    return base64.b64decode(content) if suffix == ".png" else unquote(content).encode("utf-8")
