"""`lens-probes replicate`: what of a sweep holds for further examples."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lens_probes.cli.options import (
    ModelOptions,
    WorkOptions,
    check_at_least,
    check_work,
    load,
    log_lines,
)
from lens_probes.cli.running import command_line
from lens_probes.errors import InputError
from lens_probes.storage.folders import REPORT, clear_aside, hold_folder

if TYPE_CHECKING:
    from lens_probes.model.load import LensModel
    from lens_probes.probes import Probe
    from lens_probes.replication.replication import Replication
    from lens_probes.sweep_result import SweepResult


def replicate(
    run: Path,
    *,
    text: str | None = None,
    words: str | None = None,
    sentences: str | None = None,
    rows: str | None = None,
    seed: int | None = None,
    permutations: int = 1000,
    out: Path | None = None,
    quiet: bool = False,
    work: WorkOptions | None = None,
) -> None:
    """Test what a sweep found on further examples: new sentences, words, passages, texts.

    Parameters
    ----------
    run
        Folder of a result.
    text
        Another text to draw from; see `lens-probes texts`.
    words
        Other words of the same two classes: a set of the probe, or a TOML file (category).
    sentences
        Other sentences of a category: frames, single, multi or new.
    rows
        Another table with the same columns, of a sweep of a labelled one.
    seed
        Another draw from the same text.
    permutations
        Relabellings of word types in the max-T test.
    out
        Folder for the replication, absent or empty. [default: replication in the run's folder]
    quiet
        No progress and log lines.
    """
    log_lines(quiet)
    from lens_probes.sweep_result import SweepResult

    given = {"text": text, "words": words, "sentences": sentences, "rows": rows, "seed": seed}
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if not changes:
        raise InputError(
            "say what is new: --text, --words, --sentences, --rows, or --seed (another draw from "
            "the text)."
        )
    check_at_least(0, seed=seed)
    check_at_least(1, permutations=permutations)
    work = work or WorkOptions()
    out = out or run / "replication"
    check_work(work, out)
    result = SweepResult.load(run)
    from lens_probes.replication.replication import REPLICATION
    from lens_probes.report.html import report_html
    from lens_probes.storage.folder_sums import write_sums
    from lens_probes.storage.integrity import write_page

    if (out / REPLICATION).exists():
        _show(_same_replication(out, result, changes, quiet), out)
        clear_aside(out)
        return
    with hold_folder(out) as folder:
        found = _replicate(result, changes, permutations, work, quiet)
        kept = dataclasses.replace(
            found, provenance={**found.provenance, "command": command_line.get()}
        )

        def fill(new: Path) -> None:
            kept.write_files(new)
            write_page(new / REPORT, report_html(result, replication=kept))
            write_sums(new)

        folder.write(fill)
    _show(kept, folder.target)


def _same_replication(
    out: Path, result: SweepResult, changes: dict[str, Any], quiet: bool
) -> Replication:
    """The replication of the same command, made from what is there now; an error for another."""
    from lens_probes.replication.replication import Replication
    from lens_probes.storage.json_values import to_json_value

    found = Replication.load(out)
    there = f"output folder {out} already holds a replication"
    if found.provenance.get("command") != command_line.get():
        raise InputError(f"{there}: name another one.")
    model, probe = _model_of(result, quiet), _probe_of(result, changes)
    first, second = found.provenance["first"], found.provenance["second"]
    same = (
        first["examples"]["sha256"] == result.provenance["examples"]["sha256"]
        and found.provenance["model"] == model.provenance
        and second["origin"] == to_json_value(dict(probe.examples(model).origin))
    )
    if not same:
        raise InputError(
            f"{there} of the same command, from another sweep, text, model or version: name "
            "another one."
        )
    return found


def _show(found: Replication, out: Path) -> None:
    for line in found.text_lines():
        print(line)
    print(f"\nReport: {out / REPORT}")


def _probe_of(result: SweepResult, changes: dict[str, Any]) -> Probe:
    from lens_probes.probes.again import probe_again
    from lens_probes.texts.load import load_text

    texts = {"text": load_text(changes["text"])} if "text" in changes else {}
    return probe_again(result.provenance["examples"]["origin"], **changes | texts)


def _model_of(result: SweepResult, quiet: bool) -> LensModel:
    said = result.recorded_model
    return load(
        ModelOptions(
            model=said["source"], dtype=said["dtype"], processing=said["processing"], quiet=quiet
        )
    )


def _replicate(
    result: SweepResult, changes: dict[str, Any], permutations: int, work: WorkOptions, quiet: bool
) -> Replication:
    from lens_probes.activations.executors import open_executor
    from lens_probes.replication.replicate import replicate as run_again

    probe, model = _probe_of(result, changes), _model_of(result, quiet)
    with open_executor(
        work.executor,
        workers=work.workers,
        scheduler=work.scheduler,
        logs=work.logs,
        minutes=work.minutes,
    ) as executor:
        return run_again(
            result,
            probe,
            model=model,
            n_permutations=permutations,
            batch_size=work.batch_size,
            progress=not quiet,
            store=work.store,
            store_dtype=work.store_dtype,
            executor=executor,
        )
