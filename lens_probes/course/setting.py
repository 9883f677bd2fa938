"""What a lesson is run with, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import plotly.graph_objects as go

from lens_probes.activations.collect import Activations, collect
from lens_probes.course.claim import Measured, same_model
from lens_probes.course.spread import Reading
from lens_probes.examples.examples import Examples
from lens_probes.model.load import LensModel
from lens_probes.probes.base import Probe
from lens_probes.texts.load import Text, some_documents

T = TypeVar("T")
Scale = Literal["course", "machine", "quick"]
SCALES: tuple[Scale, ...] = ("course", "machine", "quick")


@dataclass(frozen=True)
class Lesson:
    """What a script of `experiments/` reproduces.

    Attributes
    ----------
    model
        The course's; "" where the lesson needs none.
    tokens
        Tokens that the bundled model runs at the scales "machine" and "quick", whole passes, for
        the account of time.
    """

    id: str
    title: str
    model: str
    claims: tuple[str, ...]
    tokens: tuple[int, int] = (0, 0)


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

    def reading(
        self,
        examples: Examples,
        sites: Iterable[str],
        layers: Iterable[int] | int | None = None,
        *,
        untrained: bool = True,
    ) -> Reading:
        """Activations of trained and untrained weights, read once and kept in the store."""
        names = tuple(sites)
        wanted = None if layers is None else layers if isinstance(layers, int) else tuple(layers)

        def read(model: LensModel) -> Activations:
            found = collect(model, examples, sites=names, layers=wanted, store=self.store)
            # A store reads from disk at every access.
            return Activations({k: found[k] for k in found}, found.shapes, found.tokens_computed)

        key = ("read", examples.digest, names, wanted)
        trained = self.once((*key, "trained"), lambda: read(self.model))
        if not untrained:
            return Reading(examples, trained)
        return Reading(
            examples, trained, self.once((*key, "untrained"), lambda: read(self.untrained))
        )

    def forget(self) -> None:
        """Drop activations (not the models): the next lessons read others."""
        for key in [k for k in self.shared if isinstance(k, tuple) and k[0] == "read"]:
            del self.shared[key]

    def _say(self, line: str) -> None:
        if line not in self.sizes:
            self.sizes.append(line)
