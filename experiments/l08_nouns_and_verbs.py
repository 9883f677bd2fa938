"""L08: 100 nouns and 100 verbs as lone words: where the units of one MLP layer sit."""

import numpy as np

import lens_probes as lp
from lens_probes.course import Data, Doubt, Found, Outcome, Setting, script_main
from lens_probes.course.drawings import points


def offsets(data: Data) -> Found:
    """Units whose mean is further from 0 than their sd over words; those below 0 among them."""
    mean, sd = data.x.mean(0, dtype=np.float64), data.x.std(0, ddof=1, dtype=np.float64)
    fixed = np.abs(mean) > sd
    return {
        "share_offset": (int(fixed.sum()), len(fixed)),
        "share_negative": (int((mean[fixed] < 0).sum()), int(fixed.sum())),
    }


def run(setting: Setting) -> Outcome:
    """Lone words as in the lesson, and after a BOS token."""
    layer = setting.layer(8, of=12)
    has_bos = setting.model.tokenizer.bos_token_id is not None
    careful = lp.GrammarProbe(leading_space=True, bos=has_bos, read="last")
    plain = setting.read(lp.GrammarProbe.course(), ["mlp_pre"], [layer])
    spaced = setting.read(careful, ["mlp_pre"], [layer])
    as_lesson, after_bos = (
        setting.measure(offsets, data, null_draws=0) for data in (plain, spaced)
    )

    moments = lp.stats.moments(plain.x, plain.examples.label)
    t_of = []
    for n in (20, 200):
        label = np.repeat([0, 1], n)
        z = np.tile(np.linspace(-1.7, 1.7, n), 2)[:, None] + 0.5 * label[:, None]
        one = lp.stats.ttest(z, label)
        t_of.append(f"n = {n} a class: t {one.t[0]:.1f}, g {one.hedges_g[0]:.2f}")
    counts = plain.examples.spans
    tokens = ", ".join(f"{k} tokens: {(counts == k).sum()}" for k in np.unique(counts))
    return Outcome(
        (
            as_lesson.claim("L08.a", "course",
                            how=f"layer {layer}, mean over a word's tokens, no BOS token"),
            after_bos.claim("L08.a", "rigorous",
                            how=f"layer {layer}, leading space, last token, after a BOS token"),
        ),
        {
            "means": points(
                {"units": (moments.mean0, moments.mean1)}, x="mean over nouns",
                y="mean over verbs", title="Units keep an offset of their own, whatever the word",
                caption="Each point is a unit: its mean over 100 nouns and over 100 verbs.",
            )
        },
        (Doubt("t is not an effect size", "; ".join(t_of)),),
        (f"words by token count: {tokens}", setting.sinks_said(plain)),
    )  # fmt: skip


if __name__ == "__main__":
    script_main(run)
