"""Batched logistic regression against a statsmodels loop, scikit-learn and PLINK 2, in one run.

    python benchmarks/logistic_speed.py [--quick] [--out benchmarks/logistic_speed.json]

PLINK needs Debian's plink2 on the PATH and `pip install Pgenlib` for its input; without plink2 its
columns are empty. All methods see the same values: units are rounded to PLINK's dosage grid
(1/16384 in [0, 2]). Times are CPU microseconds a unit (user CPU for PLINK, its reading of the
file included); ratios are within this run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import statsmodels.api as sm
from sklearn.linear_model import LogisticRegression

from lens_probes import stats

GRID = 16384.0
LOOP_UNITS = 200


def problem(n: int, units: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Units [example, unit] on PLINK's grid, effects from none to near separation."""
    rng = np.random.default_rng(seed)
    y = (np.arange(n) % 2).astype(np.int64)
    effect = rng.choice([0.0, 0.3, 0.8, 1.5], units)
    x = 1.0 + 0.25 * (rng.normal(size=(n, units)) + effect * (y[:, None] - 0.5))
    return np.round(np.clip(x, 0.0, 2.0) * GRID) / GRID, y


def timed(work: object) -> tuple[object, float, float]:
    """Result, user CPU seconds and wall seconds of a call."""
    assert callable(work)
    cpu, wall = time.process_time(), time.perf_counter()
    result = work()
    return result, time.process_time() - cpu, time.perf_counter() - wall


def statsmodels_loop(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """beta, se of each unit, centred x, Newton to convergence."""
    rows = []
    for column in x.T:
        design = sm.add_constant(column - column.mean())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fit = sm.Logit(y, design).fit(disp=0, maxiter=100, tol=1e-14)
        rows.append((fit.params[1], fit.bse[1]))
    return np.array(rows)


def scikit_loop(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """beta of each unit, without a penalty."""
    model = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-10)
    return np.array([model.fit(column[:, None], y).coef_[0, 0] for column in x.T])


def plink(x: np.ndarray, y: np.ndarray, threads: int) -> tuple[pd.DataFrame, float]:
    """PLINK 2's table and its own user seconds of --glm."""
    import pgenlib  # noqa: PLC0415  (only here, and not a requirement)

    n, units = x.shape
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder) / "units"
        writer = pgenlib.PgenWriter(
            str(base.with_suffix(".pgen")).encode(), n, variant_ct=units, dosage_present=True,
            nonref_flags=False,
        )  # fmt: skip
        for column in x.T.astype(np.float32):
            writer.append_dosages(np.ascontiguousarray(column))
        writer.close()
        ids = [f"u{i}" for i in range(units)]
        pvar = pd.DataFrame(
            {"#CHROM": 1, "POS": range(1, units + 1), "ID": ids, "REF": "A", "ALT": "C"}
        )
        pvar.to_csv(base.with_suffix(".pvar"), sep="\t", index=False)
        people = pd.DataFrame({"#IID": [f"e{i}" for i in range(n)], "SEX": 1, "CLASS": y + 1})
        people.to_csv(base.with_suffix(".psam"), sep="\t", index=False)
        command = ["plink2", "--pfile", str(base), "--glm", "no-firth", "allow-no-covars",
                   "cols=chrom,pos,ref,alt,a1freq,beta,se,p", "--threads", str(threads),
                   "--out", str(Path(folder) / "out")]  # fmt: skip
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        subprocess.run(command, check=True, capture_output=True)
        seconds = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
        table = pd.read_csv(next(Path(folder).glob("out*.glm.logistic*")), sep="\t")
        sign = np.where(table["A1"] == "C", 1.0, -1.0)
        return table.assign(BETA=table["BETA"] * sign), seconds


def measure(n: int, units: int, threads: int) -> dict[str, float | int | None]:
    """One row of the table."""
    x, y = problem(n, units, seed=n + units)
    stats.logistic(x[:, :64], y, n_threads=threads)  # compile
    ours, cpu, wall = timed(lambda: stats.logistic(x, y, n_threads=threads))
    few = x[:, :LOOP_UNITS]
    reference, loop_cpu, _ = timed(lambda: statsmodels_loop(few, y))
    betas, scikit_cpu, _ = timed(lambda: scikit_loop(few, y))
    ok = ours.status[:LOOP_UNITS] == "ok"
    row: dict[str, float | int | None] = {
        "n": n,
        "units": units,
        "threads": threads,
        "ours_us": 1e6 * cpu / units,
        "ours_wall_us": 1e6 * wall / units,
        "statsmodels_us": 1e6 * loop_cpu / LOOP_UNITS,
        "sklearn_us": 1e6 * scikit_cpu / LOOP_UNITS,
        "plink2_us": None,
        "worst_beta_v_statsmodels": worst(ours.beta[:LOOP_UNITS][ok], reference[ok, 0]),
        "worst_se_v_statsmodels": worst(ours.beta_se[:LOOP_UNITS][ok], reference[ok, 1]),
        "worst_beta_v_sklearn": worst(ours.beta[:LOOP_UNITS][ok], betas[ok]),
        "worst_beta_v_plink2": None,
    }
    if shutil.which("plink2"):
        table, seconds = plink(x, y, threads)
        fitted = (ours.status == "ok") & np.isfinite(table["BETA"])
        row["plink2_us"] = 1e6 * seconds / units
        row["worst_beta_v_plink2"] = worst(ours.beta[fitted], table["BETA"].to_numpy()[fitted])
    row["times_faster_than_statsmodels"] = row["statsmodels_us"] / row["ours_us"]
    row["of_plink2_time"] = row["ours_us"] / row["plink2_us"] if row["plink2_us"] else None
    return row


def worst(got: np.ndarray, want: np.ndarray) -> float:
    """Largest difference relative to 1 % of a typical size, or to the value where larger."""
    return float(
        (np.abs(got - want) / np.maximum(np.abs(want), 1e-2 * np.median(np.abs(want)))).max()
    )


def main() -> None:
    """Run all sizes and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="n = 600 and 1,536 units only")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    sizes = [(600, 1536)] if options.quick else [
        (n, units) for n in (100, 600, 2000) for units in (1536, 46080)
    ]  # fmt: skip
    rows = [measure(n, units, threads) for threads in (1, 2) for n, units in sizes]
    table = pd.DataFrame(rows)
    print(table.to_string(float_format=lambda v: f"{v:.3g}"))
    print(
        platform.processor() or platform.machine(),
        f"{os.cpu_count()} cores",
        sys.version.split()[0],
    )
    if options.out:
        options.out.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
