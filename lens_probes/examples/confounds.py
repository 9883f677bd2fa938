"""What else differs between the classes: the target's text, its place, its source and its date."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd
import wordfreq
from jaxtyping import Float, Int
from numpy.typing import NDArray

from lens_probes import stats
from lens_probes.examples.examples import Examples
from lens_probes.examples.ids import numbered
from lens_probes.examples.label import TwoClasses

_NO_VARIATION = "the same in every example"
_DEPENDENT = "follows from those before it"
_DETERMINES = "with those before it tells the classes apart without error"


def confound_table(examples: Examples, tokenizer: Any) -> pd.DataFrame:
    """Confounds [example, confound] that vary among the examples: numbers only.

    log_frequency: Zipf frequency of the target's text (wordfreq), or log of the read token's count
    among the examples' tokens plus one where no words are given. The others come from the target's
    text, too (n_characters, n_tokens, capitalised, leading_space), from its place (position) and
    its document (year). None depends on what a word type is called.
    """
    table = _numbers(examples, tokenizer)
    return table.loc[:, table.nunique() > 1]


def confound_differences(
    table: pd.DataFrame, label: Any, *, own: Collection[str] = ()
) -> dict[str, dict[str, Any]]:
    """Mean of each confound in each class, and the AUC with which it alone tells them apart.

    Of several classes the AUC is that of the class that it tells best from all others.

    `not_given` says why partial r is not given a confound; it is "" for those that it is given.
    `own` names the covariates that the examples bring (`Examples.covariates`), in place of all.
    """
    if table.empty or not len(table.columns):
        return {}
    label = np.asarray(label, dtype=np.int64)
    classes = range(int(label.max()) + 1)
    several = len(classes) > 2
    auc = _largest_auc(table.to_numpy(float), label, len(classes))
    means = [table[label == value].mean() for value in classes]
    left_out = {} if several else _screened(table, label.astype(float))[1]
    reason = "several classes have no partial r" if several else ""
    reason = "not among the examples' covariates" if own else reason
    return {
        name: {
            **{f"mean{k}": float(mean[name]) for k, mean in enumerate(means)},
            "auc": float(auc[i]),
            "not_given": reason or left_out.get(name, ""),
        }
        for i, name in enumerate(table.columns)
    }


def _largest_auc(
    values: Float[np.ndarray, "example k"], label: Int[np.ndarray, " example"], n_classes: int
) -> Float[np.ndarray, " k"]:
    """AUC of class 1; of several classes the one of a class against the rest farthest from 0.5."""
    if n_classes == 2:
        return stats.auc(values, label).auc
    every = stats.auc_against_rest(values, label).auc
    far = np.abs(every - 0.5).argmax(axis=0)
    found: NDArray[np.float64] = np.take_along_axis(every, far[None], axis=0)[0]
    return found


def categorical_differences(examples: Examples) -> dict[str, dict[str, Any]]:
    """Number of sources and of documents, and the AUC with which each tells the classes apart.

    An example's score is the share of class 1 among the others of its source, drawn towards the
    overall share by one example; left out, it cannot vouch for itself, which flatters many small
    sources. Classes that are balanced more evenly than by chance score below 0.5, since the others
    then hold more of the other class: that is no confound, and 0.5 is given.
    """
    said = {}
    for name in ("source", "document"):
        ids = getattr(examples, name)
        if ids is None or len(set(ids)) < 2 or min(examples.n_per_class) < 1:
            continue
        n_classes, aucs = len(examples.class_names), [0.5]
        for k in [1] if n_classes == 2 else range(n_classes):
            mine = (examples.label == k).astype(np.int64)
            score = _share_of_others(numbered(ids.astype(str)), mine)
            if np.ptp(score):
                aucs.append(float(stats.auc(score[:, None], mine).auc[0]))
        said[name] = {"levels": len(set(ids)), "auc": max(aucs), "not_given": "no number"}
    return said


def independent_covariates(table: pd.DataFrame, label: Any) -> pd.DataFrame:
    """Confounds without those that the ones before them (and a constant) determine.

    Stops before the label itself would be determined, so that a partial correlation exists.
    """
    return table[_screened(table, np.asarray(label, dtype=float))[0]]


def fixed_effects(examples: Examples) -> Int[np.ndarray, " example"] | None:
    """[example] source of each (the speaker), numbered, where it varies inside both classes.

    Otherwise its document; None where neither varies, or each is of one class, so that nothing is
    left to compare within it.
    """
    for ids in (examples.source, examples.document):
        if ids is None:
            continue
        number = numbered(ids.astype(str))
        sides = [set(number[examples.label == k].tolist()) for k in (0, 1)]
        if min(map(len, sides)) >= 2 and sides[0] & sides[1]:
            return number
    return None


def adjustment(
    examples: Examples, tokenizer: Any
) -> tuple[Int[np.ndarray, " example"] | None, pd.DataFrame]:
    """Fixed effects and covariates [example, covariate] for a test that allows for confounds.

    The covariates are the confounds of `confound_table` without those that are constant (within
    every fixed effect, where there are any), that follow from the ones before them, or that tell
    the classes apart without error; `covariates.attrs["left_out"]` gives each of those by name
    with the reason.
    """
    fixed, table = fixed_effects(examples), _numbers(examples, tokenizer)
    separate: dict[str, str] = {}
    if isinstance(examples.contrast, TwoClasses) and min(examples.n_per_class) > 0:
        varied = table.loc[:, table.nunique() > 1]
        auc = stats.auc(varied.to_numpy(float), examples.label).auc
        separate = {
            name: f"tells the classes apart by itself (AUC {one:.3f})"
            for name, one in zip(varied.columns, auc, strict=True)
            if one in (0.0, 1.0)
        }
    rest = table.drop(columns=list(separate))
    kept, left_out = _screened(rest, examples.contrast.numbers.astype(float), fixed)
    covariates = rest[kept]
    covariates.attrs["left_out"] = {
        name: reason for name in table.columns if (reason := (separate | left_out).get(name))
    }
    return fixed, covariates


def _numbers(examples: Examples, tokenizer: Any) -> pd.DataFrame:
    """Every confound that is a number, constant or not."""
    first = examples.position if examples.first is None else examples.first
    texts = [
        str(tokenizer.decode(row[start : end + 1], clean_up_tokenization_spaces=False))
        for row, start, end in zip(examples.tokens, first, examples.position, strict=True)
    ]
    columns = {
        "log_frequency": _log_frequency(examples, texts),
        "n_characters": [float(len(text.strip())) for text in texts],
        "n_tokens": (examples.position - first + 1).astype(float),
        "position": examples.position.astype(float),
        "capitalised": [float(text.strip()[:1].isupper()) for text in texts],
        "leading_space": [float(text[:1].isspace()) for text in texts],
    }
    if examples.date is not None:
        columns["year"] = examples.date
    return pd.DataFrame(columns)


def _screened(
    table: pd.DataFrame,
    label: Float[np.ndarray, " example"],
    fixed: Int[np.ndarray, " example"] | None = None,
) -> tuple[list[str], dict[str, str]]:
    """Names of covariates that a linear model can be given, and why the others cannot be."""
    groups = np.zeros(len(table), dtype=np.int64) if fixed is None else fixed
    within = _within(groups, np.column_stack([label, table.to_numpy(float)]))
    label, columns = within[:, 0], within[:, 1:]
    kept: list[str] = []
    left_out: dict[str, str] = {}
    basis = np.empty((len(table), 0))
    for i, name in enumerate(table.columns):
        size = np.linalg.norm(table[name].to_numpy(float))
        if np.linalg.norm(columns[:, i]) <= 1e-8 * size:
            within_fixed = fixed is not None and table[name].nunique() > 1
            left_out[name] = "does not vary within a source" if within_fixed else _NO_VARIATION
            continue
        wider = np.column_stack([basis, columns[:, i]])
        scaled = wider / np.linalg.norm(wider, axis=0)
        residual = label - scaled @ np.linalg.lstsq(scaled, label, rcond=None)[0]
        if np.linalg.matrix_rank(scaled, tol=1e-8) < wider.shape[1]:
            left_out[name] = _DEPENDENT
        elif np.linalg.norm(residual) < 1e-8 * np.linalg.norm(label):
            left_out[name] = _DETERMINES
        else:
            kept, basis = [*kept, name], wider
    return kept, left_out


def _within(
    groups: Int[np.ndarray, " example"], values: Float[np.ndarray, "example k"]
) -> Float[np.ndarray, "example k"]:
    """Values less their mean in each group."""
    sums = np.zeros((int(groups.max()) + 1, values.shape[1]))
    np.add.at(sums, groups, values)
    centred: NDArray[np.float64] = values - (sums / np.bincount(groups)[:, None])[groups]
    return centred


def _share_of_others(
    ids: Int[np.ndarray, " example"], label: Int[np.ndarray, " example"]
) -> Float[np.ndarray, " example"]:
    """Share of class 1 among the others with an example's id, and one more of the overall share."""
    n, ones = np.bincount(ids), np.bincount(ids, weights=label)
    share: NDArray[np.float64] = (ones[ids] - label + label.mean()) / n[ids]
    return share


def _log_frequency(examples: Examples, texts: list[str]) -> list[float]:
    if examples.word is not None:
        return [float(wordfreq.zipf_frequency(text.strip(), "en")) for text in texts]
    counts = np.bincount(examples.tokens[examples.tokens >= 0])
    return [float(value) for value in np.log(counts[examples.read_tokens] + 1.0)]
