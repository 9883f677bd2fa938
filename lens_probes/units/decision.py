"""Which p-value decides, over which family: the two presets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int

from lens_probes.errors import InputError, unknown
from lens_probes.examples.classes import Classes
from lens_probes.examples.examples import Examples
from lens_probes.examples.label import Label
from lens_probes.examples.replication_groups import mixed_examples

Preset = Literal["course", "rigorous"]
Scope = Literal["layer", "site", "model"]
Method = Literal["max_t", "max_adjusted", "bonferroni", "holm", "bh", "by", "hierarchical"]
Level = Literal["word", "token"]

METHODS = ("max_t", "max_adjusted", "bonferroni", "holm", "bh", "by", "hierarchical")
OF_GROUPS = ("max_t", "max_adjusted")
SCOPES = ("layer", "site", "model")
LEVELS = ("word", "token")
MIN_PER_WORD = 5
VARIES = "the value varies inside words: the test over groups needs one value a group"


@dataclass(frozen=True)
class Decision:
    """`p_column` of the units, corrected by `method` over each family, compared with `alpha`.

    `scope="layer"`: a family is one site of one layer (in the course preset q, k and v of a layer
    are one family, as they are fitted together there); `"site"`: one site of all layers;
    `"model"`: everything. `level` says what the p-value counts as independent: replication groups
    of words (`"word"`), groups that are their own control (`"pair"`), or tokens, with the reason
    (`why`) where words were wanted. Groups of fewer than `min_per_group` examples are not tested,
    nor are `n_set_aside` examples of groups with both classes.
    """

    preset: Preset
    p_column: str
    method: Method
    scope: Scope
    alpha: float
    level: Literal["word", "pair", "token"]
    n_permutations: int = 1000
    min_per_group: int = MIN_PER_WORD
    seed: int = 0
    why: str = ""
    n_set_aside: int = 0

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
    level: Level | None = None,
    scope: Scope | None = None,
    n_permutations: int = 1000,
    seed: int = 0,
    course_p: str = "wald_p",
) -> Decision:
    """The decision of a preset, with what the user chose instead.

    Rigorous: the max-T permutation test over replication groups (max_adjusted: given speakers,
    frequency and other confounds), with another method the p of each unit by the same permutation
    (`pooled_p`; paired t of pairs); with `level="token"` the score test of tokens, Holm. Course:
    the test of tokens that the lesson uses, `course_p`.
    """
    if preset not in ("course", "rigorous"):
        raise unknown("preset", preset, ("course", "rigorous"))
    if level not in (None, *LEVELS):
        raise unknown("level", level, LEVELS)
    if preset == "course":
        if method in OF_GROUPS or level == "word":
            raise InputError(
                "the course preset counts tokens, without max_t: use method bonferroni, holm, bh, "
                "by or hierarchical, or the rigorous preset."
            )
        return Decision(
            "course", course_p, method or "bonferroni", scope or "layer", alpha, "token"
        )
    if level == "token":
        if method in OF_GROUPS:
            raise InputError(f"{method} tests groups of words: for level token use method holm.")
        return Decision("rigorous", "score_p", method or "holm", scope or "model", alpha, "token")
    method = method or "max_t"
    column = {"max_t": "p_family", "max_adjusted": "adjusted_p"}.get(method, "pooled_p")
    return Decision(
        "rigorous", column, method, scope or "model", alpha, "word", n_permutations, seed=seed
    )


def resolve(
    decision: Decision,
    examples: Examples,
    *,
    insist: bool = False,
    min_per_group: int | None = None,
) -> tuple[Decision, str]:
    """The decision that these examples allow, and one line on the smallest p that can come out.

    Examples of a group with both classes are set aside and counted. Where groups are unknown or
    too few for alpha, the decision is the score test of tokens with Holm, with the reason in
    `why`. With `insist` (a word-level method was asked for) that is an InputError instead.
    `min_per_group`: examples that a group needs; None: see `_least`.
    """
    if decision.level == "token":
        said = "token level: each example counts as independent"
        if decision.preset == "rigorous":
            return replace(decision, p_column=examples.contrast.token_p), said
        if decision.p_column == "t_p" and examples.origin.get("course_p") == "paired_p":
            decision = replace(decision, why="without pairs t_p decides in place of paired_p")
        return decision, said
    if examples.own_control:
        column = decision.p_column.replace("pooled_p", "word_p")
        decision = replace(decision, level="pair", min_per_group=1, p_column=column)
    else:
        decision = replace(
            decision,
            min_per_group=min_per_group or _least(examples),
            n_set_aside=int(mixed_examples(examples).sum()),
        )
    problem, said = _problem(decision, examples)
    if not problem:
        return decision, said + _not_tested(examples, decision)
    if insist:
        raise InputError(f"{problem}. Or decide with level token and method holm.")
    token = Decision(
        "rigorous", examples.contrast.token_p, "holm", decision.scope, decision.alpha, "token",
        why=problem,
    )  # fmt: skip
    return token, f"token level, because {problem}"


def course_p(examples: Examples) -> str:
    """The p-value that the lesson of these examples decides by."""
    return examples.contrast.course_p(str(examples.origin.get("course_p", "wald_p")))


def _least(examples: Examples) -> int:
    """Examples that a group needs: MIN_PER_WORD where enough groups have them (`Label.kept`).

    Else 1: means of few examples are noisy, but Welch's t needs no equal noise, and a test that
    drops most of its groups answers another question.
    """
    if examples.group is None:
        return MIN_PER_WORD
    kept = examples.contrast.kept(examples.group, tested_rows(examples, MIN_PER_WORD))
    return MIN_PER_WORD if kept else 1


def _not_tested(examples: Examples, decision: Decision) -> str:
    """How many groups have too few examples to be tested, and which option tests them."""
    assert examples.group is not None
    sizes, least = np.bincount(examples.group), decision.min_per_group
    few = int((sizes < least).sum())
    if not few:
        return ""
    said = f"; {few} of {len(sizes)} groups have fewer than {least} examples and are not tested"
    return f"{said} (min_per_group=1 tests them)"


def _problem(decision: Decision, examples: Examples) -> tuple[str, str]:
    """What keeps groups from deciding ("" if nothing does), and the resolution in one line."""
    if examples.group is None:
        return "no word types were given", ""
    label, group, _ = groups_tested(examples, decision.min_per_group)
    least, counts, n = decision.min_per_group, label.counts(group), len(np.unique(group))
    pairs, aside = decision.level == "pair", decision.n_set_aside
    said = (
        f"{against(counts)} replication groups have {least} example{'' if least == 1 else 's'} or "
        "more"
    )
    said += f" ({aside} examples of groups with both classes are set aside)" if aside else ""
    # One group has no spread to be told from: whatever it is, the other class's would stand for it.
    enough = min(counts) >= label.least_groups
    if decision.method not in OF_GROUPS and not label.exact_p:
        what = f"method {decision.method} needs an exact p of each unit"
        return f"{what}, which values have not: use method max_t or max_adjusted", ""
    if decision.method not in OF_GROUPS and pairs:
        line = f"{said}: paired t of their means, {decision.method}"
        return ("", line) if enough and n >= 3 else (f"{said}, too few to test", "")
    if decision.method == "max_adjusted" and isinstance(label, Classes):
        return "max_adjusted takes two classes or a value: use method max_t or bh", ""
    if decision.method == "max_adjusted":
        smallest = max(0.5 ** (n - 1), 1 / (1 + decision.n_permutations))
        line = f"{said}: scores given the confounds; the smallest p is {smallest:.3g}"
        fits = enough and not pairs and smallest <= decision.alpha
        return ("", line) if fits else (f"{line}, too few to test", "")
    if not enough:
        return f"{said}, too few to permute", ""
    if not pairs and not label.constant_in(group):
        return VARIES, ""
    gate = label.resolution(group, n_permutations=decision.n_permutations, alpha=decision.alpha)
    if not gate.ok:
        return gate.message.replace("max_t", decision.method), ""
    alone = f"{said}: each unit's p by relabelling them, {decision.method}"
    return "", gate.message if decision.method == "max_t" else alone


def token_column(units: pd.DataFrame) -> str:
    """Column of the tokens' own test: the score test, or with a continuous label r."""
    return "log10_score_p" if "log10_score_p" in units else "log10_r_p"


