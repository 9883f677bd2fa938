"""L21: every MLP unit of one layer against negation: is the largest beta the smallest p?"""

import numpy as np

import lens_probes as lp
from lens_probes.checks.heldout import cross_fitted_accuracy
from lens_probes.course import Data, Found, Outcome, Setting, doubts, script_main
from lens_probes.course.drawings import points
from lens_probes.examples.folds import make_folds


def in_sample(data: Data) -> Found:
    """The highest accuracy of a unit; the place by Wald p of the unit with the largest beta."""
    units = lp.sweep_activations(data.activations, data.examples, preset="course").units
    return {
        "best": units["accuracy"].max(),
        "rank": place(units["beta"].to_numpy(), units["log10_wald_p"].to_numpy()),
    }


def held_out(data: Data) -> Found:
    """Accuracy, on groups of words left out, of the unit that is best on the others."""
    y, fold = data.examples.label, make_folds(data.examples).main
    if fold is None:
        return {"best": np.nan}

    def best_of(train: np.ndarray) -> list[np.ndarray]:
        t = np.abs(np.nan_to_num(lp.stats.ttest(data.x[train], y[train]).t))
        return [np.arange(len(t)) == t.argmax()]

    ((best, _),) = cross_fitted_accuracy([data.x], y, fold, best_of)
    return {"best": best}


def place(beta: np.ndarray, log10_p: np.ndarray) -> float:
    """Place by p, from 1, of the unit with the largest |beta|, among units that have both."""
    known = np.isfinite(beta) & np.isfinite(log10_p)
    if not known.any():
        return np.nan
    largest = np.argmax(np.where(known, np.abs(beta), -1))
    return 1 + float((log10_p[known] < log10_p[largest]).sum())


def run(setting: Setting) -> Outcome:
    """All units of the layer at the course's depth."""
    data, words = setting.negation(), setting.negation(more_words=True)
    layer = setting.layer(13, of=36)
    data, words = (one.only("mlp_pre", layer=layer) for one in (data, words))

    sample = setting.measure(in_sample, data)
    rest = setting.measure(held_out, words, anew=False)
    rank = setting.measure_over_groups(
        lambda part, tested: {
            "rank": place(
                lp.stats.logistic(part.x, part.examples.label).beta_std,
                -np.abs(tested.units["value"].to_numpy()),
            )
        },
        words,
    )
    units = lp.sweep_activations(data.activations, data.examples, preset="course").units
    best = int(units["accuracy"].argmax())
    named = f"the course's unit is of gpt2-large; here the top unit, L{layer}.mlp_pre.{best}"
    if setting.is_course_model("gpt2-large"):
        named = f"L{layer}.mlp_pre.2022 has accuracy {units['accuracy'][2022]:.1%}"
    passed = units["significant"]
    how = f"layer {layer}: chosen on some groups of words, scored on others; {named}"
    return Outcome(
        (
            sample.claim("L21.a", "course", "best", how=f"layer {layer}: in sample; {named}"),
            rest.claim("L21.a", "rigorous", how=how),
            sample.claim("L21.b", "course", "rank", how=f"layer {layer}: raw beta against Wald p"),
            rank.claim("L21.b", "rigorous", how="beta per sd of tokens against |z| of groups"),
        ),
        {
            "beta": points(
                {name: (units["beta"][rows], -units["log10_wald_p"][rows])
                 for name, rows in (("significant (Bonferroni)", passed), ("other", ~passed))},
                title=f"Layer {layer}: {passed.sum():,} of {len(units):,} units pass", x="beta",
                y="-log10 p (Wald)", caption="beta depends on the scale of a unit.",
            )
        },
        (doubts.without_not(data),),
        (named, f"separated units (no Wald p): {(units['status'] == 'separated').sum()}"),
    )  # fmt: skip


if __name__ == "__main__":
    script_main(run)
