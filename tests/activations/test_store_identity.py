"""Files of a store say what they belong to: those of another one are never read as its own."""

from __future__ import annotations

import dataclasses
import json
import os
import pickle
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save

import lens_probes as lp
from lens_probes.activations import passes
from lens_probes.activations.shard_folder import SHARD_NAME
from lens_probes.model.load import LensModel
from lens_probes.result.verify import verify
from lens_probes.storage.integrity import seal, sha256_of, unseal

pytestmark = pytest.mark.model
SITES = ["k"]


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "EXAMPLES_PER_SHARD", 5)
    monkeypatch.setattr(passes, "TOKENS_PER_BATCH", 40)


def drawn(seed: int) -> lp.Examples:
    """Twelve windows of one length: other seeds are other tokens with the same rows in a shard."""
    rows = np.random.default_rng(seed).integers(0, 400, (12, 8))
    return lp.Examples.from_tokens(rows, -1, np.arange(12) % 2)


def folder_of(root: Path) -> Path:
    (folder,) = root.iterdir()
    return folder


def shard_in(folder: Path, index: int) -> Path:
    (path,) = folder.glob(f"{index:06d}-*.safetensors")
    return path


def unfinished(folder: Path) -> None:
    """As a run leaves it that is killed before the last shard."""
    path = folder / "manifest.json"
    path.write_bytes(
        seal({"made_from": unseal(path.read_bytes(), path)["made_from"], "shards": {}})
    )
    shard_in(folder, 2).unlink()


def forged(path: Path, *, keep: bool) -> None:
    """Other numbers under a name that fits them, with what the shard said of itself or without."""
    with safe_open(path, framework="np") as file:
        said = file.metadata()
    tensors = load_file(path)
    for name in tensors:
        if name != "rows":
            tensors[name] = tensors[name] + 1
    data = save(tensors, metadata=said if keep else None)
    path.unlink()
    path.with_name(f"{path.name[:6]}-{sha256_of(data)}.safetensors").write_bytes(data)


