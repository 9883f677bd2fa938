"""The store: the same bits stopped or not, nothing trusted that has changed, nothing left over."""

from __future__ import annotations

import errno
import json
import logging
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import lens_probes as lp
from lens_probes.activations import forward, passes, store
from lens_probes.activations.forward import Reader
from lens_probes.activations.passes import Batch
from lens_probes.model.backends import HAS_HOOKED_TRANSFORMER, hooked_llama
from lens_probes.model.load import LensModel, _shapes
from lens_probes.model.options import Options
from lens_probes.result.verify import verify
from lens_probes.storage import integrity

pytestmark = pytest.mark.model
SITES = ["mlp_pre", "k"]


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven shards in place of one."""
    monkeypatch.setattr(passes, "EXAMPLES_PER_SHARD", 5)
    monkeypatch.setattr(passes, "TOKENS_PER_BATCH", 100)


@pytest.fixture(scope="module")
def examples() -> lp.Examples:
    """48 examples of three lengths; a third share a window with another one."""
    rng = np.random.default_rng(0)
    rows = [rng.integers(0, 400, 30 - 5 * (i % 3)).tolist() for i in range(32)]
    rows += [rows[i] for i in range(16)]
    return lp.Examples.from_tokens(rows, [-1 - i // 32 for i in range(48)], np.arange(48) % 2)


@pytest.fixture
def passes_made(monkeypatch: pytest.MonkeyPatch) -> list[Batch]:
    """Batches that went through the model."""
    made: list[Batch] = []
    read = Reader._read

    def count(self: Reader, batch: Batch) -> object:
        made.append(batch)
        return read(self, batch)

    monkeypatch.setattr(Reader, "_read", count)
    return made


def planned(examples: lp.Examples) -> list[passes.Shard]:
    return passes.plan_shards(passes.plan_batches(examples), 1)


def assert_same(a: lp.Activations, b: lp.Activations) -> None:
    assert list(a) == list(b)
    for key in a:
        np.testing.assert_array_equal(a[key], b[key])


def files_in(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.*")}


def only_folder(root: Path) -> Path:
    (folder,) = root.iterdir()
    return folder


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_the_numbers_are_those_of_a_run_without_a_store(
    architecture: str,
    tiny_models: dict[str, LensModel],
    examples: lp.Examples,
    tmp_path: Path,
    passes_made: list[Batch],
) -> None:
    model = tiny_models[architecture]
    plain = lp.collect(model, examples, sites=SITES)
    n_batches = len(passes_made)
    assert n_batches > 8
    kept = lp.collect(model, examples, sites=SITES, store=tmp_path)
    assert_same(kept, plain)
    assert kept.tokens_computed == plain.tokens_computed
    assert len(passes_made) == 2 * n_batches
    assert_same(lp.collect(model, examples, sites=SITES, store=tmp_path), plain)
    assert len(passes_made) == 2 * n_batches  # all of it from the store
    checked = verify(tmp_path)
    assert [(one.n_whole, one.n_expected, one.problems) for one in checked] == [(7, 7, ())]


def test_other_labels_words_and_fewer_layers_use_what_is_there(
    tiny_model: LensModel, examples: lp.Examples, tmp_path: Path, passes_made: list[Batch]
) -> None:
    whole = lp.collect(tiny_model, examples, sites=SITES, store=tmp_path)
    n_batches = len(passes_made)
    words = [f"w{i % 5}" for i in range(48)]
    relabelled = lp.Examples(
        examples.tokens, examples.position, 1 - examples.label, np.array(words, dtype=object)
    )
    assert_same(lp.collect(tiny_model, relabelled, sites=SITES, store=tmp_path), whole)
    part = lp.collect(tiny_model, examples, sites=["k"], layers=[1], store=tmp_path)
    assert list(part) == [(1, "k")]
    np.testing.assert_array_equal(part[1, "k"], whole[1, "k"])
    assert len(passes_made) == n_batches
    assert len(list(tmp_path.iterdir())) == 1


def test_what_changes_the_numbers_changes_the_key(
    tiny_model: LensModel, examples: lp.Examples, tmp_path: Path
) -> None:
    def count(model: LensModel, of: lp.Examples, batch_size: int | None = None) -> int:
        lp.collect(model, of, sites=["k"], layers=[0], batch_size=batch_size, store=tmp_path)
        return len(list(tmp_path.iterdir()))

    assert count(tiny_model, examples) == 1
    assert count(tiny_model.reinitialised(1), examples) == 2
    assert count(tiny_model.reinitialised(2), examples) == 3
    assert count(tiny_model, examples, batch_size=2) == 4
    earlier = lp.Examples(examples.tokens, examples.position - 1, examples.label)
    assert count(tiny_model, earlier) == 5
    assert count(tiny_model, examples.select(np.arange(47))) == 6
    tokens = examples.tokens.copy()
    tokens[0, 0] += 1
    assert count(tiny_model, lp.Examples(tokens, examples.position, examples.label)) == 7
    assert count(tiny_model, examples) == 7


def test_weights_changed_in_place_are_other_weights(
    tiny_folders: dict[str, Path], examples: lp.Examples, tmp_path: Path
) -> None:
    """Of the same object, in the two ways in which they are changed: whole, and by hand."""
    model = lp.load_model(tiny_folders["llama"])
    whole = {name: value.clone() for name, value in model.tl.state_dict().items()}
    before = lp.collect(model, examples, sites=["k"], store=tmp_path)[0, "k"].copy()
    next(model.tl.parameters()).data.mul_(2.0)
    changed = lp.collect(model, examples, sites=["k"], store=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    assert_same(changed, lp.collect(model, examples, sites=["k"]))
    model.tl.load_state_dict(whole)
    again = lp.collect(model, examples, sites=["k"], store=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    np.testing.assert_array_equal(again[0, "k"], before)


def hooked(folder: Path) -> LensModel:
    """As the bundled model is loaded on TransformerLens 3."""
    tl, tokenizer, fresh, _ = hooked_llama(folder, Options("cpu", torch.float32, "none"))
    return LensModel(tl.eval(), tokenizer, str(folder), "none", fresh, _shapes(tl))


@pytest.mark.parametrize("as_hooked", [False, True])
@pytest.mark.parametrize(
    "setting", [{"rope_parameters": {"rope_theta": 500.0, "rope_type": "default"}},
                {"rms_norm_eps": 1e-2}, {"hidden_act": "gelu"}],
)  # fmt: skip
def test_equal_weights_under_other_settings_are_another_model(
    setting: dict[str, object],
    as_hooked: bool,
    tiny_folders: dict[str, Path],
    examples: lp.Examples,
    tmp_path: Path,
) -> None:
    if as_hooked and not HAS_HOOKED_TRANSFORMER:
        pytest.skip("TransformerLens 4 has bridges only")
    load = hooked if as_hooked else lp.load_model
    folder = tmp_path / "elsewhere"
    shutil.copytree(tiny_folders["llama"], folder)
    one, same = load(tiny_folders["llama"]), load(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | setting))
    other = load(folder)
    assert one.weights_digest == same.weights_digest == other.weights_digest
    assert one.config_digest == same.config_digest == one.reinitialised(1).config_digest
    assert one.config_digest != other.config_digest
    for model, n_folders in [(one, 1), (same, 1), (other, 2), (one, 2)]:
        got = lp.collect(model, examples, sites=["k", "mlp_post"], store=tmp_path / "store")
        assert len(list((tmp_path / "store").iterdir())) == n_folders
    assert_same(got, lp.collect(one, examples, sites=["k", "mlp_post"]))


def test_a_stopped_run_goes_on_and_ends_with_the_same_bytes(
    tiny_model: LensModel,
    examples: lp.Examples,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    passes_made: list[Batch],
) -> None:
    whole = lp.collect(tiny_model, examples, sites=SITES, store=tmp_path / "whole")
    n_batches = len(passes_made)
    add = store.ShardFolder.add
    left = [3]

    def stop(self: store.ShardFolder, *given: object) -> str:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return add(self, *given)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(store.ShardFolder, "add", stop)
        with pytest.raises(KeyboardInterrupt):
            lp.collect(tiny_model, examples, sites=SITES, store=tmp_path / "stopped")
    (checked,) = verify(tmp_path / "stopped")
    assert (checked.n_whole, checked.n_expected, checked.problems) == (3, 7, ())
    before = len(passes_made)
    (checked.path / f"{integrity.TEMPORARY}000003-x").write_bytes(b"half a shard")
    assert_same(lp.collect(tiny_model, examples, sites=SITES, store=tmp_path / "stopped"), whole)
    assert len(passes_made) - before < n_batches - 3
    assert files_in(tmp_path / "stopped") == files_in(tmp_path / "whole")


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def empty(data: bytes) -> bytes:
    return b""


def flip(place: float) -> Callable[[bytes], bytes]:
    def flipped(data: bytes) -> bytes:
        at = min(int(place * len(data)), len(data) - 1)
        return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]

    return flipped


DAMAGES = [cut, empty, *(flip(place) for place in (0.0, 0.001, 0.013, 0.3, 0.5, 0.77, 1.0))]


@pytest.mark.parametrize("pattern", ["manifest.json", "plan.safetensors", "000003-*"])
def test_damage_is_noticed_and_never_read(
    pattern: str,
    tiny_model: LensModel,
    examples: lp.Examples,
    tmp_path: Path,
    passes_made: list[Batch],
) -> None:
    whole = lp.collect(tiny_model, examples, sites=SITES, store=tmp_path)
    sound = files_in(tmp_path)
    (path,) = only_folder(tmp_path).glob(pattern)
    for damage in DAMAGES:
        path.write_bytes(damage(path.read_bytes()))
        (checked,) = verify(tmp_path)
        assert checked.problems, damage
        assert path.name in checked.problems[0]
        passes_made.clear()
        assert_same(lp.collect(tiny_model, examples, sites=SITES, store=tmp_path), whole)
        assert len(passes_made) <= 2  # the shard that was damaged, no other
        assert files_in(tmp_path) == sound
        path.write_bytes(sound[path.relative_to(tmp_path).as_posix()])
    path.unlink()
    (checked,) = verify(tmp_path)
    assert path.name in checked.problems[0]
    assert_same(lp.collect(tiny_model, examples, sites=SITES, store=tmp_path), whole)


def test_verify_names_what_does_not_belong(
    tiny_model: LensModel, examples: lp.Examples, tmp_path: Path
) -> None:
    lp.collect(tiny_model, examples, sites=["k"], store=tmp_path)
    folder = only_folder(tmp_path)
    (folder / "notes.txt").write_text("mine")
    (folder / f"{integrity.TEMPORARY}x").write_text("")
    (checked,) = verify(folder)
    assert [p.split(" is ")[1] for p in checked.problems] == [
        "left by a run that was stopped.",
        "not ours.",
    ]
    (tmp_path / "empty").mkdir()
    for bad, message in [
        ("nowhere", "no folder .*nowhere"),
        ("empty", "no result and no activations in .*empty"),
    ]:
        with pytest.raises(lp.InputError, match=message):
            verify(tmp_path / bad)


def test_two_runs_cannot_fill_one_folder(
    tiny_model: LensModel, examples: lp.Examples, tmp_path: Path
) -> None:
    lp.collect(tiny_model, examples, sites=["k"], store=tmp_path)
    folder = only_folder(tmp_path)
    (folder / "manifest.json").unlink()
    code = (
        "import sys, fcntl; lock = open(sys.argv[1], 'ab'); fcntl.flock(lock, fcntl.LOCK_EX); "
        "print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(folder / "lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        before = files_in(tmp_path)
        with pytest.raises(lp.InputError, match="another run is writing the same activations"):
            lp.collect(tiny_model, examples, sites=["k"], store=tmp_path)
        assert files_in(tmp_path) == before
        other.kill()
    lp.collect(tiny_model, examples, sites=["k"], store=tmp_path)  # a lock dies with its holder


def test_too_little_room_is_noticed_before_the_first_pass(
    tiny_model: LensModel,
    examples: lp.Examples,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    passes_made: list[Batch],
) -> None:
    monkeypatch.setattr(store.shutil, "disk_usage", lambda _: SimpleNamespace(free=2**24))
    with pytest.raises(lp.InputError, match=r"need 0.00 GiB and 0.02 GiB are free"):
        lp.collect(tiny_model, examples, sites=["k"], store=tmp_path)
    assert not passes_made


def test_a_full_disk_stops_the_run_and_loses_nothing(
    tiny_model: LensModel,
    examples: lp.Examples,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    passes_made: list[Batch],
) -> None:
    whole = lp.collect(tiny_model, examples, sites=["k"])
    n_batches = len(passes_made)
    fsync = os.fsync
    calls = []

    def full(handle: int) -> None:
        calls.append(handle)
        if len(calls) > 8:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(handle)

    with monkeypatch.context() as patch:
        patch.setattr(integrity.os, "fsync", full)
        with pytest.raises(lp.InputError, match=r"no room to write .*No space left on device"):
            lp.collect(tiny_model, examples, sites=["k"], store=tmp_path)
    (checked,) = verify(tmp_path)
    assert (checked.n_whole, checked.problems) == (2, ())
    assert len(passes_made) < 2 * n_batches - 3  # it did not go on with the next shards
    assert_same(lp.collect(tiny_model, examples, sites=["k"], store=tmp_path), whole)


def test_a_file_that_the_system_cuts_short_is_no_file(tmp_path: Path) -> None:
    """The same with a true limit of the system: 4,096 bytes a file."""
    target = tmp_path / "shard"
    target.write_bytes(b"before")
    code = (
        "import sys; from pathlib import Path; "
        "from lens_probes.storage.integrity import write_atomic; "
        "write_atomic(Path(sys.argv[1]), bytes(10_000))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(target)], capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)),
    )  # fmt: skip
    assert "StorageError: no room to write" in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["shard"]
    assert target.read_bytes() == b"before"


def test_refusals(tiny_model: LensModel, examples: lp.Examples, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for folder in ("/proc/nowhere", tmp_path / "file"):
        with pytest.raises(lp.InputError, match=r"cannot write .*name another folder"):
            lp.collect(tiny_model, examples, sites=["k"], store=folder)
    hook = (lp.SITES["k"].hook_name(0), lambda value, hook: value * 0)
    with (
        tiny_model.tl.hooks(fwd_hooks=[hook]),
        pytest.raises(lp.InputError, match=r"a hook of yours at blocks.0.attn"),
    ):
        lp.collect(tiny_model, examples, sites=["k"], store=tmp_path / "new")
    block = tiny_model.tl.blocks[1].mlp
    for register in (block.register_forward_hook, block.register_forward_pre_hook):
        handle = register(lambda *_: None)
        with pytest.raises(lp.InputError, match=r"a hook of yours at blocks.1.mlp"):
            lp.collect(tiny_model, examples, sites=["k"], store=tmp_path / "new")
        handle.remove()


def test_a_shard_that_fails_is_named_and_the_rest_is_kept(
    tiny_model: LensModel,
    examples: lp.Examples,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = forward.run_hooks
    poison = examples.tokens[0, :5].tolist()

    def fail(model: LensModel, tokens: torch.Tensor, *rest: object) -> object:
        if poison in tokens[:, :5].tolist():
            raise RuntimeError("a bad window")
        return run(model, tokens, *rest)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(forward, "run_hooks", fail)
        with pytest.raises(lp.InputError) as caught:
            lp.collect(tiny_model, examples, sites=["k"], store=tmp_path)
    message = str(caught.value)
    assert message.startswith("1 of 7 shards failed, first shard 0 (")
    assert "RuntimeError: a bad window. 6 are stored in" in message
    again = lp.collect(tiny_model, examples, sites=["k"], store=tmp_path)
    assert_same(again, lp.collect(tiny_model, examples, sites=["k"]))


def test_when_everything_fails_it_stops_early(
    tiny_model: LensModel, examples: lp.Examples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the first three shards and the last one, whose windows are the shortest."""
    made = []

    def fail(*_: object) -> None:
        made.append(1)
        raise RuntimeError("no luck")

    monkeypatch.setattr(forward, "run_hooks", fail)
    told = r"4 of 7 shards failed.*no luck; also 1, 2, 6. 3 were not tried. 0 are stored"
    with pytest.raises(lp.InputError, match=told):
        lp.collect(tiny_model, examples, sites=["k"], store=tmp_path)
    assert len(made) == 4


