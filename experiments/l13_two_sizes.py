"""L13: do the activations of short tokens have two peaks in a larger model of the family?"""

from dataclasses import replace

import numpy as np
from scipy import stats

import lens_probes as lp
from lens_probes.course import Found, Numbers, Outcome, Setting, script_main
from lens_probes.course.drawings import histograms
from lens_probes.errors import InputError
from lens_probes.model.load import LensModel


def short_tokens(setting: Setting, model: LensModel) -> np.ndarray:
    """Activations [token, unit] of tokens shorter than the median, at the lesson's depth."""
    n = setting.size("sequences", course=16, machine=8, quick=2)
    longest = min(512, int(setting.model.cfg.n_ctx) // 2)
    length = setting.size("tokens in a sequence", course=512, machine=longest, quick=longest // 2)
    examples = setting.examples(
        lp.TokenLengthProbe.course(setting.text, n_sequences=n, length=length, seed=setting.seed)
    )
    layer = min(model.n_layers - 1, round(5 * model.n_layers / 12))
    x = lp.collect(model, examples, sites=["mlp_pre"], layers=[layer])[layer, "mlp_pre"]
    assert examples.value is not None
    short = examples.value < np.median(examples.value)
    return np.asarray(x[short if short.any() else ~short], np.float64)


def peaks(setting: Setting, name: str, x: np.ndarray, bare: Found | None = None) -> Numbers:
    """Sarle's bimodality coefficient, (skewness squared + 1) / kurtosis: uniform is 5/9."""

    def coefficient(rows: np.ndarray) -> Found:
        pooled = x[rows].ravel()
        return {name: (stats.skew(pooled) ** 2 + 1) / stats.kurtosis(pooled, fisher=False)}

    return setting.measure_items(
        coefficient, len(x), "short tokens", draws=setting.draws, untrained=bare
    )


def run(setting: Setting) -> Outcome:
    """This model, its untrained weights, and the larger one where it is given."""
    larger = setting.larger
    if larger is not None and larger.cfg.d_vocab != setting.model.cfg.d_vocab:
        raise InputError(
            f"the larger model {larger.source!r} has another vocabulary than "
            f"{setting.model.source!r}: give one of the same family."
        )
    models = {"this model": setting.model, "untrained": setting.untrained}
    x = {name: short_tokens(setting, model) for name, model in models.items()}
    bare = peaks(setting, "bimodal", x["untrained"])
    found = peaks(setting, "bimodal", x["this model"], {"bimodal": bare["bimodal"]})
    if larger is not None:
        x["larger"] = short_tokens(setting, larger)
        twice = peaks(setting, "bimodal_larger", x["larger"]).parts
        found = replace(found, parts={**twice, **found.parts})
    missing = "" if larger is not None else "needs a larger model of the same family"
    how = "bimodality coefficient of all units pooled; 5/9 is that of a uniform distribution"
    return Outcome(
        (found.claim("L13.a", "both", how=how, missing=missing),),
        {
            "peaks": histograms(
                x, title=f"Short tokens: bimodality coefficient {found['bimodal']:.2f}",
                x="activation", caption="All units of the layer pooled.",
            )
        },
    )  # fmt: skip


if __name__ == "__main__":
    script_main(run)
