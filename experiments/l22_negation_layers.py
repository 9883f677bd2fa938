"""L22: negation over all layers: how many MLP units tell it, how well, and what else they like."""

from pathlib import Path

import numpy as np
import pandas as pd

import lens_probes as lp
from lens_probes.checks.heldout import heldout_by_layer
from lens_probes.course import Data, Found, Outcome, Setting, depths, doubts, script_main
from lens_probes.course.drawings import lines

DECAY = Path(__file__).with_name("decay.toml")


def course(data: Data) -> pd.DataFrame:
    """The lesson's test: Wald p of the logistic regression, Bonferroni in each layer."""
    return lp.sweep_activations(data.activations, data.examples, preset="course").layers


def shares_and_accuracy(data: Data) -> Found:
    """Both claims of the course from one sweep."""
    layers = course(data)
    accuracy = layers["mean_accuracy_significant_positive"]
    return {**depths.early_and_late(layers), **depths.low_and_highest(accuracy)}


def run(setting: Setting) -> Outcome:
    """Every layer's MLP units, as the lesson decides and over groups of words."""
    data = setting.negation().only("mlp_pre")
    words = setting.negation(more_words=True).only("mlp_pre")
    layer = setting.layer(13, of=36)

    tokens = setting.measure(shares_and_accuracy, data)
    groups = setting.measure_over_groups(
        lambda _, tested: depths.early_and_late(tested.layers), words
    )
    rest = setting.measure(
        lambda part: depths.low_and_highest(heldout_by_layer(part.activations, part.examples)),
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

    layers, bare, early, low = course(data), course(data.untrained), depths.EARLY, depths.LOW
    return Outcome(
        (
            lack.claim("L22.a", "both", how=f"L{layer}.mlp_pre.{unit}, strongest over groups"),
            tokens.claim("L22.b", "course", "early", "late", how=f"Wald p, Bonferroni; {early}"),
            groups.claim("L22.b", "rigorous", how=f"max-T over groups and all layers; {early}"),
            tokens.claim("L22.c", "course", "low_layers", "highest", how=f"in sample; {low}"),
            rest.claim("L22.c", "rigorous", how=f"chosen on some groups, scored on others; {low}"),
        ),
        {
            "share": lines(
                {name: (one["layer"], one["share_significant"])
                 for name, one in (("trained", layers), ("untrained", bare))},
                title=f"At most {layers['share_significant'].max():.0%} of a layer", x="layer",
                y="share of tested units", caption=data.counted, percent=True,
            )
        },
        (doubts.power(data, course, setting.seed), doubts.no_negation(data, course, setting.seed)),
    )  # fmt: skip


if __name__ == "__main__":
    script_main(run)
