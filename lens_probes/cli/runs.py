"""Commands on a saved result: report, verify, replicate."""

from __future__ import annotations

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

if TYPE_CHECKING:
    from lens_probes.result import SweepResult
    from lens_probes.validate.replication import Replication


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


def verify(folder: Path) -> int:
    """Read every byte of the results and activations below a folder; exit code 1 if one is damaged.

    Parameters
    ----------
    folder
        A result, a store of activations, or a folder that holds some.
    """
    from lens_probes.verify import verify as run_verify

    checked = run_verify(folder)
    for one in checked:
        whole = f"{one.n_whole} of {one.n_expected} whole"
        state = "; ".join(one.problems) or "no damage"
        if one.being_written:
            state += ", being written"
        print(f"{one.kind:<12} {one.path}: {whole}; {state}")
    return 1 if any(one.problems for one in checked) else 0


def replicate(
    run: Path,
    *,
    text: str | None = None,
    words: str | None = None,
    sentences: str | None = None,
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
    from lens_probes.errors import InputError
    from lens_probes.folders import REPORT, hold_folder
    from lens_probes.result import SweepResult

    given = {"text": text, "words": words, "sentences": sentences, "seed": seed}
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if not changes:
        raise InputError(
            "say what is new: --text, --words, --sentences or --seed (another draw from the text)."
        )
    check_at_least(0, seed=seed)
    check_at_least(1, permutations=permutations)
    work = work or WorkOptions()
    out = out or run / "replication"
    check_work(work, out)
    result = SweepResult.load(run)
    from lens_probes.report.html import report_html
    from lens_probes.folder_sums import write_sums
    from lens_probes.sealed import write_page

    with hold_folder(out) as folder:
        found = _replicate(result, changes, permutations, work, quiet)

        def fill(new: Path) -> None:
            found.write_files(new)
            write_page(new / REPORT, report_html(result, replication=found))
            write_sums(new)

        folder.write(fill)
    for line in found.text_lines():
        print(line)
    print(f"\nReport: {folder.target / REPORT}")


def _replicate(
    result: SweepResult, changes: dict[str, Any], permutations: int, work: WorkOptions, quiet: bool
) -> Replication:
    from lens_probes.execute import open_executor
    from lens_probes.probes.again import probe_again
    from lens_probes.texts import load_text
    from lens_probes.validate.replicate import replicate as run_again

    if "text" in changes:
        changes["text"] = load_text(changes["text"])
    probe = probe_again(result.provenance["examples"]["origin"], **changes)
    said = result.provenance["model"]
    model = load(
        ModelOptions(
            model=said["source"], dtype=said["dtype"], processing=said["processing"], quiet=quiet
        )
    )
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
            executor=executor,
        )
