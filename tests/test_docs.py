"""The guide's code runs as written, on fewer examples and layers."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from architectures import ARCHITECTURES, OTHERS
from safetensors.torch import save_file

from lens_probes.cli import main

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


@pytest.mark.bundled
def test_the_page_on_probes_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs" / "write-a-probe.md").read_text()
    define, use = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (contrast,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    assert define.count("\n") <= 36, "a probe should fit in about 30 lines"
    names: dict[str, Any] = {"__name__": "page"}
    exec(define, names)
    exec(use.replace("layers=[0, 10]", "layers=[0]"), names)
    result = names["result"]
    said = result.provenance["examples"]
    assert said["n_words_per_class"] == [3, 3]
    assert said["n_per_class"] == [15, 15]
    # As the page says: both marks are one token each, so words are no groups and tokens decide.
    assert said["n_groups_per_class"] == said["n_read_tokens_per_class"] == [1, 1]
    assert result.provenance["decision"]["level"] == "token"
    assert "1 v 1" in result.provenance["decision"]["why"]
    assert contrast.count("\n") == 12
    (tmp_path / "colours.toml").write_text(contrast)
    given = f"--words {tmp_path / 'colours.toml'} --layers 0,1 --no-untrained --quiet"
    assert main(["sweep", "category", *given.split(), "--out", str(tmp_path / "run")]) == 0
    assert "Which units tell colours from numbers?" in capsys.readouterr().out


@pytest.mark.bundled
def test_the_page_on_maximisation_runs() -> None:
    (block,) = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs" / "maximize.md").read_text(), re.DOTALL
    )
    names: dict[str, Any] = {}
    exec(block.replace("200_000", "6_000"), names)
    assert len(names["found"].table(units=[90])) == 20 + 20 + 4 * 3 + 10


@pytest.mark.bundled
def test_the_page_on_own_data_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "own-data.md").read_text()
    blocks = re.findall(r"(?:Save this as `(\S+)`[^`]*)?```(\w*)\n(.*?)```", page, re.DOTALL)
    assert len(blocks) == 12
    names: dict[str, Any] = {}
    for file, language, block in blocks:
        if file:
            (tmp_path / file).write_text(block)
        elif language == "python":
            exec(block, names)
        elif language == "text":
            assert capsys.readouterr().err == block
        else:
            capsys.readouterr()
            code = main([*block.split()[1:], "--quiet", "--no-untrained"])
            assert code == (2 if "wrong.csv" in block else 0)
    assert names["result"].provenance["examples"]["n_groups_per_class"] == [6, 6]
    assert names["result"].provenance["decision"]["level"] == "word"
    assert names["examples"].n_per_class == (2, 2)
    assert "r" in names["rated"].units
    for run in ("bank", "tags"):
        assert (tmp_path / "runs" / run / "report.html").stat().st_size > 1e6


@pytest.mark.bundled
def test_the_page_on_several_classes_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "several-classes.md").read_text()
    blocks = re.findall(r"```(\w*)\n(.*?)```", page, re.DOTALL)
    assert [language for language, _ in blocks] == ["csv", "", *["python"] * 5]
    (tmp_path / "things.csv").write_text(blocks[0][1])
    assert main([*blocks[1][1].split()[1:], "--quiet", "--no-untrained"]) == 0
    assert "Which units tell animal, colour and food apart?" in capsys.readouterr().out
    names: dict[str, Any] = {}
    for _, block in blocks[2:]:
        exec(block, names)
    assert names["result"].provenance["examples"]["n_groups_per_class"] == [3, 3, 3]
    assert names["examples"].contrast.describe() == "animal (6) v colour (6) v food (6)"
    assert names["probe"].class_names == ("NOUN", "VERB", "ADJ", "PRON")
    assert (tmp_path / "runs" / "things" / "report.html").stat().st_size > 1e6


@pytest.mark.bundled
def test_the_page_on_own_units_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "own-units.md").read_text()
    blocks = re.findall(r"```(\w*)\n(.*?)```", page, re.DOTALL)
    assert len(blocks) == 7
    _save_dictionary(tmp_path / "sae", width=576)
    names: dict[str, Any] = {}
    for language, block in blocks:
        if language == "python":
            smaller = block.replace('["resid_post", ', "[")
            smaller = smaller.replace("layers=i", 'layers=[i], sites=["z"]')
            exec(smaller.replace("untrained=False", "untrained=False, n_permutations=40"), names)
        else:
            for line in block.splitlines():
                assert main(line.split()[1:]) == 0
    assert names["mine"].top(1)["name"][0] == "L0.units.7"
    assert names["result"].provenance["own_sites"]["pca"]["sha256"] == names["fn"].digest
    assert names["x"].shape == (len(names["result"].examples), 10)
    assert set(names["directions"]["kind"]) == {"mean_difference", "logistic_probe"}
    assert names["both"].same_units
    assert names["features"].layers["site"].tolist() == ["sae", "sae_random"]
    assert names["joined"].layers["layer"].tolist() == [0, 10]
    assert (tmp_path / "runs" / "joined" / "units.tex").read_text().count("L") >= 10


def _save_dictionary(folder: Path, width: int) -> None:
    """A folder as sae-lens saves one, of random features that are zero on most tokens."""
    drawn = torch.Generator().manual_seed(0)
    weights = {"W_enc": torch.randn(width, 40, generator=drawn), "b_dec": torch.zeros(width)}
    folder.mkdir()
    save_file({**weights, "b_enc": torch.zeros(40)}, folder / "sae_weights.safetensors")
    hook = {"hook_name": "blocks.10.hook_resid_post", "sae_lens_version": "6.54.12"}
    said = {"architecture": "topk", "k": 8, "d_in": width, "d_sae": 40, "metadata": hook}
    (folder / "cfg.json").write_text(json.dumps(said))


@pytest.mark.bundled
def test_the_page_on_own_models_runs(capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs" / "own-model.md").read_text()
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(block, names)
    assert capsys.readouterr().out.startswith("in memory: ")
    assert set(names["model"].proof) == set(names["model"].shapes)
    assert names["model"].provenance["weights"]["differs_at"] == []


def test_the_table_of_architectures_is_of_both_lines() -> None:
    """As `benchmarks/architectures.py` writes it: versions, a date, a row for each architecture."""
    page = (ROOT / "docs" / "models.md").read_text()
    for line in "34":
        (table,) = re.findall(
            rf"<!-- architectures {line} -->\n(.*?)<!-- end of architectures {line} -->",
            page, re.DOTALL,
        )  # fmt: skip
        first, *rows = [text for text in table.splitlines() if text]
        assert re.fullmatch(
            rf"transformer-lens {line}\.\S+, transformers \S+, torch \S+; \d{{4}}-\d\d-\d\d", first
        )
        cells = [text.strip("|").split("|") for text in rows[2:]]
        assert [one[0].strip() for one in cells] == [*ARCHITECTURES, *OTHERS]
        for name, proved, other, off in cells:
            if "refused: " in proved:
                continue
            assert name.strip() not in OTHERS
            assert "unproved" not in other
            assert float(off) < 1e-5


def test_no_page_has_a_gap() -> None:
    """`@@` marks what is still to be filled in."""
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *ROOT.glob("benchmarks/*.md")]:
        assert "@@" not in page.read_text(), page.name


def test_links_between_pages_lead_somewhere() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), ROOT / "CONTRIBUTING.md"]
    links = [
        (page, link)
        for page in pages
        for link in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text())
        if not link.startswith(("http", "lessons/"))  # the lessons are made by `make docs`
    ]
    assert len(links) > 5
    for page, link in links:
        assert (page.parent / link).exists(), f"{page.name}: {link}"


@pytest.mark.bundled
def test_the_page_on_sets_runs() -> None:
    page = (ROOT / "docs" / "sets.md").read_text()
    sweep, joint = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {}
    exec(sweep.replace("layers=[0, 14]", "layers=[0]").replace("=150", "=120"), names)
    assert set(names["result"].sets["k"]) == {1, 2, 4, 8, 16, 32, 64, 128, 256}
    exec(joint.replace("layers=14)[14,", "layers=1)[1,"), names)
    assert names["joint"].k == (1, 4, 16)


def glossary() -> dict[str, str]:
    """Each term of the glossary with what is said of it."""
    page = (ROOT / "docs" / "glossary.md").read_text()
    return dict(re.findall(r"^\*\*(.+?)\*\*: (.+(?:\n.+)*)", page, re.MULTILINE))


def test_each_term_of_the_glossary_has_two_lines_and_is_used_on_the_page_it_names() -> None:
    terms = glossary()
    assert 12 <= len(terms) <= 18
    for term, said in terms.items():
        assert said.count("\n") == 1, term
        pages = [(ROOT / "docs" / name).read_text() for name in re.findall(r"\]\((\S+?\.md)", said)]
        assert pages, term
        for page in pages:
            words = re.sub(r"[\s-]+", " ", page)
            used = re.search(rf"\b{term.replace('-', ' ')}", words, re.IGNORECASE)
            assert used, f"{term}: not on the page that the glossary names"


def test_the_pages_where_terms_come_first_lead_to_the_glossary() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    linked = {page.name for page in pages if "glossary.md" in page.read_text()}
    first = ("first-sweep", "sites", "statistics", "report", "causal", "screen")
    assert {"README.md", *(f"{name}.md" for name in first)} <= linked
