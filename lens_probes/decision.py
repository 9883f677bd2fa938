"""Which p-value decides, over which family: the two presets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Bool

from lens_probes import stats
from lens_probes.errors import InputError, unknown
from lens_probes.examples import Examples

Preset = Literal["course", "rigorous"]
Scope = Literal["layer", "site", "model"]
Method = Literal["max_t", "bonferroni", "holm", "bh", "by"]

METHODS = ("max_t", "bonferroni", "holm", "bh", "by")
SCOPES = ("layer", "site", "model")
MIN_PER_WORD = 5


@dataclass(frozen=True)
class Decision:
    """`p_column` of the units, corrected by `method` over each family, compared with `alpha`.

    `scope="layer"`: a family is one site of one layer (in the course preset q, k and v of a layer
    are one family, as they are fitted together there); `"site"`: one site of all layers;
    `"model"`: everything. `level` says what the p-value counts as independent: words, pairs of a
    word in both classes, or tokens; `why` gives the reason where words were wanted and tokens had
    to do.
    """

    preset: Preset
    p_column: str
    method: Method
    scope: Scope
    alpha: float
    level: Literal["word", "pair", "token"]
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
    course_p: str = "wald_p",
) -> Decision:
    """The decision of a preset, with what the user chose instead.

    Rigorous: the max-T permutation test over word types, or with another method the score test of
    tokens. Course: the test of tokens that the lesson uses, `course_p`.
    """
    if preset not in ("course", "rigorous"):
        raise unknown("preset", preset, ("course", "rigorous"))
    if preset == "course":
        if method == "max_t":
            raise InputError("the course preset has no max_t: use bonferroni, holm, bh or by.")
        return Decision(
            "course", course_p, method or "bonferroni", scope or "layer", alpha, "token"
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
        said = "token level: each example counts as independent"
        if decision.preset == "rigorous":
            return replace(decision, p_column=_token_p(examples)), said
        if decision.p_column == "t_p" and examples.origin.get("course_p") == "paired_p":
            why = "the examples have no pairs, so that t_p decides in place of paired_p"
            decision = replace(decision, why=why)
        return decision, said
    decision = replace(decision, min_per_word=_least(examples))
    if swapped := pairs_of_words(examples):
        decision = replace(decision, level="pair")
    problem, said = _problem(decision, examples, swapped)
    if not problem:
        return decision, said
    if insist:
        raise InputError(f"{problem}. Or decide at token level with method holm.")
    token = Decision(
        "rigorous", _token_p(examples), "holm", decision.scope, decision.alpha, "token", why=problem
    )
    return token, f"token level, because {problem}"


def course_p(examples: Examples) -> str:
    """The p-value that the lesson of these examples decides by."""
    if examples.value is not None:
        return "r_p"
    asked = str(examples.origin.get("course_p", "wald_p"))
    return "t_p" if asked == "paired_p" and examples.pair is None else asked


def _token_p(examples: Examples) -> str:
    return "score_p" if examples.value is None else "r_p"


def _least(examples: Examples) -> int:
    """Examples that a word type needs: one where each word is one example (lone words)."""
    unique = examples.word is not None and len(set(examples.word)) == len(examples)
    return 1 if unique else MIN_PER_WORD


def pairs_of_words(examples: Examples) -> bool:
    """Whether every example has a partner of the same word in the other class."""
    if examples.pair is None or examples.word is None:
        return False
    one, other = (
        dict(zip(examples.pair[rows], examples.word[rows], strict=True))
        for rows in (examples.label == 0, examples.label == 1)
    )
    return one == other


def _problem(decision: Decision, examples: Examples, swapped: bool) -> tuple[str, str]:
    """What keeps words from deciding ("" if nothing does), and the resolution in one line."""
    if examples.word is None:
        return "no word types were given", ""
    n = decision.n_permutations
    if examples.value is not None:
        return _problem_of_values(decision, examples)
    if swapped:
        n_words = len(set(examples.word))
        if n_words < 2:
            return f"there is {n_words} word, too few to swap", ""
        count = 2**n_words
        gate = stats.resolution(
            "max_t", n_groups0=1, n_groups1=1, alpha=decision.alpha, n_permutations=n,
            n_relabellings=count,
        )  # fmt: skip
        return ("", gate.message) if gate.ok else (gate.message, "")
    if mixed := words_with_both_labels(examples):
        return f"word {mixed[0]!r} has examples of both classes", ""
    n0, n1 = tested_words(examples, decision.min_per_word)
    if min(n0, n1) < 1 or n0 + n1 < 3:
        least = decision.min_per_word
        return f"{n1} v {n0} word types have {least} examples or more, too few to permute", ""
    gate = stats.resolution(
        "max_t", n_groups0=n0, n_groups1=n1, alpha=decision.alpha, n_permutations=n
    )
    return ("", gate.message) if gate.ok else (gate.message, "")


def _problem_of_values(decision: Decision, examples: Examples) -> tuple[str, str]:
    assert examples.word is not None
    assert examples.value is not None
    use = usable_words(examples, decision.min_per_word)
    n_words = len(set(examples.word[use]))
    if n_words < 3:
        least = decision.min_per_word
        return f"{n_words} word types have {least} examples or more, too few to permute", ""
    try:
        gate = stats.resolution_r(
            examples.value[use],
            groups=examples.word[use],
            n_permutations=decision.n_permutations,
            alpha=decision.alpha,
        )
    except ValueError as error:  # a word with several values
        return str(error), ""
    return ("", gate.message) if gate.ok else (gate.message, "")


def rank_column(units: pd.DataFrame) -> str:
    """Column by which units are ranked: the score test, or with a continuous label r."""
    return "log10_score_p" if "log10_score_p" in units else "log10_r_p"


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
