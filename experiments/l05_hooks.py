"""L05: activations of tokens over units; the first token; prompts that share a prefix."""

from __future__ import annotations

import sys

import numpy as np
import plotly.graph_objects as go
import torch

from lens_probes.course import Doubt, Lesson, Measured, Outcome, Setting, script_main
from lens_probes.course.claim import Value
from lens_probes.course.drawings import points
from lens_probes.course.intervals import ERROR, halves, interval
from lens_probes.drawing.frame import frame
from lens_probes.residual import prefix_difference, token_correlations

LESSON = Lesson("L05", "Hooks and caches", "gpt2", ("L05.a", "L05.b"), (500, 500))
TEXTS = (
    "The quick brown fox jumps over the lazy dog and runs into the dark forest.",
    "Yesterday my sister sold her old bicycle to a student from another town.",
    "Water boils at a lower temperature on a mountain than it does at the sea.",
    "Nobody in the office could say who had left the window open all night.",
    "A good map shows the shape of the land, the rivers and the larger roads.",
    "When the concert ended, the audience stood in silence before they clapped.",
)
PROMPTS = ("The children walked to the old school", "The children walked to the river and swam")


def run(setting: Setting) -> Outcome:
    """Correlations in a middle layer for some texts; one pair of prompts over all layers."""
    model = setting.model
    tokenizer = model.tokenizer

    def ids(text: str) -> list[int]:
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])

    layer = setting.layer(6, of=12)
    found = [token_correlations(model, ids(text), layer, "mlp_pre") for text in TEXTS]
    bare = [token_correlations(setting.untrained, ids(t), layer, "mlp_pre") for t in TEXTS]
    rng = np.random.default_rng(setting.seed)
    picks = list(halves(len(TEXTS), 5 * setting.draws, rng))
    values = {}
    for name in ("first_with_others", "among_others"):
        each = np.array([getattr(one, name) for one in found])
        drawn = [float(each[k].mean()) for k in picks]
        value = float(each.mean())
        plain = float(np.mean([getattr(b, name) for b in bare]))
        values[name] = Value(value, *interval(drawn, value), untrained=plain)
    shared, shared_bare = (
        prefix_difference(m, ids(PROMPTS[0]), ids(PROMPTS[1])) for m in (model, setting.untrained)
    )
    parts = {
        "on_prefix": Value(shared.largest, untrained=shared_bare.largest),
        "after": Value(float(shared.after[-1].max()), untrained=float(shared_bare.after[-1].max())),
    }
    one = found[0]
    labels = [f"{k} {tokenizer.decode([i])}" for k, i in enumerate(ids(TEXTS[0]))]
    matrix = frame(
        go.Figure(go.Heatmap(z=one.r, x=labels, y=labels, zmin=-1, zmax=1, colorscale="RdBu_r")),
        f"Layer {layer}: the first token correlates at {one.first_with_others:.2f} with the others",
        "Token x token correlation over all MLP units.", height=460,
    )  # fmt: skip
    grads = torch.is_grad_enabled() and any(p.requires_grad for p in model.tl.parameters())
    mode = "eval" if not model.tl.training else "train"
    with torch.enable_grad():
        logits = model.tl(torch.tensor([ids(PROMPTS[0])], device=model.device))
    return Outcome(
        (
            Measured("L05.a", "both", values, f"{len(TEXTS)} texts", f"layer {layer}, MLP "
                     "pre-activations; position 0 is an attention sink in most models",
                     ERROR.format(n=len(picks)) + "the texts"),
            Measured("L05.b", "both", parts, f"{shared.n_shared} shared tokens, all layers",
                     f"relative; sites {', '.join(shared.sites)}; after: last layer"),
        ),
        {
            "correlations": matrix,
            "scatter": points(
                {
                    "first v second": (one.activations[0], one.activations[1]),
                    "third v fourth": (one.activations[2], one.activations[3]),
                },
                title="Two tokens over all units", x="one token", y="the other", caption=TEXTS[0],
            ),
        },
        (
            Doubt(
                "eval mode does not switch gradients off",
                f"model in {mode} mode, parameters that require a gradient: {grads}; logits of a "
                f"forward pass carry one: {bool(logits.requires_grad)}",
            ),
        ),
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(script_main(LESSON, run, __file__))
