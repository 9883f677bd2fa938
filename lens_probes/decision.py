"""Which p-value decides, over which family: the two presets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from numpy.typing import NDArray

from lens_probes import stats
from lens_probes.errors import InputError, unknown
from lens_probes.examples import Examples

Preset = Literal["course", "rigorous"]
Scope = Literal["layer", "site", "model"]
Method = Literal["max_t", "bonferroni", "holm", "bh", "by"]

METHODS = ("max_t", "bonferroni", "holm", "bh", "by")
SCOPES = ("layer", "site", "model")
MIN_PER_WORD = 5
_NOT_FITTED = ("separated", "quasi_separated", "not_converged")


@dataclass(frozen=True)
class Decision:
    """`p_column` of the units, corrected by `method` over each family, compared with `alpha`.

    `scope="layer"`: a family is one site of one layer (in the course preset q, k and v of a layer
    are one family, as they are fitted together there); `"site"`: one site of all layers;
    `"model"`: everything. `level` says what the p-value counts as independent: words or tokens.
    """

    preset: Preset
    p_column: str
    method: Method
    scope: Scope
    alpha: float
    level: Literal["word", "token"]
    n_permutations: int = 1000
    min_per_word: int = MIN_PER_WORD
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise unknown("method", self.method, METHODS)
        if self.scope not in SCOPES:
            raise unknown("scope", self.scope, SCOPES)
        if not 0 < self.alpha < 1:
            raise InputError(f"alpha must lie between 0 and 1; got {self.alpha}.")
        if self.n_permutations < 1:
            raise InputError(f"n_permutations must be 1 or more; got {self.n_permutations}.")


def preset_decision(
    preset: str,
    *,
    alpha: float = 0.05,
    method: Method | None = None,
    scope: Scope | None = None,
    n_permutations: int = 1000,
    seed: int = 0,
    has_words: bool = True,
) -> Decision:
    """The decision of a preset, with what the user chose instead.

    Rigorous: where words are known, the max-T permutation test over word types; else, or with
    another method, the score test of tokens. Course: the Wald test of tokens.
    """
    if preset == "course":
        if method == "max_t":
            raise InputError("the course preset has no max_t: use bonferroni, holm, bh or by.")
        return Decision(
            "course", "wald_p", method or "bonferroni", scope or "layer", alpha, "token"
        )
    if preset != "rigorous":
        raise unknown("preset", preset, ("course", "rigorous"))
    if method == "max_t" and not has_words:
        raise InputError("max_t permutes word types and none are given: use holm, or give words.")
    if method in (None, "max_t") and has_words:
        return Decision(
            "rigorous", "p_family", "max_t", scope or "model", alpha, "word", n_permutations,
            seed=seed,
        )  # fmt: skip
    return Decision("rigorous", "score_p", method or "holm", scope or "model", alpha, "token")


def usable_words(examples: Examples, min_per_word: int) -> Bool[np.ndarray, " example"]:
    """Examples of word types with enough examples for a word-level test."""
    assert examples.word is not None
    _, index, counts = np.unique(examples.word.astype(str), return_inverse=True, return_counts=True)
    enough: Bool[np.ndarray, " example"] = counts[index] >= min_per_word
    return enough


def check_resolution(examples: Examples, decision: Decision) -> str:
    """One line on the smallest p-value that can come out; an error where it cannot reach alpha."""
    if decision.level == "token" or examples.word is None:
        return "token level: each example counts as independent"
    mixed = words_with_both_labels(examples)
    if mixed:
        raise InputError(
            f"word {mixed[0]!r} has examples of both classes, so word types cannot be permuted: "
            "choose method holm (token level), or leave words out."
        )
    use = usable_words(examples, decision.min_per_word)
    n0, n1 = (len(set(examples.word[use & (examples.label == label)])) for label in (0, 1))
    advice = "Or decide at token level with method holm."
    if min(n0, n1) < 1:
        raise InputError(
            f"{n1} v {n0} word types have {decision.min_per_word} examples or more: a word-level "
            f"test needs some in each class. {advice}"
        )
    gate = stats.resolution(
        "max_t",
        n_groups0=n0,
        n_groups1=n1,
        alpha=decision.alpha,
        n_permutations=decision.n_permutations,
    )
    if not gate.ok or n0 + n1 < 3:
        raise InputError(f"{gate.message}. {advice}")
    return gate.message


def words_with_both_labels(examples: Examples) -> list[str]:
    """Word types that occur in both classes."""
    assert examples.word is not None
    classes = [set(examples.word[examples.label == label]) for label in (0, 1)]
    return sorted(classes[0] & classes[1])


def decide(
    units: pd.DataFrame,
    decision: Decision,
    arrays: Sequence[Float[np.ndarray, "example unit"]],
    examples: Examples,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Add `p_corrected`, `significant` and the token-level answer; say how families were made.

    Constant units have no p-value and are left out of their family. In the course preset a unit
    without a Wald p (separated, not converged) stays in it and counts as not significant.

    Parameters
    ----------
    arrays
        Activations in the order of the units' rows.
    """
    family = families(units, decision)
    said: dict[str, Any] = asdict(decision)
    units = units.assign(significant_token_level=_token_level(units, decision, family))
    if decision.method == "max_t":
        test = word_max_t(arrays, examples, decision, family)
        corrected, log10_corrected = test.p_family, test.log10_p_family
        said |= {"n_relabellings": test.n_distinct_relabellings, "exact": test.exact}
        said |= {"threshold_t": [float(value) for value in test.threshold]}
    else:
        corrected, log10_corrected = _adjusted(units, decision, family)
    table = units.assign(
        p_corrected=corrected,
        log10_p_corrected=log10_corrected,
        significant=log10_corrected <= np.log10(decision.alpha),
    )
    sizes = pd.Series(~np.isnan(corrected)).groupby(family).sum()
    said |= {
        "n_families": len(sizes),
        "m_smallest": int(sizes.min()),
        "m_largest": int(sizes.max()),
        "left_out": int(np.isnan(corrected).sum()),
    }
    return table, said


