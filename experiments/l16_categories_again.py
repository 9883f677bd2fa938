"""L16: extreme units word by word; a second experiment; wrong splits of the same words."""

import numpy as np
import pandas as pd

import lens_probes as lp
from lens_probes.course import Data, Doubt, Found, Outcome, Setting, script_main
from lens_probes.course.drawings import points, strips


def course(data: Data) -> pd.DataFrame:
    """The lesson's test: Student's t, Bonferroni in each layer."""
    return lp.sweep_activations(data.activations, data.examples, preset="course").units


def agreement(first: Data, second: Data) -> Found:
    """r of t over all units, signs of the first's significant units, concordance.

    The words of both have the classes that they have in the second: wrong splits are of both.
    """
    of_word = dict(zip(second.word.tolist(), second.label.tolist(), strict=True))
    label = [of_word.get(word, k) for word, k in zip(first.word, first.label, strict=True)]
    one, two = course(first.like(second).relabelled(np.array(label))), course(second)
    found = lp.stats.concordance(one["t"], one["significant"], two["t"], two["significant"])
    return {
        "r": found.pearson_r,
        "sign_agreement": found.sign_agreement,
        "concordance": found.concordance,
    }


def word_order(first: Data, second: Data) -> Found:
    """Pairs of words, one of each class, in order: the units of the first, means of the second."""
    t, found = lp.stats.ttest(first.x, first.examples.label).t, {}
    for name, unit, sign in (("positive", np.nanargmax(t), 1), ("negative", np.nanargmin(t), -1)):
        one, zero = (
            np.array([second.x[(second.label == k) & (second.word == word), unit].mean()
                      for word in np.unique(second.word[second.label == k])])
            for k in (1, 0)
        )  # fmt: skip
        above = (sign * one[:, None] > sign * zero[None]).sum()
        found[f"order_{name}"] = (int(above), one.size * zero.size)
    return found


def run(setting: Setting) -> Outcome:
    """Units chosen in the first experiment; the same words again, and new words."""
    one, two, new = (
        setting.read(probe, ["mlp_out"])
        for probe in (
            lp.CategoryProbe.course(),
            lp.CategoryProbe(sentences="multi", max_per_class=None),
            lp.CategoryProbe(sentences="new", max_per_class=None),
        )
    )
    layer = setting.layer(16, of=36)
    at, at_new = one.only("mlp_out", layer=layer), new.only("mlp_out", layer=layer)
    same = setting.measure(lambda part: word_order(part, part), at)
    others = setting.measure(lambda part: word_order(at.like(part), part), at_new)
    repeat = setting.measure(lambda part: agreement(one, part), two)
    again = setting.measure(lambda part: agreement(one, part), new)

    t = lp.stats.ttest(at.x, at.examples.label).t
    ends = {"largest": int(np.nanargmax(t)), "smallest": int(np.nanargmin(t))}
    figures = {
        f"{name}_t": strips(
            at.by_word(unit), title=f"L{layer}.mlp_out.{unit}, {name} t", y="activation",
            caption="All 40 sentences by word; the unit was chosen on them.",
        )
        for name, unit in ends.items()
    }  # fmt: skip
    r, wrong = repeat["r"], repeat.parts["r"].null
    figures["t1_t2"] = points(
        {"units": (course(one)["t"], course(two)["t"])}, x="T1", y="T2",
        title=f"t of the two experiments: r {r:.2f}",
        caption=f"All layers. Wrong splits of the words: r {wrong:.2f} on average.",
    )  # fmt: skip
    where = f"layer {layer}: share of word pairs whose means are in order"
    return Outcome(
        (
            same.claim("L16.a", "course", how=f"{where}, on the sentences that chose the units"),
            others.claim("L16.a", "rigorous", how=f"{where}; the first's units on new words"),
            repeat.claim("L16.b", "course", how="t of all units and layers, the same words"),
            again.claim("L16.b", "rigorous", how="t of all units and layers, other words"),
        ),
        figures,
        (
            Doubt(
                "wrong splits of the same words replicate too",
                f"r of t: {r:.2f} for the real split, {wrong:.2f} for wrong ones (mean); on new "
                f"words r = {again['r']:.2f}",
            ),
        ),
    )


if __name__ == "__main__":
    script_main(run)
