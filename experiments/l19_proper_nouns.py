"""L19: proper nouns in running text, one MLP layer; a second batch to check what was found."""

import numpy as np
import pandas as pd

import lens_probes as lp
from lens_probes.course import Data, Found, Outcome, Setting, script_main
from lens_probes.course.drawings import points
from lens_probes.texts.load import Text

FEW = 10


def batch(setting: Setting, text: Text, seed: int) -> Data:
    """Targets of a few documents, many in one pass: as the lesson's batches of WikiText."""
    n = setting.size("tokens a class", course=220, machine=220, quick=60)
    characters = setting.size("characters of text", course=200_000, machine=60_000, quick=15_000)
    probe = lp.ProperNounProbe.course(
        text, max_per_class=n, characters=characters, context="document", before=30,
        after=0, chunk=min(512, int(setting.model.cfg.n_ctx)), seed=seed,
    )  # fmt: skip
    return setting.read(probe, ["mlp_pre"], [setting.layer(12, of=24)])


def course(data: Data) -> pd.DataFrame:
    """The lesson's test: Wald p of the logistic regression, Bonferroni."""
    return lp.sweep_activations(data.activations, data.examples, preset="course").units


def funnel(units: pd.DataFrame, effect: pd.Series, strength: pd.Series) -> Found:
    """Significant units of the tested ones; how |effect| and the strength of evidence rank."""
    return {
        "share": (int(units["significant"].sum()), int((units["status"] != "constant").sum())),
        "rank_correlation": effect.abs().corr(strength, method="spearman"),
    }


def holds(first: pd.DataFrame, second: pd.DataFrame, data: Data, value: str) -> Found:
    """The first batch's best unit in the second; signs of its significant units; r of `value`."""
    best, passed = int(first[value].abs().argmax()), first["significant"]
    auc = lp.stats.auc(data.x[:, [best]], data.examples.label).auc[0]
    found = lp.stats.concordance(first[value], passed, second[value], passed)
    return {
        "auc_second": auc if first[value][best] > 0 else 1 - auc,
        "sign_agreement": found.sign_agreement,
        "r": found.pearson_r,
    }


def run(setting: Setting) -> Outcome:
    """Two batches from other documents."""
    here, there = setting.two_texts
    one, two = batch(setting, here, setting.seed), batch(setting, there, setting.seed + 1)
    units, bare = course(one), course(one.untrained)

    def by_token(data: Data) -> Found:
        table = course(data)
        return funnel(table, table["beta"], -table["log10_wald_p"])

    tokens = setting.measure(by_token, one)
    second = setting.measure(
        lambda part: holds(units if part.is_trained else bare, course(part), part, "t"),
        two, null_draws=0,
    )  # fmt: skip
    groups = setting.measure_over_groups(
        lambda part, tested: funnel(
            tested.units,
            pd.Series(lp.stats.logistic(part.x, part.examples.label).beta_std),
            tested.units["value"].abs(),
        ),
        one, least=1,
    )  # fmt: skip
    new = two.rows(np.flatnonzero(~np.isin(two.word, one.word)))
    new = new if min(new.examples.n_per_class) >= FEW else two
    found = setting.over_groups(one, least=1)
    others = groups
    if found:
        others = setting.measure_over_groups(
            lambda part, tested: holds(found[part.is_trained].units, tested.units, part, "value"),
            new, least=1, null_draws=0,
        )  # fmt: skip

    top = int(units["t"].argmax())
    place = 1 + int((units["wald_p"] < units["wald_p"][top]).sum())
    how = "max-T over groups, lone ones too"
    again = "the first batch's best unit and its significant units in the second"
    return Outcome(
        (
            tokens.claim("L19.a", "course", how="Wald p, Bonferroni; raw beta"),
            second.claim("L19.b", "course", how=f"{again}; Wald p, Bonferroni"),
            groups.claim("L19.a", "rigorous", how=f"{how}; beta per sd of tokens against |z|"),
            others.claim("L19.b", "rigorous", how=f"{again}, on words that it has not; {how}"),
        ),
        {
            "funnel": points(
                {"units": (units["beta"], -units["log10_wald_p"])}, x="beta", y="-log10 p (Wald)",
                title=f"{units['significant'].sum():,} of {len(units):,} units pass",
                caption=one.counted,
            ),
            "heatmap": setting.heatmap(one, top, n=1),
        },
        lines=(f"unit with the largest t: {top}, place {place} by Wald p",),
    )  # fmt: skip


if __name__ == "__main__":
    script_main(run)
