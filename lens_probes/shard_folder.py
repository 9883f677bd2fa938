"""Shards of activations in one folder: written once, named by their digest, read when asked for."""

from __future__ import annotations

import contextlib
import logging
import re
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

from lens_probes.digests import open_file, read_file, sha256_of
from lens_probes.errors import InputError, one_line
from lens_probes.passes import Shard, rows_of
from lens_probes.sealed import storage_error, unseal, write_atomic

log = logging.getLogger(__name__)

MANIFEST = "manifest.json"
SHARD_NAME = re.compile(r"(?P<index>\d{6})-(?P<sha256>[0-9a-f]{64})\.safetensors")

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
