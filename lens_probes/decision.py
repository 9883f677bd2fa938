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
    `"model"`: everything. `level` says what the p-value counts as independent: words or tokens;
    `why` gives the reason where words were wanted and tokens had to do.
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
    why: str = ""

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
) -> Decision:
    """The decision of a preset, with what the user chose instead.

    Rigorous: the max-T permutation test over word types, or with another method the score test of
    tokens. Course: the Wald test of tokens.
    """
    if preset not in ("course", "rigorous"):
        raise unknown("preset", preset, ("course", "rigorous"))
    if preset == "course":
        if method == "max_t":
            raise InputError("the course preset has no max_t: use bonferroni, holm, bh or by.")
        return Decision(
            "course", "wald_p", method or "bonferroni", scope or "layer", alpha, "token"
        )
    if method in (None, "max_t"):
        return Decision(
            "rigorous", "p_family", "max_t", scope or "model", alpha, "word", n_permutations,
            seed=seed,
        )  # fmt: skip
    return Decision("rigorous", "score_p", method, scope or "model", alpha, "token")


def resolve(
    decision: Decision, examples: Examples, *, insist: bool = False
) -> tuple[Decision, str]:
    """The decision that these examples allow, and one line on the smallest p that can come out.

    Where word types are unknown, occur in both classes or are too few for alpha, the decision is
    the score test of tokens with Holm, with the reason in `why`. With `insist` (max_t was asked
    for) that is an InputError instead.
    """
    if decision.level == "token":
        return decision, "token level: each example counts as independent"
    problem, said = _word_level_problem(decision, examples)
    if not problem:
        return decision, said
    if insist:
        raise InputError(f"{problem}. Or decide at token level with method holm.")
    token = Decision(
        "rigorous", "score_p", "holm", decision.scope, decision.alpha, "token", why=problem
    )
    return token, f"token level, because {problem}"


def _word_level_problem(decision: Decision, examples: Examples) -> tuple[str, str]:
    """What keeps words from deciding ("" if nothing does), and the resolution in one line."""
    if examples.word is None:
        return "no word types were given", ""
    if mixed := words_with_both_labels(examples):
        return f"word {mixed[0]!r} has examples of both classes", ""
    n0, n1 = tested_words(examples, decision.min_per_word)
    if min(n0, n1) < 1 or n0 + n1 < 3:
        least = decision.min_per_word
        return f"{n1} v {n0} word types have {least} examples or more, too few to permute", ""
    gate = stats.resolution(
        "max_t",
        n_groups0=n0,
        n_groups1=n1,
        alpha=decision.alpha,
        n_permutations=decision.n_permutations,
    )
    return ("", gate.message) if gate.ok else (gate.message, "")


def usable_words(examples: Examples, min_per_word: int) -> Bool[np.ndarray, " example"]:
    """Examples of word types with enough examples for a word-level test."""
    assert examples.word is not None
    _, index, counts = np.unique(examples.word.astype(str), return_inverse=True, return_counts=True)
    enough: Bool[np.ndarray, " example"] = counts[index] >= min_per_word
    return enough


def tested_words(examples: Examples, min_per_word: int) -> tuple[int, int]:
    """Word types of class 0 and of class 1 that a word-level test can use."""
    assert examples.word is not None
    use = usable_words(examples, min_per_word)
    n0, n1 = (len(set(examples.word[use & (examples.label == label)])) for label in (0, 1))
    return n0, n1


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
        said["n_words_tested"] = list(tested_words(examples, decision.min_per_word))
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
