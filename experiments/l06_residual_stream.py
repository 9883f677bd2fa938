"""L06: what a block adds to the residual stream; successive states with outliers masked."""

import numpy as np

import lens_probes as lp
from lens_probes.course import Found, Outcome, Setting, script_main
from lens_probes.course.drawings import lines
from lens_probes.errors import InputError


def by_layer(found: lp.residual.StreamCorrelation, name: str) -> np.ndarray:
    """r [layer, token] of tokens that are no attention sink; NaN for the others."""
    r = np.where(found.at_sink, np.nan, getattr(found, name))
    return np.asarray(r.reshape(len(r), -1), np.float64)


def run(setting: Setting) -> Outcome:
    """A passage; the course's layers 10 to 11, and every layer."""
    models = (setting.model, setting.untrained)
    tokens = setting.model.tokenizer(setting.passage, add_special_tokens=False)["input_ids"]
    tokens = tokens[: min(200, int(setting.model.cfg.n_ctx))]
    layer = setting.layer(10, of=12)
    if "attn_out" not in setting.model.shapes:
        raise InputError("this model has no site attn_out.")
    error, bare_error = (
        {"error": lp.residual.block_sums(one, tokens, layer).max_relative_error} for one in models
    )
    found, bare = (lp.residual.stream_correlation(one, tokens) for one in models)
    masked, bare_masked = by_layer(found, "r_masked"), by_layer(bare, "r_masked")

    def medians(r: np.ndarray) -> Found:
        """The median token, in the course's layer and in the layer where that is lowest."""
        of_layer = np.nanmedian(r, axis=1)
        return {"r_masked": of_layer[layer], "r_masked_lowest": of_layer.min()}

    n = len(tokens)
    sums = setting.measure_items(lambda _: error, n, "tokens", draws=0, untrained=bare_error)
    states = setting.measure_items(
        lambda rows: medians(masked[:, rows]), n, "tokens", draws=setting.draws,
        untrained=medians(bare_masked),
    )  # fmt: skip
    curves = {"masked": masked, "raw": by_layer(found, "r"), "masked, untrained": bare_masked}
    layers, median = range(len(masked)), {k: np.nanmedian(r, axis=1) for k, r in curves.items()}
    sinks = sorted({one.position for one in found.sinks})
    return Outcome(
        (
            sums.claim("L06.a", "both", how=f"layer {layer}; ||sum - next|| / ||next||"),
            states.claim("L06.b", "both", how=f"layer {layer} and the lowest of all; median over "
                         "tokens that are no sink; dimensions with robust z above "
                         f"{found.outlier_z:g} masked"),
        ),
        {
            "r": lines(
                {name: (layers, r) for name, r in median.items()}, x="layer",
                title="Successive states of a token", y="r over dimensions",
                caption="Median over tokens; attention sinks left out.",
            )
        },
        lines=(
            f"attention sinks ({found.sink_ratio:g} times the median norm or more) at positions "
            f"{sinks or 'none'}",
            f"lowest raw r {median['raw'].min():.3f}, lowest masked {median['masked'].min():.3f} "
            f"in layer {median['masked'].argmin()}",
        ),
    )  # fmt: skip


if __name__ == "__main__":
    script_main(run)
