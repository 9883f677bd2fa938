"""L18: logistic regression and t test on simulated data over a range of effect sizes."""

from collections.abc import Iterable
from functools import partial

import numpy as np
from scipy import stats as scipy_stats

import lens_probes as lp
from lens_probes.course import Doubt, Found, Outcome, Setting, script_main
from lens_probes.course.drawings import points

N = 100
EFFECTS = np.linspace(-1.5, 1.5, 200)


def largest(differences: Iterable[np.ndarray], _: np.ndarray) -> Found:
    """The largest of some differences that should be 0."""
    return {"difference": float(np.nanmax(np.abs(np.concatenate(list(differences)))))}


def run(setting: Setting) -> Outcome:
    """The three claims, and what t is not."""
    rng = np.random.default_rng(setting.seed)
    label = np.repeat([0, 1], N)
    x = rng.normal(size=(2 * N, len(EFFECTS))) + np.outer(label, EFFECTS)
    fit, t = lp.stats.logistic(x, label), lp.stats.ttest(x, label)
    apart = np.concatenate([np.linspace(0, 1, N), np.linspace(2, 3, N)])[:, None]
    separated, still = lp.stats.logistic(apart, label), lp.stats.ttest(apart, label)
    ok = np.flatnonzero(fit.status == "ok")

    def agreement(rows: np.ndarray) -> Found:
        """r over units of beta with t and of their log p; whether only t is there, if apart."""
        units = ok[rows]
        return {
            "r_beta_t": np.corrcoef(fit.beta[units], t.t[units])[0, 1],
            "r_log_p": np.corrcoef(fit.log10_wald_p[units], t.log10_t_p[units])[0, 1],
            "unstable": float(np.isnan(separated.beta[0]) and np.isfinite(still.t[0])),
        }

    swapped, back = lp.stats.logistic(x, 1 - label), lp.stats.ttest(x, 1 - label)
    changes = (fit.beta + swapped.beta, t.t + back.t, fit.wald_p - swapped.wald_p, t.t_p - back.t_p)
    pairs = lp.stats.paired(x, label, n_pairings=0)
    one = scipy_stats.ttest_1samp(x[N:] - x[:N], 0)
    unlike = (pairs.paired_t - one.statistic, pairs.paired_p - one.pvalue)

    said = f"{len(EFFECTS)} units, {N} a class"
    agree = setting.measure_items(agreement, len(ok), "units", draws=setting.draws, said=said)
    swap, pair = (
        setting.measure_items(
            partial(largest, each), len(EFFECTS), "units", draws=0, said=said,
        )
        for each in (changes, unlike)
    )  # fmt: skip
    t_of = []
    for size in (20, 200, 2000):
        y = np.repeat([0, 1], size)
        found = lp.stats.ttest(rng.normal(size=(2 * size, 1)) + 0.5 * y[:, None], y)
        t_of.append(f"n = {size} a class: t {found.t[0]:.1f}, g {found.hedges_g[0]:.2f}")
    return Outcome(
        (
            agree.claim("L18.a", "both", how=f"separated classes: status {separated.status[0]}, no "
                        f"beta; t = {still.t[0]:.1f}"),
            swap.claim("L18.b", "both", how="largest of |beta + beta'|, |t + t'|, |p - p'|"),
            pair.claim("L18.c", "both", how="against scipy.stats.ttest_1samp on the differences"),
        ),
        {
            "beta_t": points(
                {"units": (t.t, fit.beta)}, x="t", y="beta",
                title=f"beta and t correlate at {agree['r_beta_t']:.3f}",
                caption=f"Simulated: {said}, effects of -1.5 to 1.5 sd.",
            )
        },
        (Doubt("t is not an effect size", "an effect of 0.5 sd: " + "; ".join(t_of)),),
    )  # fmt: skip


if __name__ == "__main__":
    script_main(run)
