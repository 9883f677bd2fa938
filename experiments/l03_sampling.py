"""L03: which token of every batch drives a residual dimension highest, for all dimensions."""

import numpy as np

import lens_probes as lp
from lens_probes.course import Found, Outcome, Setting, script_main
from lens_probes.course.drawings import lines

UNIT = 345


def commonest(token_id: np.ndarray) -> np.ndarray:
    """Share of batches that the commonest winner has [unit], of winners [batch, unit]."""
    most = [np.unique(ids, return_counts=True)[1].max() for ids in token_id.T]
    return np.array(most) / len(token_id)


def scattered(top_share: np.ndarray) -> Found:
    """Dimensions in which no token wins a fifth of the batches; the median dimension."""
    return {
        "share_scattered": (int((top_share < 0.2).sum()), len(top_share)),
        "median_top_share": np.median(top_share),
    }


def run(setting: Setting) -> Outcome:
    """The course's two depths; the named dimension where there is one."""
    early, later = setting.layer(2, of=12), setting.layer(6, of=12)
    text = setting.some_text(course=32_000_000, machine=400_000, quick=100_000)
    n = setting.size("batches", course=1000, machine=40, quick=10)
    batch = setting.size("sequences in a batch", course=32, machine=8, quick=4)
    length = setting.size("tokens in a sequence", course=256, machine=64, quick=32)
    (first, second), (bare, bare_second) = (
        [
            lp.maximize.batch_winners(
                model, text, site="resid_pre", layer=layer, seed=setting.seed, n_batches=n,
                batch=batch, length=length,
            )
            for layer in (early, later)
        ]
        for model in (setting.model, setting.untrained)
    )  # fmt: skip

    named = setting.is_course_model("EleutherAI/gpt-neo-125M")
    unit = UNIT if named else int(first.top_share.argmax())
    size = f"{n} batches of {batch} x {length} tokens"
    top = setting.measure_items(
        lambda rows: {"top_share": commonest(first.token_id[rows][:, [unit]])[0]},
        n, "batches", draws=setting.draws, said=size,
        untrained={"top_share": bare.top_share[unit] if named else bare.top_share.max()},
        null={"top_share": np.median(first.top_share)},
        null_is="the median dimension", null_in="in the median dimension",
    )  # fmt: skip
    all_units = setting.measure_items(
        lambda rows: scattered(commonest(second.token_id[rows])),
        n, "batches", draws=setting.draws, said=size, untrained=scattered(bare_second.top_share),
    )  # fmt: skip

    table = first.counts(unit).head(5)
    won = [f"{t!r} {s:.0%}" for t, s in zip(table["token"], table["share"], strict=True)]
    chosen = "" if named else ", the dimension with the most frequent winner"
    sinks = ", ".join(f"position {p}: {k}" for p, k in list(first.sinks.by_position.items())[:3])
    across = np.linspace(0, 1, len(first.units))
    return Outcome(
        (
            top.claim("L03.a", "both", how=f"L{early}.resid_pre.{unit}{chosen}: {', '.join(won)}; "
                      "position 0 left out"),
            all_units.claim(
                "L03.b", "both", how=f"layer {later}, all dimensions; position 0 left out",
                null_reason="no labels to shuffle: the untrained model is the comparison",
            ),
        ),
        {
            "winners": lines(
                {f"layer {layer}": (across, np.sort(one.top_share)[::-1])
                 for layer, one in ((early, first), (later, second))},
                title="Share of batches won by a dimension's commonest token",
                x="share of dimensions", y="share of batches", caption=size, percent=True,
            )
        },
        lines=(
            f"position 0 would have won {first.first_wins.mean() / n:.0%} of batches (mean "
            "dimension)",
            f"long streams: {sinks or 'none'}; one batch covers {first.coverage:.1%} of the text",
        ),
    )  # fmt: skip


if __name__ == "__main__":
    script_main(run)
