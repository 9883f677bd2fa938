"""Checks for probes of one's own: what every probe promises, tried on a model."""

from __future__ import annotations

import inspect
import json
from dataclasses import dataclass

from lens_probes._sweep import sweep
from lens_probes.errors import InputError, given_as
from lens_probes.examples.examples import Examples
from lens_probes.examples.replication_groups import groups_per_class
from lens_probes.model.load import LensModel, load_model
from lens_probes.probes.base import Probe

__all__ = ["ProbeChecked", "check_probe"]


@dataclass(frozen=True)
class ProbeChecked:
    """A probe that keeps its promises, and what weakens its numbers.

    Attributes
    ----------
    name
        What the probe is called.
    n_per_class, n_groups_per_class
        Examples, and independent groups of words, of each class.
    remarks
        What is allowed and worth knowing: no words, too few groups for a test over them, nothing
        counted as dropped.
    """

    name: str
    n_per_class: tuple[int, ...]
    n_groups_per_class: tuple[int, ...]
    remarks: tuple[str, ...]


def check_probe(
    probe: Probe | type[Probe], model: LensModel | None = None, *, swept: bool = True
) -> ProbeChecked:
    """Try on a model all that a sweep relies on, as scikit-learn's check_estimator does.

    It says what it is (name, question, class names); its examples are `Examples` of its classes,
    two of each or more, the same when asked again; what it says of itself can be saved; `others` is
    `Examples` or None; one layer can be swept.

    Parameters
    ----------
    probe
        An instance, or a class whose options all have defaults.
    model
        The model to read tokens with; None: the bundled one.
    swept
        Sweep the first layer's `mlp_pre`, too, with few permutations.

    Raises
    ------
    InputError
        The first promise that is not kept, in one line.

    Examples
    --------
    >>> import lens_probes as lp
    >>> from lens_probes.testing import check_probe
    >>> check_probe(lp.CategoryProbe(), swept=False).name  # doctest: +SKIP
    'category'
    """
    made = _instance(probe)
    names = _says_what_it_is(made)
    model = load_model("bundled") if model is None else model
    examples = made.examples(model)
    who = type(made).__name__
    if not isinstance(examples, Examples):
        raise InputError(f"{who}.examples() returns {type(examples).__name__}: return Examples.")
    if examples.class_names != names and examples.value is None:
        raise InputError(
            f"{who} names its classes {names}, its examples {examples.class_names}: use one."
        )
    if min(examples.n_per_class) < 2:
        raise InputError(
            f"{who} finds {examples.n_per_class} examples of its classes: two of each are needed."
        )
    if made.examples(model).digest != examples.digest:
        raise InputError(f"{who} gives other examples when asked again: draw with self.seed.")
    try:
        json.dumps(made.origin(), default=_plain)
    except (TypeError, ValueError) as error:
        raise InputError(f"{who}.origin() cannot be saved: {error}.") from error
    others = made.others(model)
    if others is not None and not isinstance(others, Examples):
        raise InputError(f"{who}.others() returns {type(others).__name__}: Examples or None.")
    if swept:
        sweep(model, made, sites=["mlp_pre"], layers=[0], untrained=False, n_permutations=20)
    return ProbeChecked(
        made.name, tuple(examples.n_per_class), tuple(groups_per_class(examples)),
        _remarks(examples),
    )  # fmt: skip


def _instance(probe: Probe | type[Probe]) -> Probe:
    if not inspect.isclass(probe):
        given_as("probe", probe, Probe, "a Probe, or a class of one")
        return probe
    try:
        made = probe()
    except TypeError as error:
        raise InputError(f"{probe.__name__} needs options: check {probe.__name__}(...).") from error
    return _instance(made)


def _says_what_it_is(probe: Probe) -> tuple[str, ...]:
    """The names of its classes, once it has all that a result says of it."""
    who = type(probe).__name__
    for attribute in ("name", "question", "control"):
        said = getattr(probe, attribute, None)
        if not isinstance(said, str) or not said.strip():
            raise InputError(f"{who} has no {attribute}: set it, a line of text.")
    names = getattr(probe, "class_names", ())
    distinct = {name for name in names if isinstance(name, str) and name.strip()}
    if not isinstance(names, tuple) or len(names) < 2 or len(distinct) < len(names):
        raise InputError(
            f"{who}.class_names must be two names or more, class 0 first; got {names}."
        )
    return names


def _plain(value: object) -> str:
    """What a result writes as text: a path, an array; not a function."""
    if callable(value):
        raise TypeError(f"{value!r} is a function")
    return str(value)


def _remarks(examples: Examples) -> tuple[str, ...]:
    said = []
    if examples.word is None:
        said.append("no word types: tokens count as independent")
    elif min(groups_per_class(examples), default=0) < 4:
        said.append("fewer than four groups of words in a class: no test over groups can decide")
    if not examples.counts:
        said.append("counts is empty: what was dropped is not said")
    return tuple(said)
