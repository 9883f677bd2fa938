"""What a lesson is run with, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import plotly.graph_objects as go

from lens_probes.activations.collect import Activations, collect
from lens_probes.course.claim import Measured, same_model
from lens_probes.course.data import Data, Ids
from lens_probes.course.measure import (
    Found,
    Numbers,
    OverGroups,
    measure,
    measure_items,
    measure_over_groups,
    over_groups,
)
from lens_probes.errors import InputError
from lens_probes.examples.examples import Examples
from lens_probes.examples.tokenised import tokenised
from lens_probes.model.load import LensModel
from lens_probes.probes.base import Probe
from lens_probes.probes.negation import NegationProbe
from lens_probes.report import heatmap_html
from lens_probes.residual import attention_sinks, stream, typical_norm
from lens_probes.texts.load import Document, Text, some_documents
from lens_probes.texts.tagging import load_tagger
from lens_probes.units.paint import paint

T = TypeVar("T")
Scale = Literal["course", "machine", "quick"]
SCALES: tuple[Scale, ...] = ("course", "machine", "quick")


@dataclass(frozen=True)
class Doubt:
    """Where the course itself is doubtful: one line, with the evidence measured here."""

    about: str
    evidence: str


@dataclass(frozen=True)
class Outcome:
    """What a lesson found: numbers for its claims, figures, doubts, and sizes as run.

    `figures` holds Plotly figures, or text heat maps as HTML.
    """

    measured: tuple[Measured, ...] = ()
    figures: Mapping[str, go.Figure | str] = field(default_factory=dict)
    doubts: tuple[Doubt, ...] = ()
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Setting:
    """The model, the sizes, and what lessons share so that nothing runs twice.

    Attributes
    ----------
    model
        The model of this run; `larger`: a second, larger one of its family, for L13.
    text
        Stands in for the course's books and WikiText.
    scale
        Sizes of the course, sizes that two cores can run, or a quick look.
    store
        Folder in which activations are kept between runs, or None.
    """

    model: LensModel
    text: Text
    seed: int = 0
    scale: Scale = "machine"
    larger: LensModel | None = None
    store: Path | None = None
    sizes: list[str] = field(default_factory=list)
    shared: dict[Any, Any] = field(default_factory=dict)

    @property
    def draws(self) -> int:
        """Halves of the groups and relabellings behind an interval and a null."""
        return {"course": 200, "machine": 40, "quick": 10}[self.scale]

    @property
    def few_draws(self) -> int:
        """The same for what is slow; even, as halves come in pairs."""
        return {"course": 50, "machine": 10, "quick": 6}[self.scale]

    def size(self, name: str, *, course: int, machine: int, quick: int) -> int:
        """A size at the scale of this run; it is printed beside the course's."""
        chosen = {"course": course, "machine": machine, "quick": quick}[self.scale]
        self._say(f"{name} {chosen:,} (the course: {course:,})")
        return chosen

    def some_text(self, *, course: int, machine: int, quick: int) -> Text:
        """Documents of the text drawn at random, up to so many characters."""
        n = self.size("characters of text", course=course, machine=machine, quick=quick)
        return some_documents(self.text, n, self.seed)

    def whole_text(self, *, quick: int) -> Text:
        """The whole text, of which a quick look reads so many characters."""
        whole = self.text.n_characters
        if self.scale != "quick":
            return self.text
        return self.some_text(course=whole, machine=whole, quick=quick)

    @property
    def two_texts(self) -> tuple[Text, Text]:
        """Every other document of the text, and the rest; the two halves of a single one."""
        documents = self.text.documents
        if len(documents) == 1:
            (one,) = documents
            cut = len(one.text) // 2
            documents = (replace(one, text=one.text[:cut]), replace(one, text=one.text[cut:]))
        first, second = (replace(self.text, documents=documents[half::2]) for half in (0, 1))
        return first, second

    def layer(self, course: int, of: int) -> int:
        """The layer at the course's depth: the same number in a model of as many layers."""
        n = self.model.n_layers
        chosen = min(n - 1, round(course * n / of))
        self._say(f"layer {chosen} of {n} (the course: {course} of {of})")
        return chosen

    def unit(self, course: int, site: str) -> int:
        """The course's index, or what is left of it in a narrower model."""
        return course % self.model.shapes[site].n_units

    def is_course_model(self, name: str) -> bool:
        """Whether this is the model of a lesson."""
        return same_model(self.model.source, name)

    def once(self, key: Any, make: Callable[[], T]) -> T:
        """What `make` gives, made once for all lessons of a run."""
        if key not in self.shared:
            self.shared[key] = make()
        value: T = self.shared[key]
        return value

    @property
    def untrained(self) -> LensModel:
        """The same architecture with fresh random weights."""
        return self.once("untrained", lambda: self.model.reinitialised(self.seed))

    def examples(self, probe: Probe) -> Examples:
        """Examples of a probe, drawn once."""
        key = ("examples", repr(sorted(probe.origin().items(), key=str)))
        return self.once(key, lambda: probe.examples(self.model))

    def read(
        self, probe: Probe, sites: Iterable[str], layers: Iterable[int] | int | None = None
    ) -> Data:
        """A probe's examples with `lp.collect` of trained and untrained weights, read once."""
        examples = self.examples(probe)
        names = tuple(sites)
        wanted = None if layers is None else layers if isinstance(layers, int) else tuple(layers)

        def collected(model: LensModel) -> Activations:
            found = collect(model, examples, sites=names, layers=wanted, store=self.store)
            # A store reads from disk at every access.
            return Activations({k: found[k] for k in found}, found.shapes, found.tokens_computed)

        key = ("read", examples.digest, names, wanted)
        bare = self.once((*key, "untrained"), lambda: collected(self.untrained))
        return Data(
            examples,
            self.once((*key, "trained"), lambda: collected(self.model)),
            Data(examples, bare, is_trained=False),
        )

    def negation(self, *, more_words: bool = False) -> Data:
        """The windows that L20 to L23 share: of the course's words, or of more of them."""
        if more_words:
            n = self.size("windows a class of more words", course=300, machine=150, quick=24)
        else:
            n = self.size("windows a class, at most", course=300, machine=300, quick=30)
        text, options = self.whole_text(quick=600_000), {"max_per_class": n, "seed": self.seed}
        extended = partial(NegationProbe, words="extended")
        probe = (extended if more_words else NegationProbe.course)(text, **options)
        return self.read(probe, ["mlp_pre", "q", "k", "v"])

    def measure(self, number: Callable[[Data], Found], data: Data, **options: Any) -> Numbers:
        """`measure.measure` with the draws and the seed of this run."""
        return measure(number, data, **{"draws": self.draws, "seed": self.seed} | options)

    def measure_over_groups(
        self, number: Callable[[Data, OverGroups], Found], data: Data, **options: Any
    ) -> Numbers:
        """`measure.measure_over_groups` with the draws and the seed of this run."""
        given: dict[str, Any] = {"draws": self.draws, "seed": self.seed}
        return measure_over_groups(number, data, **given | options)

    def over_groups(self, data: Data, **options: Any) -> dict[bool, OverGroups]:
        """`measure.over_groups` with the seed of this run."""
        return over_groups(data, seed=self.seed, **options)

    def measure_items(
        self, number: Callable[[Ids], Found], n: int, of: str, **options: Any
    ) -> Numbers:
        """`measure.measure_items` with the draws and the seed of this run."""
        given: dict[str, Any] = {"draws": 5 * self.draws, "seed": self.seed}
        return measure_items(number, n, of=of, **given | options)

    @property
    def passage(self) -> str:
        """The passage on randomness that lessons read, written for this project."""
        return resources.files("lens_probes").joinpath("data", "passage.txt").read_text("utf-8")

    def tagged_passage(self) -> tuple[Ids, Ids]:
        """Ids of the passage; which tokens end a noun, and which a verb [2, token].

        Raises
        ------
        InputError
            The tagger is not installed.
        """
        text = Text("passage", (Document("passage", "passage", self.passage),), "of this project")
        (document,) = tokenised(text, self.model.tokenizer)
        ids, ends = document.ids[: int(self.model.cfg.n_ctx)], np.asarray(document.end_char)
        marks = np.zeros((2, len(ids)), dtype=int)
        for word in load_tagger("perceptron")(self.passage):
            at = int(np.searchsorted(ends, word.end))
            if at < len(ids):
                marks[0, at] |= word.pos in ("NOUN", "PROPN")
                marks[1, at] |= word.pos in ("VERB", "AUX")
        return ids, marks

    def of_several_tokens(
        self, words: Sequence[str], frame: tuple[str, str]
    ) -> list[tuple[str, list[int], list[int]]]:
        """Words of two tokens or more here: word, ids of the text in its frame, its positions."""
        found = []
        for word in words:
            pieces = (frame[0], f" {word}", frame[1])
            before, own, after = (
                list(self.model.tokenizer(piece, add_special_tokens=False)["input_ids"])
                for piece in pieces
            )
            if len(own) > 1:
                places = list(range(len(before), len(before) + len(own)))
                found.append((word, [*before, *own, *after], places))
        if len(found) < 2:
            raise InputError("fewer than 2 of the lesson's words have several tokens here.")
        return found

    def heatmap(self, data: Data, unit: int, n: int = 3) -> str:
        """The first examples of class 1 under a unit of the one layer and site, as HTML."""
        ((layer, site),) = data.activations
        rows = np.flatnonzero(data.examples.label == 1)[:n].tolist()
        tokens = [data.examples.tokens[row] for row in rows]
        tokens = [ids[ids >= 0] for ids in tokens]
        targets = [int(data.examples.position[row]) for row in rows]
        return heatmap_html(
            paint(self.model, tokens, layer=layer, site=site, unit=unit, targets=targets)
        )

    def sinks_said(self, data: Data) -> str:
        """How many first tokens are read as attention sinks, by the norm of the stream."""
        ids = self.model.tokenizer(self.passage, add_special_tokens=False)["input_ids"]
        usual = stream(self.model, ids[: int(self.model.cfg.n_ctx)])
        typical = typical_norm(np.linalg.norm(usual, axis=-1)[:, :, 1:])
        examples, n = data.examples, min(20, len(data))
        at_sink = 0
        for row in range(n):
            states = stream(self.model, examples.tokens[row, : examples.position[row] + 1])
            norm = np.linalg.norm(states, axis=-1)[:, :, :1]
            at_sink += bool(attention_sinks(norm, typical=typical))
        return f"first tokens that are attention sinks in some layer: {at_sink} of {n} examples"

    def forget(self) -> None:
        """Drop activations (not the models): the next lessons read others."""
        for key in [k for k in self.shared if isinstance(k, tuple) and k[0] == "read"]:
            del self.shared[key]

    def _say(self, line: str) -> None:
        if line not in self.sizes:
            self.sizes.append(line)
