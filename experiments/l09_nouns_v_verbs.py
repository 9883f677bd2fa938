"""L09: paired t test of nouns and verbs; the two extreme units on an unseen passage."""

import numpy as np
import pandas as pd

import lens_probes as lp
from lens_probes.course import Data, Found, Numbers, Outcome, Setting, script_main
from lens_probes.errors import InputError
from lens_probes.report import heatmap_html


def course(data: Data) -> pd.DataFrame:
    """The lesson's test: paired t in the order of the lists, Bonferroni."""
    return lp.sweep_activations(data.activations, data.examples, preset="course").units


def shares(units: pd.DataFrame) -> Found:
    """Significant units of the tested ones, and those that are higher for nouns and for verbs."""
    sign, n = units["direction"][units["significant"]], int((units["status"] != "constant").sum())
    counts = {"share": sign.size, "share_noun": (sign < 0).sum(), "share_verb": (sign > 0).sum()}
    return {name: (int(count), n) for name, count in counts.items()}


def on_passage(setting: Setting, data: Data, tokens: np.ndarray, marks: np.ndarray) -> Numbers:
    """AUC of the noun unit for nouns and of the verb unit for verbs, over tokens of a passage."""

    def values(data: Data) -> list[np.ndarray]:
        t = lp.stats.ttest(data.x, data.examples.label).t
        model = setting.model if data.is_trained else setting.untrained
        ((layer, site),) = data.activations
        units = (int(np.nanargmin(t)), int(np.nanargmax(t)))
        painted = [lp.paint(model, [tokens], layer=layer, site=site, unit=u)[0] for u in units]
        return [np.array(one.values) for one in painted]

    def aucs(x: list[np.ndarray], rows: np.ndarray, marks: np.ndarray = marks) -> Found:
        pairs = [(one[rows, None], mark[rows]) for one, mark in zip(x, marks, strict=True)]
        scores = [lp.stats.auc(*pair).auc[0] if 1 < pair[1].sum() < len(rows) - 1 else np.nan
                  for pair in pairs]  # fmt: skip
        return dict(zip(("auc_noun", "auc_verb"), scores, strict=True))

    here, bare = values(data), values(data.untrained)
    rows, rng = np.arange(1, len(tokens)), np.random.default_rng(setting.seed)
    null = [aucs(here, rows, marks[:, np.r_[0, rng.permutation(rows)]])
            for _ in range(setting.draws)]  # fmt: skip
    return setting.measure_items(
        lambda part: aucs(here, part + 1), len(rows), "tokens", null=null,
        untrained=aucs(bare, rows), null_is="labels shuffled over tokens",
        said=f"{marks[0].sum()} nouns, {marks[1].sum()} verbs of {len(tokens)} tokens",
    )  # fmt: skip


def run(setting: Setting) -> Outcome:
    """Lone words as in the lesson; and last tokens after a space and a BOS token, unpaired."""
    layer = setting.layer(8, of=12)
    has_bos = setting.model.tokenizer.bos_token_id is not None
    careful = lp.GrammarProbe(leading_space=True, bos=has_bos, read="last")
    plain = setting.read(lp.GrammarProbe.course(), ["mlp_pre"], [layer])
    spaced = setting.read(careful, ["mlp_pre"], [layer])

    tokens = setting.measure(lambda data: shares(course(data)), plain)
    groups = setting.measure_over_groups(lambda _, tested: shares(tested.units), spaced.unpaired())
    missing, marked = "", [Numbers({}, "0 tokens")] * 2
    try:
        words = setting.tagged_passage()
    except InputError as error:  # the tagger is not installed
        missing = str(error)
    else:
        marked = [on_passage(setting, data, *words) for data in (plain, spaced)]

    units = course(plain)
    best = units.iloc[int(units["t"].abs().argmax())]
    ids = setting.model.tokenizer(setting.passage, add_special_tokens=False)["input_ids"]
    ids = ids[: int(setting.model.cfg.n_ctx)]
    how = "a passage on randomness of our own; position 0 left out"
    ends = {"noun unit": int(units["t"].argmin()), "verb unit": int(units["t"].argmax())}
    painted = [lp.paint(setting.model, [ids], layer=layer, site="mlp_pre", unit=unit,
                        titles=[name])[0] for name, unit in ends.items()]  # fmt: skip
    return Outcome(
        (
            tokens.claim("L09.a", "course", how=f"layer {layer}, paired t in the lists' order"),
            groups.claim("L09.a", "rigorous",
                         how=f"layer {layer}, after a BOS token, unpaired, max-T over groups"),
            marked[0].claim("L09.b", "course", how=how, missing=missing),
            marked[1].claim("L09.b", "rigorous", how=f"units found after a BOS token; {how}",
                            missing=missing),
        ),
        {"heatmap": heatmap_html(painted)},
        lines=(
            f"{best['name']}: t {best['t']:.1f}; paired {best['paired_t']:.1f}, "
            f"{best['paired_t_low']:.1f} to {best['paired_t_high']:.1f} in random pairings",
        ),
    )  # fmt: skip


if __name__ == "__main__":
    script_main(run)
