"""What is read from a saved folder: whole, ours, of this version, or one line that says why not."""

from __future__ import annotations

import copy
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from saved_samples import small_result

from lens_probes.errors import InputError
from lens_probes.examples.examples import Examples
from lens_probes.result.result import TIMINGS
from lens_probes.storage.folder_sums import SUMS, check_folder, check_sums, write_sums
from lens_probes.storage.integrity import seal, unseal
from lens_probes.storage.schemas import ResultManifest, StoreManifest, checked
from lens_probes.sweep_result import SweepResult


def paths_in(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in plain values, from the top on."""
    parts = value.items() if isinstance(value, dict) else enumerate(value)
    for key, part in parts:
        yield (*at, key)
        if isinstance(part, dict | list):
            yield from paths_in(part, (*at, key))


def changed(value: Any, place: tuple[Any, ...], make: Callable[[Any, Any], None]) -> Any:
    whole = copy.deepcopy(value)
    part = whole
    for key in place[:-1]:
        part = part[key]
    make(part, place[-1])
    return whole


def set_to(new: Any) -> Callable[[Any, Any], None]:
    return lambda part, key: part.__setitem__(key, new)


def remove(part: Any, key: Any) -> None:
    del part[key]


FREE = ("counts", "versions", "seconds", "nulls", "details")  # any name may be there, or none
OPTIONAL = {"config_sha256", "resolution", "notes", "nulls", "probe", "before", "text", "tokens"}
WRONG: dict[type, Any] = {
    dict: "no", list: {"x": 1}, str: [1], int: "no", float: "no", type(None): {"x": 1},
}  # fmt: skip


def refused(run: Path, wrong: dict[str, Any]) -> None:
    (run / "result.json").write_bytes(seal(wrong, apart=TIMINGS))
    with pytest.raises(InputError) as error:
        SweepResult.load(run)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 300 + len(str(run))


def test_a_wrong_type_anywhere_in_a_result_is_one_line(tmp_path: Path) -> None:
    run = small_result().save(tmp_path / "run")
    file = run / "result.json"
    sound = unseal(file.read_bytes(), file, apart=TIMINGS)
    assert SweepResult.load(run).provenance == small_result().provenance
    places = [place for place in paths_in(sound) if place != (TIMINGS,)]
    for place in places:
        was = sound
        for key in place:
            was = was[key]
        refused(run, changed(sound, place, set_to(WRONG[type(was)])))
        if isinstance(was, float):  # a whole number that no float holds
            refused(run, changed(sound, place, set_to(10**400)))
    assert len(places) > 100


def test_a_missing_key_anywhere_in_a_result_is_one_line(tmp_path: Path) -> None:
    run = small_result().save(tmp_path / "run")
    file = run / "result.json"
    sound = unseal(file.read_bytes(), file, apart=TIMINGS)
    n = 0
    for place in paths_in(sound):
        key, above = place[-1], place[-2] if len(place) > 1 else ""
        whole = isinstance(key, str) and key not in OPTIONAL and place[0] != TIMINGS
        if (whole and above not in FREE) or above in ("class_names", "n_per_class"):
            refused(run, changed(sound, place, remove))
            n += 1
    assert n > 60


@pytest.mark.parametrize(("format_", "says"), [
    (99, "is of a later version"), (1, "is of an earlier version"),
    ("3", "no number of its format"), (True, "no number of its format"),
    (None, "no number of its format"),
])  # fmt: skip
def test_another_format_is_said(tmp_path: Path, format_: object, says: str) -> None:
    run = small_result().save(tmp_path / "run")
    file = run / "result.json"
    sound = unseal(file.read_bytes(), file, apart=TIMINGS)
    file.write_bytes(seal(sound | {"format": format_}, apart=TIMINGS))
    with pytest.raises(InputError, match=says):
        SweepResult.load(run)


def test_what_a_later_version_adds_is_no_damage() -> None:
    said = {"made_from": {"plan_sha256": "a" * 64, "arrays": ["0.q"], "new": 1}, "shards": {}}
    assert checked(said, StoreManifest, Path("m")) == said
    said["shards"] = {"0": "short"}
    with pytest.raises(InputError, match=r"m is not as this version writes it: shards\.0"):
        checked(said, StoreManifest, Path("m"))
    with pytest.raises(InputError, match="provenance: Field required"):
        checked({}, ResultManifest, Path("m"))


def listed(folder: Path, name: str) -> None:
    """A list of digests, whole, that names a file."""
    line = f"{'a' * 64}  {name}\n"
    from lens_probes.storage.integrity import sha256_of

    (folder / SUMS).write_text(f"{line}# sha256 {sha256_of(line.encode())}\n")


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/../../secret", "link/secret"])
def test_a_list_that_leads_out_of_its_folder_is_not_followed(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_text("mine")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path)
    listed(folder, name)
    monkeypatch.setattr(
        "lens_probes.storage.folder_sums.sha256", lambda path: pytest.fail(f"read {path}")
    )
    with pytest.raises(InputError, match=r"sha256sums\.txt is not ours: it names"):
        check_sums(folder)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("whole")
    write_sums(tmp_path)
    check_folder(tmp_path, ["file"])
    (tmp_path / "file").unlink()
    os.mkfifo(tmp_path / "file")
    with pytest.raises(InputError, match=r"file cannot be read \(not a regular file\)"):
        check_folder(tmp_path, ["file"])
    run = small_result().save(tmp_path / "run")
    (run / "units.parquet").unlink()
    os.mkfifo(run / "units.parquet")
    with pytest.raises(InputError, match=r"units\.parquet \(.*not a regular file"):
        SweepResult.load(run)


def test_a_table_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = small_result().save(tmp_path / "run")

    def refuse(path: Path) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("lens_probes.storage.tables.sha256", refuse)
    with pytest.raises(InputError, match=r"cannot read .*units\.parquet \(.*Permission denied"):
        SweepResult.load(run)


def test_a_file_that_is_not_in_the_list(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    write_sums(tmp_path)
    (tmp_path / "b").write_text("b")
    check_folder(tmp_path, ["a"])
    with pytest.raises(InputError, match=r"b is not in sha256sums\.txt"):
        check_folder(tmp_path, ["a", "b"])
    shutil.copy(tmp_path / "b", tmp_path / "a")
    with pytest.raises(InputError, match="a has changed since it was written"):
        check_folder(tmp_path, ["a"])


def test_examples_with_other_names_have_another_digest() -> None:
    tokens, label = np.arange(8).reshape(2, 4), np.array([0, 1])

    def digest(word: list[str] | None, source: list[str] | None = None) -> str:
        return Examples.from_tokens(tokens, -1, label, word, source).digest

    every = [
        digest(None), digest(["none", "none"]), digest(["a\0b", "c"]), digest(["a", "b\0c"]),
        digest(None, ["a", "b"]), digest(["a", "b"]), digest(["null", "null"]),
    ]  # fmt: skip
    assert len(set(every)) == len(every)
    assert digest(["a", "b"]) == digest(["a", "b"])
    json.dumps(every)
