"""The site: `make docs` builds docs/ into build/site, with warnings as errors."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from pygments.lexers import JsonLexer, TextLexer  # noqa: E402
from sphinx.application import Sphinx  # noqa: E402

import lens_probes  # noqa: E402

project = "lens_probes"
author = "The lens_probes authors"
version = release = lens_probes.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["requirements.lock", "_extra", "gallery/figures.md"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4
# Our prose writes values such as "max_t" in its own quotes; no typographic ones.
smartquotes = False
default_role = "code"

autosummary_generate = True
autosummary_imported_members = True
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = "lens_probes"
html_static_path = ["_static"]
html_show_sourcelink = False
html_extra_path = ["_extra"]
html_css_files = ["site.css"]
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True


def setup(app: Sphinx) -> None:
    """Names of code blocks that Pygments does not have."""
    app.add_lexer("csv", TextLexer)
    app.add_lexer("jsonl", JsonLexer)
    app.connect("source-read", links_inside)
    app.connect("autodoc-process-docstring", plain_words)
    app.connect("build-finished", reachable)


def plain_words(
    app: Sphinx, what: str, name: str, it: object, options: object, lines: list[str]
) -> None:
    """|t| and numpy.object_ are words of a docstring, not marks of reStructuredText."""
    for i, line in enumerate(lines):
        parts = line.split("`")
        parts[::2] = [re.sub(r"\||(?<=\w)_(?!\w)", r"\\\g<0>", part) for part in parts[::2]]
        lines[i] = "`".join(parts)


# What the theme leaves out for readers of screens and keyboards.
REACHABLE = {
    '<p class="caption" role="heading">': '<p class="caption" role="heading" aria-level="2">',
    '<aside class="sidebar-drawer">': '<aside class="sidebar-drawer" aria-label="Pages">',
    '<aside class="toc-drawer">': '<aside class="toc-drawer" aria-label="On this page">',
    '<aside class="toc-drawer no-toc">': '<aside class="toc-drawer no-toc" aria-label="This page">',
    "<pre>": '<pre tabindex="0">',
}


def reachable(app: Sphinx, error: Exception | None) -> None:
    """Headings with a level, regions with names, code that the keyboard scrolls."""
    for page in Path(app.outdir).rglob("*.html") if error is None else ():
        text = page.read_text("utf-8")
        if "sidebar-drawer" in text:
            for theirs, ours in REACHABLE.items():
                text = text.replace(theirs, ours)
            page.write_text(text, "utf-8")


def links_inside(app: Sphinx, name: str, source: list[str]) -> None:
    """Pages of the repository that are pages of the site, too."""
    if name == "benchmarks":
        page = (ROOT / "benchmarks" / "README.md").read_text("utf-8")
        source[0] = page.replace("](../docs/", "](")
    up = "../" * name.count("/")
    for theirs, ours in (
        ("../benchmarks/README.md", "benchmarks.md"),
        ("../README.md", "index.md"),
    ):
        source[0] = source[0].replace(f"]({theirs}", f"]({up}{ours}")
