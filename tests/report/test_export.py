"""Units for other programs."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from result_parts import swept

import lens_probes as lp
from lens_probes.cli import main


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return swept(names={(2, "a"): ["50%", "a_b", "x & y", "{c}", "d"]}).save(
        tmp_path_factory.mktemp("export") / "run"
    )


def test_tables_come_back_as_they_were(run: Path, tmp_path: Path) -> None:
    result = lp.SweepResult.load(run)
    text = result.export(tmp_path / "u.csv").read_text()
    pd.testing.assert_frame_equal(pd.read_csv(io.StringIO(text)), result.units, check_dtype=False)
    lines = result.export(tmp_path / "u.jsonl", format="jsonl").read_text().splitlines()
    assert len(lines) == len(result.units)
    first = json.loads(lines[0])
    assert first["t"] == result.units["t"][0]
    assert all(first[c] is None for c in result.units if pd.isna(result.units[c][0]))
    top = pd.read_csv(result.export(tmp_path / "top.csv", top=3))
    assert top["name"].tolist() == result.top(3)["name"].tolist()


def test_a_folder_has_the_parts_of_anndata(run: Path, tmp_path: Path) -> None:
    result = lp.SweepResult.load(run)
    folder = result.export(tmp_path / "ad", format="parquet")
    obs, var, x = (pd.read_parquet(folder / f"{name}.parquet") for name in ("obs", "var", "X"))
    assert (len(obs), len(var)) == (len(result.examples), len(result.units))
    assert set(x.columns) <= set(var["name"])
    np.testing.assert_array_equal(x, result.evidence)


def test_latex_is_escaped_and_neuronpedia_has_its_names(run: Path, tmp_path: Path) -> None:
    result = lp.SweepResult.load(run)
    latex = result.export(tmp_path / "t.tex", format="latex", top=30).read_text()
    for name in (r"L2.a.50\%", r"a\_b", r"x \& y", r"\{c\}"):
        assert name in latex
    assert latex.count(r" \\") == 31
    said = result.export(tmp_path / "n.json", format="neuronpedia", model_id="m", source="res")
    items = json.loads(said.read_text())
    best = result.top(1).iloc[0]
    assert len(items) == 20
    assert items[0]["layer"] == f"{best['layer']}-res"
    assert (items[0]["modelId"], items[0]["index"]) == ("m", str(best["unit"]))
    assert best["name"] in items[0]["description"]


def test_the_command_writes_beside_the_run(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(run), "--format", "latex", "--top", "5"]) == 0
    assert (run / "units.tex").read_text().count(r" \\") == 6
    assert main(["export", str(run), "--format", "latex"]) == 2
    assert "is there already: name another place" in capsys.readouterr().err
    assert main(["export", str(run), "--format", "xls"]) == 2
    assert main(["verify", str(run)]) == 0


def test_a_mistake_is_one_line(run: Path, tmp_path: Path) -> None:
    result = lp.SweepResult.load(run)
    with pytest.raises(lp.InputError, match="unknown format 'xls'"):
        result.export(tmp_path / "a", format="xls")
    with pytest.raises(lp.InputError, match="top must be 1 or more"):
        result.export(tmp_path / "a", top=0)
    for name, format, said in (
        ("units.csv", "latex", r"format='csv', or a name that ends in \.tex"),
        ("units.parquet", "csv", "format='parquet'"),
        ("units.json", "jsonl", "format='neuronpedia'"),
        ("units.csv", "parquet", "writes a folder"),
    ):
        with pytest.raises(lp.InputError, match=said) as error:
            result.export(tmp_path / name, format=format)
        assert "\n" not in str(error.value)
    assert not list(tmp_path.glob("units*"))
    assert result.export(tmp_path / "units.txt", format="csv").exists()
    with pytest.raises(lp.InputError, match="path must be a path; got None"):
        result.export(None)  # type: ignore[arg-type]


def test_several_classes_and_values_have_their_own_words(tmp_path: Path) -> None:
    names = np.repeat(["a", "b", "c", "d"], 20)
    classes = swept([(0, "a"), (2, "a")], names, word=None, group=range(80))
    latex = classes.export(tmp_path / "c.tex", format="latex").read_text()
    assert r"$\eta^2$" in latex
    items = json.loads(classes.export(tmp_path / "c.json", format="neuronpedia").read_text())
    assert "highest for " in items[0]["description"]
    value = swept([(0, "a")], np.arange(80) / 7, word=None, group=range(80))
    items = json.loads(value.export(tmp_path / "v.json", format="neuronpedia").read_text())
    assert "r = " in items[0]["description"]


def test_a_table_of_layers_and_of_units_for_a_paper(run: Path, tmp_path: Path) -> None:
    result = lp.SweepResult.load(run)
    latex = result.export(tmp_path / "l.tex", format="latex", table="layers").read_text()
    assert latex.count(r" \\") == 1 + len(result.layers)
    assert r"\toprule" in latex
    for row in result.layers.to_dict("records"):
        said = f"{row['layer']} & {row['site']} & {row['n_tested']:,} & {row['n_significant']:,}"
        assert said.replace("_", r"\_") in latex
    shown = result.export(tmp_path / "u.md", format="markdown", top=3).read_text().splitlines()
    names = [line.split("|")[1].strip() for line in shown[2:5]]
    assert names == result.top(3)["name"].tolist()
    assert len({line.count("|") for line in shown[:5]}) == 1
    frame = pd.read_csv(result.export(tmp_path / "l.csv", table="layers"))
    pd.testing.assert_frame_equal(frame, result.layers, check_dtype=False)


@pytest.mark.parametrize(
    "options", [{"format": "neuronpedia"}, {"format": "parquet"}, {"format": "csv", "top": 3}]
)
def test_what_the_layers_table_cannot_be_is_refused(
    run: Path, tmp_path: Path, options: dict[str, object]
) -> None:
    with pytest.raises(lp.InputError, match="the layers table goes with csv"):
        lp.SweepResult.load(run).export(tmp_path / "x", table="layers", **options)


def test_the_command_writes_the_folder_of_a_paper(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "paper"
    assert main(["paper", str(run), "--out", str(out), "--figures", "none", "--top", "2"]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    names = {"methods.tex", "methods.md", "references.bib", "numbers.csv", "sha256sums.txt"}
    names |= {f"{t}.{end}" for t in ("units", "layers") for end in ("tex", "md", "csv")}
    assert {file.name for file in out.iterdir()} == names
    result = lp.SweepResult.load(run)
    assert (out / "methods.md").read_text() == result.methods().markdown()
    assert (out / "units.tex").read_text().count(r" \\") == 3
    assert len(pd.read_csv(out / "units.csv")) == len(result.units)
