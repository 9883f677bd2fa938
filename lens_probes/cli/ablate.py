"""`lens-probes ablate`: does the model use the units that a sweep found?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lens_probes.cli.options import ModelOptions, check_at_least, load, log_lines, parse_layers
from lens_probes.cli.running import command_line
from lens_probes.errors import InputError

if TYPE_CHECKING:
    from lens_probes.ablation.card import CausalCard
    from lens_probes.ablation.request import Places
    from lens_probes.probes import Probe
    from lens_probes.sweep_result import SweepResult


def ablate(
    run: Path,
    *,
    top: int = 20,
    nulls: int = 100,
    kind: Literal["mean", "zero", "resample"] = "mean",
    positions: Literal["read", "all"] = "read",
    layers: str = "all",
    sites: str | None = None,
    windows: int = 50,
    after: int = 10,
    alpha: float = 0.05,
    interest: float = 1.0,
    untrained: bool = False,
    seed: int = 0,
    device: str = "auto",
    out: Path | None = None,
    quiet: bool = False,
) -> None:
    """Does the model use these units? Take the best ones away, and compare with chance.

    Units are chosen on one half of the sweep's examples, and what the model does without them is
    measured on the other half.

    Parameters
    ----------
    run
        Folder of a sweep's result.
    top
        Units in a set: the best of each layer and site.
    nulls
        Write swaps, the same changes in other directions; and as many random sets as large.
    kind
        `mean`: set to their mean; `zero`; `resample`: to what they are in another window.
    positions
        `read`: at the token where they are read; `all`: at every token (ten times as slow).
    layers
        Layers of the sweep: `all`, or numbers and ranges such as 0,4-8,29.
    sites
        Sites of the sweep, separated by commas. [default: all]
    windows
        Measured windows, evenly of both classes, at most.
    after
        Tokens after the target that are scored, at most.
    alpha
        Level of the corrected tests.
    interest
        Smallest effect of interest, a share of what the median random unit does: 1 or less.
    untrained
        The same of the untrained model beside it: twice the time.
    seed
        Of every draw.
    device
        auto, cpu, cuda, ...
    out
        Folder for the card, absent or empty. [default: causal in the run's folder, for its report]
    quiet
        No progress and log lines.
    """
    log_lines(quiet)
    check_at_least(0, seed=seed, after=after)
    check_at_least(1, top=top, nulls=nulls)
    check_at_least(2, windows=windows)
    wanted = parse_layers(layers)
    chosen = None if sites is None else tuple(site.strip() for site in sites.split(","))

    from lens_probes.ablation.design import Design
    from lens_probes.ablation.request import places_of_sweep
    from lens_probes.result.result import CAUSAL
    from lens_probes.sweep_result import SweepResult

    asked: dict[str, Any] = {"top": top, "kind": kind, "positions": positions, "n_nulls": nulls,
             "n_windows": windows, "after": after, "alpha": alpha, "interest": interest,
             "untrained": untrained, "seed": seed}  # fmt: skip
    design = Design(**asked)
    result = SweepResult.load(run)
    places = places_of_sweep(result, chosen, wanted, top)
    folder = run / CAUSAL if out is None else out
    page = run / "report.html" if out is None else None
    card = _card_there(folder, result, places.options(design))
    from lens_probes.storage.folder_sums import write_sums
    from lens_probes.storage.folders import clear_aside, hold_folder
    from lens_probes.storage.paths import check_report_path

    if page is not None:
        check_report_path(page)
    if card is not None:
        if page is not None:  # a run that was killed has written the card and not the page
            SweepResult.load(run).write_report(page)
        clear_aside(folder)
        _show(card, folder, page)
        return
    with hold_folder(folder) as new:
        card = _measure(result, places, asked, device, quiet)
        kept = replace(card, provenance={**card.provenance, "command": command_line.get()})

        def fill(work: Path) -> None:
            kept.write_files(work)
            write_sums(work)

        new.write(fill)
    if page is not None:
        SweepResult.load(run).write_report(page)
    _show(kept, folder, page)


def _measure(
    result: SweepResult, places: Places, asked: dict[str, Any], device: str, quiet: bool
) -> CausalCard:
    probe = probe_of(result)
    said = result.recorded_model
    model = load(
        ModelOptions(
            model=said["source"], device=device, dtype=said["dtype"],
            processing=said["processing"], quiet=quiet,
        )
    )  # fmt: skip

    import lens_probes as lp

    where: dict[str, Any] = {"sites": places.sites, "layers": places.layers}
    return lp.ablate(model, probe, result=result, progress=not quiet, **where, **asked)


def _card_there(folder: Path, result: SweepResult, options: dict[str, Any]) -> CausalCard | None:
    """The card of the same request on the same sweep, if the folder holds it; or an error."""
    from lens_probes.ablation.card import CARD, METHOD, CausalCard

    if not (folder / CARD).exists():
        return None
    card = CausalCard.load(folder)
    there, swept = card.provenance, result.provenance
    same = {
        "method": there.get("method") == METHOD,
        "options": _without_order(there["options"]) == _without_order(options),
        "examples": there["examples"]["sha256"] == swept["examples"]["sha256"],
        "model": there["model"]["weights_sha256"] == result.recorded_model["weights_sha256"],
    }
    if not all(same.values()):
        other = ", ".join(name for name, is_same in same.items() if not is_same)
        raise InputError(
            f"{folder} already holds a causal card of other {other}: name another folder with "
            "--out, or remove it."
        )
    return card


def _without_order(options: dict[str, Any]) -> dict[str, Any]:
    return options | {name: sorted(options[name]) for name in ("sites", "layers")}


def probe_of(result: SweepResult) -> Probe:
    """The probe that drew a sweep's examples.

    Raises
    ------
    InputError
        They were drawn by none of this package.
    """
    from lens_probes.probes.again import PROBES, probe_again

    origin = result.provenance["examples"]["origin"]
    if str(origin.get("probe")) not in PROBES:
        raise InputError(
            "the examples of this result were not drawn by a probe of this package: call "
            "ablate or screen (model, examples, result=...) in Python with them."
        )
    return probe_again(origin)


def _show(card: CausalCard, folder: Path, page: Path | None) -> None:
    for line in card.text_lines():
        print(f"* {line}")
    minutes = sum(card.timings.values()) / 60
    print(f"\nMeasured in {minutes:.1f} minutes; tables: {folder}")
    if page is not None:
        print(f"Report: {page}")
