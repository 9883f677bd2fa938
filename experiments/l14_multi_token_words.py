"""L14: words of several tokens: which token sees which, and how far they move in each layer."""

from functools import partial

import numpy as np

import lens_probes as lp
from lens_probes.course import Found, Outcome, Setting, Side, script_main
from lens_probes.course.drawings import lines
from lens_probes.model.load import LensModel

WORDS = (
    "toothpaste", "mouthwash", "doorknob", "dishwasher", "cupboard", "bookshelf", "toothbrush",
    "wheelbarrow", "thermometer", "windmill", "saxophone", "cauliflower", "trampoline", "hedgehog",
)  # fmt: skip
FRAME = ("Yesterday she bought a new", " and showed it to us.")
Word = tuple[str, list[int], list[int]]


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
    n = setting.size("words", course=14, machine=14, quick=5)
    words = setting.of_several_tokens(
        WORDS, ("Yesterday she bought a new", " and showed it to us.")
    )[:n]
    here, bare = (sight(model, words, setting.seed) for model in models)
    seen = setting.measure_items(lambda _: here, len(words), "words", draws=0, untrained=bare)
    claims = [
        seen.claim("L14.a", "both", how="relative change of the stream, 4 random replacements of "
                   "each token: the largest of any first token, the smallest of any last token")
    ]  # fmt: skip
    curves = {}
    sides: tuple[tuple[Side, str, str], ...] = (
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
    script_main(run)
