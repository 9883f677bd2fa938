"""`lens-probes maximize`: what drives one unit, by gradient, over tokens, or in a corpus."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from lens_probes.cli.finding_folder import find
from lens_probes.cli.options import ModelOptions, check_at_least, log_lines
from lens_probes.errors import InputError, unknown, whole
from lens_probes.sites import SITES

if TYPE_CHECKING:
    from lens_probes.drawing.page import Finding
    from lens_probes.model.load import LensModel
    from lens_probes.texts.load import Text

Method = Literal["gradient", "tokens", "sample"]
ALL_OF_IT = 0
_log = logging.getLogger(__name__)


@Parameter(name="*")
@dataclass(frozen=True)
class SearchOptions:
    """Of the methods that search: gradient and tokens."""

    tokens: int | None = None
    """Tokens of the input. [default: 5]"""

    starts: int | None = None
    """Random starts. [default: 5 by gradient, 1 over tokens]"""

    steps: int | None = None
    """Steps of the search. [default: 500 by gradient, 30 over tokens]"""

    read: Literal["last", "mean"] | None = None
    """The unit at the last token, or its mean over the tokens. [default: last]"""

    learning_rate: float | None = None
    """gradient: of Adam. [default: 0.001]"""

    l2: float | None = None
    """gradient: penalty on the size of the embeddings. [default: 0]"""

    null_draws: int | None = None
    """gradient: draws of random embeddings that restarts are compared with. [default: 100]"""

    candidates: int | None = None
    """tokens: replacements tried in a step. [default: 64]"""


@Parameter(name="*")
@dataclass(frozen=True)
class CorpusOptions:
    """Of the reading of a text: by the method sample, or by tokens where --text is given."""

    text: str | None = None
    """Where to look: see `lens-probes texts`. [default: speeches; none over tokens]"""

    characters: int | None = None
    """Documents are drawn at random up to this many; 0 is all. [default: 200,000]"""

    k: int | None = None
    """Highest and lowest tokens to keep. [default: 20]"""

    length: int | None = None
    """Tokens in a window. [default: 128]"""

    batch: int | None = None
    """sample: windows in a batch that has one winner. [default: 8]"""

    batches: int | None = None
    """sample: batches at random offsets. [default: 100]"""

    exclude_sinks: bool | None = None
    """Leave out positions with an unusually long residual stream. [default: keep, and count]"""


_SEARCH = ("tokens", "starts", "steps", "read")
_READING = ("text", "characters", "k", "length", "exclude_sinks")
ALLOWED: dict[str, tuple[str, ...]] = {
    "gradient": (*_SEARCH, "learning_rate", "l2", "null_draws"),
    "tokens": (*_SEARCH, "candidates", *_READING),
    "sample": (*_READING, "batch", "batches"),
}
# As in `lens_probes.maximize`, here so that they are known before anything is loaded.
_MOST = {
    "starts": 10_000, "steps": 1_000_000, "candidates": 100_000, "null_draws": 1_000_000,
    "batch": 65_536,
}  # fmt: skip
_NAMES = {
    "tokens": "n_tokens", "starts": "n_starts", "candidates": "n_candidates",
    "batches": "n_batches",
}  # fmt: skip


def maximize(
    *,
    site: str,
    layer: int,
    unit: int,
    method: Method = "gradient",
    seed: int = 0,
    out: Annotated[Path | None, Parameter(show_default=False)] = None,
    search: SearchOptions | None = None,
    corpus: CorpusOptions | None = None,
    model: ModelOptions | None = None,
) -> None:
    """What drives one unit to its highest values, and what chance gives beside it.

    Parameters
    ----------
    site
        Where the unit is: see `lens-probes sites`.
    layer
        Its block, from 0.
    unit
        Its index in the site, from 0.
    method
        `gradient`: optimise embeddings; `tokens`: search among texts; `sample`: read a corpus.
    seed
        Of every draw.
    out
        Folder for page and numbers, absent or empty. [default: runs/maximize]
    """
    model = model or ModelOptions()
    log_lines(model.quiet)
    if site not in SITES:
        raise unknown("site", site, SITES)
    given = _check(method, seed, search or SearchOptions(), corpus or CorpusOptions())

    place = {"site": site, "layer": layer, "unit": unit, "seed": seed}
    reading: dict[str, Any] = {
        name: given.pop(name) for name in ("text", "characters") if name in given
    }

    def make(loaded: LensModel, text: Text | None) -> Finding:
        if method == "gradient":
            return _by_gradient(loaded, place, given)
        if method == "tokens":
            return _over_tokens(loaded, place, given, text, not model.quiet)
        assert text is not None, "the method sample has a text"
        return _in_a_corpus(loaded, place, given, text, not model.quiet)

    read = partial(_text, method, reading, seed)
    find(out or Path("runs") / "maximize", model, make, read=read)


def _check(
    method: Method, seed: int, search: SearchOptions, corpus: CorpusOptions
) -> dict[str, Any]:
    """The options that were given, without their defaults; those of another method are errors."""
    every = vars(search) | vars(corpus)
    given = {name: value for name, value in every.items() if value is not None}
    for name in given:
        if name not in ALLOWED[method]:
            used = " and ".join(m for m, names in ALLOWED.items() if name in names)
            raise InputError(
                f"--{name.replace('_', '-')} belongs to method {used}, not {method}: leave it out."
            )
    if method == "tokens" and "text" not in given and set(given) & set(_READING):
        raise InputError("the corpus is read beside method tokens only with --text: name a text.")
    if method == "gradient" and given.get("starts") == 1 and "null_draws" in given:
        raise InputError(
            "--null-draws compares restarts with chance, and --starts 1 has none: give 2 or more."
        )
    check_at_least(0, seed=seed, characters=given.get("characters"))
    check_at_least(1, **{name: given.get(name) for name in ("tokens", "k", "batches")})
    for name, most in _MOST.items():
        if name in given:
            whole(f"--{name.replace('_', '-')}", given[name], least=1, most=most)
    check_at_least(2, length=given.get("length"))
    return given


def _text(method: Method, given: dict[str, Any], seed: int) -> Text | None:
    """The corpus, or some documents of it; None where none is read."""
    name = given.get("text", "speeches" if method == "sample" else None)
    characters = given.get("characters", 200_000)
    if name is None:
        return None
    from lens_probes.texts.load import load_text, some_documents

    return some_documents(load_text(name), None if characters == ALL_OF_IT else characters, seed)


def _options(given: dict[str, Any], *names: str) -> dict[str, Any]:
    """Some of the options as the library names them."""
    return {_NAMES.get(name, name): given[name] for name in names if name in given}


def _by_gradient(model: LensModel, place: dict[str, Any], given: dict[str, Any]) -> Finding:
    from lens_probes.maximize import maximize as run_once
    from lens_probes.maximize import reproducibility
    from lens_probes.report import maximize_findings

    starts = given.get("starts", 5)
    options = _options(given, "tokens", "steps", "read", "learning_rate", "l2")
    _log.info("%d starts of %d steps", starts, given.get("steps", 500))
    if starts == 1:
        return maximize_findings.by_gradient(model, run_once(model, **place, **options), None)
    found = reproducibility(
        model, **place, **options, n_restarts=starts, n_null=given.get("null_draws", 100)
    )
    return maximize_findings.by_gradient(model, found.maximized, found)


def _over_tokens(
    model: LensModel,
    place: dict[str, Any],
    given: dict[str, Any],
    text: Text | None,
    progress: bool,
) -> Finding:
    from lens_probes.maximize import maximize as run_once
    from lens_probes.maximize import maximize_tokens, top_contexts
    from lens_probes.report import maximize_findings

    n_tokens = given.get("tokens", 5)
    options = _options(given, "starts", "steps", "candidates", "read")
    # The search comes last: what it is compared with is quicker, and its errors lose nothing.
    real = None
    if text is not None:
        real = top_contexts(
            model, text, site=place["site"], layer=place["layer"], units=place["unit"],
            seed=place["seed"], progress=progress, **_reading(given),
        )  # fmt: skip
    _log.info("free embeddings, for comparison")
    free = run_once(model, **place, n_tokens=n_tokens, read=given.get("read", "last"))
    _log.info("searching among texts of %d tokens", n_tokens)
    found = maximize_tokens(model, **place, **options, n_tokens=n_tokens, progress=progress)
    return maximize_findings.over_tokens(model, found, free, real, place["unit"])


def _in_a_corpus(
    model: LensModel, place: dict[str, Any], given: dict[str, Any], text: Text, progress: bool
) -> Finding:
    from lens_probes.maximize import batch_winners, top_contexts
    from lens_probes.report import maximize_findings

    where = {
        "site": place["site"], "layer": place["layer"], "units": place["unit"],
        "seed": place["seed"], "progress": progress,
    }  # fmt: skip
    reading = _reading(given)
    kept = {name: reading[name] for name in ("length", "exclude_sinks") if name in reading}
    winners = batch_winners(
        model, text, **where, **kept, batch=given.get("batch", 8),
        n_batches=given.get("batches", 100),
    )  # fmt: skip
    contexts = top_contexts(model, text, **where, **reading)
    return maximize_findings.in_a_corpus(model, contexts, winners, place["unit"])


def _reading(given: dict[str, Any]) -> dict[str, Any]:
    return {"length": 128, **_options(given, "k", "length", "exclude_sinks")}
