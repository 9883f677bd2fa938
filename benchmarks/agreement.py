"""Agreement with statsmodels and SciPy on generated problems: the worst case, not the average.

    python benchmarks/agreement.py [--problems 10000]

Each problem is one unit with its own n (20 to 2,000), balance, effect, scale and offset.
statsmodels gets the centred, scaled unit (uncentred, it is itself off at large offsets), and the
null likelihood in closed form (its own optimiser stops about 1e-9 short of it). Prints the largest
relative difference of every quantity and the problem it came from; exit code 1 beyond 1e-8.
"""

from __future__ import annotations

import argparse
import sys
import warnings

import numpy as np
import statsmodels.api as sm
from scipy import stats as scipy_stats

from lens_probes import stats

BOUND = 1e-8


def problem(seed: int) -> tuple[np.ndarray, np.ndarray, dict[str, float]]:
    """One unit x [example, 1], its labels, and how they were made."""
    rng = np.random.default_rng(seed)
    n = int(rng.choice([20, 50, 100, 300, 600, 2000], p=[0.2, 0.2, 0.2, 0.2, 0.15, 0.05]))
    share = float(rng.uniform(0.1, 0.9))
    y = np.zeros(n, dtype=np.int64)
    y[: int(np.clip(round(share * n), 3, n - 3))] = 1
    effect = float(rng.choice([0.0, 0.2, 0.5, 1.0, 2.0]))
    scale, offset = 10.0 ** rng.uniform(-6, 6), float(rng.choice([0.0, 1.0, 30.0]))
    x = scale * (rng.normal(size=n) + effect * y + offset)
    made = {"seed": seed, "n": n, "share": share, "effect": effect, "scale": scale}
    return x[:, None], y, made | {"offset": offset}


def reference(x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """The same quantities by other people's code."""
    centred = x - x.mean()
    design = sm.add_constant(centred / centred.std())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = sm.Logit(y, design).fit(disp=0, maxiter=200, tol=1e-15)
    share = y.mean()
    null = len(y) * (share * np.log(share) + (1 - share) * np.log(1 - share))
    student = scipy_stats.ttest_ind(x[y == 1], x[y == 0])
    welch = scipy_stats.ttest_ind(x[y == 1], x[y == 0], equal_var=False)
    u = scipy_stats.mannwhitneyu(x[y == 1], x[y == 0]).statistic
    return {
        "beta": fit.params[1] / centred.std(),
        "beta_se": fit.bse[1] / centred.std(),
        "log10_wald_p": np.log10(2) + scipy_stats.norm.logsf(abs(fit.tvalues[1])) / np.log(10),
        "log10_lrt_p": scipy_stats.chi2.logsf(2 * (fit.llf - null), 1) / np.log(10),
        "t": student.statistic,
        "t_p": student.pvalue,
        "welch_t": welch.statistic,
        "welch_p": welch.pvalue,
        "auc": u / (y.sum() * (len(y) - y.sum())),
    }


def difference(name: str, got: float, want: float, beta_se: float) -> float:
    """Relative difference; of what may be near 0 (beta, t, log p), relative to its own noise."""
    floor = {"beta": beta_se, "auc": 1.0, "t_p": 0.0, "welch_p": 0.0, "beta_se": 0.0}
    return abs(got - want) / max(abs(want), floor.get(name, 1.0), 1e-300)


def main() -> int:
    """Compare and print the worst cases."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--problems", type=int, default=10_000)
    options = parser.parse_args()
    worst: dict[str, tuple[float, dict[str, float]]] = {}
    compared = skipped = 0
    for seed in range(options.problems):
        x, y, made = problem(seed)
        got = vars(stats.ttest(x, y)) | vars(stats.logistic(x, y)) | vars(stats.auc(x, y))
        if got["status"][0] != "ok":
            skipped += 1  # separated: statsmodels has no estimate to compare with
            continue
        compared += 1
        want = reference(x[:, 0], y)
        for name, value in want.items():
            off = difference(name, float(got[name][0]), value, want["beta_se"])
            if off > worst.get(name, (-1.0, {}))[0]:
                worst[name] = (off, made)
    print(f"{compared} problems compared, {skipped} separated and left out")
    for name, (off, made) in worst.items():
        print(f"{name:<14} worst {off:.1e}  at {made}")
    return int(max(off for off, _ in worst.values()) > BOUND)


if __name__ == "__main__":
    sys.exit(main())
