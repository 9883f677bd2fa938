"""L15: dental hygiene against furniture over all layers; what word identity alone gives."""

from __future__ import annotations

import sys
from collections import Counter

import numpy as np
import pandas as pd

import lens_probes as lp
from lens_probes.course import Data, Doubt, Found, Lesson, Numbers, Outcome, Setting, script_main
from lens_probes.course.drawings import lines

LESSON = Lesson(
    "L15", "Dental hygiene and furniture", "gpt2-large", ("L15.a", "L15.b"), (1_200, 1_200)
)
ENOUGH = 10


def course(data: Data) -> pd.DataFrame:
    """The lesson's test: Student's t, Bonferroni in each layer."""
    return lp.sweep_activations(data.activations, data.examples, preset="course").layers


def shares(layers: pd.DataFrame) -> Found:
    """Significant units of the tested ones, by depth, and how many of them are positive."""
    counts, quarter = layers[["n_significant", "n_tested"]], max(1, len(layers) // 4)
    found, up = layers["n_significant"].sum(), layers["n_significant_positive"].sum()
    return {
        "share": (*counts.sum(),),
        "last": (*counts.tail(quarter).sum(),),
        "before": (*counts.head(len(counts) - quarter).sum(),),
        "share_positive": (up, found),
        "n_significant": found,
    }


def balance(found: Numbers) -> dict[str, str]:
    """Why a balance of signs cannot be judged, or nothing."""
    if found.missing or found["n_significant"] >= ENOUGH:
        return {}
    n = found["n_significant"]
    return {"missing": f"{n:.0f} significant units: a balance needs {ENOUGH} or more"}


def run(setting: Setting) -> Outcome:
    """MLP output of every layer at the target of 40 sentences."""
    data = setting.read(lp.CategoryProbe.course(), ["mlp_out"])
    tokens = setting.measure(lambda part: shares(course(part)), data)
    groups = setting.measure_over_groups(lambda _, tested: shares(tested.layers), data)

    parts, signs = ("share", "last", "before"), ("share_positive", "n_significant")
    how = "Student's t, Bonferroni in each layer"
    how_groups = "max-T over groups and layers (4 v 4 words: the smallest p is 2/70)"
    layers, bare = course(data), course(data.untrained)
    share, y = layers["share_significant"], data.examples.label
    n_units = int(layers["n_units"].sum())
    splits = lp.stats.split_test(data.arrays, y, data.group, alpha_unit=0.05 / n_units)
    return Outcome(
        (
            tokens.claim("L15.a", "course", *parts, how=how),
            groups.claim("L15.a", "rigorous", *parts, how=how_groups),
            tokens.claim("L15.b", "course", *signs, how=how, **balance(tokens)),
            groups.claim("L15.b", "rigorous", *signs, how=how_groups, **balance(groups)),
        ),
        {
            "share": lines(
                {"trained": (layers["layer"], share),
                 "untrained": (bare["layer"], bare["share_significant"])},
                x="layer", percent=True, y="share of tested units",
                title=f"Significant units: {share.mean():.1%} of a layer on average",
                caption=f"{data.counted}. Student's t, Bonferroni in each layer.",
            )
        },
        (
            Doubt(
                "8 words can be told apart by word identity alone",
                f"units that pass (Bonferroni over all): {splits.share:.2%} under the real split "
                f"of the words, {np.median(splits.null_shares):.2%} (median) and up to "
                f"{splits.null_shares.max():.2%} under {splits.n} splits of the "
                f"same words, p = {splits.p:.3f}",
            ),
        ),
        (token_counts(data),),
    )  # fmt: skip


def token_counts(data: Data) -> str:
    """Tokens of each class's words under this tokenizer: a confound where they differ."""
    assert data.examples.first is not None
    size = data.examples.position - data.examples.first + 1
    said = []
    for label, name in enumerate(data.examples.class_names):
        counts = Counter(size[data.label == label].tolist())
        said.append(f"{name}: " + ", ".join(f"{n} x {k} tokens" for k, n in sorted(counts.items())))
    return "; ".join(said)


if __name__ == "__main__":
    sys.exit(script_main(LESSON, run, __file__))
