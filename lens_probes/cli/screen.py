"""`lens-probes screen`: does the model use the units of a sweep? All of them, by gradients."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lens_probes.cli.ablate import probe_of
from lens_probes.cli.options import ModelOptions, check_at_least, load, log_lines, parse_layers
from lens_probes.cli.running import command_line
from lens_probes.errors import InputError, alpha_of

if TYPE_CHECKING:
    from lens_probes.screening.saved import Screen
    from lens_probes.sweep_result import SweepResult


def screen(
    run: Path,
    *,
    sites: str | None = None,
    layers: str = "all",
    metric: Literal["kl", "loss"] = "kl",
    positions: Literal["read", "all"] = "read",
    windows: int = 64,
    exact: int = 300,
    alpha: float = 0.05,
    untrained: bool = False,
    seed: int = 0,
    device: str = "auto",
    out: Path | None = None,
    quiet: bool = False,
) -> None:
    """Does the model use these units? The effect of every unit, and the map of tuned by used.

    Gradients give what the model does without each unit; a sample is ablated exactly, on every
    run, and says where that may be believed.

    Parameters
    ----------
    run
        Folder of a sweep's result.
    sites
        Sites, separated by commas. [default: those of the sweep]
    layers
        Layers: `all`, or numbers and ranges such as 0,4-8,29.
    metric
        `kl`: divergence of the next-token distribution; `loss`: of the tokens after.
    positions
        Where units are set to their mean: `read`, or `all` tokens (ten times as slow).
    windows
        Windows, evenly of both classes, at most.
    exact
        Units that are ablated exactly, at least.
    alpha
        Level of the verdict "used", over all units.
    untrained
        The same of the untrained model, counted beside it.
    seed
        Of every draw.
    device
        auto, cpu, cuda, ...
    out
        Folder for the screen, absent or empty. [default: screen in the run's folder, for its
        report]
    quiet
        No progress and log lines.
    """
    log_lines(quiet)
    check_at_least(0, seed=seed)
    check_at_least(1, exact=exact)
    check_at_least(2, windows=windows)
    alpha_of(alpha)
    wanted = parse_layers(layers)

    from lens_probes.result.result import SCREEN
    from lens_probes.storage.folder_sums import write_sums
    from lens_probes.storage.folders import clear_aside, hold_folder
    from lens_probes.storage.paths import check_report_path
    from lens_probes.sweep_result import SweepResult

    result = SweepResult.load(run)
    swept = result.provenance
    asked: dict[str, Any] = {
        "sites": tuple(swept["sites"] if sites is None else _names(sites)),
        "layers": tuple(swept["layers"]) if wanted is None else wanted,
        "metric": metric, "positions": positions, "seed": seed, "n_windows": windows,
        "n_exact": exact, "alpha": alpha, "untrained": untrained,
    }  # fmt: skip
    folder = run / SCREEN if out is None else out
    page = run / "report.html" if out is None else None
    if page is not None:
        check_report_path(page)
    found = _screen_there(folder, result, asked)
    if found is None:
        with hold_folder(folder) as new:
            found = _measure(result, asked, device, quiet)
            found = replace(found, provenance={**found.provenance, "command": command_line.get()})
            kept = found

            def fill(work: Path) -> None:
                kept.write_files(work)
                write_sums(work)

            new.write(fill)
    else:
        clear_aside(folder)
    if page is not None:
        SweepResult.load(run).write_report(page)
    _show(found, folder, page)


def _names(sites: str) -> list[str]:
    return [site.strip() for site in sites.split(",")]


def _measure(result: SweepResult, asked: dict[str, Any], device: str, quiet: bool) -> Screen:
    probe = probe_of(result)
    said = result.provenance["model"]
    model = load(
        ModelOptions(
            model=said["source"], device=device, dtype=said["dtype"],
            processing=said["processing"], quiet=quiet,
        )
    )  # fmt: skip

    import lens_probes as lp

    return lp.screen(model, probe, result, progress=not quiet, **asked)


def _screen_there(folder: Path, result: SweepResult, asked: dict[str, Any]) -> Screen | None:
    """The screen of the same request on the same sweep, if the folder holds it; or an error."""
    from lens_probes.screening.saved import MANIFEST, METHOD, Screen

    if not (folder / MANIFEST).exists():
        return None
    found = Screen.load(folder)
    there, swept = found.provenance, result.provenance
    options = {name: there["options"][name] for name in asked}
    same = {
        "method": there["method"] == METHOD,
        "options": _plain(options) == _plain(asked),
        "examples": there["examples"]["sha256"] == swept["examples"]["sha256"],
        "model": there["model"]["weights_sha256"] == swept["model"]["weights_sha256"],
    }
    if not all(same.values()):
        other = ", ".join(name for name, is_same in same.items() if not is_same)
        raise InputError(
            f"{folder} already holds a screen of other {other}: name another folder with --out, "
            "or remove it."
        )
    return found


def _plain(options: dict[str, Any]) -> dict[str, Any]:
    return options | {name: sorted(options[name]) for name in ("sites", "layers")}


def _show(found: Screen, folder: Path, page: Path | None) -> None:
    for line in found.text_lines():
        print(f"* {line}")
    minutes = sum(found.timings.values()) / 60
    print(f"\nMeasured in {minutes:.1f} minutes; tables: {folder}")
    if page is not None:
        print(f"Report: {page}")
