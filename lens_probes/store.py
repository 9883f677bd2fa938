"""The activation store: files of activations that outlive a run, and are trusted only when whole.

    STORE/<key>/manifest.json               what this is, and when all is there, each shard's digest
    STORE/<key>/plan.safetensors            the batches: what every shard is made from
    STORE/<key>/000007-<sha256>.safetensors shard 7: [example, unit] for each layer and site

The key is a digest of all that the numbers depend on (the model's weights and settings, tokens and
where they are read, sites, layers, processing, dtype, device, versions, batches) and of nothing
else: labels and words are not in it, so other probes and statistics on the same tokens use the same
files. A shard is named by its digest, so that one that was finished just before a crash can be told
from half a one with no list of what is finished.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import re
import shutil
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from lens_probes.errors import InputError, one_line
from lens_probes.lock import hold
from lens_probes.model_files import sha256
from lens_probes.passes import Shard, plan_to_bytes, rows_of, sha256_of
from lens_probes.sealed import (
    StorageError,
    remove_leftovers,
    seal,
    storage_error,
    unseal,
    write_atomic,
)

log = logging.getLogger(__name__)

MANIFEST, PLAN, LOCK = "manifest.json", "plan.safetensors", "lock"
# Part of the key. Raise it with every change of this package that changes a number in a shard (what
# is read, how a batch is run) or the files: between two releases the versions do not tell.
FORMAT = 2
SHARD_NAME = re.compile(r"(?P<index>\d{6})-(?P<sha256>[0-9a-f]{64})\.safetensors")
_SPARE_BYTES = 2**24

Key = tuple[int, str]


@dataclass(frozen=True)
class ShardFolder:
    """The files of one key. Several processes may add shards, one run at a time decides which."""

    path: Path

    def add(
        self,
        index: int,
        rows: Int[np.ndarray, " example"],
        arrays: Mapping[Key, Float[np.ndarray, "example unit"]],
    ) -> str:
        """Write a shard and return its digest; the same numbers are the same bytes."""
        tensors: dict[str, NDArray[Any]] = {"rows": np.ascontiguousarray(rows, "<i8")}
        for (layer, site), values in arrays.items():
            tensors[f"{layer}.{site}"] = np.ascontiguousarray(values, "<f4")
        data = save(tensors)
        digest = sha256_of(data)
        write_atomic(self.path / f"{index:06d}-{digest}.safetensors", data)
        return digest

    def shard(self, index: int, digest: str) -> Path:
        """Path of a shard."""
        return self.path / f"{index:06d}-{digest}.safetensors"

    def digests_of(self, index: int) -> list[str]:
        """What the files of one shard are named by; there is one, as a rule, or none."""
        names = (SHARD_NAME.fullmatch(p.name) for p in self.path.glob(f"{index:06d}-*"))
        return sorted(name["sha256"] for name in names if name)

    def rows(self, index: int, digest: str) -> Int[np.ndarray, " example"]:
        """[example] index in the whole set of the examples that a shard holds.

        Raises
        ------
        InputError
            It is not there or no such file.
        """
        path = self.shard(index, digest)
        try:
            with safe_open(path, framework="np") as file:
                rows: NDArray[np.int64] = file.get_tensor("rows")
        except (OSError, SafetensorError) as error:
            raise InputError(f"cannot read {path} ({one_line(error, 80)}).") from error
        return rows

    def whole_shards(self, shards: Sequence[Shard]) -> dict[int, str]:
        """Digests of the shards that are here, whole, and of this plan; others are removed.

        Raises
        ------
        StorageError
            One of them cannot be read or removed.
        """
        whole: dict[int, str] = {}
        for path in sorted(self.path.iterdir()):
            name = SHARD_NAME.fullmatch(path.name)
            if name is None:
                continue
            index, digest = int(name["index"]), name["sha256"]
            try:
                known = index < len(shards) and index not in whole
                if known and self._holds(index, digest, rows_of(shards[index])):
                    whole[index] = digest
                else:
                    log.warning("%s is damaged or not of this plan: made again", path)
                    path.unlink()
            except OSError as error:
                raise storage_error(path, 0, error) from error
        return whole

    def _holds(self, index: int, digest: str, rows: Int[np.ndarray, " example"]) -> bool:
        """Whether a shard is what its name says, and of these examples."""
        path = self.shard(index, digest)
        with contextlib.suppress(InputError):
            return (
                path.is_file()
                and sha256(path) == digest
                and np.array_equal(self.rows(index, digest), rows)
            )
        return False

    def manifest(self) -> dict[str, Any]:
        """The manifest, checked against its own digest."""
        path = self.path / MANIFEST
        try:
            return unseal(path.read_bytes(), path)
        except OSError as error:
            raise InputError(f"cannot read {path} ({error.strerror}).") from error


@dataclass(frozen=True, eq=False)
class StoredArrays(Mapping[Key, Float[np.ndarray, "example unit"]]):
    """Arrays [example, unit], read from mapped shards when they are asked for.

    One layer and site is in memory at a time; an array that is in use elsewhere is not read twice.
    """

    shards: tuple[Path, ...]
    keys_in_order: tuple[Key, ...]
    n_examples: int
    _in_use: weakref.WeakValueDictionary[Key, Any] = field(
        default_factory=weakref.WeakValueDictionary, repr=False
    )

    def __getitem__(self, key: Key) -> Float[np.ndarray, "example unit"]:
        if key not in self.keys_in_order:
            raise KeyError(key)
        known: Float[np.ndarray, "example unit"] | None = self._in_use.get(key)
        if known is not None:
            return known
        array: Float[np.ndarray, "example unit"] | None = None
        for path in self.shards:
            try:
                with safe_open(path, framework="np") as file:
                    values = file.get_tensor(f"{key[0]}.{key[1]}")
                    rows = file.get_tensor("rows")
            except (OSError, SafetensorError) as error:
                raise InputError(
                    f"cannot read {path} ({one_line(error, 80)}): it was whole when this run "
                    "started; run again, and it is made anew."
                ) from error
            if array is None:
                array = np.empty((self.n_examples, values.shape[1]), np.float32)
            array[rows] = values
        assert array is not None, "a plan has one shard or more"
        self._in_use[key] = array
        return array

    def __iter__(self) -> Iterator[Key]:
        return iter(self.keys_in_order)

    def __len__(self) -> int:
        return len(self.keys_in_order)


@dataclass(frozen=True, eq=False)
class Stock:
    """What is wanted of a store: the numbers of a plan, for some keys, as `made_from` says.

    `made_from` names all else that the numbers depend on; plain values, ready for JSON.
    """

    root: Path
    made_from: Mapping[str, Any]
    shards: Sequence[Shard]
    keys: tuple[Key, ...]
    n_units: int

    @functools.cached_property
    def plan(self) -> bytes:
        """The plan as a file."""
        return plan_to_bytes(self.shards)

    @functools.cached_property
    def parts(self) -> dict[str, Any]:
        """All that the numbers depend on, as the manifest shows it."""
        return {
            **self.made_from,
            "format": FORMAT,
            "plan_sha256": sha256_of(self.plan),
            "arrays": [f"{layer}.{site}" for layer, site in self.keys],
        }

    @property
    def folder(self) -> ShardFolder:
        """Where the files of this key are or will be."""
        return ShardFolder(self.root / sha256_of(seal(self.parts))[:24])

    @property
    def n_examples(self) -> int:
        """Examples in all shards."""
        return sum(len(batch.rows) for shard in self.shards for batch in shard)

    def finished(self) -> StoredArrays | None:
        """The arrays, if all shards are here and none has changed since it was written.

        Those of a folder with more layers or sites on the same batches do as well.
        """
        own = self.folder.path
        try:
            others = [path.parent for path in sorted(self.root.glob(f"*/{MANIFEST}"))]
        except OSError as error:
            raise storage_error(self.root, 0, error) from error
        for path in [own, *(other for other in others if other != own)]:
            try:
                arrays = self._finished_in(ShardFolder(path))
            except (InputError, OSError) as error:
                log.warning("%s: %s", path, one_line(error))
                continue
            if arrays is not None:
                return arrays
        return None

    def _finished_in(self, folder: ShardFolder) -> StoredArrays | None:
        if not (folder.path / MANIFEST).is_file():
            return None
        manifest = folder.manifest()
        made_from, said = manifest.get("made_from", {}), manifest.get("shards", {})
        there = set(made_from.get("arrays", ()))
        alike = {**made_from, "arrays": self.parts["arrays"]} == self.parts
        if not alike or not there.issuperset(self.parts["arrays"]) or len(said) < len(self.shards):
            return None
        paths = [folder.shard(int(index), digest) for index, digest in said.items()]
        for path, digest in zip(paths, said.values(), strict=True):
            if not path.is_file() or sha256(path) != digest:
                log.warning("%s is missing or damaged: made again", path)
                return None
        log.info("activations are in the store: %s", folder.path)
        return StoredArrays(tuple(paths), self.keys, self.n_examples)

    @contextlib.contextmanager
    def being_filled(self) -> Iterator[dict[int, str]]:
        """Hold the folder for one run; gives the digests of the shards that are there already.

        Raises
        ------
        InputError
            Another run is filling the same folder, or there is no room for what is missing.
        """
        folder, refusal = (
            self.folder,
            (
                f"another run is writing the same activations to {self.folder.path}: wait for it, "
                "then run this again (it will use them), or name another store."
            ),
        )
        with contextlib.ExitStack() as stack:
            try:
                folder.path.mkdir(parents=True, exist_ok=True)
                stack.enter_context(hold(folder.path / LOCK, refusal))
                remove_leftovers(folder.path)
            except OSError as error:
                raise storage_error(folder.path, 0, error) from error
            whole = folder.whole_shards(self.shards)
            if whole:
                log.info("%s: %d of %d shards are there", folder.path, len(whole), len(self.shards))
            self._check_room([i for i in range(len(self.shards)) if i not in whole])
            write_atomic(folder.path / PLAN, self.plan)
            write_atomic(folder.path / MANIFEST, seal({"made_from": self.parts, "shards": {}}))
            yield whole

    def finish(self, digests: Mapping[int, str]) -> StoredArrays:
        """Write the manifest of a whole store and give its arrays."""
        shards = {str(i): digests[i] for i in range(len(self.shards))}
        folder = self.folder
        write_atomic(folder.path / MANIFEST, seal({"made_from": self.parts, "shards": shards}))
        paths = tuple(folder.shard(int(i), digest) for i, digest in shards.items())
        return StoredArrays(paths, self.keys, self.n_examples)

    def check_rows(self, index: int, digest: str) -> None:
        """An error if a shard that was made just now holds other examples than the plan says."""
        if not np.array_equal(self.folder.rows(index, digest), rows_of(self.shards[index])):
            raise InputError(
                f"shard {index} in {self.folder.path} holds other examples than planned: run again."
            )

    def _check_room(self, missing: Sequence[int]) -> None:
        size = sum(4 * self.n_units * len(rows_of(self.shards[i])) for i in missing)
        free = shutil.disk_usage(self.folder.path).free
        log.info("store: %.0f MiB to write, %.0f MiB free", size / 2**20, free / 2**20)
        if size + _SPARE_BYTES > free:
            raise StorageError(
                f"the activations need {size / 2**30:.2f} GiB and {free / 2**30:.2f} GiB are free "
                f"at {self.root}: name a store on another disk, or ask for fewer examples, sites "
                "or layers."
            )
