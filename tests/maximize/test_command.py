"""`lens-probes maximize` and `residual`: answers, pages, what was planted, and mistakes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from tiny_models import PROSE, byte_level_tokenizer, save_tiny
from transformers import AutoModelForCausalLM

import lens_probes as lp
from lens_probes.cli import main
from lens_probes.maximize import maximize
from lens_probes.report.residual_findings import longest_word, of_prompt

LIKED = " nobody"
UNIT = 7
PLACE = f"--site mlp_pre --layer 0 --unit {UNIT} --quiet"


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a GPT-2 whose unit 7 of layer 0 is driven by one token."""
    torch.manual_seed(1)
    folder = save_tiny("gpt2", tmp_path_factory.mktemp("planted"))
    model: Any = AutoModelForCausalLM.from_pretrained(folder)
    (liked,) = byte_level_tokenizer()(LIKED)["input_ids"]
    way = torch.nn.functional.normalize(torch.randn(32), dim=0)
    block = model.transformer.h[0]
    with torch.no_grad():
        model.transformer.wte.weight[liked] += 8 * way
        block.mlp.c_fc.weight[:, UNIT] = 5 * way / block.ln_2.weight
        block.mlp.c_fc.bias[UNIT] = 0
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def prose(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "prose.txt"
    path.write_text(PROSE * 20)
    return path


def run(
    arguments: str, out: Path, capsys: pytest.CaptureFixture[str]
) -> tuple[str, dict[str, Any], str]:
    """What the command printed, its numbers and its page."""
    capsys.readouterr()
    code = main([*arguments.split(), "--out", str(out)])
    printed = capsys.readouterr()
    assert code == 0, printed.err
    assert printed.err == ""
    assert printed.out.strip().endswith(f"Report: {out / 'report.html'}")
    page = (out / "report.html").read_text("utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert page.count('<script id="plotly-js">') == 1
    assert not re.search(r"<(?:script|link|img)[^>]*(?:src|href)=", page)
    return printed.out, json.loads((out / "numbers.json").read_text()), page


def keys(page: str) -> list[str]:
    return re.findall(r'data-for="([a-z-]+)"', page)


@pytest.mark.model
def test_the_planted_token_is_found_in_a_text(
    planted: Path, prose: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = f"maximize {PLACE} --method sample --model {planted} --text {prose} --k 10"
    out, numbers, page = run(
        f"{given} --batches 12 --batch 4 --length 60", tmp_path / "found", capsys
    )
    assert f"“{LIKED}” is 10 of the 10" in out
    assert f"“{LIKED}” wins 100% of 12 batches of L0.mlp_pre.{UNIT}" in out
    assert out.count(f"[{LIKED}]") >= 5
    found = numbers["numbers"]
    assert (found["top_token_share"], found["winner_share"]) == (1, 1)
    assert min(found["top"]) > found["mean"] + 4 * found["sd"] > max(found["random"])
    contexts = pd.read_parquet(tmp_path / "found" / "contexts.parquet")
    assert set(contexts["kind"]) == {"top", "bottom", "quantile", "random"}
    assert (contexts.loc[contexts["kind"] == "top", "token"] == LIKED).all()
    winners = pd.read_parquet(tmp_path / "found" / "winners.parquet")
    assert winners["token"].tolist() == [LIKED]
    assert keys(page) == ["contexts-strip", "winners"]
    assert f"<mark>{LIKED}</mark>" in page
    # Another unit is not: the command does not find a token wherever it looks.
    other = given.replace(f"--unit {UNIT}", "--unit 20")
    out, numbers, _ = run(f"{other} --batches 12 --batch 4 --length 60", tmp_path / "none", capsys)
    assert numbers["numbers"]["top_token_share"] < 1
    assert f"“{LIKED}” is 10" not in out


@pytest.mark.model
def test_the_planted_token_is_found_by_search(
    planted: Path,
    prose: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("lens_probes.maximize.maximize", partial(maximize, steps=30))
    given = f"maximize {PLACE} --method tokens --model {planted} --tokens 3 --steps 2"
    given += f" --candidates 200 --text {prose} --length 60 --k 5"
    out, numbers, page = run(given, tmp_path / "a", capsys)
    found = numbers["numbers"]
    assert found["text"][0].endswith(LIKED)
    assert found["activation"][0] >= found["random_activation"]["1"] - 1e-4
    assert found["free_embeddings"]["steps"] == 30
    assert "free embeddings reach" in out
    assert "Of " in out
    assert "random sequences" in out
    assert keys(page) == ["optima"]
    # The activation that is printed is that of the text, in another run of the model.
    model = lp.load_model(planted)
    ids = model.tokenizer(found["text"][0])["input_ids"]
    examples = lp.Examples.from_tokens([ids], -1, [0])
    again = lp.collect(model, examples, sites=["mlp_pre"], layers=0)[0, "mlp_pre"][0, UNIT]
    assert found["activation"][0] == pytest.approx(float(again), abs=1e-4)
    assert len(found["real_text"]) == 5
    assert f"[{LIKED}]" in out


@pytest.mark.model
def test_gradient_prints_start_end_cosines_and_their_null(
    planted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = f"maximize {PLACE} --model {planted} --tokens 2 --steps 60 --learning-rate 0.02"
    out, numbers, page = run(f"{given} --starts 3 --null-draws 9", tmp_path / "a", capsys)
    model = lp.load_model(planted)
    direct = maximize(
        model, site="mlp_pre", layer=0, unit=UNIT, n_tokens=2, steps=60, n_starts=3,
        learning_rate=0.02,
    )  # fmt: skip
    found = numbers["numbers"]
    np.testing.assert_allclose(found["activation"], direct.activation, rtol=1e-4)
    np.testing.assert_allclose(found["start_activation"], direct.path[0], rtol=1e-4)
    assert min(found["activation"]) > max(found["start_activation"])
    assert len(found["restarts"]["null_distinct"]) == 9
    for said in ("mean and range of 3 starts", "random start to", "random starts at", "Restarts:"):
        assert said in out
    assert numbers["recorded"]["model"]["weights_sha256"] == model.weights_digest
    assert numbers["command"].startswith("lens-probes maximize --site mlp_pre")
    assert keys(page) == ["path", "cosines", "restarts"]
    assert len(pd.read_parquet(tmp_path / "a" / "path.parquet")) == 61 * 3
    decoded = pd.read_parquet(tmp_path / "a" / "decoded.parquet")
    assert decoded["embeddings"].value_counts().to_dict() == {"optimised": 6, "random start": 6}
    # One start has no restarts to compare.
    out, _, page = run(f"{given} --starts 1", tmp_path / "b", capsys)
    assert "Restarts" not in out
    assert keys(page) == ["path", "cosines"]


@pytest.mark.model
def test_residual_prints_every_layer_and_token(
    planted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prompt = ["--prompt", "The bookshelf is dark."]
    capsys.readouterr()
    arguments = ["residual", *prompt, "--model", str(planted), "--quiet", "--out"]
    assert main([*arguments, str(tmp_path / "a")]) == 0
    out = capsys.readouterr().out
    layers = pd.read_parquet(tmp_path / "a" / "layers.parquet")
    assert layers["layer"].tolist() == [0, 1, 2]
    assert (layers["sum_error"] < 1e-6).all()
    tokens = pd.read_parquet(tmp_path / "a" / "tokens.parquet")
    assert "".join(tokens["token"]) == prompt[1]
    assert (tokens["path_length"] >= tokens["straight"]).all()
    numbers = json.loads((tmp_path / "a" / "numbers.json").read_text())["numbers"]
    assert numbers["hidden_states"]["logit_error_normed"] < 1e-5
    assert numbers["hidden_states"]["logit_error_hook"] > 0.01
    sees = np.array(numbers["sight"]["sees"])
    np.testing.assert_array_equal(sees, np.triu(np.ones_like(sees)))
    assert "the first token is blind to the rest" in out
    page = (tmp_path / "a" / "report.html").read_text()
    assert keys(page) == ["sums", "correlation", "steps", "tokens", "sight"]
    assert len([line for line in out.splitlines() if re.match(r" +\d+  ", line)]) == 3 + len(tokens)


def test_the_word_with_the_most_tokens() -> None:
    assert longest_word(["The", " tooth", "paste", " is", " a", "b", "c", "."]) == [4, 5, 6]
    assert longest_word(["The", " cat", ".", "\n", "It", "'", "s"]) == []
    assert longest_word([]) == []


def test_a_character_of_several_tokens_does_not_break_a_word() -> None:
    assert longest_word(["We", "na", "", "ï", "ve"]) == [0, 1, 2, 3, 4]
    assert longest_word(["a", "b", "", "", " 😀", "c"]) == [0, 1]
    assert longest_word(["", "", "😀", " so", "on"]) == [3, 4]


@pytest.mark.model
def test_a_clause_without_spaces_is_cut(planted: Path) -> None:
    model = lp.load_model(planted)
    found = of_prompt(model, "我们去河边走路", site="q", layer=0, bos=False, seed=0)
    assert found.numbers["sight"]["positions"] == list(range(12))
    assert "(the first 12 of its 21 tokens)" in found.answer[-1]


@pytest.mark.model
def test_a_prompt_that_is_not_text_is_one_line(planted: Path) -> None:
    with pytest.raises(lp.InputError, match=r"not text: '\\udcff' at character 4") as raised:
        of_prompt(lp.load_model(planted), "caf \udcff", site="q", layer=0, bos=False, seed=0)
    assert "\n" not in str(raised.value)


@pytest.mark.model
def test_mistakes_are_one_line_and_exit_code_2(
    planted: Path, prose: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short = tmp_path / "short.txt"
    short.write_text("We can go there.")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes").write_text("mine")
    sample = f"maximize {PLACE} --method sample --text {prose}"
    anywhere = "maximize --site mlp_pre --layer 0"
    cases = {
        f"maximize {PLACE} --learning-rate 1e29": "the run diverged; lower learning_rate",
        f"{anywhere} --unit 999": "no unit 999: mlp_pre of this model has",
        f"{anywhere} --unit 999 --method sample --text {prose}": "no unit 999 at mlp_pre",
        "maximize --site mlp_pre --layer 9 --unit 0": "no layer 9: this model has layers 0 to 2",
        "maximize --site k_pre --layer 0 --unit 0": "unknown site 'k_pre'",
        f"maximize {PLACE} --method sample --text {short}": "no document of text",
        f"{sample} --batch 900 --length 60": "lower batch or length, or give a longer text",
        f"{sample} --length 500": "length must be 2 to 128 tokens",
        f"{sample} --steps 4": "--steps belongs to method gradient and tokens, not sample",
        f"{sample} --batches 0": "batches must be 1 or more; got 0",
        f"{anywhere} --unit 0 --method sample --text {tmp_path}/no": "no text",
        f"maximize {PLACE} --text {prose}": "--text belongs to method tokens and sample",
        f"maximize {PLACE} --method tokens --k 4": "only with --text",
        f"maximize {PLACE} --starts 0": "starts must be 1 or more; got 0",
        f"maximize {PLACE} --seed -1": "seed must be 0 or more; got -1",
        f"maximize {PLACE} --method gradent": 'Did you mean "gradient"',
        anywhere: "--unit",
        f"maximize {PLACE} --out {tmp_path / 'full'}": "already holds files",
        "residual --prompt a": "need 3 tokens or more; got 1",
        "residual --layer 3": "no layer 3",
        "residual --site mlp_pre_linear": "this model has no site 'mlp_pre_linear'",
    }
    before = sorted(tmp_path.rglob("*"))
    for case, expected in cases.items():
        out = [] if "--out" in case else ["--out", str(tmp_path / "out")]
        code = main([*case.split(), "--model", str(planted), *out])
        printed = capsys.readouterr()
        said = [line for line in printed.err.splitlines() if line.startswith("lens-probes: ")]
        assert code == 2, case
        assert len(said) == 1, (case, printed.err)
        assert expected in said[0], (case, said)
        assert printed.out == "", case
        assert "Traceback" not in printed.err
    assert sorted(tmp_path.rglob("*")) == before
    assert main(["residual", "--prompt", " ", "--out", str(tmp_path / "out")]) == 2
    assert "the prompt is empty" in capsys.readouterr().err


def test_help_and_argument_errors_load_no_torch(tmp_path: Path) -> None:
    (tmp_path / "held").write_text("x")
    code = (
        "import sys, shlex; from lens_probes.cli import main\n"
        "for line in sys.stdin:\n"
        "    want, *given = shlex.split(line)\n"
        "    assert main(given) == int(want), given\n"
        "assert 'torch' not in sys.modules, 'heavy import'"
    )
    place = "maximize --site q --layer 0 --unit 1"
    lines = [
        "0 maximize --help",
        "0 residual --help",
        "2 maximize --site mlp --layer 0 --unit 1",
        f"2 {place} --method x",
        f"2 {place} --steps 0",
        f"2 {place} --method sample --steps 3",
        f"2 {place} --out '{tmp_path}'",
        "2 residual --site mlp",
        "2 residual --prompt ''",
    ]
    done = subprocess.run(
        [sys.executable, "-c", code], input="\n".join(lines), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("lens-probes: ") == 7
