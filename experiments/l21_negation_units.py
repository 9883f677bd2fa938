"""L21: every MLP unit of one layer against negation: is the largest beta the smallest p?"""

from __future__ import annotations

import sys

import numpy as np

import lens_probes as lp
from lens_probes.checks.heldout import cross_fitted_accuracy
from lens_probes.course import Data, Doubt, Found, Lesson, Outcome, Setting, script_main
from lens_probes.course.drawings import points
from lens_probes.examples.folds import make_folds

LESSON = Lesson(
    "L21", "Single units that tell negation", "gpt2-large", ("L21.a", "L21.b"), (169_800, 34_400)
)


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


def recall(data: Data, rows: np.ndarray, target: np.ndarray) -> float:
    """Share of targets on their side of the midpoint, by the best unit of some rows."""
    moments = lp.stats.moments(data.x[rows], data.examples.label[rows])
    best = np.nanargmax(np.abs(lp.stats.ttest(data.x[rows], data.examples.label[rows]).t))
    middle = (moments.mean0[best] + moments.mean1[best]) / 2
    return float(((data.x[target, best] > middle) == (moments.direction[best] > 0)).mean())


def run(setting: Setting) -> Outcome:
    """All units of the layer at the course's depth."""
    n = setting.size("windows a class, at most", course=300, machine=300, quick=30)
    more = setting.size("windows a class of more words", course=300, machine=150, quick=24)
    text, layer = setting.whole_text(quick=600_000), setting.layer(13, of=36)
    sites, seed = ["mlp_pre", "q", "k", "v"], setting.seed
    course = lp.NegationProbe.course(text, max_per_class=n, seed=seed)
    extended = lp.NegationProbe(text, words="extended", max_per_class=more, seed=seed)
    data = setting.read(course, sites).only("mlp_pre", layer=layer)
    words = setting.read(extended, sites).only("mlp_pre", layer=layer)

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
    if setting.is_course_model(LESSON.model):
        named = f"L{layer}.mlp_pre.2022 has accuracy {units['accuracy'][2022]:.1%}"
    is_not = data.word == "not"
    sides = (np.ones(len(data), bool), ~is_not)
    found = [recall(data, rows, is_not) for rows in sides] if is_not.any() else [np.nan] * 2
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
        (Doubt("word identity: leaving 'not' out", f"the best unit recognises {found[0]:.0%} of "
               f"'not' when chosen with it, {found[1]:.0%} without"),),
        (named, f"separated units (no Wald p): {(units['status'] == 'separated').sum()}"),
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(script_main(LESSON, run, __file__))
