"""The activation store: files of activations that outlive a run, and are trusted only when whole.

    STORE/<key>/manifest.json               what this is, and when all is there, each shard's digest
    STORE/<key>/plan.safetensors            the batches: what every shard is made from
    STORE/<key>/000007-<sha256>.safetensors shard 7: [example, unit] for each layer and site

The key is a digest of all that the numbers depend on (the model's weights and settings, tokens and
where they are read, sites, layers, processing, dtype, device, versions, batches) and of nothing
else: labels and words are not in it, so other probes and statistics on the same tokens use the same
files. Where numbers are stored in half precision the key says so, too. A shard is named by its
digest, so that one that was finished just before a crash can be told from half a one with no list
of what is finished; inside it says of what key and index it is.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lens_probes.activations.passes import Shard, plan_to_bytes, rows_of
from lens_probes.activations.shard_file import Stored, bytes_of
from lens_probes.activations.shard_folder import (
    FORMAT,
    MANIFEST,
    Key,
    ShardFolder,
    StoredArrays,
    key_of,
)
from lens_probes.errors import InputError, one_line
from lens_probes.storage.folders import hold
from lens_probes.storage.integrity import (
    StorageError,
    remove_leftovers,
    seal,
    sha256,
    sha256_of,
    storage_error,
    write_atomic,
)

log = logging.getLogger(__name__)

PLAN, LOCK = "plan.safetensors", "lock"
_SPARE_BYTES = 2**24


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
    stored: Stored = "float32"

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
            **({} if self.stored == "float32" else {"stored": self.stored}),
        }

    @property
    def folder(self) -> ShardFolder:
        """Where the files of this key are or will be."""
        return ShardFolder(self.root / key_of(self.parts), self.parts["plan_sha256"])

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
                arrays = self._finished_in(ShardFolder(path, self.parts["plan_sha256"]))
            except (InputError, OSError) as error:
                # Stores of other versions are none of this one's business.
                level = logging.WARNING if path == own else logging.INFO
                log.log(level, "%s: %s", path, one_line(error))
                continue
            if arrays is not None:
                return arrays
        return None

    def _finished_in(self, folder: ShardFolder) -> StoredArrays | None:
        if not (folder.path / MANIFEST).is_file():
            return None
        manifest = folder.manifest()
        made_from, said = manifest["made_from"], manifest["shards"]
        alike = {**made_from, "arrays": self.parts["arrays"]} == self.parts
        there = set(made_from["arrays"])
        indices = range(len(self.shards))
        if not alike or not there.issuperset(self.parts["arrays"]):
            return None
        if sorted(said, key=int) != list(map(str, indices)):
            return None
        digests = tuple(said[str(i)] for i in indices)
        for i in indices:
            folder.check(i, digests[i], rows_of(self.shards[i]))
        self._mend_plan(folder)
        log.info("activations are in the store: %s", folder.path)
        return StoredArrays(folder, digests, self.keys, self.n_examples)

    def _mend_plan(self, folder: ShardFolder) -> None:
        """Write a damaged plan again; nothing that is read now depends on it, so only `verify`."""
        path = folder.path / PLAN
        try:
            if sha256(path) == folder.plan_sha256:
                return
        except OSError as error:
            log.info("%s: %s", path, one_line(error))
        log.warning("%s is missing or damaged: written again", path)
        write_atomic(path, self.plan)

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
        return StoredArrays(folder, tuple(shards.values()), self.keys, self.n_examples)

    def check_rows(self, index: int, digest: str) -> None:
        """An error if a shard that was made just now holds other examples than the plan says."""
        rows = self.folder.tensors(index, digest, ("rows",))["rows"]
        if not np.array_equal(rows, rows_of(self.shards[index])):
            raise InputError(
                f"shard {index} in {self.folder.path} holds other examples than planned: run again."
            )

    def _check_room(self, missing: Sequence[int]) -> None:
        n = sum(len(rows_of(self.shards[i])) for i in missing)
        size = bytes_of(self.stored) * self.n_units * n
        free = shutil.disk_usage(self.folder.path).free
        log.info("store: %.0f MiB to write, %.0f MiB free", size / 2**20, free / 2**20)
        if size + _SPARE_BYTES > free:
            raise StorageError(
                f"the activations need {size / 2**30:.2f} GiB and {free / 2**30:.2f} GiB are free "
                f"at {self.root}: name a store on another disk, or ask for fewer examples, sites "
                "or layers."
            )
