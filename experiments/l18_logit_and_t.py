"""L18: logistic regression and t test on simulated data over a range of effect sizes."""

from __future__ import annotations

import sys

import numpy as np
from scipy import stats as scipy_stats

import lens_probes as lp
from lens_probes.course import Doubt, Lesson, Measured, Outcome, Setting, script_main
from lens_probes.course.claim import Value
from lens_probes.course.drawings import points

LESSON = Lesson("L18", "Logit and t test", "", ("L18.a", "L18.b", "L18.c"))
N = 100
EFFECTS = np.linspace(-1.5, 1.5, 200)


def simulate(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Units of every effect size [example, unit], and labels."""
    rng = np.random.default_rng(seed)
    label = np.repeat([0, 1], N)
    return rng.normal(size=(2 * N, len(EFFECTS))) + np.outer(label, EFFECTS), label


def agreement(seed: int) -> tuple[float, float]:
    """r of beta with t, and of their -log p."""
    x, label = simulate(seed)
    fit, t = lp.stats.logistic(x, label), lp.stats.ttest(x, label)
    ok = fit.status == "ok"
    return (
        float(np.corrcoef(fit.beta[ok], t.t[ok])[0, 1]),
        float(np.corrcoef(fit.log10_wald_p[ok], t.log10_t_p[ok])[0, 1]),
    )


def run(setting: Setting) -> Outcome:
    """The three claims, and what t is not."""
    x, label = simulate(setting.seed)
    fit, t = lp.stats.logistic(x, label), lp.stats.ttest(x, label)
    drawn = np.array([agreement(setting.seed + 1 + k) for k in range(setting.draws)])
    r = agreement(setting.seed)
    apart = np.concatenate([np.linspace(0, 1, N), np.linspace(2, 3, N)])[:, None]
    separated, still = lp.stats.logistic(apart, label), lp.stats.ttest(apart, label)
    unstable = bool(np.isnan(separated.beta[0]) and np.isfinite(still.t[0]))
    swapped, back = lp.stats.logistic(x, 1 - label), lp.stats.ttest(x, 1 - label)
    changes = (fit.beta + swapped.beta, t.t + back.t, fit.wald_p - swapped.wald_p, t.t_p - back.t_p)
    swap = float(np.nanmax(np.abs(np.concatenate(changes))))
    pairs = lp.stats.paired(x, label, n_pairings=0)
    one = scipy_stats.ttest_1samp(x[N:] - x[:N], 0)
    pair = float(max(np.abs(pairs.paired_t - one.statistic).max(),
                     np.abs(pairs.paired_p - one.pvalue).max()))  # fmt: skip
    half = scipy_stats.t.ppf(0.975, len(drawn) - 1) * drawn.std(0, ddof=1)
    values = {
        "r_beta_t": Value(r[0], r[0] - half[0], r[0] + half[0]),
        "r_log_p": Value(r[1], r[1] - half[1], r[1] + half[1]),
        "unstable": Value(float(unstable)),
    }
    n = f"{len(EFFECTS)} units, {N} a class"
    again = f"95 % of {setting.draws} further simulations, centred on the value"
    t_of = []
    for size in (20, 200, 2000):
        rng = np.random.default_rng(setting.seed)
        y = np.repeat([0, 1], size)
        one_unit = lp.stats.ttest(rng.normal(size=(2 * size, 1)) + 0.5 * y[:, None], y)
        t_of.append(f"n = {size} a class: t {one_unit.t[0]:.1f}, g {one_unit.hedges_g[0]:.2f}")
    return Outcome(
        (
            Measured("L18.a", "both", values, n, f"separated classes: status "
                     f"{separated.status[0]}, no beta; t = {still.t[0]:.1f}", again),
            Measured("L18.b", "both", {"difference": Value(swap)}, n,
                     "largest of |beta + beta'|, |t + t'|, |p - p'|"),
            Measured("L18.c", "both", {"difference": Value(pair)}, n,
                     "against scipy.stats.ttest_1samp on the differences"),
        ),
        {
            "beta_t": points(
                {"units": (t.t, fit.beta)}, title=f"beta and t correlate at {r[0]:.3f}", x="t",
                y="beta", caption=f"Simulated: {n}, effects of -1.5 to 1.5 sd.",
            )
        },
        (Doubt("t is not an effect size", "an effect of 0.5 sd: " + "; ".join(t_of)),),
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(script_main(LESSON, run, __file__))