def state(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def from_other_tokens(model: LensModel, root: Path, folder: Path) -> None:
    lp.collect(model, drawn(1), sites=SITES, store=root)
    shard_in(folder, 0).unlink()
    shutil.copy(shard_in(folder_of(root), 0), folder)


def from_another_model(model: LensModel, root: Path, folder: Path) -> None:
    lp.collect(model.reinitialised(3), drawn(0), sites=SITES, store=root)
    shard_in(folder, 0).unlink()
    shutil.copy(shard_in(folder_of(root), 0), folder)


def without_a_word(model: LensModel, root: Path, folder: Path) -> None:
    forged(shard_in(folder, 0), keep=False)


def with_what_it_said(model: LensModel, root: Path, folder: Path) -> None:
    forged(shard_in(folder, 0), keep=True)


def under_another_index(model: LensModel, root: Path, folder: Path) -> None:
    first, second = shard_in(folder, 0), shard_in(folder, 1)
    second.unlink()
    shutil.copy(first, first.with_name(first.name.replace("000000-", "000001-")))


@pytest.mark.parametrize(
    "swap",
    [from_other_tokens, from_another_model, without_a_word, with_what_it_said, under_another_index],
)
def test_a_foreign_shard_is_noticed_and_made_again(
    swap: Callable[[LensModel, Path, Path], None], tiny_model: LensModel, tmp_path: Path
) -> None:
    root = tmp_path / "store"
    whole = lp.collect(tiny_model, drawn(0), sites=SITES, store=root)
    folder, plain = folder_of(root), np.array(whole[1, "k"])
    sound = state(folder)
    for stopped in (False, True):
        if stopped:
            unfinished(folder)
        swap(tiny_model, tmp_path / f"other{stopped}", folder)
        problems = [problem for one in verify(root) for problem in one.problems]
        assert any(name in problem for problem in problems for name in ("000000-", "000001-"))
        again = lp.collect(tiny_model, drawn(0), sites=SITES, store=root)
        np.testing.assert_array_equal(again[1, "k"], plain)
        assert state(folder) == sound
        assert [one.problems for one in verify(root)] == [()]


def test_all_files_of_another_store(tiny_model: LensModel, tmp_path: Path) -> None:
    whole = lp.collect(tiny_model, drawn(0), sites=SITES, store=tmp_path / "a")
    lp.collect(tiny_model, drawn(1), sites=SITES, store=tmp_path / "b")
    plain, folder = np.array(whole[1, "k"]), folder_of(tmp_path / "a")
    sound = state(folder)
    shutil.rmtree(folder)
    shutil.copytree(folder_of(tmp_path / "b"), folder)
    (checked,) = verify(tmp_path / "a")
    assert "is of the key" in checked.problems[0]
    again = lp.collect(tiny_model, drawn(0), sites=SITES, store=tmp_path / "a")
    np.testing.assert_array_equal(again[1, "k"], plain)
    assert state(folder) == sound


def test_a_forged_manifest_and_shard(tiny_model: LensModel, tmp_path: Path) -> None:
    """All digests fit, down to the manifest's: the shard's own numbers do not."""
    plain = np.array(lp.collect(tiny_model, drawn(0), sites=SITES, store=tmp_path)[1, "k"])
    folder = folder_of(tmp_path)
    forged(shard_in(folder, 0), keep=True)
    found = SHARD_NAME.fullmatch(shard_in(folder, 0).name)
    assert found is not None
    path = folder / "manifest.json"
    said = unseal(path.read_bytes(), path)
    path.write_bytes(seal(said | {"shards": said["shards"] | {"0": found["sha256"]}}))
    (checked,) = verify(tmp_path)
    assert "has other numbers than it says" in checked.problems[0]
    again = lp.collect(tiny_model, drawn(0), sites=SITES, store=tmp_path)
    np.testing.assert_array_equal(again[1, "k"], plain)


def test_a_copy_of_a_shard_under_another_index_is_named(
    tiny_model: LensModel, tmp_path: Path
) -> None:
    lp.collect(tiny_model, drawn(0), sites=SITES, store=tmp_path)
    first = shard_in(folder_of(tmp_path), 0)
    assert [one.problems for one in verify(tmp_path)] == [()]
    copy = first.with_name(first.name.replace("000000-", "000001-"))
    shutil.copy(first, copy)
    (checked,) = verify(tmp_path)
    assert checked.problems == (f"{copy.name} is of another index.",)


@pytest.mark.parametrize(("change", "says"), [
    (lambda said: said["made_from"].update(format=99), "is of a later version"),
    (lambda said: said["made_from"].pop("format"), "no number of its format"),
    (lambda said: said["made_from"].update(arrays="k"), "made_from.arrays"),
    (lambda said: said.pop("shards"), "shards: Field required"),
    (lambda said: said.update(shards=[1]), "shards"),
    (lambda said: said["shards"].update({"x": "y"}), "shards"),
    (lambda said: said.update(made_from=None), "made_from"),
])  # fmt: skip
def test_a_manifest_that_is_not_as_it_is_written(
    change: Callable[[dict[str, object]], object], says: str, tiny_model: LensModel, tmp_path: Path
) -> None:
    plain = np.array(lp.collect(tiny_model, drawn(0), sites=SITES, store=tmp_path)[1, "k"])
    path = folder_of(tmp_path) / "manifest.json"
    said = json.loads(path.read_bytes())
    del said["sha256"]
    change(said)
    path.write_bytes(seal(said))
    (checked,) = verify(tmp_path)
    assert says in checked.problems[0]
    again = lp.collect(tiny_model, drawn(0), sites=SITES, store=tmp_path)
    np.testing.assert_array_equal(again[1, "k"], plain)


def damaged_plans(sound: bytes) -> Iterator[bytes | None]:
    """Cut anywhere, a bit flipped anywhere, empty, gone, longer, another plan."""
    for part in np.linspace(0, len(sound) - 1, 8).astype(int):
        yield sound[:part]
        yield sound[:part] + bytes([sound[part] ^ 16]) + sound[part + 1 :]
    yield from (None, sound + b"\0", sound * 2, b"[]", save({"rows": np.arange(3)}))


def test_a_damaged_plan_is_mended(tiny_model: LensModel, tmp_path: Path) -> None:
    lp.collect(tiny_model, drawn(0), sites=SITES, store=tmp_path)
    folder = folder_of(tmp_path)
    sound, plan = state(folder), folder / "plan.safetensors"
    for stopped in (False, True):
        for damage in damaged_plans(sound[plan.name]):
            if stopped:
                unfinished(folder)
            plan.unlink() if damage is None else plan.write_bytes(damage)
            assert any("plan.safetensors" in p for one in verify(tmp_path) for p in one.problems)
            lp.collect(tiny_model, drawn(0), sites=SITES, store=tmp_path)
            assert state(folder) == sound


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_no_shard(tiny_model: LensModel, tmp_path: Path) -> None:
    plain = np.array(lp.collect(tiny_model, drawn(0), sites=SITES, store=tmp_path)[1, "k"])
    path = shard_in(folder_of(tmp_path), 1)
    path.unlink()
    os.mkfifo(path)
    (checked,) = verify(tmp_path)
    assert checked.problems[0] == f"{path.name} cannot be read (not a regular file)."
    again = lp.collect(tiny_model, drawn(0), sites=SITES, store=tmp_path)
    np.testing.assert_array_equal(again[1, "k"], plain)


def test_arrays_of_a_store_are_read_only_and_travel(tiny_model: LensModel, tmp_path: Path) -> None:
    read = lp.collect(tiny_model, drawn(0), sites=SITES, store=tmp_path)
    array = read[1, "k"]
    with pytest.raises(ValueError, match="read-only"):
        array[0, 0] = 7
    copy = pickle.loads(pickle.dumps(read))
    np.testing.assert_array_equal(copy[1, "k"], array)
    assert dataclasses.asdict(copy.shapes["k"]) == dataclasses.asdict(read.shapes["k"])
