"""L15: dental hygiene against furniture over all layers; what word identity alone gives."""

import pandas as pd

import lens_probes as lp
from lens_probes.course import Data, Found, Numbers, Outcome, Setting, doubts, script_main
from lens_probes.course.drawings import lines

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
    share = layers["share_significant"]
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
        (doubts.word_identity_alone(data, int(layers["n_units"].sum())),),
        (data.token_counts,),
    )  # fmt: skip


if __name__ == "__main__":
    script_main(run)
