"""L06: what a block adds to the residual stream; successive states with outliers masked."""

from __future__ import annotations

import sys

import numpy as np

from lens_probes.course import Lesson, Measured, Outcome, Setting, script_main
from lens_probes.course.claim import Value
from lens_probes.course.drawings import lines
from lens_probes.course.grammar import PASSAGE
from lens_probes.course.intervals import ERROR, halves, interval
from lens_probes.errors import InputError
from lens_probes.model.load import LensModel
from lens_probes.residual import StreamCorrelation, block_sums, stream_correlation

LESSON = Lesson("L06", "The residual stream", "gpt2", ("L06.a", "L06.b"), (500, 500))


def by_layer(found: StreamCorrelation, name: str) -> np.ndarray:
    """r [layer, token] of tokens that are no attention sink; NaN for the others."""
    r = np.where(found.at_sink, np.nan, getattr(found, name))
    return np.asarray(r.reshape(len(r), -1), np.float64)


def run(setting: Setting) -> Outcome:
    """A passage; the course's layers 10 to 11, and every layer."""
    model = setting.model
    tokens = model.tokenizer(PASSAGE, add_special_tokens=False)["input_ids"]
    tokens = tokens[: min(200, int(model.cfg.n_ctx))]
    layer = setting.layer(10, of=12)
    errors = []
    for one in (model, setting.untrained):
        if "attn_out" not in one.shapes:
            raise InputError("this model has no site attn_out.")
        errors.append(block_sums(one, tokens, layer).max_relative_error)

    def correlate(one: LensModel) -> tuple[StreamCorrelation, np.ndarray]:
        found = stream_correlation(one, tokens)
        return found, by_layer(found, "r_masked")

    (found, masked), (_, bare) = correlate(model), correlate(setting.untrained)
    median, raw = np.nanmedian(masked, axis=1), np.nanmedian(by_layer(found, "r"), axis=1)
    bare_median = np.nanmedian(bare, axis=1)
    rng = np.random.default_rng(setting.seed)
    drawn = [
        np.nanmedian(masked[:, half], axis=1) for half in halves(len(tokens), setting.draws, rng)
    ]
    at, lowest = float(median[layer]), float(median.min())
    values = {
        "r_masked": Value(at, *interval([float(d[layer]) for d in drawn], at),
                          untrained=float(bare_median[layer])),
        "r_masked_lowest": Value(lowest, *interval([float(d.min()) for d in drawn], lowest),
                                 untrained=float(bare_median.min())),
    }  # fmt: skip
    sinks = sorted({one.position for one in found.sinks})
    layers = list(range(model.n_layers))
    return Outcome(
        (
            Measured("L06.a", "both", {"error": Value(errors[0], untrained=errors[1])},
                     f"{len(tokens)} tokens", f"layer {layer}; ||sum - next|| / ||next||"),
            Measured("L06.b", "both", values, f"{len(tokens)} tokens",
                     f"layer {layer} and the lowest of all; median over tokens that are no sink; "
                     f"dimensions with robust z above {found.outlier_z:g} masked",
                     ERROR.format(n=len(drawn)) + "the tokens"),
        ),
        {
            "r": lines(
                {"masked": (layers, median), "raw": (layers, raw),
                 "masked, untrained": (layers, bare_median)},
                title="Successive states of a token", x="layer", y="r over dimensions",
                caption="Median over tokens; attention sinks left out.",
            )
        },
        lines=(
            f"attention sinks ({found.sink_ratio:g} times the median norm or more) at positions "
            f"{sinks or 'none'}",
            f"lowest raw r {raw.min():.3f}, lowest masked {lowest:.3f} in layer {median.argmin()}",
        ),
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(script_main(LESSON, run, __file__))
