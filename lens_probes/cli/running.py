"""A sweep from its options to its folder: checked, run, written as a whole, shown."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lens_probes.cli.dry_run import show_dry_run
from lens_probes.cli.options import (
    ModelOptions,
    SweepOptions,
    check_work,
    load,
    log_lines,
    parse_layers,
)
from lens_probes.errors import MOST_PERMUTATIONS, InputError, alpha_of, unknown, whole
from lens_probes.sites import SITES, hook_site
from lens_probes.storage.folders import ANSWER, MANIFEST, REPORT, clear_aside, hold_folder
from lens_probes.storage.integrity import seal_page
from lens_probes.storage.paths import output_path

if TYPE_CHECKING:
    from lens_probes.probes import Probe
    from lens_probes.sweep_result import SweepResult

command_line: ContextVar[str] = ContextVar("command", default="")


def run_sweep(
    name: str, make_probe: Callable[[], Probe], options: SweepOptions, model_options: ModelOptions
) -> None:
    """Check what can be checked without a model, then sweep, save, report and print the answer.

    Result and report appear together when all is done. The very same command on the very same
    tokens and weights, given again, shows what is there: whoever starts a stopped run again need
    not know how far it had come.
    """
    log_lines(model_options.quiet)
    out = output_path(options.out or Path("runs") / name)
    sites, layers = _check(options, out)
    if options.dry_run:
        show_dry_run(make_probe, options, model_options, out, sites, layers)
        return
    if (out / MANIFEST).exists():
        _show(_same_result(out, make_probe, model_options), out, options)
        return
    with hold_folder(out) as folder:
        probe = make_probe()
        model = load(model_options)

        import lens_probes as lp
        from lens_probes.activations.executors import open_executor

        with open_executor(
            options.executor,
            workers=options.workers,
            scheduler=options.scheduler,
            logs=options.logs,
            minutes=options.minutes,
        ) as executor:
            result = lp.sweep(
                model,
                probe,
                sites=sites,
                layers=layers,
                **options.of_statistics(),
                untrained=options.untrained,
                batch_size=options.batch_size,
                progress=not model_options.quiet,
                store=options.store,
                store_dtype=options.store_dtype,
                executor=executor,
            )
        result = replace(result, provenance={**result.provenance, "command": command_line.get()})

        def fill(work: Path) -> None:
            result.write_files(work)
            result.write_report(work / REPORT)
            (work / ANSWER).write_bytes(seal_page(_in_full(result)))

        folder.write(fill)
    _show(result, out, options)


def _check(options: SweepOptions, out: Path) -> tuple[tuple[str, ...], tuple[int, ...] | None]:
    """Sites and layers; an error for whatever is wrong in any model."""
    sites = tuple(dict.fromkeys(site.strip() for site in options.sites.split(",")))
    for site in sites:
        if site not in SITES and hook_site(site) is None:
            raise unknown("site", site, SITES)
    layers = parse_layers(options.layers)

    whole("permutations", options.permutations, least=1, most=MOST_PERMUTATIONS)
    alpha_of(options.alpha)
    if options.min_per_group is not None:
        whole("min_per_group", options.min_per_group, least=1)
    check_work(options, out)

    from lens_probes.units.decision import preset_decision

    preset_decision(
        options.preset,
        alpha=options.alpha,
        method=options.method,
        level=options.level,
        scope=options.scope,
    )
    return sites, layers


def _same_result(
    out: Path, make_probe: Callable[[], Probe], model_options: ModelOptions
) -> SweepResult:
    """The result of the same command, made from what is there now; an error if it is another."""
    from lens_probes.sweep_result import SweepResult

    other = f"output folder {out} already holds a result"
    result = SweepResult.load(out)
    if result.provenance.get("command") != command_line.get():
        raise InputError(f"{other}: name another one.")
    model = load(model_options)
    examples = make_probe().examples(model)
    now = {"model": model.provenance, "examples": examples.digest}
    if now != {"model": result.provenance["model"], "examples": _digest_of(result)}:
        raise InputError(
            f"{other} of the same command, from another text, model or version: name another one."
        )
    if not (out / REPORT).exists():
        result.write_report(out / REPORT)
    clear_aside(out)
    return result


def _digest_of(result: SweepResult) -> str:
    digest: str = result.provenance["examples"]["sha256"]
    return digest


def _show(result: SweepResult, out: Path, options: SweepOptions) -> None:
    """Six lines, or all that was written to `ANSWER`; the last names the report. Or JSON."""
    from lens_probes.report.words.headline import Headline

    headline = Headline.of(result)
    if options.json:
        places = {"folder": str(out), "report": str(out / REPORT)}
        print(json.dumps(dataclasses.asdict(headline) | places, ensure_ascii=False))
        return
    if options.verbose:
        print(_in_full(result))
    else:
        print("\n".join(headline.lines()))
        print(f"Details: {out / ANSWER}, or --verbose")
    print(f"Report: {out / REPORT}")


def _in_full(result: SweepResult) -> str:
    """What was read, dropped and counted, and the whole answer."""
    from lens_probes.report.words.summary import summary

    said = result.provenance["examples"]
    lines = ["Targets: " + "; ".join(f"{what} {n:,}" for what, n in said["counts"].items())]
    if sources := said["by_source"]:
        classes = range(len(said["class_names"]))
        most = "; ".join(
            f"{row['source']} {sum(row[f'n{k}'] for k in classes)} examples of "
            f"{' v '.join(str(row[f'n_types{k}']) for k in reversed(classes))} word types"
            for row in sources[:3]
        )
        lines.append(f"Sources: {len(sources)}; most come from {most}")
    if any(said["n_groups_per_class"]):
        lines.append(words_of(result))
    if why := result.provenance["decision"]["why"]:
        lines.append(f"Tokens are counted: {why}")
    tokens, n = said["tokens_computed"], len(result.examples)
    lines.append(f"Forward passes: {tokens:,} tokens, {tokens / n:.1f} for each of {n:,} examples")
    return "\n".join([*lines, "", *(f"* {sentence}" for sentence in summary(result)), ""])


def words_of(result: SweepResult) -> str:
    """How word types and the tokens they are read at make replication groups."""
    types, read, groups = (
        " v ".join(f"{n:,}" for n in reversed(result.provenance["examples"][f"n_{what}_per_class"]))
        for what in ("words", "read_tokens", "groups")
    )
    mean = "read_token" in result.examples and (result.examples["read_token"] < 0).all()
    where = "averaged over their tokens" if mean else f"read at {read} tokens"
    return f"Words: {types} types, {where}, make {groups} replication groups"
