"""`lens-probes smallest-set`: how few units carry a behaviour given as minimal pairs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lens_probes.cli.options import ModelOptions, check_at_least, load, log_lines, parse_layers
from lens_probes.errors import InputError, choice
from lens_probes.storage.paths import check_writable

if TYPE_CHECKING:
    from lens_probes.model.load import LensModel
    from lens_probes.screening.saved_set import SmallestSet

_RANKS = ("screen", "t", "random")


def smallest_set(
    pairs: str = "agreement",
    *,
    sites: str = "mlp_post",
    layers: str = "all",
    ranks: str = "screen,t,random",
    level: float = 0.8,
    nulls: int = 100,
    seed: int = 0,
    out: Path | None = None,
    options: ModelOptions = ModelOptions(),  # noqa: B008  (frozen)
) -> None:
    """How few units carry a behaviour, when all others are at their mean.

    Units are ranked on half of the words and measured on the other half, all by exact ablation.

    Parameters
    ----------
    pairs
        `agreement`, `polarity`, or a TOML template of your own.
    sites
        Sites, separated by commas.
    layers
        Layers: `all`, or numbers and ranges such as 0,4-8,29.
    ranks
        What units are ranked by: screen, t, random; the first is held against random sets.
    level
        Share of the contrast that has to be kept.
    nulls
        Random sets of equal write size.
    seed
        Of every draw.
    out
        Folder for the sets, one a rank, and their curves as a figure (curves.html, and curves.png
        where there is a Chromium). A rank that is there already is read, not measured again.
    """
    log_lines(options.quiet)
    check_at_least(0, nulls=nulls, seed=seed)
    chosen = [choice("rank", rank.strip(), _RANKS) for rank in ranks.split(",")]
    if len(set(chosen)) < len(chosen):
        raise InputError(f"each rank once: got {ranks}.")
    wanted = parse_layers(layers)
    if out is not None:
        check_writable(out)
    model = load(options)

    import lens_probes as lp

    found: dict[str, SmallestSet] = {}
    for rank in chosen:
        asked: dict[str, Any] = {
            "sites": [site.strip() for site in sites.split(",")],
            "layers": list(range(model.n_layers) if wanted is None else wanted),
            "rank": rank, "level": level, "seed": seed,
            "n_nulls": nulls if rank == chosen[0] else 0,
        }  # fmt: skip
        there = None if out is None or not (out / rank).exists() else out / rank
        if there is not None:
            found[rank] = _same_set(there, pairs, asked, model)
            continue
        found[rank] = lp.smallest_set(model, pairs, **asked, progress=not options.quiet)
        if out is not None:
            found[rank].save(out / rank)
    for one in found.values():
        for line in one.text_lines():
            print(f"* {line}")
    print("\n| units |" + "".join(f" {rank}: kept | {rank}: left |" for rank in chosen))
    print("|---|" + "---|---|" * len(chosen))
    for i, k in enumerate(found[chosen[0]].curve["k"]):
        rows = [found[rank].curve.iloc[i] for rank in chosen]
        cells = [f" {row['faithfulness']:.2f} | {row['completeness']:.2f} |" for row in rows]
        print(f"| {k:,} |" + "".join(cells))
    seconds = sum(sum(one.timings.values()) for one in found.values())
    if out is not None:
        _draw(found, out)
    print(f"\nMeasured in {seconds / 60:.1f} minutes.")


def _same_set(there: Path, pairs: str, asked: dict[str, Any], model: LensModel) -> SmallestSet:
    """A set that was measured before, if it answers the same request."""
    from lens_probes.screening.pairs import load_pairs
    from lens_probes.screening.saved_set import SmallestSet

    one = SmallestSet.load(there)
    said, now = one.provenance, load_pairs(model, pairs, seed=asked["seed"])
    same = said["options"] == asked and (said["pairs"], said["n_prompts"]) == (now.name, len(now))
    if not same or said["model"]["weights_sha256"] != model.weights_digest:
        raise InputError(f"{there} already holds a set of another request: name another --out.")
    return one


def _draw(found: dict[str, SmallestSet], out: Path) -> None:
    from lens_probes.drawing.save_figure import save_figure
    from lens_probes.report.set_curves import set_curves
    from lens_probes.storage.integrity import write_page

    figure = set_curves(found)
    write_page(out / "curves.html", figure.to_html(include_plotlyjs=True))
    print(f"\nCurves: {out / 'curves.html'}")
    try:
        print(f"        {save_figure(figure, out / 'curves.png')}")
    except InputError as error:
        print(f"        no picture: {error}")
