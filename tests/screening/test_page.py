"""The lines of docs/screen.md run, on a toy in place of the bundled model."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from tokenizers.pre_tokenizers import WhitespaceSplit

import lens_probes as lp
from lens_probes.checks.toy_use import toy_of_use
from lens_probes.screening.pairs import load_pairs

pytestmark = pytest.mark.model
PAGE = (Path(__file__).parents[2] / "docs" / "screen.md").read_text()


def test_the_code_of_the_page_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    toy = toy_of_use(0)
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    monkeypatch.setattr(lp, "load_model", lambda _: toy.model)
    monkeypatch.setattr(lp, "NegationProbe", lambda text, max_per_class: toy.examples)
    names: dict[str, Any] = {}
    exec(block.replace('sites=["mlp_pre"])', 'sites=["mlp_pre"], untrained=False)'), names)
    assert len(names["screen"].map) == 2
    assert set(names["screen"].units["used"]) <= {"used", "no measured use", "undecided"}


def test_the_template_of_the_page_makes_pairs(tmp_path: Path) -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "own.toml").write_text(block)
    model = toy_of_use(0).model
    model.tokenizer.backend_tokenizer.pre_tokenizer = WhitespaceSplit()
    pairs = load_pairs(model, tmp_path / "own.toml")
    assert pairs.name == "articles"
    assert len(pairs) == 8
