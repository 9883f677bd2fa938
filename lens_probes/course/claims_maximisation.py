"""Claims of parts A and B: activation maximisation, where activations come from (L02 to L07)."""

from __future__ import annotations

from lens_probes.course.claim import Claim
from lens_probes.course.conditions import above, at_least, at_most, below, less, within

_GPT2, _NEO = "gpt2", "EleutherAI/gpt-neo-125M"
_FLOAT = 1e-3

CLAIMS = (
    Claim(
        "L02.a", "Optimising 5 embeddings raises the unit's activation about a thousandfold.",
        _GPT2, "about 3 orders of magnitude",
        "activation of L4.resid.90 before and after 500 steps of Adam",
        (
            above("orders", 0, "the activation is further from 0 than at the start"),
            at_least("orders", 2.5, "by about 3 orders of magnitude (2.5 or more)"),
        ),
    ),
    Claim(
        "L02.b", "Neighbouring dimensions are suppressed, or at least do not rise with it.",
        _GPT2, "suppressed", "paths of the dimensions next to the target",
        (
            at_most("median_rise", 0.1, "the median neighbour rises by a tenth of that or less"),
            at_most("share_rising", 0.1, "one neighbour in ten or fewer rises half as much"),
        ),
    ),
    Claim(
        "L02.c", "The optimised embeddings are far from every token: no readable words.",
        _GPT2, "best cosine about 0.17", "largest cosine with any token's embedding",
        (
            at_most("best_cosine", 0.5, "every embedding is far from its nearest token (0.5)"),
            within("best_cosine", 0.12, 0.22, "the best cosine is about 0.17 (0.12 to 0.22)"),
        ),
    ),
    Claim(
        "L03.a", "One token (' before') wins nearly half of all batches at layer 2, dimension 345.",
        _NEO, "nearly 50 % of batches", "arg-max token of 1,000 batches of 32 x 256 tokens",
        (at_least("top_share", 0.4, "one token wins 40 % of the batches or more"),),
        needs="a named unit",
    ),
    Claim(
        "L03.b", "Other dimensions give scattered tokens: not every dimension is readable.",
        _NEO, "layer 6, dimension 5: scattered", "arg-max tokens of the same batches",
        (
            at_least("share_scattered", 0.1, "in a tenth of the dimensions or more no token wins "
                     "a fifth of the batches"),
            below("median_top_share", 0.4, "the median dimension's commonest winner has less than "
                  "the 40 % of a readable one"),
        ),
    ),
    Claim(
        "L04.a", "The optimum is not reproducible: restarts decode to different tokens.",
        _GPT2, "48 of 50 decoded tokens are distinct",
        "10 random starts of 5 tokens, L8.resid.91, mean over tokens",
        (
            at_least("share_distinct", 0.9, "nine decoded tokens in ten or more are distinct"),
            at_most("cosine", 0.5, "two optima are far apart (mean cosine 0.5 or less)"),
        ),
    ),
    Claim(
        "L05.a", "The first token's activations correlate little with those of the others.",
        _GPT2, "little", "token x token correlation over units",
        (
            within("first_with_others", -0.3, 0.3, "mean r with the others is at most 0.3 in size"),
            less("first_with_others", "among_others", "and less than among the others"),
        ),
    ),
    Claim(
        "L05.b", "Two prompts with a shared prefix have identical activations on it.",
        _GPT2, "identical", "largest relative difference over layers, q, k, v, MLP and stream",
        (
            at_most("on_prefix", _FLOAT, "no difference on the prefix (floating point)"),
            at_least("after", 0.01, "a difference at the first token that is not shared"),
        ),
        identity="a causal model never sees what follows a token",
    ),
    Claim(
        "L06.a", "Hidden state + attention + MLP = next hidden state, to floating-point error.",
        _GPT2, "floating-point error", "largest relative error of the sum, layers 10 to 11",
        (at_most("error", 1e-4, "the largest relative error is 0.0001 or less"),),
        identity="a block's output is defined as that sum",
    ),
    Claim(
        "L06.b", "Successive hidden states correlate near 1 once outlier dimensions are masked.",
        _GPT2, "close to 1", "Pearson r over dimensions, layers 10 to 11",
        (
            at_least("r_masked", 0.9, "r is 0.9 or more at the course's depth"),
            at_least("r_masked_lowest", 0.9, "and in every layer"),
        ),
    ),
    Claim(
        "L07.a", "Only the last hidden state has been through the final norm.",
        _GPT2, "0, not 0, 0 after the norm", "largest difference of hook and hidden state",
        (
            at_most("penultimate", _FLOAT, "no difference at the penultimate state"),
            above("last", 0.01, "a difference at the last"),
            at_most("normed", _FLOAT, "none once the final norm is applied"),
        ),
        identity="transformers defines its last hidden state so",
    ),
)  # fmt: skip
