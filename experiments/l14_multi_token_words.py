"""L14: words of several tokens: which token sees which, and how far they move in each layer."""

from __future__ import annotations

import sys
from functools import partial
from typing import Literal

import numpy as np

import lens_probes as lp
from lens_probes.course import Found, Lesson, Outcome, Setting, script_main
from lens_probes.course.drawings import lines
from lens_probes.errors import InputError
from lens_probes.model.load import LensModel

LESSON = Lesson("L14", "Words of several tokens", "gpt2-large", ("L14.a", "L14.b"), (8_000, 4_000))
WORDS = (
    "toothpaste", "mouthwash", "doorknob", "dishwasher", "cupboard", "bookshelf", "toothbrush",
    "wheelbarrow", "thermometer", "windmill", "saxophone", "cauliflower", "trampoline", "hedgehog",
)  # fmt: skip
Word = tuple[str, list[int], list[int]]


def targets(model: LensModel, most: int) -> list[Word]:
    """Words of two tokens or more in this tokenizer: word, ids of the sentence, positions."""
    found = []
    for word in WORDS:
        pieces = ("Yesterday she bought a new", f" {word}", " and showed it to us.")
        before, own, after = (
            list(model.tokenizer(piece, add_special_tokens=False)["input_ids"]) for piece in pieces
        )
        if len(own) > 1:
            places = list(range(len(before), len(before) + len(own)))
            found.append((word, [*before, *own, *after], places))
    if len(found) < 2:
        raise InputError("fewer than 2 of the lesson's words have several tokens here.")
    return found[:most]


def sight(model: LensModel, words: list[Word], seed: int) -> Found:
    """What the first token sees of the later ones (most), the last of the earlier ones (least)."""
    seen = [
        lp.residual.sees_what(model, ids, places, n_replacements=4, seed=seed).change
        for _, ids, places in words
    ]
    return {
        "first_sees": max(float(one[1:, 0].max()) for one in seen),
        "last_sees": min(float(one[:-1, -1].max(-1).min()) for one in seen),
    }


def depths(steps: np.ndarray, rows: np.ndarray) -> Found:
    """Depth (0 to 1) of the longest step of the mean word, and steps inside and outside."""
    step = steps[rows].mean(0)
    depth = (np.arange(len(step)) + 0.5) / len(step)
    inside = (depth >= 1 / 3) & (depth <= 2 / 3)
    return {
        "peak_depth": float(depth[step.argmax()]),
        "middle": float(step[inside].mean()),
        "outer": float(step[~inside].mean()),
    }


def run(setting: Setting) -> Outcome:
    """Sight by changing one token at a time; paths as in the lesson and relative to the norm."""
    models = (setting.model, setting.untrained)
    words = targets(setting.model, setting.size("words", course=14, machine=14, quick=5))
    here, bare = (sight(model, words, setting.seed) for model in models)
    seen = setting.measure_items(lambda _: here, len(words), "words", draws=0, untrained=bare)
    claims = [
        seen.claim("L14.a", "both", how="relative change of the stream, 4 random replacements of "
                   "each token: the largest of any first token, the smallest of any last token")
    ]  # fmt: skip
    curves = {}
    sides: tuple[tuple[Literal["course", "rigorous"], str, str], ...] = (
        ("course", "step", "||v_l - v_(l-1)||"),
        ("rigorous", "relative_step", "relative to the norm of what enters the block"),
    )
    for side, name, how in sides:
        steps, untrained = (
            np.stack([getattr(lp.residual.path_length(model, ids, places[-1:]), name)[:, 0]
                      for _, ids, places in words])
            for model in models
        )  # fmt: skip
        moved = setting.measure_items(
            partial(depths, steps), len(words), "words",
            draws=setting.draws, untrained=depths(untrained, np.arange(len(words))),
        )  # fmt: skip
        how_said = f"last token; {how}; depth 0 is the first block"
        claims.append(moved.claim("L14.b", side, how=how_said))
        mean = steps.mean(0)
        curves[how] = (list(range(setting.model.n_layers)), mean / mean.max())
    used = ", ".join(f"{word} ({len(places)})" for word, _, places in words)
    return Outcome(
        tuple(claims),
        {
            "path": lines(
                curves, title="How far the last token of a word moves in each block", x="layer",
                y="step, its maximum = 1", caption=f"Mean over {len(words)} words.",
            )
        },
        lines=(f"words with their number of tokens: {used}",),
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(script_main(LESSON, run, __file__))
