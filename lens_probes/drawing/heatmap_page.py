"""A text heat map as a page of its own."""

from __future__ import annotations

from markupsafe import Markup

from lens_probes.drawing.text_heatmap import TextHeatmap

_PAGE = Markup("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ max-width: 52rem; margin: 0 auto; padding: 1rem 1.25rem 3rem;
  font-family: system-ui, sans-serif; background: Canvas; color: CanvasText; }}
h1 {{ font-size: 1.3rem; overflow-wrap: anywhere; }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
{heatmap}
{note}
</main>
</body>
</html>
""")


def heatmap_page(heatmap: TextHeatmap, *, note: str = "") -> str:
    """A whole HTML page that asks no network for anything; `note` stands below the passages."""
    units = ", ".join(dict.fromkeys(passage.unit for passage in heatmap.paintings))
    said = Markup("<p>{}</p>").format(note) if note else ""
    return str(_PAGE.format(title=f"Text under {units}", heatmap=Markup(heatmap.html()), note=said))
