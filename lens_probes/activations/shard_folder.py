"""Shards of activations in one folder: written once, named by their digest, read when asked for."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from safetensors import SafetensorError

from lens_probes.activations.passes import Shard, rows_of
from lens_probes.activations.shard_file import (
    Stored,
    Tensors,
    as_float32,
    in_dtype,
    shard_bytes,
    shard_tensors,
)
from lens_probes.errors import InputError, one_line
from lens_probes.storage.integrity import (
    read_file,
    seal,
    sha256,
    sha256_of,
    storage_error,
    unseal,
    write_atomic,
)
from lens_probes.storage.schemas import StoreManifest, check_format, checked

log = logging.getLogger(__name__)

MANIFEST = "manifest.json"
SHARD_NAME = re.compile(r"(?P<index>\d{6})-(?P<sha256>[0-9a-f]{64})\.safetensors")

# Part of the key. Raise it with every change of this package that changes a number in a shard (what
# is read, how a batch is run) or the files: between two releases the versions do not tell.
FORMAT = 3
_SAID = "lens_probes"

Key = tuple[int, str]


@dataclass(frozen=True)
class ShardFolder:
    """The files of one key. Several processes may add shards, one run at a time decides which.

    A shard says inside of what key, plan and index it is and what its numbers' digest is: a file
    of another store is none of this one, whatever its name.

    Attributes
    ----------
    path
        Named by the key.
    plan_sha256
        Of the plan that the key's shards are made from; None where it is not known.
    """

    path: Path
    plan_sha256: str | None

    def add(
        self,
        index: int,
        rows: Int[np.ndarray, " example"],
        arrays: Mapping[Key, Float[np.ndarray, "example unit"]],
        stored: Stored = "float32",
    ) -> str:
        """Write a shard and return its digest; the same numbers are the same bytes.

        Raises
        ------
        InputError
            A number that the type it is to be stored in does not have.
        """
        tensors: Tensors = {"rows": np.ascontiguousarray(rows, "<i8")}
        for (layer, site), values in arrays.items():
            tensors[f"{layer}.{site}"] = in_dtype(values, stored, f"site {site}, layer {layer}")
        said = self._identity(index) | {"content_sha256": _content_digest(tensors)}
        # One entry: several have no order of their own in a safetensors file.
        data = shard_bytes(tensors, stored, {_SAID: json.dumps(said)})
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

    def tensors(self, index: int, digest: str, names: Sequence[str] = ()) -> Tensors:
        """Some tensors of a shard, or all of them; what the whole is made of is not hashed.

        Raises
        ------
        InputError
            It is not there, cannot be read, or is no shard of this key, plan and index.
        """
        path = self.shard(index, digest)
        try:
            metadata, read = shard_tensors(path, names)
            said = json.loads(metadata.get(_SAID, "{}"))
            self._check_identity(path, index, said)
        except OSError as error:
            why = error.strerror or one_line(error, 80)
            raise InputError(f"{path.name} cannot be read ({why}).") from error
        except (SafetensorError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{path.name} cannot be read ({one_line(error, 80)}).") from error
        if not names and said["content_sha256"] != _content_digest(read):
            raise InputError(f"{path.name} has other numbers than it says.")
        return read

    def check(
        self, index: int, digest: str, rows: Int[np.ndarray, " example"] | None = None
    ) -> None:
        """An error unless a shard is whole, what it says it is, and of these examples.

        Raises
        ------
        InputError
            With what is wrong.
        """
        path = self.shard(index, digest)
        try:
            whole = sha256(path) == digest
        except OSError as error:
            raise InputError(f"{path.name} cannot be read ({error.strerror}).") from error
        if not whole:
            raise InputError(f"{path.name} has changed since it was written.")
        read = self.tensors(index, digest)
        if rows is not None and not np.array_equal(read["rows"], rows):
            raise InputError(f"{path.name} holds other examples than the plan says.")

    def _identity(self, index: int) -> dict[str, Any]:
        return {
            "format": FORMAT, "key": self.path.name, "plan_sha256": self.plan_sha256,
            "index": index,
        }  # fmt: skip

    def _check_identity(self, path: Path, index: int, said: Any) -> None:
        wanted = self._identity(index)
        if self.plan_sha256 is None:
            del wanted["plan_sha256"]
        if not isinstance(said, dict) or not isinstance(said.get("content_sha256"), str):
            raise InputError(f"{path.name} does not say what it is: it is not ours.")
        if other := [name for name, value in wanted.items() if said.get(name) != value]:
            raise InputError(f"{path.name} is of another {' and '.join(other)}.")

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
                try:
                    if index >= len(shards) or index in whole:
                        raise InputError(f"{path.name} is not of this plan.")
                    self.check(index, digest, rows_of(shards[index]))
                    whole[index] = digest
                except InputError as error:
                    log.warning("%s: %s It is made again", self.path, error)
                    path.unlink()
            except OSError as error:
                raise storage_error(path, 0, error) from error
        return whole

    def manifest(self) -> dict[str, Any]:
        """The manifest: whole, of this version, and of this folder's key.

        Raises
        ------
        InputError
            It is not, or cannot be read.
        """
        path = self.path / MANIFEST
        try:
            said = unseal(read_file(path), path)
        except OSError as error:
            raise InputError(f"cannot read {path} ({error.strerror}).") from error
        made_from = said.get("made_from")
        if isinstance(made_from, dict):
            check_format(made_from.get("format"), FORMAT, path)
        checked(said, StoreManifest, path)
        if (key := key_of(said["made_from"])) != self.path.name:
            raise InputError(f"{path} is of the key {key}, not of this folder's.")
        return said


def key_of(made_from: Mapping[str, Any]) -> str:
    """Name of the folder of all that has been made from this."""
    return sha256_of(seal(made_from))[:24]


@dataclass(frozen=True, eq=False)
class StoredArrays(Mapping[Key, Float[np.ndarray, "example unit"]]):
    """Arrays [example, unit], read from mapped shards when they are asked for.

    One layer and site is in memory at a time; an array that is in use elsewhere is not read twice.
    """

    folder: ShardFolder
    digests: tuple[str, ...]
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
        name = f"{key[0]}.{key[1]}"
        array: Float[np.ndarray, "example unit"] | None = None
        for index, digest in enumerate(self.digests):
            try:
                read = self.folder.tensors(index, digest, ("rows", name))
            except InputError as error:
                raise InputError(
                    f"{self.folder.path}: {error} It was whole when this run started; run again, "
                    "and it is made anew."
                ) from error
            if array is None:
                array = np.empty((self.n_examples, read[name].shape[1]), np.float32)
            array[read["rows"]] = as_float32(read[name])
        assert array is not None, "a plan has one shard or more"
        array.flags.writeable = False  # it is handed out again while it is in use
        self._in_use[key] = array
        return array

    def __iter__(self) -> Iterator[Key]:
        return iter(self.keys_in_order)

    def __len__(self) -> int:
        return len(self.keys_in_order)

    def __reduce__(self) -> tuple[Any, ...]:
        return StoredArrays, (self.folder, self.digests, self.keys_in_order, self.n_examples)


def _content_digest(tensors: Tensors) -> str:
    """Digest of names, types, shapes and numbers, whatever the file around them looks like."""
    digest = hashlib.sha256()
    for name, values in sorted(tensors.items()):
        digest.update(f"{name} {values.dtype.str} {values.shape} ".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()
