"""Stages of a sweep or a replication: their seconds, and bars of those that read kept arrays."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from jaxtyping import Float
from numpy import ndarray
from tqdm.auto import tqdm

from lens_probes.activations.collect import Activations

Key = tuple[int, str]


@dataclass
class Stages:
    """Seconds of each stage, and where `shown` a bar on standard error while one is at work.

    A stage of statistics does not know how often it will read which array (a check draws labels
    anew, a permutation test goes through all in blocks): its bar counts the arrays read.
    """

    shown: bool = False
    seconds: dict[str, float] = field(default_factory=dict)
    _bar: tqdm[Any] | None = None

    @contextmanager
    def stage(self, name: str, *, bar: bool = True) -> Iterator[None]:
        """Time what is done inside; `bar=False` for what shows a bar of its own."""
        began = time.perf_counter()
        shown: tqdm[Any] = tqdm(desc=name, unit="array", disable=not (self.shown and bar))
        with shown as self._bar:
            yield
        self._bar = None
        self.seconds[name] = time.perf_counter() - began

    def watched(self, activations: Activations) -> Activations:
        """The same arrays; each that is read moves the bar of the stage at work."""
        if not self.shown:
            return activations
        arrays = _Watched(activations.arrays, self)
        return replace(activations, arrays=arrays)

    def advance(self) -> None:
        """One more array was read."""
        if self._bar is not None:
            self._bar.update()


@dataclass(frozen=True, eq=False)
class _Watched(Mapping[Key, Float[ndarray, "example unit"]]):
    arrays: Mapping[Key, Float[ndarray, "example unit"]]
    stages: Stages

    def __getitem__(self, key: Key) -> Float[ndarray, "example unit"]:
        self.stages.advance()
        return self.arrays[key]

    def __iter__(self) -> Iterator[Key]:
        return iter(self.arrays)

    def __len__(self) -> int:
        return len(self.arrays)
