"""L14: words of several tokens: which token sees which, and how far they move in each layer."""

from __future__ import annotations

import sys

import numpy as np

from lens_probes.course import Lesson, Measured, Outcome, Setting, script_main
from lens_probes.course.claim import Side, Value
from lens_probes.course.drawings import lines
from lens_probes.course.intervals import ERROR, halves, interval
from lens_probes.errors import InputError
from lens_probes.model.load import LensModel
from lens_probes.residual import path_length, sees_what

LESSON = Lesson("L14", "Words of several tokens", "gpt2-large", ("L14.a", "L14.b"), (8_000, 4_000))
WORDS = (
    "toothpaste", "mouthwash", "doorknob", "dishwasher", "cupboard", "bookshelf", "toothbrush",
    "wheelbarrow", "thermometer", "windmill", "saxophone", "cauliflower", "trampoline", "hedgehog",
)  # fmt: skip
FRAME = ("Yesterday she bought a new", "and showed it to us.")
Found = tuple[str, list[int], list[int]]


def targets(model: LensModel, most: int) -> list[Found]:
    """Words of two tokens or more in this tokenizer: word, ids of the sentence, positions."""
    found = []
    for word in WORDS:
        parts = [
            list(model.tokenizer(piece, add_special_tokens=False)["input_ids"])
            for piece in (FRAME[0], f" {word}", f" {FRAME[1]}")
        ]
        if len(parts[1]) > 1:
            start = len(parts[0])
            found.append(
                (word, [*parts[0], *parts[1], *parts[2]], list(range(start, start + len(parts[1]))))
            )
    if len(found) < 2:
        raise InputError("fewer than 2 of the lesson's words have several tokens here.")
    return found[:most]


def depths(steps: np.ndarray) -> dict[str, float]:
    """Depth (0 to 1) of the longest step of the mean word, and steps inside and outside."""
    step = steps.mean(0)
    n = len(step)
    depth = (np.arange(n) + 0.5) / n
    inside = (depth >= 1 / 3) & (depth <= 2 / 3)
    return {
        "peak_depth": float(depth[step.argmax()]),
        "middle": float(step[inside].mean()),
        "outer": float(step[~inside].mean()),
    }


def run(setting: Setting) -> Outcome:
    """Sight by changing one token at a time; paths as in the lesson and relative to the norm."""
    model = setting.model
    words = targets(model, setting.size("words", course=14, machine=14, quick=5))
    sight = {}
    for name, one in (("value", model), ("untrained", setting.untrained)):
        first, last = [], []
        for _, ids, places in words:
            seen = sees_what(one, ids, places, n_replacements=4, seed=setting.seed).change
            first.append(float(seen[1:, 0].max()))
            last.append(float(seen[:-1, -1].max(-1).min()))
        sight[name] = {"first_sees": max(first), "last_sees": min(last)}
    parts = {k: Value(v, untrained=sight["untrained"][k]) for k, v in sight["value"].items()}
    measured = [
        Measured("L14.a", "both", parts, f"{len(words)} words",
                 "relative change of the stream, 4 random replacements of each token: the largest "
                 "of any first token, the smallest of any last token")
    ]  # fmt: skip
    curves = {}
    sides: tuple[tuple[Side, str, str], ...] = (
        ("course", "step", "||v_l - v_(l-1)||"),
        ("rigorous", "relative_step", "relative to the norm of what enters the block"),
    )
    for side, attribute, how in sides:
        steps, bare = (
            np.stack([getattr(path_length(one, ids, places[-1:]), attribute)[:, 0]
                      for _, ids, places in words])
            for one in (model, setting.untrained)
        )  # fmt: skip
        found, untrained = depths(steps), depths(bare)
        rng = np.random.default_rng(setting.seed)
        drawn = [depths(steps[half]) for half in halves(len(steps), setting.draws, rng)]
        values = {
            name: Value(v, *interval([d[name] for d in drawn], v), untrained=untrained[name])
            for name, v in found.items()
        }
        measured.append(
            Measured("L14.b", side, values, f"{len(words)} words", f"last token; {how}; depth 0 is "
                     "the first block", ERROR.format(n=len(drawn)) + "the words")
        )  # fmt: skip
        mean = steps.mean(0)
        curves[how] = (list(range(model.n_layers)), mean / mean.max())
    used = ", ".join(f"{word} ({len(places)})" for word, _, places in words)
    return Outcome(
        tuple(measured),
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