def word_max_t(
    arrays: Sequence[Float[np.ndarray, "example unit"]],
    examples: Examples,
    decision: Decision,
    family: NDArray[np.int64],
    rows: Bool[np.ndarray, " example"] | None = None,
) -> stats.MaxPermutation:
    """Max-T permutation test over word types, of all examples or of some rows."""
    assert examples.word is not None
    use = usable_words(examples, decision.min_per_word)
    use = use if rows is None else use & rows
    return stats.max_permutation(
        list(arrays) if use.all() else [x[use] for x in arrays],
        examples.label[use],
        groups=examples.word[use],
        n_permutations=decision.n_permutations,
        seed=decision.seed,
        family=family,
        alpha=decision.alpha,
    )


def _token_level(
    units: pd.DataFrame, decision: Decision, family: NDArray[np.int64]
) -> Bool[np.ndarray, " unit"]:
    """What counting tokens would have found: the score test with Holm over the same families."""
    log10_p = units["log10_score_p"].to_numpy(float)
    adjusted = stats.adjust_log10(log10_p, method="holm", family=family)
    passed: Bool[np.ndarray, " unit"] = adjusted <= np.log10(decision.alpha)
    return passed


def _adjusted(
    units: pd.DataFrame, decision: Decision, family: NDArray[np.int64]
) -> tuple[Float[np.ndarray, " unit"], Float[np.ndarray, " unit"]]:
    assert decision.method != "max_t"
    p = units[decision.p_column].to_numpy(float)
    log10_p = units[f"log10_{decision.p_column}"].to_numpy(float)
    if decision.preset == "course":
        unfitted = units["status"].isin(_NOT_FITTED).to_numpy() & np.isnan(p)
        p, log10_p = np.where(unfitted, 1.0, p), np.where(unfitted, 0.0, log10_p)
    return (
        stats.adjust(p, method=decision.method, family=family),
        stats.adjust_log10(log10_p, method=decision.method, family=family),
    )


def families(units: pd.DataFrame, decision: Decision) -> NDArray[np.int64]:
    """Family of each unit's row."""
    site = units["site"]
    if decision.scope == "model":
        return np.zeros(len(units), dtype=np.int64)
    if decision.scope == "site":
        return np.asarray(units.groupby(site, sort=False).ngroup(), dtype=np.int64)
    if decision.preset == "course":
        site = site.where(~site.isin(["q", "k", "v"]), "qkv")
    return np.asarray(units.groupby([units["layer"], site], sort=False).ngroup(), dtype=np.int64)
