"""What the folder of a smallest set of units keeps."""

from __future__ import annotations

from typing import Literal

from lens_probes.storage.schemas.base import Saved, Sha256
from lens_probes.storage.schemas.sweep_result import OneModel


class SetOptions(Saved):
    """What was asked."""

    sites: list[str]
    layers: list[int]
    rank: Literal["screen", "t", "random"]
    level: float
    n_nulls: int
    seed: int


class SetProvenance(Saved):
    """Where the numbers come from; the last four where random sets were drawn."""

    model: OneModel
    pairs: str
    question: str
    n_prompts: int
    n_dropped: int
    n_measured: int
    n_units: int
    contrast: float
    contrast_none: float
    accuracy: dict[str, float]
    options: SetOptions
    sufficient: float | None = None
    necessary: float | None = None
    sufficient_p: float | None = None
    necessary_p: float | None = None


class SetManifest(Saved):
    """`set.json`; a size of None: more units than there are."""

    size: float | None
    size_low: float | None
    size_high: float | None
    provenance: SetProvenance
    timings: dict[str, float]
    files: dict[str, Sha256]
