"""What stores, causal cards, replications and the folders of other commands keep."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from lens_probes.storage.schemas.base import Names, Number, Pair, Saved, Sha256
from lens_probes.storage.schemas.sweep_result import Decided, OneModel, SomeExamples, check_origin

_Index = Annotated[str, Field(pattern=r"\A\d{1,6}\z")]


class MadeFrom(Saved):
    """All that the numbers of a store depend on."""

    plan_sha256: Sha256
    arrays: list[Annotated[str, Field(pattern=r"\A\d{1,6}\.[\w.]+\z")]]


class StoreManifest(Saved):
    """`manifest.json` of a store's key."""

    made_from: MadeFrom
    shards: dict[_Index, Sha256]


class CardExamples(Saved):
    """The examples of a causal card."""

    sha256: Sha256
    class_names: Names
    n_chosen: int
    n_left_out: int
    n_measured: Pair
    n_passages_measured: int
    apart: list[str]


class CardOptions(Saved):
    """What was asked of a causal card."""

    top: int
    kind: Literal["zero", "mean", "resample"]
    positions: Literal["read", "all"]
    n_nulls: int
    n_windows: int
    after: int
    alpha: float
    seed: int
    sites: list[str]
    layers: list[int]


class CardProvenance(Saved):
    """Where a causal card's numbers come from."""

    model: OneModel
    examples: CardExamples
    sweep: dict[str, Any] | None
    options: CardOptions
    notes: list[str]
    method: int


class CardManifest(Saved):
    """`causal.json`."""

    verdict: Literal["used", "no more than a typical unit", "undecided"]
    why: str
    provenance: CardProvenance
    timings: dict[str, float]
    files: dict[str, Sha256]


class ScreenExamples(Saved):
    """The examples of a screen."""

    sha256: Sha256
    class_names: Names
    n_screened: Pair
    n_blocks: int
    n_exact_windows: int
    origin: dict[str, Any]


class ScreenOptions(Saved):
    """What was asked of a screen."""

    sites: list[str]
    layers: list[int]
    metric: Literal["kl", "loss", "callable"]
    positions: Literal["read", "all"]
    seed: int
    n_windows: int | None
    n_exact: int
    n_exact_windows: int
    n_draws: int
    after: int
    alpha: float
    untrained: bool


class Missed(Saved):
    """What a screen may have missed."""

    threshold: float
    n_above: int
    seen: int
    at_most: float
    n_exact: int


class ScreenProvenance(Saved):
    """Where a screen's numbers come from."""

    model: OneModel
    examples: ScreenExamples
    sweep: dict[str, Any] | None
    options: ScreenOptions
    method: int
    way: Literal["whole", "prefix", "packed"]
    missed: Missed
    floor: float


class ScreenManifest(Saved):
    """`screen.json`."""

    provenance: ScreenProvenance
    timings: dict[str, float]
    files: dict[str, Sha256]


class AtlasText(Saved):
    """The text of an atlas."""

    name: str
    sha256: Sha256
    n_read: int
    n_examples: int
    prefix: list[int]
    tokens_sha256: Sha256


class AtlasOptions(Saved):
    """What was asked of an atlas."""

    sites: list[str]
    layers: list[int]
    seed: int
    max_tokens: int
    n_permutations: int
    alpha: float
    untrained: bool


class AtlasProvenance(Saved):
    """Where an atlas's numbers come from."""

    model: OneModel
    text: AtlasText
    options: AtlasOptions
    threshold: Number
    method: int


class AtlasManifest(Saved):
    """`atlas.json`."""

    provenance: AtlasProvenance
    timings: dict[str, float]
    files: dict[str, Sha256]


class SecondExamples(Saved):
    """The examples of a replication."""

    origin: dict[str, Any]
    counts: dict[str, int]
    sha256: Sha256

    @field_validator("origin")
    @classmethod
    def _of_a_shipped_probe(cls, origin: dict[str, Any]) -> dict[str, Any]:
        return check_origin(origin)


class FirstSweep(Saved):
    """What was replicated."""

    examples: SomeExamples
    decision: Decided


class ReplicationManifest(Saved):
    """`replication.json`."""

    first: FirstSweep
    second: SecondExamples
    model: OneModel
    command: str | None = None
    files: dict[str, Sha256]


class FindingNumbers(Saved):
    """`numbers.json`."""

    command: str
    answer: list[str]
    listing: list[str]
    made_from: dict[str, Any]
    recorded: dict[str, Any]
    numbers: dict[str, Any]
