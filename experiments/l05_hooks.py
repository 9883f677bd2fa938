"""L05: activations of tokens over units; the first token; prompts that share a prefix."""

import numpy as np

import lens_probes as lp
from lens_probes.course import Found, Outcome, Setting, doubts, script_main
from lens_probes.course.drawings import matrix, points

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
    model, layer = setting.model, setting.layer(6, of=12)

    def ids(text: str) -> list[int]:
        return list(model.tokenizer(text, add_special_tokens=False)["input_ids"])

    found, bare = (
        [lp.residual.token_correlations(one, ids(text), layer, "mlp_pre") for text in TEXTS]
        for one in (model, setting.untrained)
    )

    def means(texts: list[lp.residual.TokenCorrelations], rows: np.ndarray) -> Found:
        names = ("first_with_others", "among_others")
        return {name: np.mean([getattr(texts[k], name) for k in rows]) for name in names}

    first = setting.measure_items(
        lambda rows: means(found, rows), len(TEXTS), "texts",
        untrained=means(bare, np.arange(len(TEXTS))),
    )  # fmt: skip
    shared, plain = (
        lp.residual.prefix_difference(one, ids(PROMPTS[0]), ids(PROMPTS[1]))
        for one in (model, setting.untrained)
    )
    here, untrained = (
        {"on_prefix": one.largest, "after": float(one.after[-1].max())} for one in (shared, plain)
    )
    prefix = setting.measure_items(
        lambda _: here, shared.n_shared, "shared tokens", draws=0, untrained=untrained
    )
    one = found[0]
    labels = [f"{k} {model.tokenizer.decode([i])}" for k, i in enumerate(ids(TEXTS[0]))]
    return Outcome(
        (
            first.claim("L05.a", "both", how=f"layer {layer}, MLP pre-activations; position 0 is "
                        "an attention sink in most models"),
            prefix.claim("L05.b", "both", how="all layers, relative; sites "
                         f"{', '.join(shared.sites)}; after: last layer"),
        ),
        {
            "correlations": matrix(
                one.r, labels, caption="Token x token correlation over all MLP units.",
                title=f"Layer {layer}: the first token correlates at {one.first_with_others:.2f} "
                "with the others",
            ),
            "scatter": points(
                {
                    "first v second": (one.activations[0], one.activations[1]),
                    "third v fourth": (one.activations[2], one.activations[3]),
                },
                title="Two tokens over all units", x="one token", y="the other", caption=TEXTS[0],
            ),
        },
        (doubts.evaluation_carries_gradients(model, ids(PROMPTS[0])),),
    )  # fmt: skip


if __name__ == "__main__":
    script_main(run)
