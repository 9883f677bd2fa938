"""L23: negation in queries, keys and values: one family of q + k + v in each layer."""

import numpy as np
import pandas as pd

import lens_probes as lp
from lens_probes.checks.heldout import heldout_by_layer
from lens_probes.course import Data, Found, Outcome, OverGroups, Setting, depths, script_main
from lens_probes.course.drawings import lines

SITES = ["q", "k", "v"]


def course(data: Data) -> pd.DataFrame:
    """The lesson's test: Wald p, Bonferroni over q, k and v of a layer together."""
    return lp.sweep_activations(data.activations, data.examples, preset="course").units


def depth(units: pd.DataFrame) -> Found:
    """Significant units of the tested ones of a layer, at the course's depths."""
    tested = units[units["status"] != "constant"].groupby("layer")["significant"]
    return depths.early_and_late(
        pd.DataFrame({"n_significant": tested.sum(), "n_tested": tested.count()})
    )


def by_site(units: pd.DataFrame) -> Found:
    """Share of each site, the least of them, and how unlike the sizes of effects are.

    Hedges' g is t times a number that is the same for all units.
    """
    tested = units[units["status"] != "constant"].groupby("site")["significant"]
    share = {f"share_{s}": (tested.sum()[s], tested.count()[s]) for s in SITES}
    chosen = units[units["significant"]]
    size = chosen["t"].abs().groupby(chosen["site"]).mean().reindex(SITES)
    least = min(share.values(), key=lambda of: of[0] / max(1, of[1]))
    return {"least_share": least, "ratio": size.max(skipna=False) / size.min(skipna=False), **share}


def as_the_lesson(data: Data) -> Found:
    """All claims of the course from one sweep."""
    units = course(data)
    chosen = units[units["significant"] & (units["direction"] > 0)]
    accuracy = chosen.groupby("layer")["accuracy"].mean().reindex(units["layer"].unique())
    return {**depth(units), **depths.low_and_highest(accuracy), **by_site(units)}


def over_groups(data: Data, tested: OverGroups) -> Found:
    """Which units differ is decided over groups; how much, as in the lesson."""
    t = np.concatenate([lp.stats.ttest(x, data.label).t for x in data.arrays])
    return {**depth(tested.units), **by_site(tested.units.assign(t=t))}


def run(setting: Setting) -> Outcome:
    """Every layer's q, k and v, as the lesson decides and over groups of words."""
    data = setting.negation().only(*SITES)
    words = setting.negation(more_words=True).only(*SITES)

    tokens = setting.measure(as_the_lesson, data)
    groups = setting.measure_over_groups(over_groups, words)
    rest = setting.measure(
        lambda part: depths.low_and_highest(heldout_by_layer(part.activations, part.examples)),
        words, draws=setting.few_draws, anew=False,
    )  # fmt: skip

    early, low = depths.EARLY, depths.LOW
    sites = ("least_share", "ratio", *(f"share_{site}" for site in SITES))
    units = course(data)
    tested = units[units["status"] != "constant"].groupby(["site", "layer"])["significant"].mean()
    distinct = {site: len(np.unique(data.only(site, layer=0).x, axis=0)) for site in SITES}
    return Outcome(
        (
            tokens.claim("L23.a", "course", "early", "late", how=f"Wald p, Bonferroni; {early}"),
            groups.claim("L23.a", "rigorous", "early", "late",
                         how=f"max-T over groups, all layers and sites; {early}"),
            tokens.claim("L23.b", "course", "low_layers", "highest", how=f"in sample; {low}"),
            rest.claim("L23.b", "rigorous", how=f"chosen on some groups, scored on others; {low}"),
            tokens.claim("L23.c", "course", *sites, how="Wald p, one family of q + k + v a layer"),
            groups.claim("L23.c", "rigorous", *sites, how="max-T over groups; size: |g|"),
        ),
        {
            "share": lines(
                {site: (tested[site].index, tested[site]) for site in SITES}, x="layer",
                title="Significant units of q, k and v by layer", y="share of tested units",
                caption=data.counted, percent=True,
            )
        },
        lines=(f"distinct rows of {len(data)} in layer 0: {distinct}",),
    )  # fmt: skip


if __name__ == "__main__":
    script_main(run)
