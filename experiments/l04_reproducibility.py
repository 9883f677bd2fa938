"""L04: ten restarts of the maximisation: do they find the same optimum?"""

from __future__ import annotations

import sys

import numpy as np

from lens_probes.findings import Lesson, Measured, Outcome, Setting, script_main
from lens_probes.findings.claim import Value
from lens_probes.findings.drawings import lines
from lens_probes.findings.spread import interval
from lens_probes.maximize import reproducibility

LESSON = Lesson("L04", "Reproducibility of the optimum", "gpt2", ("L04.a",), (22_000, 1_000))


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
    tokens = found.maximized.decoded.tokens
    rng = np.random.default_rng(setting.seed)
    distinct, cosines = [], []
    for _ in range(5 * setting.draws):
        rows = rng.choice(restarts, max(2, restarts - restarts // 4), replace=False)
        distinct.append(len(np.unique(tokens[rows])) / tokens[rows].size)
        cosines.append(float(rng.choice(found.optima.embedding_cosine,
                                        len(found.optima.embedding_cosine)).mean()))  # fmt: skip
    share = found.optima.n_distinct / found.n_decoded
    cosine = float(found.optima.embedding_cosine.mean())
    values = {
        "share_distinct": Value(share, *interval(distinct, share),
                                float(np.mean(found.null_distinct)) / found.n_decoded,
                                bare.optima.n_distinct / bare.n_decoded),
        "cosine": Value(cosine, *interval(cosines, cosine),
                        float(np.mean([d.embedding_cosine.mean() for d in found.null])),
                        float(bare.optima.embedding_cosine.mean())),
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
                "95 % of draws of three restarts in four, centred on the value",
                "random embeddings of the same norms",
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
