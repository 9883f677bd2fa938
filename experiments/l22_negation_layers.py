"""L22: negation over all layers: how many MLP units tell it, how well, and what else they like."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

import lens_probes as lp
from lens_probes.checks.heldout import heldout_by_layer
from lens_probes.course import Data, Doubt, Found, Lesson, Outcome, Setting, script_main
from lens_probes.course.drawings import lines

LESSON = Lesson("L22", "Negation over the layers", "gpt2-large", ("L22.a", "L22.b", "L22.c"),
                (171_600, 36_200))  # fmt: skip
DECAY = Path(__file__).with_name("decay.toml")
DEPTH = "early: highest of the first third of the layers; late: the last sixth"
LOW = "low: mean of the first third of the layers; highest: the last layer"


def course(data: Data) -> pd.DataFrame:
    """The lesson's test: Wald p of the logistic regression, Bonferroni in each layer."""
    return lp.sweep_activations(data.activations, data.examples, preset="course").layers


def depths(layers: pd.DataFrame) -> Found:
    """Significant units of the tested ones: in the highest early layer, and in the late ones."""
    counts = layers[["n_significant", "n_tested"]]
    early, late = counts.head(max(1, len(layers) // 3)), counts.tail(max(1, len(layers) // 6))
    top = (early["n_significant"] / early["n_tested"]).argmax()
    return {"early": (*early.iloc[int(top)],), "late": (*late.sum(),)}


def ends(accuracy: pd.Series) -> Found:
    """Accuracy in the low layers, and in the last."""
    low = accuracy.head(max(1, len(accuracy) // 3))
    return {"low_layers": low.mean(), "highest": accuracy.iloc[-1]}


def shares_and_accuracy(data: Data) -> Found:
    """Both claims of the course from one sweep."""
    layers = course(data)
    return {**depths(layers), **ends(layers["mean_accuracy_significant_positive"])}


def run(setting: Setting) -> Outcome:
    """Every layer's MLP units, as the lesson decides and over groups of words."""
    n = setting.size("windows a class, at most", course=300, machine=300, quick=30)
    more = setting.size("windows a class of more words", course=300, machine=150, quick=24)
    text, layer = setting.whole_text(quick=600_000), setting.layer(13, of=36)
    sites, seed = ["mlp_pre", "q", "k", "v"], setting.seed
    few_words = lp.NegationProbe.course(text, max_per_class=n, seed=seed)
    more_words = lp.NegationProbe(text, words="extended", max_per_class=more, seed=seed)
    data = setting.read(few_words, sites).only("mlp_pre")
    words = setting.read(more_words, sites).only("mlp_pre")

    tokens = setting.measure(shares_and_accuracy, data)
    groups = setting.measure_over_groups(lambda _, tested: depths(tested.layers), words)
    rest = setting.measure(
        lambda part: ends(heldout_by_layer(part.activations, part.examples)),
        words, draws=setting.few_draws, anew=False,
    )  # fmt: skip

    here = words.only("mlp_pre", layer=layer)
    tested = setting.over_groups(here)
    z = tested[True].units["value"] if tested else lp.stats.ttest(here.x, here.label).t
    unit = int(np.nanargmax(z))
    decay = setting.read(lp.CategoryProbe(DECAY, max_per_class=None), ["mlp_pre"], [layer])
    lack = setting.measure(
        lambda part: {"auc": lp.stats.auc(part.x[:, [unit]], part.examples.label).auc[0]},
        decay, draws=5 * setting.draws,
    )  # fmt: skip

    layers, bare = course(data), course(data.untrained)
    return Outcome(
        (
            lack.claim("L22.a", "both", how=f"L{layer}.mlp_pre.{unit}, strongest over groups"),
            tokens.claim("L22.b", "course", "early", "late", how=f"Wald p, Bonferroni; {DEPTH}"),
            groups.claim("L22.b", "rigorous", how=f"max-T over groups and all layers; {DEPTH}"),
            tokens.claim("L22.c", "course", "low_layers", "highest", how=f"in sample; {LOW}"),
            rest.claim("L22.c", "rigorous", how=f"chosen on some groups, scored on others; {LOW}"),
        ),
        {
            "share": lines(
                {name: (one["layer"], one["share_significant"])
                 for name, one in (("trained", layers), ("untrained", bare))},
                title=f"At most {layers['share_significant'].max():.0%} of a layer", x="layer",
                y="share of tested units", caption=data.counted, percent=True,
            )
        },
        (power(data, seed), no_negation(data, seed)),
    )  # fmt: skip


def power(data: Data, seed: int) -> Doubt:
    """Shares of the first and the last layer, and accuracy in sample, by the number of examples."""
    said = []
    for n in (n for n in (50, 100, 300) if n <= min(data.examples.n_per_class)):
        layers = course(data.balanced(n, seed))
        first, last = layers["share_significant"].iloc[[0, -1]]
        accuracy = layers["mean_accuracy_significant_positive"].mean()
        said.append(f"{n} a class: {first:.0%} to {last:.0%}, accuracy {accuracy:.1%}")
    return Doubt("shares and in-sample accuracy depend on n", "; ".join(said) or "too few windows")


def no_negation(data: Data, seed: int) -> Doubt:
    """A contrast among the affirmations, beside negation at the same n."""
    affirms = data.rows(np.isin(data.word, ["can", "could", "may", "will"]) & (data.label == 0))
    control = affirms.relabelled(np.isin(affirms.word, ["may", "will"]).astype(int))
    n, said = min(*control.examples.n_per_class, *data.examples.n_per_class), "too few of them"
    if n >= 5:
        most = [course(d.balanced(n, seed))["share_significant"].max() for d in (control, data)]
        said = f"{n} a class, at most {most[0]:.0%} of a layer; negation at that n {most[1]:.0%}"
    return Doubt("word identity: can and could against may and will", said)


if __name__ == "__main__":
    sys.exit(script_main(LESSON, run, __file__))
