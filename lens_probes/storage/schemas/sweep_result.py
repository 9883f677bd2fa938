"""`result.json`: what a sweep keeps beside its tables."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from lens_probes.storage.schemas.base import Names, Number, OfClasses, Pair, Saved, Sha256
from lens_probes.storage.schemas.one_painting import OnePainting
from lens_probes.storage.schemas.validation import Validation

Groups = Annotated[list[int], Field(min_length=1)]
# The probes of this package, whose options a replication is made with; others keep what they like.
_SHIPPED = ("grammar", "proper_noun", "negation", "category", "token_length", "context", "labelled")


class WeightProcessing(Saved):
    """What was done to a model's weights before they were used."""

    norms_folded: bool
    writing_weights_centred: bool
    unembedding_centred: bool
    value_biases_folded: bool
    differs_at: list[str]


class OneModel(Saved):
    """Where activations come from."""

    source: str
    weights_sha256: Sha256
    config_sha256: Sha256 | None = None
    processing: Literal["none", "standard", "as given"]
    weights: WeightProcessing | None = None
    proof: dict[str, Literal["proved", "equal to a hook", "unproved"]] = Field(default_factory=dict)
    dtype: str
    device: str
    n_layers: int
    d_model: int
    bos_token: str | None
    versions: dict[str, str]
    class_name: Annotated[str, Field(alias="class")]


class GivenActivations(Saved):
    """Activations that were given, of no model that is known."""

    place: Annotated[str, Field(alias="from")]
    sha256: Sha256
    dtypes: list[str]
    versions: dict[str, str]


class OneText(Saved):
    """A text that examples were drawn from, or a table that they are."""

    name: str
    place: Annotated[str, Field(alias="from")]
    sha256: Sha256


class Origin(Saved):
    """How a probe of this package drew examples; its further options are its own."""

    question: str | None = None
    control: str | None = None
    course_p: str | None = None
    word_set: str | None = None
    by_default: list[str] = Field(default_factory=list)
    text: OneText | None = None
    words: dict[str, list[str]] | list[str] | str | int | None = None
    seed: int | None = None
    max_per_class: int | None = None
    max_words: int | None = None
    min_per_word: int | None = None
    before: int | None = None
    after: int | None = None
    chunk: int | None = None
    bos: bool | None = None
    balance: Literal["word", "natural"] | None = None
    balance_sources: bool | None = None
    group_by: Literal["word", "stem"] | None = None
    context: Literal["window", "document", "sentence", "word", "text"] | None = None
    read: Literal["last", "first", "mean", "every"] | None = None
    rule: str | None = None
    rows: OneText | None = None
    columns: dict[str, str] | None = None


class OneSource(Saved):
    """Examples of one passage group."""

    source: str | int | float | None
    n0: int
    n1: int
    n_types0: int
    n_types1: int


class SomeExamples(Saved):
    """The examples of a sweep."""

    class_names: Names
    n_per_class: OfClasses
    n_words_per_class: OfClasses
    n_read_tokens_per_class: OfClasses
    n_groups_per_class: OfClasses
    set_aside: dict[str, int]
    n_sources: int
    by_source: list[OneSource]
    tokens_up_to_target: Pair
    sha256: Sha256
    counts: dict[str, int]
    value_name: str | None
    tokens_computed: int
    origin: dict[str, Any]

    @field_validator("origin")
    @classmethod
    def _of_a_shipped_probe(cls, origin: dict[str, Any]) -> dict[str, Any]:
        return check_origin(origin)


class Adjusted(Saved):
    """What the test given the confounds took out, or why it could not be made."""

    given: list[str]
    left_out: dict[str, str] = Field(default_factory=dict)
    not_made: str | None = None
    method: str | None = None
    why: str | None = None


class Decided(Saved):
    """What made a unit significant."""

    preset: str
    p_column: str
    method: str
    scope: str
    alpha: float
    level: str
    n_permutations: int
    min_per_group: int
    seed: int
    why: str
    n_set_aside: int
    families: list[int]
    n_families: int
    m_smallest: int
    m_largest: int
    left_out: int
    n_relabellings: int | None = None
    exact: bool | None = None
    n_words_tested: Groups | None = None
    n_pairs: int | None = None
    statistic: str | None = None
    threshold: list[Number] | None = None
    threshold_low: list[Number] | None = None
    threshold_high: list[Number] | None = None
    simes_level: Number = None
    p_beyond: Number = None
    level_at_this_design: list[float] | None = None
    evidence_level: float | None = None
    simes_factor: float | None = None
    adjusted: Adjusted | None = None

    @model_validator(mode="after")
    def _the_smallest_p_is_known(self) -> Self:
        counted = self.n_relabellings is not None and self.n_relabellings > 0
        if self.method == "max_t" and not (counted and self.exact is not None):
            raise ValueError("max_t without its number of relabellings")
        return self


class SweepProvenance(Saved):
    """Where a sweep's numbers come from."""

    model: OneModel | None
    activations: GivenActivations | None = None
    examples: SomeExamples
    layers: list[int]
    sites: list[str]
    decision: Decided
    command: str | None = None

    @model_validator(mode="after")
    def _of_a_model_or_of_activations(self) -> Self:
        if (self.model is None) == (self.activations is None):
            raise ValueError("one of model and activations")
        return self


class OneContext(Saved):
    """A token with the text around it."""

    model_config = ConfigDict(extra="forbid")
    kind: str
    value: Number
    before: str
    token: str
    after: str
    source: str


class Details(Saved):
    """What a unit's card shows."""

    model_config = ConfigDict(extra="forbid")
    contexts: list[OneContext]
    anywhere: str
    promoted: list[tuple[str, Number]]
    suppressed: list[tuple[str, Number]]
    direct: str
    replication: list[str]
    causal: list[str]


class Seconds(Saved):
    """Times of the stages."""

    seconds: dict[str, float]


class ResultManifest(Saved):
    """`result.json`."""

    provenance: SweepProvenance
    validation: Validation
    paintings: list[OnePainting]
    details: dict[str, Details]
    files: dict[str, Sha256]
    timings: Seconds


def check_origin(origin: dict[str, Any]) -> dict[str, Any]:
    """An origin as it is; ValueError for one of a probe of this package with wrong options."""
    if origin.get("probe") in _SHIPPED:
        Origin.model_validate_json(json.dumps(origin))
    elif not isinstance(origin.get("probe"), str | None):
        raise ValueError("probe is not text")
    return origin
