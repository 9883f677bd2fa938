"""How large a model is, without loading it."""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM

import lens_probes as lp
from lens_probes.cli import main
from lens_probes.model.load import LensModel
from lens_probes.model.size import model_size

pytestmark = pytest.mark.model


def test_parameters_are_those_of_the_loaded_model(
    tiny_folders: dict[str, Path], tiny_models: dict[str, LensModel],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    wanted = {
        name: sum(p.numel() for p in AutoModelForCausalLM.from_pretrained(folder).parameters())
        for name, folder in tiny_folders.items()
    }
    monkeypatch.setattr(
        AutoModelForCausalLM, "from_pretrained", lambda *_, **__: pytest.fail("was loaded")
    )
    for name, folder in tiny_folders.items():
        size = model_size(folder)
        assert size.n_parameters == wanted[name]
        assert size.n_layers == tiny_models[name].n_layers
        assert size.on_disk == (folder / "model.safetensors").stat().st_size
        assert size.in_memory("bfloat16") * 2 == size.in_memory("float32") == 4 * wanted[name]


def test_the_command_says_it(
    tiny_folders: dict[str, Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["models", str(tiny_folders["llama"])]) == 0
    said = capsys.readouterr().out
    assert "LlamaForCausalLM, 3 layers, width 48" in said
    assert f"{model_size(tiny_folders['llama']).n_parameters:,}" in said
    assert main(["models", str(tmp_path)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    with pytest.raises(lp.InputError, match="cannot tell the size of model"):
        model_size("no-such-model-at-all")
