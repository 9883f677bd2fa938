"""L23: negation in queries, keys and values: one family of q + k + v in each layer."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd

import lens_probes as lp
from lens_probes.checks.heldout import heldout_by_layer
from lens_probes.course import Data, Found, Lesson, Outcome, Setting, script_main
from lens_probes.course.drawings import lines

LESSON = Lesson(
    "L23", "Negation in Q, K and V", "gpt2-large", ("L23.a", "L23.b", "L23.c"), (169_800, 34_400)
)
SITES = ["q", "k", "v"]
DEPTH = "early: highest of the first third of the layers; late: the last sixth"
LOW = "low: mean of the first third of the layers; highest: the last layer"


def course(data: Data) -> pd.DataFrame:
    """The lesson's test: Wald p, Bonferroni over q, k and v of a layer together."""
    return lp.sweep_activations(data.activations, data.examples, preset="course").units


def depths(units: pd.DataFrame) -> Found:
    """Significant units of the tested ones: in the highest early layer, and in the late ones."""
    tested = units[units["status"] != "constant"].groupby("layer")["significant"]
    passed, n = tested.sum(), tested.count()
    top = int((passed / n).head(max(1, len(n) // 3)).argmax())
    last = slice(-max(1, len(n) // 6), None)
    return {
        "early": (passed.iloc[top], n.iloc[top]),
        "late": (passed.iloc[last].sum(), n.iloc[last].sum()),
    }


def by_site(units: pd.DataFrame, t: str) -> Found:
    """Share of each site, the least of them, and how unlike the sizes of effects are.

    Hedges' g is t times a number that is the same for all units.
    """
    tested = units[units["status"] != "constant"].groupby("site")["significant"]
    share = {f"share_{s}": (tested.sum()[s], tested.count()[s]) for s in SITES}
    chosen = units[units["significant"]]
    size = chosen[t].abs().groupby(chosen["site"]).mean().reindex(SITES)
    least = min(share.values(), key=lambda of: of[0] / max(1, of[1]))
    return {"least_share": least, "ratio": size.max(skipna=False) / size.min(skipna=False), **share}


def ends(accuracy: pd.Series) -> Found:
    """Accuracy in the low layers, and in the last."""
    return {"low_layers": accuracy.head(max(1, len(accuracy) // 3)).mean(),
            "highest": accuracy.iloc[-1]}  # fmt: skip


def as_the_lesson(data: Data) -> Found:
    """All claims of the course from one sweep."""
    units = course(data)
    chosen = units[units["significant"] & (units["direction"] > 0)]
    accuracy = chosen.groupby("layer")["accuracy"].mean().reindex(units["layer"].unique())
    return {**depths(units), **ends(accuracy), **by_site(units, "t")}


def run(setting: Setting) -> Outcome:
    """Every layer's q, k and v, as the lesson decides and over groups of words."""
    n = setting.size("windows a class, at most", course=300, machine=300, quick=30)
    more = setting.size("windows a class of more words", course=300, machine=150, quick=24)
    text, seed = setting.whole_text(quick=600_000), setting.seed
    few_words = lp.NegationProbe.course(text, max_per_class=n, seed=seed)
    more_words = lp.NegationProbe(text, words="extended", max_per_class=more, seed=seed)
    data = setting.read(few_words, ["mlp_pre", *SITES]).only(*SITES)
    words = setting.read(more_words, ["mlp_pre", *SITES]).only(*SITES)

    tokens = setting.measure(as_the_lesson, data)
    groups = setting.measure_over_groups(
        lambda _, tested: {**depths(tested.units), **by_site(tested.units, "value")}, words
    )
    rest = setting.measure(
        lambda part: ends(heldout_by_layer(part.activations, part.examples)),
        words, draws=setting.few_draws, anew=False,
    )  # fmt: skip

    sites = ("least_share", "ratio", *(f"share_{site}" for site in SITES))
    units = course(data)
    tested = units[units["status"] != "constant"].groupby(["site", "layer"])["significant"].mean()
    distinct = {site: len(np.unique(data.only(site, layer=0).x, axis=0)) for site in SITES}
    return Outcome(
        (
            tokens.claim("L23.a", "course", "early", "late", how=f"Wald p, Bonferroni; {DEPTH}"),
            groups.claim("L23.a", "rigorous", "early", "late",
                         how=f"max-T over groups, all layers and sites; {DEPTH}"),
            tokens.claim("L23.b", "course", "low_layers", "highest", how=f"in sample; {LOW}"),
            rest.claim("L23.b", "rigorous", how=f"chosen on some groups, scored on others; {LOW}"),
            tokens.claim("L23.c", "course", *sites, how="Wald p, one family of q + k + v a layer"),
            groups.claim("L23.c", "rigorous", *sites, how="max-T over groups; size: |z|"),
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
    sys.exit(script_main(LESSON, run, __file__))
