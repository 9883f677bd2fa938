"""L17: logistic regression on simulated noun and verb activations, beside statsmodels."""

import numpy as np
import statsmodels.api as sm

import lens_probes as lp
from lens_probes.course import Outcome, Setting, script_main
from lens_probes.course.drawings import strips


def run(setting: Setting) -> Outcome:
    """Means 0 and 2, sd 1, 100 a class."""
    rng = np.random.default_rng(setting.seed)
    x = np.concatenate([rng.normal(0, 1, 100), rng.normal(2, 1, 100)])
    label = np.repeat([0, 1], 100)
    fit = lp.stats.logistic(x[:, None], label)
    reference = sm.Logit(label, sm.add_constant(x)).fit(disp=0)
    return Outcome(
        figures={
            "jittered": strips(
                {"nouns": {"nouns": x[:100].tolist()}, "verbs": {"verbs": x[100:].tolist()}},
                title=f"beta {fit.beta[0]:.2f}, accuracy {fit.accuracy[0]:.0%}", y="activation",
                caption="Simulated activations, means 0 and 2, sd 1.",
            )
        },
        lines=(
            f"log(p / (1 - p)) = {fit.intercept[0]:.3f} + {fit.beta[0]:.3f} x; Wald p "
            f"{fit.wald_p[0]:.1e}; accuracy at 0.5: {fit.accuracy[0]:.1%}",
            f"statsmodels: {reference.params[0]:.3f} + {reference.params[1]:.3f} x; p "
            f"{reference.pvalues[1]:.1e}; largest relative difference "
            f"{abs(fit.beta[0] / reference.params[1] - 1):.1e}",
        ),
    )  # fmt: skip


if __name__ == "__main__":
    script_main(run)
