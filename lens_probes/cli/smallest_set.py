"""`lens-probes smallest-set`: how few units carry a behaviour given as minimal pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lens_probes.cli.options import ModelOptions, check_at_least, load, log_lines, parse_layers
from lens_probes.errors import InputError, choice

if TYPE_CHECKING:
    from lens_probes.screening.sets import SmallestSet

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
    """
    log_lines(options.quiet)
    check_at_least(0, nulls=nulls, seed=seed)
    chosen = [choice("rank", rank.strip(), _RANKS) for rank in ranks.split(",")]
    if len(set(chosen)) < len(chosen):
        raise InputError(f"each rank once: got {ranks}.")
    wanted = parse_layers(layers)
    model = load(options)

    import lens_probes as lp

    found: dict[str, SmallestSet] = {}
    for rank in chosen:
        found[rank] = lp.smallest_set(
            model, pairs, sites=sites, layers=wanted, rank=rank, level=level, seed=seed,  # type: ignore[arg-type]
            n_nulls=nulls if rank == chosen[0] else 0, progress=not options.quiet,
        )  # fmt: skip
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
    print(f"\nMeasured in {seconds / 60:.1f} minutes.")