def own_class(unit: pd.Series) -> int:
    """The class that a row of the units table is higher, or of several classes highest, for."""
    return int(unit["highest"]) if "highest" in unit else int(unit["direction"] > 0)


def rank_column(units: pd.DataFrame) -> str:
    """Column by which units are ranked: by the test over groups if it decides, else of tokens."""
    return "rank" if "rank" in units else token_column(units)


def tested_rows(examples: Examples, min_per_group: int) -> Bool[np.ndarray, " example"]:
    """[example] of the groups that a group-level test uses: large enough, of one class.

    With pairs (a group is its own control) every group has both classes and all are used.
    """
    assert examples.group is not None
    enough = np.bincount(examples.group)[examples.group] >= min_per_group
    rows: Bool[np.ndarray, " example"] = enough
    return rows if examples.own_control else rows & ~mixed_examples(examples)


def groups_tested(
    examples: Examples,
    min_per_group: int,
    rows: Bool[np.ndarray, " example"] | None = None,
) -> tuple[Label, Int[np.ndarray, " tested"], Bool[np.ndarray, " example"]]:
    """Label and group of the tested examples (of some rows only), and which these are."""
    assert examples.group is not None
    use = tested_rows(examples, min_per_group)
    use = use if rows is None else use & rows
    return examples.contrast.select(use), examples.group[use], use


def testable_groups(examples: Examples, min_per_group: int) -> bool:
    """Whether a parametric test over groups exists: two a class, or three with one value each."""
    if examples.group is None:
        return False
    label, group, _ = groups_tested(examples, min_per_group)
    counts = label.counts(group)
    if len(counts) > 1:
        return min(counts) >= label.least_groups
    return counts[0] >= 3 and (
        examples.own_control or examples.contrast.constant_in(examples.group)
    )


def against(counts: Sequence[int]) -> str:
    """Counts of groups, the last class first as classes are named; one number for one count."""
    return " v ".join(f"{n}" for n in reversed(counts))
