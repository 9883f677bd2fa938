"""L04: ten restarts of the maximisation: do they find the same optimum?"""

import numpy as np

import lens_probes as lp
from lens_probes.course import Found, Outcome, Setting, script_main
from lens_probes.course.drawings import lines


def alike(n_distinct: int, n: int, cosine: np.ndarray) -> Found:
    """Share of decoded tokens that are distinct, and the mean cosine of two optima."""
    return {"share_distinct": (n_distinct, n), "cosine": float(np.mean(cosine))}


def of_restarts(made: lp.maximize.Maximized, restarts: np.ndarray) -> Found:
    """The same of some restarts."""
    tokens, each = made.decoded.tokens[restarts], made.embeddings[restarts]
    rows = each.reshape(len(each), -1).astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    cosine = (rows @ rows.T)[np.triu_indices(len(rows), 1)]
    return alike(len(np.unique(tokens)), tokens.size, cosine)


def run(setting: Setting) -> Outcome:
    """Mean activation of one residual dimension over 5 tokens."""
    layer, unit = setting.layer(8, of=12), setting.unit(91, "resid_pre")
    steps = setting.size("steps", course=500, machine=100, quick=10)
    restarts = setting.size("restarts", course=10, machine=10, quick=4)
    n_null = setting.size("random draws", course=100, machine=20, quick=5)
    found, bare = (
        lp.maximize.reproducibility(
            model, site="resid_pre", layer=layer, unit=unit, n_restarts=restarts, steps=steps,
            n_null=n_null, read="mean", seed=setting.seed,
        )
        for model in (setting.model, setting.untrained)
    )  # fmt: skip
    n, made = found.n_decoded, found.maximized
    numbers = setting.measure_items(
        lambda rows: of_restarts(made, rows), restarts, "restarts",
        untrained=of_restarts(bare.maximized, np.arange(restarts)),
        null=[alike(k, n, one.embedding_cosine)
              for k, one in zip(found.null_distinct, found.null, strict=True)],
        null_is=f"mean of {n_null} sets of random embeddings of the same norms",
        null_in="with random embeddings",
        said=f"{found.optima.n_distinct} of {n} decoded tokens are distinct",
    )  # fmt: skip
    said = (
        f"{found.optima.n_distinct} of {n} decoded tokens are distinct (the course: 48 of 50); of "
        f"random embeddings {np.mean(found.null_distinct):.1f}"
    )
    return Outcome(
        (
            numbers.claim(
                "L04.a", "both",
                how=f"{made.name}, {restarts} restarts of {steps} steps; p of optima more alike "
                f"than random embeddings: tokens {found.p_distinct:.2f}, embeddings "
                f"{found.p_embedding:.2f}",
            ),
        ),
        {
            "paths": lines(
                {f"restart {k}": (range(steps + 1), made.path[:, k]) for k in range(restarts)},
                title=f"{restarts} restarts of {made.name}", x="step", y="activation",
                caption=said,
            )
        },
        lines=(said,),
    )  # fmt: skip


if __name__ == "__main__":
    script_main(run)
