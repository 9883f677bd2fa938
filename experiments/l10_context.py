"""L10: the same word with and without a leading space, the same token in context and alone."""

from dataclasses import replace

import lens_probes as lp
from lens_probes.checks.similarity import pair_similarity
from lens_probes.course import Data, Found, Numbers, Outcome, Setting, Side, script_main
from lens_probes.course.drawings import points


def similarity(data: Data) -> Found:
    """Mean r over units of the same word in both conditions, and of two different words."""
    assert data.examples.pair is not None
    r = pair_similarity(data.x, data.examples.label, data.examples.pair)
    return {
        "r": r.pair_similarity,
        "size": abs(r.pair_similarity),
        "r_other_words": r.other_pair_similarity,
    }


def measured(setting: Setting, data: Data) -> Numbers:
    """With two different words as the null of the same word."""
    found = setting.measure(similarity, data, draws=5 * setting.draws, null_draws=0)
    other = found["r_other_words"]
    null = {"r": other, "size": abs(other), "r_other_words": other}
    parts = {name: replace(value, null=null[name]) for name, value in found.parts.items()}
    said = {"null_is": "two different words", "null_in": "between two different words"}
    return replace(found, parts=parts, **said)


def run(setting: Setting) -> Outcome:
    """Both changes, as in the lesson and after a BOS token."""
    has_bos = setting.model.tokenizer.bos_token_id is not None
    layer = setting.layer(9, of=12)
    n = setting.size("generated tokens", course=200, machine=200, quick=40)
    claims, figures, first = [], {}, ""
    sides: tuple[Side, ...] = ("course", "rigorous")
    for side in sides:
        bos = side == "rigorous" and has_bos
        where = "after a BOS token" if bos else "no BOS token: lone tokens are at position 0"
        probes = (
            lp.ContextProbe(change="space", bos=bos, seed=setting.seed),
            lp.ContextProbe(change="context", n_tokens=n, bos=bos, seed=setting.seed),
        )
        space, context = (setting.read(probe, ["mlp_pre"], [layer]) for probe in probes)
        nouns, tokens = measured(setting, space), measured(setting, context)
        both = {
            "r_context": tokens.parts["r"], "r_space": nouns.parts["r"],
            "r_other_words": tokens.parts["r_other_words"],
            "size_context": tokens.parts["size"], "size_space": nouns.parts["size"],
        }  # fmt: skip
        claims += [
            nouns.claim("L10.a", side, "r", "r_other_words", n=f"{len(space) // 2} nouns",
                        how=f"layer {layer}, mean of each word's r over units; {where}"),
            replace(tokens, parts=both).claim(
                "L10.b", side, n=f"{len(context) // 2} generated tokens",
                how=f"layer {layer}, mean of each token's r; {where}"),
        ]  # fmt: skip
        means = [lp.stats.moments(data.x, data.examples.label) for data in (space, context)]
        figures[f"scatter_{side}"] = points(
            {
                "with v without space": (means[0].mean0, means[0].mean1),
                "alone v in context": (means[1].mean0, means[1].mean1),
            },
            title=f"r {nouns['r']:.3f} with and without a space, {tokens['r']:.3f} in context and "
            "alone", x="without space / alone", y="with space / in context",
            caption=f"Mean activation of each unit; {where}. Two different words: r "
            f"{nouns['r_other_words']:.3f}.",
        )  # fmt: skip
        first = first or setting.sinks_said(space)
    wrote = f"the model wrote {len(context) // 2} tokens of {n} before it ended its text"
    return Outcome(tuple(claims), figures, lines=(wrote, first))


if __name__ == "__main__":
    script_main(run)
