"""Claims of part F: logistic regression, proper nouns, negation (L18 to L23)."""

from __future__ import annotations

from lens_probes.course.claim import SIMULATED, Claim
from lens_probes.course.conditions import above, at_least, at_most, less, within

_ANY, _MEDIUM, _LARGE = SIMULATED, "gpt2-medium", "gpt2-large"
_EXACT = 1e-9

CLAIMS = (
    Claim(
        "L18.a", "Logit and t test agree, until classes separate: then only t is stable.",
        _ANY, "very strongly", "simulated classes over a range of effect sizes",
        (
            at_least("r_beta_t", 0.95, "beta and t correlate at 0.95 or more"),
            at_least("r_log_p", 0.95, "so do their -log p"),
            at_least("unstable", 1, "at complete separation the logit has no estimate, t has one"),
        ),
    ),
    Claim(
        "L18.b", "Swapping the labels changes signs only.",
        _ANY, "signs only", "beta, t and p with swapped labels",
        (at_most("difference", _EXACT, "the rest is equal to 1e-9"),),
        identity="algebra of the tests: so with any activations",
    ),
    Claim(
        "L18.c", "A paired t test equals a one-sample t test on the differences.",
        _ANY, "equal", "simulated pairs",
        (at_most("difference", _EXACT, "t and p are equal to 1e-9"),),
        identity="algebra of the tests: so with any activations",
    ),
    Claim(
        "L19.a", "Many units pass, and the strongest betas are the most significant (funnel).",
        _MEDIUM, "many", "beta v -log p, 4,096 MLP units, n about 220 a class",
        (
            at_least("share", 0.1, "a tenth of the units or more pass"),
            at_least("rank_correlation", 0.7, "|beta| and -log p rank alike (0.7 or more)"),
        ),
    ),
    Claim(
        "L19.b", "The tuning holds on a second batch.",
        _MEDIUM, "holds", "the units of the first batch in a second one",
        (
            at_least("auc_second", 0.7, "the first batch's best unit has AUC 0.7 or more there"),
            at_least("sign_agreement", 0.9, "nine significant units in ten keep their sign"),
        ),
    ),
    Claim(
        "L21.a", "Single units tell negation from affirmation well above chance.",
        _LARGE, "layer 13, unit 2022", "accuracy at 0.5 of one MLP unit",
        (at_least("best", 0.7, "the best unit of that depth scores 0.7 or more"),),
    ),
    Claim(
        "L21.b", "The largest beta is not the smallest p.",
        _LARGE, "not the same unit", "ranks of the units of one layer",
        (above("rank", 1, "the unit with the largest |beta| is not the first by p"),),
    ),
    Claim(
        "L22.a", "The top unit also responds to words of decay or lack.",
        _LARGE, "rusty, dead, corroded", "text heat map of the top unit",
        (at_least("auc", 0.7, "AUC of such words against matched others is 0.7 or more"),),
    ),
    Claim(
        "L22.b", "Significant share: up to 70 % in early layers, about 25 % in late ones.",
        _LARGE, "70 % to 25 %", "logit, Wald p, 0.05/5120 a layer",
        (
            within("early", 0.6, 0.8, "the highest early layer is at about 70 % (60 to 80 %)"),
            within("late", 0.15, 0.35, "late layers are at about 25 % (15 to 35 %)"),
            less("late", "early", "the share falls"),
        ),
    ),
    Claim(
        "L22.c", "Accuracy of significant positive units: 75-80 % in low layers, 65 % at the top.",
        _LARGE, "75-80 % to 65 %", "mean in-sample accuracy by layer",
        (
            within("low_layers", 0.725, 0.825, "75 to 80 % in low layers (within 2.5)"),
            within("highest", 0.60, 0.70, "65 % in the highest (within 5)"),
            less("highest", "low_layers", "it falls"),
        ),
    ),
    Claim(
        "L23.a", "Q, K, V: the significant share falls from about 70 % to under 30 %.",
        _LARGE, "70 % to under 30 %", "logit, Wald p, 0.05/3840 a layer",
        (
            within("early", 0.6, 0.8, "the highest early layer is at about 70 % (60 to 80 %)"),
            within("late", 1e-9, 0.3, "late layers are under 30 %, but not at 0"),
            less("late", "early", "the share falls"),
        ),
    ),
    Claim(
        "L23.b", "Q, K, V: accuracy falls from 75 % towards 50-60 %.",
        _LARGE, "75 % to 50-60 %", "mean in-sample accuracy by layer",
        (
            within("low_layers", 0.725, 0.775, "75 % in low layers (within 2.5)"),
            within("highest", 0.5, 0.6, "50 to 60 % in the highest"),
            less("highest", "low_layers", "it falls"),
        ),
    ),
    Claim(
        "L23.c", "Q, K and V all take part, with different effect sizes.",
        _LARGE, "all three", "shares and effect sizes by site",
        (
            at_least("least_share", 0.05, "at least 5 % of each are significant"),
            at_least("ratio", 1.1, "their mean |g| differ by a tenth or more"),
        ),
    ),
)  # fmt: skip
