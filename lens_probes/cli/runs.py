"""Commands that read what was saved: report, verify."""

from __future__ import annotations

from pathlib import Path


def report(run: Path, *, out: Path | None = None) -> None:
    """Write the HTML report of a saved result again.

    Parameters
    ----------
    run
        Folder of a result.
    out
        Where to write it. [default: report.html in that folder]
    """
    from lens_probes.sweep_result import SweepResult

    print(SweepResult.load(run).write_report(out or run / "report.html"))


def verify(folder: Path) -> int:
    """Read every byte of the results and activations below a folder; exit code 1 if one is damaged.

    Parameters
    ----------
    folder
        A result, a store of activations, or a folder that holds some.
    """
    from lens_probes.result.verify import verify as run_verify

    checked = run_verify(folder)
    for one in checked:
        whole = f"{one.n_whole} of {one.n_expected} whole"
        state = "; ".join(one.problems) or "no damage"
        if one.being_written:
            state += ", being written"
        print(f"{one.kind:<12} {one.path}: {whole}; {state}")
    return 1 if any(one.problems for one in checked) else 0
