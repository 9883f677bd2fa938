"""Claims of parts C to E: grammar, token length, words of several tokens (L08 to L16)."""

from __future__ import annotations

from lens_probes.course.claim import Claim
from lens_probes.course.conditions import above, at_least, at_most, below, less, within

_NEO, _LARGE = "EleutherAI/gpt-neo-125M", "gpt2-large"

CLAIMS = (
    Claim(
        "L08.a", "Units do not sit around 0: most have a fixed, usually negative offset.",
        _NEO, "most, usually negative", "MLP pre-activations of 200 lone words, block 8",
        (
            above("share_offset", 0.5, "most units are further from 0 than their sd over words"),
            above("share_negative", 0.5, "most of those offsets are negative"),
        ),
    ),
    Claim(
        "L09.a", "A small share of units passes Bonferroni, in both directions.",
        _NEO, "a small share", "paired t, 100 nouns and 100 verbs, 0.05 / 3072",
        (
            within("share", 1e-9, 0.1, "some units pass, a tenth or fewer"),
            above("share_noun", 0, "some are higher for nouns"),
            above("share_verb", 0, "some are higher for verbs"),
        ),
    ),
    Claim(
        "L09.b", "In an unseen passage the noun unit marks nouns and the verb unit verbs.",
        _NEO, "entropy, information / is, applies", "the two extreme units, painted",
        (
            at_least("auc_noun", 0.7, "AUC of the noun unit for nouns is 0.7 or more"),
            at_least("auc_verb", 0.7, "AUC of the verb unit for verbs is 0.7 or more"),
        ),
    ),
    Claim(
        "L10.a", "A noun with and without a leading space: nearly the same activations.",
        _NEO, "r about 0.99", "r over units, 100 nouns, layer 9",
        (
            at_least("r", 0.97, "r is about 0.99 (0.97 or more)"),
            less("r_other_words", "r", "more than two different words, by 0.1", by=0.1),
        ),
    ),
    Claim(
        "L10.b", "A token in its context and alone: far lower correlation.",
        _NEO, "far lower", "r over units, 200 generated tokens, layer 9",
        (
            less("size_context", "size_space", "|r| is lower than with and without a space, by 0.2",
                 by=0.2),
            below("size_context", 0.8, "and below 0.8"),
        ),
    ),
    Claim(
        "L12.a", "A median split shows a faint shift: longer tokens slightly more negative.",
        _NEO, "faint, negative", "activations of short and long tokens, layer 5",
        (
            below("shift", 0, "the mean unit is lower for long tokens"),
            within("shift", -0.2, 0.2, "by less than 0.2 sd"),
        ),
    ),
    Claim(
        "L12.b", "Most units correlate weakly and negatively with token length.",
        _NEO, "weak, negative", "r of each unit with length, all layers but the first",
        (
            above("share_negative", 0.5, "most units have a negative r"),
            at_most("median_size", 0.2, "the median |r| is 0.2 or less"),
        ),
    ),
    Claim(
        "L12.c", "The first layer is the opposite: positive.",
        _NEO, "positive", "r of each unit with length, first layer",
        (above("median_first", 0, "the median r of the first layer is positive"),),
    ),
    Claim(
        "L12.d", "The distribution of r narrows towards 0 in the last layers.",
        _NEO, "narrows", "spread of r over units, by layer",
        (
            less("sd_last", "sd_middle", "the sd of r is smaller in the last sixth of the layers "
                 "than in the middle half"),
            less("size_last", "size_middle", "and so is the median |r|"),
        ),
    ),
    Claim(
        "L13.a", "In the larger model activations of short tokens have two peaks.",
        _NEO, "two peaks", "histograms of short tokens, 125M and 1.3B",
        (
            above("bimodal_larger", 5 / 9, "bimodality coefficient above 5/9 in the larger model"),
            at_most("bimodal", 5 / 9, "and not in the smaller"),
        ),
    ),
    Claim(
        "L14.a", "A word's first token is blind to the rest; its last token has all of it.",
        _LARGE, "blind / all", "'toothpaste' in a sentence",
        (
            at_most("first_sees", 1e-3, "changing a later token does not change the first "
                    "(true of any causal model)"),
            at_least("last_sees", 0.01, "changing any earlier token changes the last"),
        ),
    ),
    Claim(
        "L14.b", "The last token of a multi-token word moves most in the middle layers.",
        _LARGE, "middle layers", "||v_l - v_(l-1)|| of the last token",
        (
            within("peak_depth", 1 / 3, 2 / 3, "the longest step is in the middle third"),
            less("outer", "middle", "the mean step is longer there than in the other layers"),
        ),
    ),
    Claim(
        "L15.a", "5-10 % of units per layer are significant, fewer towards the last layers.",
        _LARGE, "5-10 %, falling", "t test, 20 v 20 sentences, 0.05/1280 a layer, 36 layers",
        (
            within("share", 0.05, 0.10, "the mean share over layers is 5 to 10 %"),
            less("last", "before", "lower in the last quarter of the layers than before"),
        ),
    ),
    Claim(
        "L15.b", "Positive and negative t are balanced.",
        _LARGE, "balanced", "share of positive t among the significant units",
        (within("share_positive", 0.4, 0.6, "40 to 60 % of significant units are positive"),),
    ),
    Claim(
        "L16.a", "Extreme units separate the categories word by word, not by a single word.",
        _LARGE, "word by word", "the 40 activations of the extreme units of layer 16",
        (
            at_least("order_positive", 1, "all words of one category lie above all others in the "
                     "unit with the largest t"),
            at_least("order_negative", 1, "and below in the unit with the smallest"),
        ),
    ),
    Claim(
        "L16.b", "The first and the second experiment agree strongly.",
        _LARGE, "strongly", "T1 v T2 over all units, 20 new sentences",
        (
            at_least("r", 0.7, "t of both correlate at 0.7 or more"),
            at_least("sign_agreement", 0.9, "nine significant units in ten keep their sign"),
        ),
    ),
)  # fmt: skip
