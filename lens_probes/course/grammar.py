"""What L08 and L09 share: lone words, a passage with tagged tokens, attention sinks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lens_probes import stats
from lens_probes.course.claim import Measured, Side, Value
from lens_probes.course.setting import Setting
from lens_probes.course.spread import Key, Reading, Sample
from lens_probes.errors import InputError
from lens_probes.examples.examples import Examples
from lens_probes.examples.tokenised import tokenised
from lens_probes.model.load import LensModel
from lens_probes.probes import GrammarProbe
from lens_probes.residual import attention_sinks, stream, typical_norm
from lens_probes.texts.load import Document, Text
from lens_probes.texts.tagging import load_tagger
from lens_probes.units.paint import paint

PASSAGE = (
    "Randomness is the apparent lack of a pattern in events. A random sequence of symbols follows "
    "no order, and no rule predicts the next step. Single events cannot be foreseen, but when the "
    "events repeat many times, the frequency of each outcome often becomes known. A player who "
    "throws two dice does not know the result of a throw, yet the sum seven appears twice as often "
    "as the sum four. In this view randomness is a measure of uncertainty. It applies to chance, "
    "probability and the entropy of information. Physicists use the idea when they describe the "
    "motion of molecules in a gas. Statisticians draw samples at random so that every member of a "
    "population has the same chance. A computer that shuffles cards follows a fixed program, and "
    "its numbers only seem to lack order. Engineers test such numbers, because a secret that a "
    "program generates is worth little when a stranger guesses the method. Some writers believe "
    "that nature hides a cause behind every event; others hold that chance belongs to the world."
)


def lone_words(setting: Setting, layer: int, *, bos: bool = False) -> Reading:
    """100 nouns and 100 verbs, read alone as in the lesson.

    With `bos` they are read as a careful test would: with a leading space, at the last token,
    after a BOS token where the tokenizer has one.
    """
    probe = GrammarProbe.course()
    if bos:
        has_bos = setting.model.tokenizer.bos_token_id is not None
        probe = GrammarProbe(leading_space=True, bos=has_bos, read="last")
    return setting.reading(setting.examples(probe), ["mlp_pre"], [layer])


def tagged_tokens(
    model: LensModel,
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_], str]:
    """Ids of the passage, which of them end a noun, which a verb, and the tagger.

    Raises
    ------
    InputError
        The tagger is not installed.
    """
    tagger = load_tagger("perceptron")
    text = Text("passage", (Document("passage", "passage", PASSAGE),), "written for this project")
    (document,) = tokenised(text, model.tokenizer)
    n = min(len(document.ids), int(model.cfg.n_ctx))
    nouns, verbs = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
    ends = np.asarray(document.end_char[:n])
    for word in tagger(PASSAGE):
        at = int(np.searchsorted(ends, word.end))
        if at < n:
            nouns[at] |= word.pos in ("NOUN", "PROPN")
            verbs[at] |= word.pos in ("VERB", "AUX")
    return document.ids[:n].astype(np.int64), nouns, verbs, tagger.version


def marked(setting: Setting, reading: Reading, side: Side) -> Measured:
    """L09.b: AUC of the two extreme units, one for nouns and one for verbs, on the passage."""
    (key,) = reading.activations
    try:
        tokens, nouns, verbs, tagger = tagged_tokens(setting.model)
    except InputError as error:
        return Measured("L09.b", side, {}, "0 tokens", "a tagged passage", missing=str(error))
    rng = np.random.default_rng(setting.seed)
    found = {}
    for part, marks, sign in (("auc_noun", nouns, -1), ("auc_verb", verbs, 1)):
        label = marks[1:].astype(np.int64)
        values = [
            _extreme_unit(model, reading.sample(untrained=untrained), key, sign, tokens)
            for model, untrained in ((setting.model, False), (setting.untrained, True))
        ]
        auc = stats.auc(values[0], label)
        value, half = float(auc.auc[0]), 1.96 * float(auc.auc_se[0])
        null = [stats.auc(values[0], rng.permutation(label)).auc[0] for _ in range(setting.draws)]
        bare = float(stats.auc(values[1], label).auc[0])
        low, high = max(0.0, value - half), min(1.0, value + half)
        found[part] = Value(value, low, high, float(np.mean(null)), bare)
    return Measured(
        "L09.b", side, found,
        f"{int(nouns.sum())} nouns, {int(verbs.sum())} verbs of {len(tokens)} tokens",
        f"a passage on randomness of our own, tagged by {tagger}; position 0 left out",
        "DeLong, 95 %", "labels shuffled over tokens",
    )  # fmt: skip


def _extreme_unit(
    model: LensModel, sample: Sample, key: Key, sign: int, tokens: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Activations [token, 1] of the unit with the largest t in a direction, without position 0."""
    unit = int(np.nanargmax(sign * stats.ttest(sample.arrays[key], sample.label).t))
    (painted,) = paint(model, [tokens], layer=key[0], site=key[1], unit=unit)
    return np.array(painted.values)[1:, None]


def sinks_said(setting: Setting, examples: Examples) -> str:
    """How many lone words are read at an attention sink, by the norm of the stream."""
    ids = setting.model.tokenizer(PASSAGE, add_special_tokens=False)["input_ids"]
    usual = stream(setting.model, ids[: int(setting.model.cfg.n_ctx)])
    typical = typical_norm(np.linalg.norm(usual, axis=-1)[:, :, 1:])
    n = min(20, len(examples))
    at_sink = 0
    for row in range(n):
        states = stream(setting.model, examples.tokens[row, : examples.position[row] + 1])
        norm = np.linalg.norm(states, axis=-1)[:, :, :1]
        at_sink += bool(attention_sinks(norm, typical=typical))
    return f"first tokens of lone words that are attention sinks in some layer: {at_sink} of {n}"
