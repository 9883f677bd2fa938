"""L03: which token of every batch drives a residual dimension highest, for all dimensions."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np

from lens_probes.course import Lesson, Measured, Outcome, Setting, script_main
from lens_probes.course.drawings import lines
from lens_probes.course.intervals import ERROR, estimate, halves
from lens_probes.maximize import Winners, batch_winners
from lens_probes.model.load import LensModel

LESSON = Lesson("L03", "Maximisation by sampling", "EleutherAI/gpt-neo-125M", ("L03.a", "L03.b"),
                (30_000, 3_000))  # fmt: skip
UNIT = 345


def sample(setting: Setting, model: LensModel, layer: int) -> Winners:
    """Batches of sequences at random offsets, every dimension at once."""
    text = setting.some_text(course=32_000_000, machine=400_000, quick=100_000)
    return batch_winners(
        model, text, site="resid_pre", layer=layer, seed=setting.seed,
        n_batches=setting.size("batches", course=1000, machine=40, quick=10),
        batch=setting.size("sequences in a batch", course=32, machine=8, quick=4),
        length=setting.size("tokens in a sequence", course=256, machine=64, quick=32),
    )  # fmt: skip


def shares(token_id: np.ndarray) -> np.ndarray:
    """Share of batches that the commonest winner has [unit]."""
    most = [np.unique(ids, return_counts=True)[1].max() for ids in token_id.T]
    return np.array(most) / len(token_id)


def scattered(top_share: np.ndarray) -> dict[str, float]:
    """Dimensions in which no token wins a fifth of the batches; the median dimension."""
    return {
        "share_scattered": float((top_share < 0.2).mean()),
        "median_top_share": float(np.median(top_share)),
    }


def run(setting: Setting) -> Outcome:
    """The course's two depths; the named dimension where there is one."""
    early, later = setting.layer(2, of=12), setting.layer(6, of=12)
    first, second = (sample(setting, setting.model, layer) for layer in (early, later))
    bare = [sample(setting, setting.untrained, layer) for layer in (early, later)]
    named = setting.is_course_model(LESSON.model)
    unit = UNIT if named else int(first.top_share.argmax())
    rng = np.random.default_rng(setting.seed)
    n = first.n_batches
    picks = list(halves(n, setting.draws, rng))
    drawn = [float(shares(first.token_id[rows][:, [unit]])[0]) for rows in picks]
    plain = float(bare[0].top_share[unit] if named else bare[0].top_share.max())
    value = estimate(first.top_share[unit], drawn, untrained=plain, lower=0, upper=1)
    value = replace(value, null=float(np.median(first.top_share)))
    found, untrained = scattered(second.top_share), scattered(bare[1].top_share)
    again = [scattered(shares(second.token_id[rows])) for rows in picks]
    parts = {
        name: estimate(v, [d[name] for d in again], untrained=untrained[name],
                       of=len(second.units) if name == "share_scattered" else 0)
        for name, v in found.items()
    }  # fmt: skip
    table = first.counts(unit).head(5)
    tokens = ", ".join(
        f"{t!r} {s:.0%}" for t, s in zip(table["token"], table["share"], strict=True)
    )
    by = ERROR.format(n=len(picks)) + "the batches"
    size = f"{n} batches of {first.batch} x {first.length} tokens"
    ordered = {
        f"layer {layer}": (np.linspace(0, 1, len(w.units)), np.sort(w.top_share)[::-1])
        for layer, w in ((early, first), (later, second))
    }
    sinks = ", ".join(f"position {p}: {k}" for p, k in list(first.sinks.by_position.items())[:3])
    return Outcome(
        (
            Measured("L03.a", "both", {"top_share": value}, size,
                     f"L{early}.resid_pre.{unit}{'' if named else ', the dimension with the most '}"
                     f"{'' if named else 'frequent winner'}: {tokens}; position 0 left out", by,
                     "the median dimension", null_in="in the median dimension"),
            Measured("L03.b", "both", parts, size,
                     f"layer {later}, all dimensions; position 0 left out", by,
                     null_reason="no labels to shuffle: the untrained model is the comparison"),
        ),
        {
            "winners": lines(
                ordered, title="Share of batches won by a dimension's commonest token", x="share "
                "of dimensions", y="share of batches", caption=size, percent=True,
            )
        },
        lines=(
            f"position 0 would have won {first.first_wins.mean() / n:.0%} of batches (mean "
            "dimension)",
            f"long streams: {sinks or 'none'}; one batch covers {first.coverage:.1%} of the text",
        ),
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(script_main(LESSON, run, __file__))
