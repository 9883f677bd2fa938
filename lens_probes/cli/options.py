"""Options that several commands share, and what they mean."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import CoercionError, Parameter, Token, convert

from lens_probes.errors import InputError, at_least
from lens_probes.storage.cache import cache_folder
from lens_probes.storage.paths import check_outside, check_writable, user_path

if TYPE_CHECKING:
    from lens_probes.model.load import LensModel

_MOST_LAYERS = 100_000

DataType = Literal["float32", "bfloat16", "float16", "float64"]


@Parameter(name="*")
@dataclass(frozen=True)
class ModelOptions:
    """Which model, where, how."""

    model: str = "bundled"
    """`bundled` (SmolLM2-135M, no network), a Hugging Face folder, a .gguf file, or a hub name."""

    device: str = "auto"
    """auto, cpu, cuda, ..."""

    dtype: DataType = "float32"
    """Of weights and forward pass."""

    processing: Literal["none", "standard"] = "none"
    """`standard` folds and centres weights as TransformerLens does by default."""

    quiet: bool = False
    """No progress and log lines."""


@Parameter(name="*")
@dataclass(frozen=True)
class WorkOptions:
    """Who computes activations, in what portions, and where they are kept."""

    batch_size: int | None = None
    """Windows in one forward pass. [default: about 1,500 tokens' worth]"""

    store: Path | None = None
    """Folder that keeps activations: a sweep that was stopped goes on where it was, and other
    labels of the same tokens cost no forward pass. [default: none are kept]"""

    store_dtype: Literal["float32", "float16", "bfloat16", "model"] = "float32"
    """What the store keeps numbers in; `model`: in the model's own type."""

    executor: Literal["here", "processes", "dask", "slurm"] = "here"
    """Who computes activations; all but `here` need a store."""

    workers: int = 2
    """Processes, Dask workers or array tasks, each with a copy of the model."""

    scheduler: str | None = None
    """dask: the address of a running scheduler (tcp://...), or `slurm`; slurm: `local`, a trial."""

    logs: Path = Path("slurm-logs")
    """slurm: folder of job scripts and logs, which all nodes see."""

    minutes: int = 240
    """slurm: time limit of a task; one that reaches it keeps the shards that it has finished."""


@Parameter(name="*")
@dataclass(frozen=True)
class SweepOptions(WorkOptions):
    """Options of every sweep."""

    sites: str = "mlp_pre"
    """Sites, separated by commas: see `lens-probes sites`."""

    layers: str = "all"
    """Layers: `all`, or numbers and ranges such as 0,4-8,29."""

    out: Annotated[Path | None, Parameter(show_default=False)] = None
    """Folder for the result, absent or empty. [default: runs/PROBE]"""

    preset: Literal["rigorous", "course"] = "rigorous"
    """`course` decides as the lessons do (Wald, Bonferroni within a layer and site)."""

    alpha: float = 0.05
    """Level of the corrected test."""

    method: (
        Literal["max_t", "max_adjusted", "bonferroni", "holm", "bh", "by", "hierarchical"] | None
    ) = None
    """Correction instead of the preset's: max_t names units, max_adjusted too, given speakers,
    frequency and length; bh and hierarchical (layers, then units) count them."""

    level: Literal["word", "token"] | None = None
    """What counts as independent: groups of words read at one token, or tokens. [default: word]"""

    min_per_group: int | None = None
    """Examples that a group of words needs to count. [default: 5, or 1 where most have fewer]"""

    scope: Literal["layer", "site", "model"] | None = None
    """Family of the correction instead of the preset's."""

    permutations: int = 1000
    """Relabellings of groups of words in the max-T test."""

    untrained: bool = True
    """Repeat a rigorous sweep on untrained weights (doubles the forward passes)."""

    sets: bool = False
    """How many units does it take: probes on 1, 2, 4, ... 256 units of each layer and site."""

    verbose: bool = False
    """Print the whole answer (answer.txt in the folder of the result) in place of six lines."""

    dry_run: Annotated[bool, Parameter(negative=())] = False
    """Say memory, disk, passes, examples and time, measured on two batches; write nothing."""

    json: bool = False
    """Print the headline as one JSON object."""

    def of_statistics(self) -> dict[str, Any]:
        """What decides and what is tested, by the names that a sweep and a dry run take."""
        names = ("preset", "alpha", "method", "level", "scope", "min_per_group", "sets")
        said: dict[str, Any] = {name: getattr(self, name) for name in names}
        return said | {"n_permutations": self.permutations}


@Parameter(name="*")
@dataclass(frozen=True)
class DrawOptions:
    """How targets are drawn from a text, and what is kept around them."""

    max_per_class: int | None = None
    """Examples of each class, at most. [default: 300]"""

    balance: Literal["word", "natural"] | None = None
    """`word`: as evenly over word types as they allow; `natural`: at random. [default: word]"""

    balance_sources: bool | None = None
    """Both classes from the same documents, speakers and decades, as far as the text allows.
    [default: yes; no in the course preset]"""

    group_by: Literal["word", "stem"] | None = None
    """What is independent evidence: a word type, or all that share a stem. [default: word]"""

    max_words: int | None = None
    """Word types of each class, at most, drawn at random. [default: all, or the probe's]"""

    min_per_word: int | None = None
    """Word types with fewer usable occurrences are dropped and counted. [default: the probe's]"""

    context: Literal["window", "document", "sentence", "word"] | None = None
    """`window`: the tokens before the target; `document`: many targets from one pass over long
    chunks; `sentence`: the whole sentence; `word`: the target alone. [default: the probe's]"""

    before: int | None = None
    """Tokens before the target; targets with fewer are dropped and counted. [default: 90]"""

    after: int | None = None
    """Tokens kept after the target, for reading. [default: 10]"""

    chunk: int | None = None
    """Tokens in one pass with context `document`. [default: 512]"""

    bos: bool | None = None
    """Put the BOS token first. [default: where the tokenizer does; not in the course preset]"""

    read: Literal["last", "first", "mean"] | None = None
    """Token of a target of several that is read. [default: last]"""


def strictly(kind: Any, tokens: Sequence[Token]) -> Any:
    """The value of an option as the command line has it; 1.5 is no whole number, nor is 2.0.

    The default would round it.
    """
    if kind in (int, int | None):
        for token in tokens:
            if not token.value.removeprefix("-").isdecimal():
                raise CoercionError(
                    msg=f"{token.keyword} takes a whole number, not {token.value!r}."
                )
    return convert(kind, tokens)


def check_work(options: WorkOptions, out: Path) -> None:
    """An error for what cannot be, with `out` as the output folder, before anything is loaded."""
    check_at_least(
        1, batch_size=options.batch_size, workers=options.workers, minutes=options.minutes
    )
    user_path(options.logs)
    if options.executor != "here" and options.store is None:
        raise InputError(f"--executor {options.executor} needs --store: workers hand over files.")
    if options.store_dtype != "float32" and options.store is None:
        raise InputError("--store-dtype needs --store: it is what activations are stored in.")
    if options.scheduler is not None and options.executor not in ("dask", "slurm"):
        raise InputError("--scheduler goes with --executor dask or slurm.")
    if options.store is not None:
        check_writable(options.store)
    logs = options.logs if options.executor == "slurm" else None
    check_outside(out, store=options.store, logs=logs, cache=cache_folder())


def check_at_least(least: int, **given: int | None) -> None:
    """InputError for an option that is given and is outside its bounds."""
    at_least(least, **{name: value for name, value in given.items() if value is not None})


def load(options: ModelOptions) -> LensModel:
    """The model, with the libraries' own messages off."""
    if not options.quiet:
        logging.getLogger(__name__).info("loading model %s", options.model)
    from transformers.utils import logging as transformers_logging

    from lens_probes.model.load import load_model

    quiet_down: Any = transformers_logging  # untyped
    quiet_down.set_verbosity_error()
    if options.quiet:
        quiet_down.disable_progress_bar()
    return load_model(
        options.model, device=options.device, dtype=options.dtype, processing=options.processing
    )


def log_lines(quiet: bool) -> None:
    """Log lines of this package to standard error, plain; none of them when quiet."""
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    logging.getLogger("lens_probes").setLevel(logging.WARNING if quiet else logging.INFO)


def parse_layers(text: str) -> tuple[int, ...] | None:
    """Layers of `all` (None) or of numbers and ranges: "0,4-6" -> (0, 4, 5, 6)."""
    if text.strip() == "all":
        return None
    layers: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        whole = first.isdecimal() and (last.isdecimal() if dash else True)
        if not whole or not 0 <= int(last or first) - int(first) < _MOST_LAYERS:
            raise InputError(f"not layers: {text!r}. Write all, or numbers and ranges: 0,4-8,29.")
        layers += range(int(first), int(last or first) + 1)
    return tuple(layers)
