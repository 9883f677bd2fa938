"""What L19 asks of two batches: how effect and evidence rank, what holds in the second."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lens_probes import stats
from lens_probes.course.profiles import (
    count_tested,
    max_t_threshold,
    share_of_tested,
    student_t,
    wald,
    word_z,
)
from lens_probes.course.spread import Profile, Sample
from lens_probes.texts.load import Text

FEW = 10


def ranks(beta: NDArray[np.float64], log10_p: NDArray[np.float64]) -> float:
    """Spearman's correlation of |beta| with -log p, over units that have both."""
    known = np.isfinite(beta) & np.isfinite(log10_p)
    none = np.zeros(int(known.sum()))
    return stats.concordance(np.abs(beta[known]), none, -log10_p[known], none).spearman_r


def holds(
    first: Sample,
    second: Sample,
    passed: NDArray[np.bool_],
    *,
    by: Literal["token", "word"] = "token",
) -> dict[str, float]:
    """AUC of the first batch's best unit in the second, and signs of its significant units.

    The best unit is the one with the largest |t| of tokens, or of means of word types.
    """
    (key,) = first.arrays
    x2 = second.arrays[key]
    t1, t2 = (
        word_z(sample, key) if by == "word" else student_t(sample.arrays[key], sample.label)
        for sample in (first, second)
    )
    best = int(np.nanargmax(np.abs(t1)))
    auc = float(stats.auc(x2[:, [best]], second.label).auc[0])
    found = stats.concordance(t1, passed, t2, passed)
    return {
        "auc_second": auc if t1[best] > 0 else 1 - auc,
        "sign_agreement": found.sign_agreement, "sign_agreement_of": int(passed.sum()),
        "r": found.pearson_r,
    }  # fmt: skip


def halves(text: Text) -> tuple[Text, Text]:
    """Every other document of a text, and the rest; the two halves of a single one."""
    documents = text.documents
    if len(documents) < 2:
        (one,) = documents
        cut = len(one.text) // 2
        documents = (replace(one, text=one.text[:cut]), replace(one, text=one.text[cut:]))
    return replace(text, documents=documents[::2]), replace(text, documents=documents[1::2])


def by_tokens(sample: Sample) -> Mapping[str, float]:
    """As the lesson: share by Wald p, and how raw |beta| and -log p rank alike."""
    (key,) = sample.arrays
    fit = stats.logistic(sample.arrays[key], sample.label)
    found = wald(sample, [key])
    rank = ranks(fit.beta, fit.log10_wald_p)
    return {"share": found.share, "share_of": found.n_tested, "rank_correlation": rank}


def by_words(threshold: float) -> Profile:
    """Share over word types; ranks of beta per sd (tokens) and of the evidence of word types."""

    def profile(sample: Sample) -> Mapping[str, float]:
        (key,) = sample.arrays
        fit = stats.logistic(sample.arrays[key], sample.label)
        t = np.abs(word_z(sample, key))
        n = count_tested(sample, [key])
        share = share_of_tested(np.nan_to_num(t) > threshold, n)
        return {"share": share, "share_of": n, "rank_correlation": ranks(fit.beta_std, -t)}

    return profile


def beyond_max_t(sample: Sample, seed: int) -> tuple[float, NDArray[np.bool_]]:
    """max-T threshold over word types, and which units lie beyond it."""
    (key,) = sample.arrays
    limit = max_t_threshold(sample, min_per_word=1, seed=seed)
    return limit, np.nan_to_num(np.abs(word_z(sample, key))) > limit


def with_new_words(first: Sample, second: Sample) -> Sample:
    """Rows of the second batch whose word types the first has not; all, if they are too few."""
    rows = np.flatnonzero(~np.isin(second.word.astype(str), first.word.astype(str)))
    few = min(np.bincount(second.label[rows].astype(int), minlength=2)) < FEW
    return second if few else second.take(rows)
