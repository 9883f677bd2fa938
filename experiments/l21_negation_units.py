"""L21: every MLP unit of one layer against negation; largest beta and smallest p; a heat map."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import numpy as np

import lens_probes as lp
from lens_probes.checks.heldout import cross_fitted_accuracy
from lens_probes.course import Lesson, Measured, Outcome, Setting, script_main
from lens_probes.course.drawings import points
from lens_probes.course.negation import (
    counted,
    keys_of,
    negation_reading,
    rigorous_reading,
    word_folds,
)
from lens_probes.course.profiles import wald, word_z
from lens_probes.course.spread import INTERVAL, NULL, Sample, spread
from lens_probes.units.decision import MIN_PER_WORD

LESSON = Lesson(
    "L21", "Single units that tell negation", "gpt2-large", ("L21.a", "L21.b"), (169_800, 34_400)
)


def in_sample(sample: Sample) -> Mapping[str, float]:
    """best: highest accuracy of a unit; rank: place by Wald p of the unit with the largest beta."""
    (x,) = sample.arrays.values()
    fit = lp.stats.logistic(x, sample.label)
    return {"best": float(np.nanmax(fit.accuracy)), "rank": rank_of(fit.beta, fit.log10_wald_p)}


def held_out(sample: Sample) -> Mapping[str, float]:
    """The same of the unit chosen on some word types, scored on others; evidence of word types."""
    ((key, x),) = sample.arrays.items()
    fold = word_folds(sample)
    best = np.nan
    if fold is not None:

        def choose(train: np.ndarray) -> list[np.ndarray]:
            r = np.nan_to_num(lp.stats.correlation(x[train], sample.label[train].astype(float)).r)
            return [np.arange(x.shape[1]) == np.abs(r).argmax()]

        ((best, _),) = cross_fitted_accuracy([x], sample.label, fold, choose)
    fit = lp.stats.logistic(x, sample.label)
    return {"best": best, "rank": rank_of(fit.beta_std, -np.abs(word_z(sample, key, MIN_PER_WORD)))}


def rank_of(beta: np.ndarray, log10_p: np.ndarray) -> float:
    """Place by p among all units that have one, from 1, of the unit with the largest |beta|."""
    known = np.isfinite(beta) & np.isfinite(log10_p)
    if not known.any():
        return float("nan")
    largest = int(np.argmax(np.where(known, np.abs(beta), -1)))
    return float(1 + (log10_p < log10_p[largest]).sum())


def run(setting: Setting) -> Outcome:
    """All units of the layer at the course's depth."""
    reading = negation_reading(setting)
    layer = setting.layer(13, of=36)
    key = (layer, "mlp_pre")
    assert key in keys_of(reading, "mlp_pre")
    fit = lp.stats.logistic(reading.activations[key], reading.examples.label)
    best = int(np.nanargmax(fit.accuracy))
    named = f"L{layer}.mlp_pre.2022"
    if setting.is_course_model(LESSON.model):
        named += f" has accuracy {fit.accuracy[2022]:.1%}"
    else:
        named = f"the course's unit is of gpt2-large; here the top unit, L{layer}.mlp_pre.{best}"
    measured = []
    for side, profile, read, how in (
        ("course", in_sample, reading, "in-sample accuracy; raw beta against Wald p"),
        ("rigorous", held_out, rigorous_reading(setting), "chosen on some word types, scored on "
         "others; beta per sd of tokens against |z| of groups"),
    ):  # fmt: skip
        values = spread(profile, read, draws=setting.draws, seed=setting.seed, keys=[key])
        for claim, part in (("L21.a", "best"), ("L21.b", "rank")):
            measured.append(
                Measured(
                    claim, "course" if side == "course" else "rigorous", {part: values[part]},
                    counted(read), f"layer {layer}: {how}; {named}",
                    INTERVAL["word"].format(n=setting.draws), NULL.format(n=setting.draws),
                )
            )  # fmt: skip
    tests = wald(reading.sample(), [key])
    passed = tests.significant
    groups = {
        name: (fit.beta[rows], -fit.log10_wald_p[rows])
        for name, rows in (("Bonferroni-significant", passed), ("other", ~passed))
    }
    return Outcome(
        tuple(measured),
        {
            "beta": points(
                groups, title=f"Layer {layer}: {tests.share:.0%} of the tested units pass",
                caption="The largest beta need not be the smallest p: beta depends on the scale.",
                x="beta", y="-log10 p (Wald)",
            )
        },
        lines=(named, f"separated units (no Wald p): {(fit.status == 'separated').sum()}"),
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(script_main(LESSON, run, __file__))
