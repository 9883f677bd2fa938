"""L13: do the activations of short tokens have two peaks in a larger model of the family?"""

from __future__ import annotations

import sys

import numpy as np

from lens_probes.activations.collect import collect
from lens_probes.course import Lesson, Measured, Outcome, Setting, script_main
from lens_probes.course.claim import Value
from lens_probes.course.drawings import lines
from lens_probes.course.intervals import ERROR, halves, interval
from lens_probes.course.length import bimodality, length_examples
from lens_probes.errors import InputError
from lens_probes.model.load import LensModel

LESSON = Lesson("L13", "Two sizes of a family", "EleutherAI/gpt-neo-125M", ("L13.a",), (3_400, 440))


def short_tokens(setting: Setting, model: LensModel) -> np.ndarray:
    """Activations [token, unit] of tokens shorter than the median, at the lesson's depth."""
    examples = length_examples(setting)
    assert examples.value is not None
    layer = min(model.n_layers - 1, round(5 * model.n_layers / 12))
    x = collect(model, examples, sites=["mlp_pre"], layers=[layer])[layer, "mlp_pre"]
    short = examples.value < np.median(examples.value)
    return np.asarray(x[short if short.any() else ~short], np.float64)


def run(setting: Setting) -> Outcome:
    """This model, its untrained weights, and the larger one where it is given."""
    models = {"this model": setting.model, "untrained": setting.untrained}
    if setting.larger is not None:
        if setting.larger.cfg.d_vocab != setting.model.cfg.d_vocab:
            raise InputError(
                f"the larger model {setting.larger.source!r} has another vocabulary than "
                f"{setting.model.source!r}: give one of the same family."
            )
        models["larger"] = setting.larger
    found, curves = {}, {}
    for name, model in models.items():
        x = short_tokens(setting, model)
        rng = np.random.default_rng(setting.seed)
        drawn = [bimodality(x[half]) for half in halves(len(x), setting.draws, rng)]
        found[name] = (bimodality(x), drawn, len(x))
        edges = np.linspace(np.quantile(x, 0.001), np.quantile(x, 0.999), 81)
        density = np.histogram(x, edges, density=True)[0]
        curves[name] = (((edges[1:] + edges[:-1]) / 2).tolist(), density.tolist())
    value, drawn, n = found["this model"]
    parts = {"bimodal": Value(value, *interval(drawn, value), untrained=found["untrained"][0])}
    if setting.larger is not None:
        larger, drawn, _ = found["larger"]
        parts = {"bimodal_larger": Value(larger, *interval(drawn, larger)), **parts}
    missing = "" if setting.larger is not None else "needs a larger model of the same family"
    return Outcome(
        (
            Measured(
                "L13.a", "both", parts, f"{n:,} short tokens",
                "bimodality coefficient of all units pooled; 5/9 is that of a uniform distribution",
                ERROR.format(n=setting.draws) + "the tokens", missing=missing,
            ),
        ),
        {
            "peaks": lines(
                curves, title=f"Short tokens: bimodality coefficient {value:.2f}", x="activation",
                y="density", caption="All units of the layer pooled.",
            )
        },
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(script_main(LESSON, run, __file__))
