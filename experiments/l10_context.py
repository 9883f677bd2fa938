"""L10: the same word with and without a leading space, the same token in context and alone."""

from __future__ import annotations

import sys

import numpy as np

import lens_probes as lp
from lens_probes.course import Lesson, Measured, Outcome, Setting, script_main
from lens_probes.course.claim import Side, Value
from lens_probes.course.drawings import points
from lens_probes.course.grammar import sinks_said
from lens_probes.course.intervals import ERROR, halves, interval
from lens_probes.course.spread import Array

LESSON = Lesson(
    "L10", "Context modulation", "EleutherAI/gpt-neo-125M", ("L10.a", "L10.b"), (4_000, 2_000)
)


def similarities(setting: Setting, change: str, *, bos: bool) -> tuple[Value, Value, Array, Array]:
    """Mean r over units of a pair of conditions, of two different words, and both activations."""
    n_tokens = 200
    if change == "context":
        n_tokens = setting.size("generated tokens", course=200, machine=200, quick=40)
    probe = lp.ContextProbe(
        change="space" if change == "space" else "context", n_tokens=n_tokens, bos=bos,
        seed=setting.seed,
    )  # fmt: skip
    examples = setting.examples(probe)
    layer = setting.layer(9, of=12)
    reading = setting.reading(examples, ["mlp_pre"], [layer])
    assert examples.word is not None
    word = examples.word[examples.label == 0].astype(str)
    found: list[tuple[Array, Array]] = []
    for untrained in (False, True):
        x = reading.sample(untrained=untrained).arrays[layer, "mlp_pre"].astype(np.float64)
        one, other = x[examples.label == 0], x[examples.label == 1]
        shift = np.roll(np.arange(len(one)), 1)
        differ = word != word[shift]
        found.append((_r(one, other), _r(one[differ], other[shift][differ])))
    (same, others), (bare, bare_others) = found
    x = reading.activations[layer, "mlp_pre"]
    draws = 5 * setting.draws
    return (
        _value(same, others, bare, setting.seed, draws),
        _value(others, others, bare_others, setting.seed, draws),
        x[examples.label == 0],
        x[examples.label == 1],
    )


def _r(one: Array, other: Array) -> Array:
    """Pearson r over units of row k with row k."""
    one = one - one.mean(1, keepdims=True)
    other = other - other.mean(1, keepdims=True)
    size = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return np.asarray(np.einsum("ij,ij->i", one, other) / size)


def _value(r: Array, null: Array, bare: Array, seed: int, draws: int) -> Value:
    picks = halves(len(r), draws, np.random.default_rng(seed))
    ends = interval([float(r[half].mean()) for half in picks], float(r.mean()))
    return Value(float(r.mean()), *ends, float(null.mean()), float(bare.mean()))


def _size(r: Value) -> Value:
    """|r|: a correlation of -0.6 is not lower than one of 0.1."""
    across = r.low < 0 < r.high
    ends = sorted((abs(r.low), abs(r.high)))
    return Value(abs(r.value), 0.0 if across else ends[0], ends[1], abs(r.null), abs(r.untrained))


def run(setting: Setting) -> Outcome:
    """Both changes, as in the lesson and after a BOS token."""
    has_bos = setting.model.tokenizer.bos_token_id is not None
    measured, figures = [], {}
    sides: tuple[Side, ...] = ("course", "rigorous")
    for side in sides:
        bos = side == "rigorous" and has_bos
        space, other_words, plain, spaced = similarities(setting, "space", bos=bos)
        context, other_tokens, alone, inside = similarities(setting, "context", bos=bos)
        where = "after a BOS token" if bos else "no BOS token: lone tokens are at position 0"
        by = ERROR.format(n=5 * setting.draws) + "the words"
        nulls = ("two different words", "between two different words")
        measured += [
            Measured("L10.a", side, {"r": space, "r_other_words": other_words},
                     f"{len(plain)} nouns", f"mean of each word's r over units; {where}", by,
                     *nulls),
            Measured("L10.b", side, {"r_context": context, "r_space": space,
                                     "r_other_words": other_tokens,
                                     "size_context": _size(context), "size_space": _size(space)},
                     f"{len(alone)} generated tokens", f"mean of each token's r; {where}", by,
                     *nulls),
        ]  # fmt: skip
        figures[f"scatter_{side}"] = points(
            {
                "with v without space": (plain.mean(0), spaced.mean(0)),
                "alone v in context": (alone.mean(0), inside.mean(0)),
            },
            title=f"r {space.value:.3f} with and without a space, {context.value:.3f} in context "
            "and alone", x="without space / alone", y="with space / in context",
            caption=f"Mean activation of each unit; {where}. Two different words correlate at "
            f"{other_words.value:.3f}.",
        )  # fmt: skip
    asked = setting.size("generated tokens", course=200, machine=200, quick=40)
    return Outcome(
        tuple(measured),
        figures,
        lines=(
            f"the model wrote {len(alone)} tokens of {asked} before it ended its text",
            sinks_said(setting, setting.examples(lp.ContextProbe(change="space"))),
        ),
    )


if __name__ == "__main__":
    sys.exit(script_main(LESSON, run, __file__))