def test_shards_that_fail_at_the_front_do_not_keep_the_others_from_being_made(
    tiny_model: LensModel, examples: lp.Examples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Reader.read
    first = set(np.concatenate([passes.rows_of(one) for one in planned(examples)[:3]]).tolist())

    def fail(self: Reader, batch: Batch) -> object:
        if first & set(batch.rows.tolist()):
            raise RuntimeError("too long")
        return read(self, batch)

    monkeypatch.setattr(Reader, "read", fail)
    told = r"3 of 7 shards failed, first shard 0 .*too long; also 1, 2. 4 are stored"
    for _ in range(2):
        with pytest.raises(lp.InputError, match=told):
            lp.collect(tiny_model, examples, sites=["k"], store=tmp_path)
        assert verify(tmp_path)[0].n_whole == 4


@pytest.mark.parametrize(
    "error",
    [
        torch.cuda.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
    ],
)
def test_out_of_memory_halves_the_batch_and_says_so(
    error: RuntimeError,
    tiny_model: LensModel,
    examples: lp.Examples,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    want = lp.collect(tiny_model, examples, sites=SITES, batch_size=8)
    run = forward.run_hooks
    refused, most = [], [60]

    def small(model: LensModel, tokens: torch.Tensor, *rest: object) -> object:
        if tokens.numel() > most[0]:
            refused.append(len(tokens))
            raise error
        return run(model, tokens, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(forward, "run_hooks", small)
    with caplog.at_level(logging.WARNING, logger="lens_probes"):
        got = lp.collect(tiny_model, examples, sites=SITES, batch_size=8)
    assert refused == [8, 4]
    assert [r.message for r in caplog.records] == [
        f"out of memory with {n} windows of 30 tokens in a batch: {n // 2} from here on"
        for n in (8, 4)
    ]
    for key in want:
        np.testing.assert_allclose(got[key], want[key], atol=1e-5 * np.abs(want[key]).max())
    most[0] = 0
    with pytest.raises(lp.InputError, match="one window of 30 tokens does not fit"):
        lp.collect(tiny_model, examples, sites=SITES, batch_size=8)


def test_other_errors_are_not_taken_for_a_lack_of_memory(
    tiny_model: LensModel, examples: lp.Examples, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr(forward, "run_hooks", fail)
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        lp.collect(tiny_model, examples, sites=SITES)
