"""What a probe must say: its question, its two classes, its control and its examples."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from lens_probes.errors import InputError, at_least, choice, flag, given_as, shown
from lens_probes.examples.draws import Balance, draw_targets
from lens_probes.examples.examples import Examples
from lens_probes.examples.targets import Candidate, Exclusion, Rule, find_targets, locate
from lens_probes.examples.tokenised import Tokenised
from lens_probes.examples.windows import (
    Context,
    Read,
    Targets,
    Window,
    cut_windows,
    starts_with_bos,
)
from lens_probes.probes.stems import by_stem, stemmer
from lens_probes.texts.load import Text

GroupBy = Literal["word", "stem"]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lens_probes.model.load import LensModel


class Probe(ABC):
    """One contrast between two classes of tokens.

    A probe turns a text (or words, or sentences) into labelled examples with a model's tokenizer;
    everything after that is the same for all probes. To write one, make a frozen dataclass of
    this, set the class attributes, and return Examples.

    Attributes
    ----------
    name, question, class_names
        What the probe is called, what it asks, and the names of its classes, class 0 first.
    control
        One line: what a unit could follow instead of the property; what `others` holds, if it
        gives examples.
    others_label
        The class that `others` belong to in truth (hard negatives: 0); None: neither.
    course_p
        The p-value that the lesson decides by (course preset).
    course_options
        Options of the lesson, where they differ from the defaults.
    """

    name: str
    question: str
    class_names: tuple[str, ...]
    control: str = "labels shuffled over word types"
    others_label: Literal[0] | None = None
    course_p: str = "wald_p"
    course_options: ClassVar[Mapping[str, Any]] = {}

    @classmethod
    def course(cls, *arguments: Any, **options: Any) -> Self:
        """The probe with the lesson's words, rules and sizes."""
        return cls(*arguments, **{**cls.course_options, **options})

    @abstractmethod
    def examples(self, model: LensModel) -> Examples:
        """Labelled examples for this model, with what was dropped and why in `counts`."""

    def others(self, model: LensModel) -> Examples | None:
        """A further negative set, or None: tokens that a unit tuned to one class should not take
        for it. Their labels and words are not used."""
        return None

    def origin(self, **more: Any) -> dict[str, Any]:
        """What a result says about its examples: the probe, its options, its text."""
        said: dict[str, Any] = {
            "probe": self.name,
            "question": self.question,
            "control": self.control,
            "course_p": self.course_p,
        }
        if dataclasses.is_dataclass(self):
            for part in dataclasses.fields(self):
                value = getattr(self, part.name)
                said[part.name] = text_origin(value) if isinstance(value, Text) else value
        said["by_default"] = sorted(getattr(self, "_defaulted", ()))
        return said | more


def check_text(probe: Any) -> None:
    """An error for a text's name, or something else, in place of the text of a probe."""
    fields = {part.name: part.default for part in dataclasses.fields(probe)}
    text = getattr(probe, "text", None)
    if "text" not in fields or isinstance(text, Text) or (text is None and fields["text"] is None):
        return
    how = f": load_text({text[:80]!r}) makes one" if isinstance(text, str) else ""
    raise InputError(f"text must be a Text; got {shown(text)}{how}.")


def examples_of(model: LensModel, probe: Probe | Examples) -> Examples:
    """A probe's examples for a model, or examples of one's own as they are."""
    if isinstance(probe, Examples):
        return probe
    given_as("probe", probe, Probe, "a Probe or Examples")
    examples = probe.examples(model)
    given_as(f"what {type(probe).__name__}.examples() returns", examples, Examples, "Examples")
    return examples


LONE, MADE = "word list", "sentences given with the words"
NO_CORPUS = (LONE, MADE)


