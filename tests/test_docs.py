"""The guide's code runs as written, on fewer examples and layers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.bundled
def test_first_sweep_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "first-sweep.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(blocks) == 3
    names: dict[str, Any] = {}
    for block in blocks:
        smaller = block.replace("layers=[0, 14, 29]", "layers=[0, 1], untrained=False")
        exec(smaller.replace("max_per_class=150", "max_per_class=120"), names)
    result, own = names["result"], names["own"]
    assert result.provenance["decision"]["level"] == "word"
    assert len(own.units) == 1536
    assert (tmp_path / "runs" / "first" / "report.html").stat().st_size > 1e6


def test_links_between_pages_lead_somewhere() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), ROOT / "CONTRIBUTING.md"]
    links = [
        (page, link)
        for page in pages
        for link in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text())
        if not link.startswith("http")
    ]
    assert len(links) > 5
    for page, link in links:
        assert (page.parent / link).exists(), f"{page.name}: {link}"
