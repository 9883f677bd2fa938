"""L12: every MLP unit's correlation with token length, raw and given the token's frequency."""

from functools import partial

import numpy as np
import pandas as pd

import lens_probes as lp
from lens_probes.course import CLAIMS, Data, Doubt, Found, Outcome, Setting, Side, script_main
from lens_probes.course.drawings import lines


def correlations(data: Data) -> pd.DataFrame:
    """r of each unit with length, and given the log of the token's count [layer, unit]."""
    return lp.sweep_activations(data.activations, data.examples, preset="course").units


def numbers(units: pd.DataFrame, column: str) -> Found:
    """How r is distributed over the units of the layers."""
    r = units.pivot(index="layer", columns="unit", values=column).to_numpy()
    n, sixth = len(r), max(1, len(r) // 6)
    last, middle = r[-sixth:], r[n // 4 : max(n // 4 + 1, n - n // 4)]
    return {
        "share_negative": (int((r[1:] < 0).sum()), int(np.isfinite(r[1:]).sum())),
        "median_size": np.nanmedian(np.abs(r[1:])),
        "median_first": np.nanmedian(r[0]),
        "sd_last": np.nanmean(np.nanstd(last, axis=1)),
        "sd_middle": np.nanmean(np.nanstd(middle, axis=1)),
        "size_last": np.nanmedian(np.abs(last)),
        "size_middle": np.nanmedian(np.abs(middle)),
    }


def shift(data: Data, layer: int, column: str) -> Found:
    """Long less other tokens, in sd, of the mean unit: its r with being long over that sd."""
    longer = (data.label > np.median(data.label)).astype(float)
    assert data.examples.covariates is not None
    count = data.examples.covariates["log_count"][:, None]
    x = data.only("mlp_pre", layer=layer).x
    r = getattr(lp.stats.correlation(x, longer, covariates=count), column)
    return {"shift": np.nanmean(r) / longer.std()}


def all_numbers(layer: int, column: str, data: Data) -> Found:
    """Everything that the claims read, by raw or by partial r."""
    return {**numbers(correlations(data), column), **shift(data, layer, column)}


def run(setting: Setting) -> Outcome:
    """As the lesson: raw r of every token. Rigorous: given the log count, first tokens left out."""
    n = setting.size("sequences", course=16, machine=8, quick=2)
    longest = min(512, int(setting.model.cfg.n_ctx) // 2)
    length = setting.size("tokens in a sequence", course=512, machine=longest, quick=longest // 2)
    probe = lp.TokenLengthProbe.course(
        setting.text, n_sequences=n, length=length, seed=setting.seed
    )
    layer, data = setting.layer(5, of=12), setting.read(probe, ["mlp_pre"])

    claims, curves, first = [], {}, []
    sides: tuple[tuple[Side, str, Data, str], ...] = (
        ("course", "r", data, "Pearson r with length, all tokens"),
        ("rigorous", "partial_r", data.rows(data.examples.position > 0),
         "r given the log of the token's count in the text; first tokens out"),
    )  # fmt: skip
    for side, column, part, how in sides:
        _, sequence = np.unique(part.examples.tokens, axis=0, return_inverse=True)
        found = setting.measure(
            partial(all_numbers, layer, column),
            part, ids=sequence, ids_are="the sequences", draws=setting.few_draws,
        )  # fmt: skip
        for claim in (f"L12.{letter}" for letter in "abcd"):
            where = f"layer {layer}, longer less not longer than the median; "
            said = where + how if claim == "L12.a" else how
            claims.append(
                found.claim(claim, side, *CLAIMS[claim].reads, how=said, n=f"{len(part):,} tokens")
            )
        by_layer = correlations(part).groupby("layer")[column]
        first.append(f"{by_layer.median()[0]:+.3f}")
        for quantile in (0.05, 0.5, 0.95):
            r = by_layer.quantile(quantile)
            curves[f"{column}, {quantile:.0%}"] = (r.index, r)
    return Outcome(
        tuple(claims),
        {
            "r": lines(
                curves, title="Correlation with token length by layer", x="layer", y="r",
                caption="Quantiles over units; partial r: given frequency, first tokens left out.",
            )
        },
        (Doubt("token length is confounded with frequency",
               f"median r of layer 0: {first[0]} raw, {first[1]} given frequency"),),
    )  # fmt: skip


if __name__ == "__main__":
    script_main(run)