def text_origin(text: Text) -> dict[str, str]:
    """Name, place and digest of a text, and what was done to it."""
    said = {"name": text.name, "from": text.origin, "sha256": text.sha256}
    return said | ({"treatment": text.treatment} if text.treatment else {})


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextProbe(Probe):
    """A probe of targets in running text: how they are drawn, and what is kept around them.

    Parameters
    ----------
    max_per_class
        Examples drawn for each class, at most; None takes all.
    balance
        `"word"`: as evenly over word types as they allow (default); `"natural"`: at random.
    max_words
        Word types drawn for each class, at most; None takes all.
    min_per_word
        Word types with fewer usable occurrences are dropped and counted; 1 by default.
    balance_sources
        Draw both classes from the same documents, speakers (sources) and decades, as far as the
        text allows: by default, but not in the lesson's draw (`course`).
    group_by
        What is independent evidence (`Examples.group`): a `"word"` type (default), or all that
        share a `"stem"` (English, Snowball), each joined with what shares its read token.
    context
        `"window"` (default): `before` tokens and the target; `"document"`: many targets from one
        pass over chunks of `chunk` tokens, each with `before` or more; `"sentence"`: its whole
        sentence; `"word"`: the target alone.
    bos
        Put the BOS token first. None: where the tokenizer does so itself, as it does for the texts
        that the model was trained on; the course does not.
    read
        Token of a target of several that is read: the last, the first, or the mean over all.
    """

    max_per_class: int | None = 300
    balance: Balance | None = None
    balance_sources: bool | None = None
    group_by: GroupBy = "word"
    max_words: int | None = None
    min_per_word: int | None = None
    context: Context | None = None
    before: int = 90
    after: int = 10
    bos: bool | None = None
    read: Read = "last"
    chunk: int = 512
    seed: int = 0

    def __post_init__(self) -> None:
        self._by_default(balance="word", balance_sources=True, min_per_word=1, context="window")
        for name, least in (("max_per_class", 2), ("max_words", 2), ("min_per_word", 1)):
            if getattr(self, name) is not None:
                at_least(least, **{name: getattr(self, name)})
        at_least(0, seed=self.seed)
        choice("balance", self.balance, ("word", "natural"))
        choice("group_by", self.group_by, ("word", "stem"))
        if self.group_by == "stem":
            stemmer()
        flag("bos", bool(self.bos) if self.bos is None else self.bos)
        _ = self.window
        check_text(self)

    @classmethod
    def course(cls, *arguments: Any, **options: Any) -> Self:
        """The probe with the lesson's words, rules and sizes, drawn as the lesson draws."""
        return super().course(*arguments, **{"balance_sources": False, "bos": False, **options})

    @property
    def window(self) -> Window:
        """What is kept around a target."""
        context = self.context or "window"
        return Window(context, self.before, self.after, bool(self.bos), self.read, self.chunk)

    def _by_default(self, **values: Any) -> None:
        """Set options that were not given."""
        defaulted = set(getattr(self, "_defaulted", ()))
        for name, value in values.items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)
                defaulted.add(name)
        object.__setattr__(self, "_defaulted", defaulted)

    def from_words(
        self,
        model: LensModel,
        text: Text,
        words: Mapping[str, int],
        /,
        *,
        rule: Rule = "extended",
        unless: Exclusion | None = None,
        classes: tuple[int, ...] | None = None,
        **origin: Any,
    ) -> Examples:
        """Examples of word types (-> class) in a text; see `examples.targets.find_targets`."""
        found = find_targets(
            text, model.tokenizer, words, rule=rule, window=self.window, unless=unless
        )
        listed = {
            name: sorted(word for word, label in words.items() if label == i)
            for i, name in enumerate(self.class_names)
        }
        said = {"words": listed, "rule": rule} | origin
        return self.drawn(model, text, found, classes=classes, **said)

    def from_candidates(
        self,
        model: LensModel,
        text: Text,
        candidates: Callable[[Tokenised], Iterable[Candidate]],
        /,
        *,
        classes: tuple[int, ...] | None = None,
        **origin: Any,
    ) -> Examples:
        """Examples of whatever `candidates` points at in each document of a text."""
        found = locate(text, model.tokenizer, candidates, self.window)
        return self.drawn(model, text, found, classes=classes, **origin)

    def drawn(
        self,
        model: LensModel,
        text: Text,
        found: Targets,
        /,
        *,
        classes: tuple[int, ...] | None = None,
        **origin: Any,
    ) -> Examples:
        """A sample of targets with their windows; an error if a class has fewer than two.

        `classes` are those that must be there: all (None), but for a further negative set.
        """
        drawn, counts = draw_targets(
            found,
            max_per_class=self.max_per_class,
            balance=self.balance or "word",
            max_words=self.max_words,
            min_per_word=self.min_per_word or 1,
            documents=text.documents if self.balance_sources else None,
            seed=self.seed,
        )
        for label in range(len(self.class_names)) if classes is None else classes:
            n, name = sum(target.label == label for target in drawn), self.class_names[label]
            if n < 2:
                said = "; ".join(f"{reason} {number}" for reason, number in counts.items())
                raise InputError(
                    f"text {text.name!r} has {n} usable targets of class {name}, 2 or more "
                    f"are needed ({said}): give a longer text or other words."
                )
        bos = starts_with_bos(model.tokenizer) if self.bos is None else self.bos
        columns = cut_windows(
            text,
            found,
            drawn,
            dataclasses.replace(self.window, bos=bos),
            class_names=self.class_names,
            counts=counts,
            origin=self.origin(**{"bos": bos, **origin}),
            bos_token_id=model.tokenizer.bos_token_id,
        )
        examples = Examples(**columns)
        return examples if self.group_by == "word" else by_stem(examples)
