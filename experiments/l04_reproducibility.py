"""L04: ten restarts of the maximisation: do they find the same optimum?"""

from __future__ import annotations

import sys

import numpy as np

from lens_probes.course import Lesson, Measured, Outcome, Setting, script_main
from lens_probes.course.drawings import lines
from lens_probes.course.intervals import ERROR, estimate, halves
from lens_probes.maximize import reproducibility

LESSON = Lesson("L04", "Reproducibility of the optimum", "gpt2", ("L04.a",), (22_000, 1_000))


def distinct(tokens: np.ndarray) -> float:
    """Share of decoded tokens [restart, token] that are distinct."""
    return len(np.unique(tokens)) / tokens.size


def mean_cosine(embeddings: np.ndarray) -> float:
    """Mean over pairs of optima [restart, token, d_model]."""
    rows = embeddings.reshape(len(embeddings), -1).astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return float((rows @ rows.T)[np.triu_indices(len(rows), 1)].mean())


def run(setting: Setting) -> Outcome:
    """Mean activation of one residual dimension over 5 tokens."""
    layer, unit = setting.layer(8, of=12), setting.unit(91, "resid_pre")
    steps = setting.size("steps", course=500, machine=100, quick=10)
    restarts = setting.size("restarts", course=10, machine=10, quick=4)
    n_null = setting.size("random draws", course=100, machine=20, quick=5)
    found, bare = (
        reproducibility(model, site="resid_pre", layer=layer, unit=unit, n_restarts=restarts,
                        steps=steps, n_null=n_null, read="mean", seed=setting.seed)
        for model in (setting.model, setting.untrained)
    )  # fmt: skip
    tokens, embeddings = found.maximized.decoded.tokens, found.maximized.embeddings
    rng = np.random.default_rng(setting.seed)
    picks = list(halves(restarts, 5 * setting.draws, rng))
    share = found.optima.n_distinct / found.n_decoded
    cosine = float(found.optima.embedding_cosine.mean())
    values = {
        "share_distinct": estimate(
            share, [distinct(tokens[rows]) for rows in picks],
            null=[n / found.n_decoded for n in found.null_distinct],
            untrained=bare.optima.n_distinct / bare.n_decoded, of=found.n_decoded,
        ),
        "cosine": estimate(
            cosine, [mean_cosine(embeddings[rows]) for rows in picks],
            null=[float(one.embedding_cosine.mean()) for one in found.null],
            untrained=float(bare.optima.embedding_cosine.mean()),
        ),
    }  # fmt: skip
    path = found.maximized.path
    return Outcome(
        (
            Measured(
                "L04.a", "both", values,
                f"{found.optima.n_distinct} of {found.n_decoded} decoded tokens are distinct",
                f"{found.maximized.name}, {restarts} restarts of {steps} steps; p of optima more "
                f"alike than random embeddings: tokens {found.p_distinct:.2f}, embeddings "
                f"{found.p_embedding:.2f}",
                ERROR.format(n=len(picks)) + "the restarts",
                f"mean of {n_null} sets of random embeddings of the same norms",
                "with random embeddings",
            ),
        ),
        {
            "paths": lines(
                {f"restart {k}": (list(range(steps + 1)), path[:, k]) for k in range(restarts)},
                title=f"{restarts} restarts of {found.maximized.name}", x="step", y="activation",
                caption=f"{found.optima.n_distinct} of {found.n_decoded} decoded tokens distinct; "
                f"of random embeddings {np.mean(found.null_distinct):.1f}.",
            )
        },
        lines=(
            f"{found.optima.n_distinct} of {found.n_decoded} decoded tokens are distinct (the "
            f"course: 48 of 50); of random embeddings {np.mean(found.null_distinct):.1f}",
        ),
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(script_main(LESSON, run, __file__))
