"""Every probe on tiny models: what it draws, its pairs, its further negative set, its refusals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_models import PROSE

import lens_probes as lp
from lens_probes.checks.hard_negatives import specificity
from lens_probes.checks.toy import toy_model
from lens_probes.model.load import LensModel
from lens_probes.probes import (
    CategoryProbe,
    ContextProbe,
    GrammarProbe,
    LabelledProbe,
    NegationProbe,
    ProperNounProbe,
    TokenLengthProbe,
)
from lens_probes.probes.again import probe_again
from lens_probes.probes.contrasts import bundled_contrast, load_contrast
from lens_probes.report.words.word_identity import verdict
from lens_probes.storage.json_values import to_json_value
from lens_probes.storage.schemas.sweep_result import check_origin
from lens_probes.texts.load import Document, Text, load_text, some_documents
from lens_probes.units.decision import preset_decision, resolve
from lens_probes.units.significance import max_test

pytestmark = pytest.mark.model

NAMES = "We saw Anna in Paris, and then Anna went to Rome. Long was the road. Then roads are dark. "
PLAIN = dict(context="sentence", min_per_word=1, max_per_class=None)


def text_of(*bodies: str) -> Text:
    return Text("made", tuple(Document(f"d{i}", f"s{i}", b) for i, b in enumerate(bodies)), "test")


def read_tokens(model: LensModel, examples: lp.Examples) -> list[str]:
    """What stands at the tokens that are read."""
    first = examples.position if examples.first is None else examples.first
    rows = zip(examples.tokens, first, examples.position, strict=True)
    return [model.tokenizer.decode(row[a : b + 1]).strip() for row, a, b in rows]


def test_lone_nouns_and_verbs_come_as_the_pairs_of_their_list(tiny_model: LensModel) -> None:
    examples = GrammarProbe.course().examples(tiny_model)
    assert examples.n_per_class == (100, 100)
    assert examples.read == "mean"
    assert examples.pair is not None
    assert examples.word is not None
    nouns = dict(zip(examples.pair[:100], examples.word[:100], strict=True))
    assert sorted(examples.pair[examples.label == 1]) == sorted(nouns) == list(range(100))
    assert read_tokens(tiny_model, examples) == examples.word.tolist()
    spaced = GrammarProbe(leading_space=True, bos=True).examples(tiny_model)
    bos = tiny_model.tokenizer.bos_token_id
    assert (spaced.tokens[:, 0] == bos).all()
    assert tiny_model.tokenizer.decode(spaced.tokens[0, 1 : spaced.position[0] + 1])[0] == " "
    others = GrammarProbe().others(tiny_model)
    assert others is not None
    assert len(others) == 90
    assert not set(others.word) & set(examples.word)


def test_words_of_other_sizes_have_no_pairs(tiny_model: LensModel) -> None:
    words = {"noun": ["river", "road", "cat"], "verb": ["go", "see"]}
    examples = GrammarProbe(words=words).examples(tiny_model)
    assert examples.pair is None
    assert examples.n_per_class == (3, 2)


def test_a_tagger_takes_types_that_are_one_part_of_speech(tiny_model: LensModel) -> None:
    pytest.importorskip("denckring_en_pos")
    text = text_of("The kitchen is old. They often explain the kitchen. Explain it. " * 8)
    probe = GrammarProbe(text, tagger="perceptron", context="sentence")
    examples = probe.examples(tiny_model)
    assert set(examples.word[examples.label == 0]) == {"kitchen"}
    assert "explain" in set(examples.word[examples.label == 1])
    others = probe.others(tiny_model)
    assert others is not None
    assert "often" in set(others.word)
    assert examples.origin["tagger_version"].startswith("denckring")


def test_names_are_capitals_inside_sentences(tiny_model: LensModel) -> None:
    probe = ProperNounProbe(text_of(NAMES * 4), **PLAIN)
    examples = probe.examples(tiny_model)
    assert set(examples.word[examples.label == 1]) == {"Anna", "Paris", "Rome"}
    others = set(examples.word[examples.label == 0])
    assert others == {
        "saw", "in", "and", "then", "went", "to", "was", "the", "road", "roads", "are", "dark",
    }  # fmt: skip
    hard = probe.others(tiny_model)
    assert hard is not None
    assert set(hard.word) == {"Then"}
    assert ProperNounProbe(text_of("and Anna and Anna " * 3), **PLAIN).others(tiny_model) is None


def test_a_common_noun_that_a_text_capitalises_is_no_name(tiny_model: LensModel) -> None:
    body = "Then the Congress met, and then the congress met, with Anna and Anna. " * 4
    examples = ProperNounProbe(text_of(body), **PLAIN).examples(tiny_model)
    assert set(examples.word[examples.label == 1]) == {"Anna"}
    assert "congress" not in set(examples.word)


def test_the_course_rule_looks_at_tokens(tiny_model: LensModel) -> None:
    body = "one two Anna. Then three Bob! Four five six"
    probe = ProperNounProbe.course(text_of(body), context="sentence", max_per_class=None)
    examples = probe.examples(tiny_model)
    capitals = [
        (piece[0], label)
        for piece, label in zip(read_tokens(tiny_model, examples), examples.label, strict=True)
        if piece[0].isupper()
    ]
    assert capitals == [("A", 1), ("T", 0), ("B", 1), ("F", 0)]


def test_sentences_of_the_lesson(tiny_model: LensModel) -> None:
    single = CategoryProbe.course().examples(tiny_model)
    assert single.n_per_class == (20, 20)
    assert len(set(single.document)) == 40
    assert read_tokens(tiny_model, single) == single.word.tolist()
    multi = CategoryProbe(sentences="multi").examples(tiny_model)
    assert len(set(multi.document)) == 20 < len(multi)
    frames = CategoryProbe().examples(tiny_model)
    assert frames.n_per_class == (170, 170)
    counts = np.unique(frames.word.astype(str), return_counts=True)[1]
    assert counts.min() == counts.max() == 10


def test_several_targets_of_a_sentence_share_a_pass(tiny_model: LensModel) -> None:
    multi = CategoryProbe(sentences="multi").examples(tiny_model)
    got = lp.collect(tiny_model, multi, sites=["mlp_pre", "k"])
    sentences = {tuple(row[row >= 0]) for row in multi.tokens}
    assert len(sentences) == 20
    longest = {
        row: max(
            p for r, p in zip(multi.tokens, multi.position, strict=True) if tuple(r[r >= 0]) == row
        )
        for row in sentences
    }
    assert got.tokens_computed == sum(longest.values()) + 20
    alone = [
        lp.collect(tiny_model, multi.select([i]), sites=["mlp_pre", "k"]) for i in range(len(multi))
    ]
    for key in got:
        each = np.concatenate([one[key] for one in alone])
        np.testing.assert_allclose(got[key], each, rtol=0, atol=2e-5 * np.abs(each).max())


def test_mean_over_a_words_tokens_is_the_mean_of_each(tiny_model: LensModel) -> None:
    probe = GrammarProbe(
        words={"noun": ["toothbrush", "cat"], "verb": ["explain", "go"]}, read="mean"
    )
    examples = probe.examples(tiny_model)
    spans = examples.spans
    assert spans.max() > spans.min()
    got = lp.collect(tiny_model, examples, sites=["mlp_pre"])[1, "mlp_pre"]
    for i in range(len(examples)):
        first, last = examples.first[i], examples.position[i]
        each = lp.Examples.from_tokens(
            np.tile(examples.tokens[i, : last + 1], (spans[i], 1)),
            np.arange(first, last + 1), np.arange(spans[i]) % 2,
        )  # fmt: skip
        alone = lp.collect(tiny_model, each, sites=["mlp_pre"])[1, "mlp_pre"]
        np.testing.assert_allclose(got[i], alone.mean(0), atol=1e-5)


def test_reads_at_the_first_token_when_asked(tiny_model: LensModel) -> None:
    words = {"noun": ["toothbrush", "river"], "verb": ["explain", "carry"]}
    last = GrammarProbe(words=words).examples(tiny_model)
    first = GrammarProbe(words=words, read="first").examples(tiny_model)
    np.testing.assert_array_equal(first.position, last.first)
    assert (last.position > first.position).any()


def test_document_mode_agrees_with_a_window_of_the_same_context(tiny_model: LensModel) -> None:
    shuffled = np.random.default_rng(0).permutation(PROSE.split() * 12)
    text = text_of(" ".join(shuffled))
    words = {"affirmation": ["can", "could", "will", "may"], "negation": ["not", "never", "cannot"]}
    options = dict(max_per_class=None, before=20, after=0)
    window = NegationProbe(text, words, **options).examples(tiny_model)
    document = NegationProbe(text, words, context="document", chunk=100, **options).examples(
        tiny_model
    )
    np.testing.assert_array_equal(document.offset, window.offset)
    assert (document.position >= 20).all()
    read = lp.collect(tiny_model, document, sites=["mlp_pre", "v"])
    rows = [r[: p + 1].tolist() for r, p in zip(document.tokens, document.position, strict=True)]
    same = lp.Examples.from_tokens(rows, -1, document.label)
    alone = lp.collect(tiny_model, same, sites=["mlp_pre", "v"], batch_size=1)
    for key in read:
        np.testing.assert_allclose(read[key], alone[key], atol=2e-5 * np.abs(alone[key]).max())
    windows = lp.collect(tiny_model, window, sites=["v"])
    assert windows.tokens_computed == 21 * len(window)
    assert read.tokens_computed < 0.6 * windows.tokens_computed


def test_token_length_is_the_characters_of_each_token(tiny_model: LensModel) -> None:
    text = text_of(PROSE * 30)
    examples = TokenLengthProbe(text, n_sequences=3, length=40).examples(tiny_model)
    assert examples.value is not None
    for row, at, length in zip(examples.tokens, examples.position, examples.value, strict=True):
        assert len(tiny_model.tokenizer.decode([row[at]]).strip()) == length
        assert at > 0
    np.testing.assert_array_equal(examples.label, examples.value > np.median(examples.value))
    assert (
        TokenLengthProbe.course(text, n_sequences=3, length=40).examples(tiny_model).position.min()
        == 0
    )
    ids = np.array(tiny_model.tokenizer(text.documents[0].text)["input_ids"])
    i = 7
    count = (ids == examples.tokens[i, examples.position[i]]).sum()
    assert examples.covariates is not None
    assert examples.covariates["log_count"][i] == pytest.approx(np.log(count + 1))
    with pytest.raises(lp.InputError, match="has 0 sequences of 40 tokens, 16 are needed"):
        TokenLengthProbe(text_of("short"), length=40).examples(tiny_model)


def test_a_continuous_sweep_has_r_in_place_of_classes(tiny_model: LensModel) -> None:
    probe = TokenLengthProbe(text_of(PROSE * 30), n_sequences=4, length=60)
    result = lp.sweep(tiny_model, probe, sites=["mlp_pre"], layers=[0, 2], n_permutations=200)
    examples = probe.examples(tiny_model)
    x = lp.collect(tiny_model, examples, sites=["mlp_pre"], layers=2)[2, "mlp_pre"]
    units = result.units[result.units["layer"] == 2]
    expected = np.corrcoef(x.T.astype(float), examples.value)[-1, :-1]
    np.testing.assert_allclose(units["r"], expected, atol=1e-9)
    np.testing.assert_allclose(units["sd"], x.std(0, ddof=1, dtype=float), rtol=1e-6)
    count = np.asarray(examples.covariates["log_count"])
    design = np.column_stack([np.ones(len(count)), count])
    rest = [
        v - design @ np.linalg.lstsq(design, v, rcond=None)[0] for v in (x[:, 5], examples.value)
    ]
    assert units["partial_r"].iloc[5] == pytest.approx(np.corrcoef(*rest)[0, 1], abs=1e-8)
    assert "auc" not in units
    confounds = result.validation["confounds"]
    assert "log_frequency" in confounds
    assert "n_characters" not in confounds, "the label is no confound of itself"
    assert result.provenance["decision"]["level"] == "word"
    assert result.top(1)["log10_r_p"].notna().all()
    course = lp.sweep(tiny_model, probe, sites=["mlp_pre"], layers=0, preset="course")
    assert course.provenance["decision"]["p_column"] == "r_p"


def test_a_leading_space_is_tested_within_pairs(tiny_model: LensModel) -> None:
    probe = ContextProbe("space", words=["river", "cat", "road", "dark", "sky", "hand", "sea"])
    examples = probe.examples(tiny_model)
    texts = [tiny_model.tokenizer.decode(r[r >= 0]) for r in examples.tokens]
    assert texts[7:] == [" " + word for word in texts[:7]]
    result = lp.sweep(tiny_model, probe, sites=["mlp_pre"], layers=1, untrained=False)
    assert result.provenance["decision"]["level"] == "pair"
    x = lp.collect(tiny_model, examples, sites=["mlp_pre"], layers=1)[1, "mlp_pre"].astype(float)
    same = np.mean([np.corrcoef(x[i], x[i + 7])[0, 1] for i in range(7)])
    assert result.layers["pair_similarity"].iloc[0] == pytest.approx(same)
    assert "paired_t" in result.units


def test_written_text_is_seeded_and_paired_with_its_tokens_alone(tiny_model: LensModel) -> None:
    probe = ContextProbe(n_tokens=20, prompt="We can go", bos=True)
    one, again = probe.examples(tiny_model), probe.examples(tiny_model)
    assert one.digest == again.digest
    assert (
        one.digest
        != ContextProbe(n_tokens=20, prompt="We can go", bos=True, seed=1)
        .examples(tiny_model)
        .digest
    )
    n = len(one) // 2
    read = one.tokens[np.arange(2 * n), one.position]
    np.testing.assert_array_equal(read[:n], read[n:])
    assert set(one.position[:n]) == {1}
    with pytest.raises(lp.InputError, match="this model takes 128 in all"):
        ContextProbe(n_tokens=200).examples(tiny_model)


def test_a_contrast_in_toml(tmp_path: Path, tiny_model: LensModel) -> None:
    path = tmp_path / "colours.toml"
    path.write_text(
        'name = "colours"\nframes = ["Write {word} here.", "They say {word}, and go."]\n'
        '[words]\nnumber = ["one", "seven"]\ncolour = ["red", "blue"]\n'
    )
    probe = CategoryProbe(path)
    assert probe.class_names == ("number", "colour")
    examples = probe.examples(tiny_model)
    assert examples.n_per_class == (4, 4)
    assert probe_again(examples.origin).examples(tiny_model).digest == examples.digest
    text = text_of("They said one, red and blue. One is seven. " * 3)
    assert CategoryProbe(path, text).examples(tiny_model).n_per_class == (9, 6)


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("words = 3", "must have a table .words. with two lists"),
        ('[words]\na = ["x"]', "must have a table .words. with two lists"),
        ('[words]\na = ["x"]\nb = ["x"]', "word 'x' is in both classes"),
        ('[words]\na = "x"\nb = ["y"]', "words of a must be a list"),
        ('[words]\na = []\nb = ["y"]', "words of a must be a list"),
        ('frame = ["x"]\n[words]\na = ["x"]\nb = ["y"]', "unknown key in .* 'frame'"),
        ('frames = ["x"]\n[words]\na = ["x"]\nb = ["y"]', "must hold {word} once"),
        ('sentences = [3]\n[words]\na = ["x"]\nb = ["y"]', "must be a list of sentences"),
        ("[words", "is not TOML"),
        ('name = 3\n[words]\na = ["x"]\nb = ["y"]', "must be text in quotes"),
    ],
)
def test_toml_refused(tmp_path: Path, toml: str, message: str) -> None:
    path = tmp_path / "own.toml"
    path.write_text(toml)
    with pytest.raises(lp.InputError, match=message):
        load_contrast(path)


def test_refusals(tiny_model: LensModel) -> None:
    for make, message in [
        (lambda: CategoryProbe("pets"), "unknown category 'pets': use one of dental_furniture"),
        (lambda: CategoryProbe("animals_tools", sentences="multi"), "has no multi sentences"),
        (
            lambda: CategoryProbe({"a": ["x"], "b": ["y"]}),
            "has no sentences or frames: give a text",
        ),
        (lambda: GrammarProbe(tagger="perceptron"), "a tagger needs a text"),
        (lambda: GrammarProbe(context="window"), "lone words have none"),
        (lambda: ContextProbe("tense"), "unknown change 'tense'"),
        (lambda: ProperNounProbe(text_of("a"), "nouns"), "unknown rule 'nouns'"),
        (lambda: TokenLengthProbe(text_of("a"), length=1), "length 2 or more"),
        (lambda: probe_again({}), "is no probe of this package"),
        (lambda: probe_again({"probe": "context"}, text="x"), "has no option 'text'"),
    ]:
        with pytest.raises(lp.InputError, match=message):
            make()


def test_random_words_are_split_by_the_seed() -> None:
    one, two = (bundled_contrast("random_words", seed=seed).words for seed in (0, 1))
    assert one != two
    assert sum(map(len, one.values())) == sum(map(len, two.values())) == 40


def test_some_documents_are_drawn_whole_and_in_order() -> None:
    text = text_of(*("word " * 20 for _ in range(10)))
    some = some_documents(text, 250, seed=0)
    assert [len(d.text) for d in some.documents].count(100) == 2
    names = [d.name for d in some.documents]
    assert names == sorted(names)
    assert len(names) == 3
    assert some_documents(text, None, 0) is text


def test_what_every_probe_says_of_itself_can_be_read_again(tiny_model: LensModel) -> None:
    pytest.importorskip("denckring_en_pos")
    rows = {"text": ["We go.", "I go.", "We see.", "I see."], "label": list("abab")}
    text = text_of(PROSE * 30)
    for probe in (
        NegationProbe(text, max_per_class=9, before=5, after=2),
        GrammarProbe(),
        GrammarProbe(text, tagger="perceptron", context="sentence"),
        ProperNounProbe(text_of(NAMES * 4), **PLAIN),
        CategoryProbe(),
        CategoryProbe("random_words"),
        TokenLengthProbe(text, n_sequences=2, length=20),
        LabelledProbe(rows),
        ContextProbe("space"),
        ContextProbe("context", n_tokens=20),
    ):
        saved = to_json_value(dict(probe.examples(tiny_model).origin))
        assert check_origin(saved) == saved


def test_a_saved_probe_can_be_made_again(tiny_model: LensModel, prose_file: Path) -> None:
    text = load_text(prose_file)
    words = {"affirmation": ["can", "will"], "negation": ["cannot", "never"]}
    rows = prose_file.with_suffix(".csv")
    rows.write_text("text,label\nWe go.,a\nI go.,b\nWe see.,a\nI see.,b\n")
    for probe in (
        NegationProbe(text, words, max_per_class=9, before=5, after=2),
        GrammarProbe.course(),
        CategoryProbe.course(),
        TokenLengthProbe(text, n_sequences=2, length=20),
        LabelledProbe(rows),
        ContextProbe("space"),
        ContextProbe("space", words=["river", "cat", "road"]),
        ContextProbe("context", n_tokens=20),
    ):
        examples = probe.examples(tiny_model)
        saved = to_json_value(dict(examples.origin))
        assert check_origin(saved) == saved, "what a saved result must hold to be read"
        assert probe_again(saved).examples(tiny_model).digest == examples.digest


def test_a_words_pairs_are_swapped_together() -> None:
    """Occurrences of a word share its activation alone: counted one by one they pass for tuned."""
    rng = np.random.default_rng(0)
    n_words, each, n_units, passed = 30, 3, 40, 0
    word = np.repeat([f"w{i}" for i in range(n_words)], each)
    pair = np.arange(len(word))
    tokens = rng.integers(1, 400, (2 * len(word), 3))
    tokens[:, -1] = np.tile(np.repeat(np.arange(n_words), each), 2)
    examples = lp.Examples.from_tokens(tokens, -1, np.repeat([0, 1], len(word)), [*word, *word])
    examples = replace(examples, pair=np.tile(pair, 2))
    decision, _ = resolve(preset_decision("rigorous", n_permutations=200), examples)
    assert decision.level == "pair"
    for _ in range(60):
        alone = np.repeat(rng.normal(size=(n_words, n_units)), each, axis=0)
        x = np.concatenate([alone, 0.1 * rng.normal(size=alone.shape)])
        p = max_test([x], examples, decision, np.zeros(n_units, np.int64)).p_family
        passed += bool((p <= 0.05).any())
    assert passed <= 8  # 60 x 0.05 = 3 expected


def test_a_planted_difference_within_pairs_is_found() -> None:
    rng = np.random.default_rng(1)
    word = [f"w{i}" for i in range(20)]
    tokens = rng.integers(1, 9, (40, 2))
    tokens[:, -1] = np.tile(np.arange(20), 2)
    examples = lp.Examples.from_tokens(tokens, -1, np.repeat([0, 1], 20), word * 2)
    examples = replace(examples, pair=np.tile(np.arange(20), 2))
    decision, _ = resolve(preset_decision("rigorous", n_permutations=500), examples)
    x = np.tile(rng.normal(size=(20, 30)), (2, 1)) + 0.5 * rng.normal(size=(40, 30))
    x[20:, 4] += 2
    p = max_test([x], examples, decision, np.zeros(30, np.int64)).p_family
    assert p[4] <= 0.05
    assert (np.delete(p, 4) > 0.05).all()


def test_a_missing_negative_set_is_a_note_not_the_end(tiny_model: LensModel) -> None:
    body = "We saw Anna in Paris and then Anna went to Rome. Then they saw Paris and Rome. " * 9
    probe = ProperNounProbe(text_of(body), context="sentence")
    result = lp.sweep(tiny_model, probe, sites=["v"], layers=0, untrained=False)
    assert "auc_others" in result.units or "no further negative set" in str(
        result.validation["notes"]
    )
    words = {"noun": ["road", "river"], "verb": ["go", "see"]}
    grammar = GrammarProbe(text_of("road go river see. " * 9), words, context="sentence")
    result = lp.sweep(tiny_model, grammar, sites=["v"], layers=0, untrained=False)
    assert any("no further negative set" in note for note in result.validation["notes"])


def test_specificity_is_the_auc_against_the_others(tiny_model: LensModel) -> None:
    probe = GrammarProbe(leading_space=True)
    result = lp.sweep(tiny_model, probe, sites=["mlp_pre"], layers=1, untrained=False)
    read = {
        name: lp.collect(tiny_model, made, sites=["mlp_pre"], layers=1)[1, "mlp_pre"]
        for name, made in (
            ("own", probe.examples(tiny_model)),
            ("others", probe.others(tiny_model)),
        )
    }
    label = probe.examples(tiny_model).label
    for unit in (0, 7, 50):
        row = result.units.iloc[unit]
        own = read["own"][label == (row["direction"] > 0), unit]
        above = own[:, None] > read["others"][:, unit][None]
        assert row["auc_others"] == pytest.approx(above.mean())


def test_hard_negatives_are_held_against_class_1() -> None:
    rng = np.random.default_rng(0)
    x, others = rng.normal(size=(40, 2)), rng.normal(size=(30, 2))
    y = np.repeat([0, 1], 20)
    x[y == 1] += [5, -5]
    direction = np.array([1.0, -1.0])
    np.testing.assert_allclose(specificity(x, others, y, direction, 0), 1, atol=0.01)
    neither = specificity(x, others, y, direction, None)
    assert neither[0] == pytest.approx(1, abs=0.01)
    assert abs(neither[1] - 0.5) < 0.2  # class 0 is the higher one and is like the others


def test_names_follow_titles_and_are_no_hard_negatives(tiny_model: LensModel) -> None:
    body = "He saw Mr. Brown and Dr. Long. Brown is a long road and they saw Mr. Brown. " * 4
    examples = ProperNounProbe(text_of(body), **PLAIN).examples(tiny_model)
    assert "Brown" in set(examples.word[examples.label == 1])
    hard = ProperNounProbe(text_of(body), **PLAIN).others(tiny_model)
    assert hard is None or "Brown" not in set(hard.word)


def test_no_token_is_drawn_twice(tiny_model: LensModel) -> None:
    probe = ProperNounProbe.course(
        text_of("a “b” — été, naïve “C” " * 20),
        **PLAIN | {"context": "window", "before": 3, "after": 0},
    )
    examples = probe.examples(tiny_model)
    assert len(set(examples.offset.tolist())) == len(examples)


def test_a_mean_over_more_tokens_than_the_window_has_before(tiny_model: LensModel) -> None:
    text = text_of("we quokka go and zebra go " * 8)
    words = {"affirmation": ["quokka"], "negation": ["zebra"]}
    options = dict(max_per_class=None, after=0, read="mean")
    wide, none = (
        NegationProbe(text, words, before=before, **options).examples(tiny_model)
        for before in (9, 0)
    )
    assert set(none.spans) <= set(wide.spans)
    assert read_tokens(tiny_model, none)[0] == "quokka"


def test_words_are_normalised_before_they_are_paired(tiny_model: LensModel) -> None:
    words = {"noun": ["River", "road", "road", "sea"], "verb": ["Go", "see", "carry"]}
    examples = GrammarProbe(words=words).examples(tiny_model)
    assert examples.pair is not None
    assert sorted(examples.pair) == [0, 0, 1, 1, 2, 2]


def test_lone_words_become_words_of_a_text_when_probed_again(tiny_model: LensModel) -> None:
    words = {"noun": ["road", "sea"], "verb": ["go", "see"]}
    origin = GrammarProbe(words=words).examples(tiny_model).origin
    again = probe_again(origin, text=text_of("go road see sea " * 60))
    examples = again.examples(tiny_model)
    assert examples.origin["context"] == "window"
    assert set(examples.position) == {90}


def test_a_text_that_has_changed_is_not_taken_for_the_same(
    tiny_model: LensModel, prose_file: Path
) -> None:
    probe = NegationProbe(load_text(prose_file), "course", max_per_class=5, before=2, after=0)
    origin = probe.examples(tiny_model).origin
    prose_file.write_text(prose_file.read_text() + "Not so. ")
    with pytest.raises(lp.InputError, match="is not what the first sweep read"):
        probe_again(origin, seed=1)


def test_a_tokenizer_that_ignores_spaces_is_refused(tiny_model: LensModel) -> None:
    class Blind:
        bos_token_id = None

        def __call__(self, text: str, **_: object) -> dict[str, list[int]]:
            return {"input_ids": [len(text.strip())]}

    blind = replace(tiny_model, tokenizer=Blind())
    with pytest.raises(lp.InputError, match="same tokens with and without a leading space"):
        ContextProbe("space", words=["a", "b"]).examples(blind)


def test_a_random_category_is_called_word_identity(tiny_model: LensModel) -> None:
    """Calibration of the verdict: any split of words of no category, whatever the family."""
    shown = "Verdict: more than word identity"
    not_shown = "Verdict: not shown to be more than word identity"
    called, found = {shown: 0, not_shown: 0}, 0
    for seed in range(5):
        probe = CategoryProbe("random_words", seed=seed)
        result = lp.sweep(
            tiny_model, probe, sites=["mlp_pre"], scope="layer", untrained=False, n_permutations=200
        )
        found += int(result.units["significant_token_level"].sum())
        for words in called:
            called[words] += verdict(result).startswith(words)
    assert found > 20
    assert called[not_shown] >= 3
    assert called[shown] <= 1


def test_a_real_category_is_more_than_word_identity() -> None:
    model = toy_model(0)
    word = np.repeat(np.arange(40), 6)
    tokens = np.random.default_rng(0).integers(40, 80, (len(word), 6))
    tokens[:, -1] = word
    examples = lp.Examples.from_tokens(tokens, -1, word < 20, [f"w{i}" for i in word])
    result = lp.sweep(model, examples, sites=["mlp_pre"], untrained=False)
    assert verdict(result).startswith("Verdict: more than word identity")
    # 4 v 4 groups can reach alpha (2 of 70 relabellings), but not half of it; 3 v 3 neither.
    few, fewer = (
        lp.sweep(
            model,
            examples.select(np.flatnonzero(np.isin(word % 20, range(n)))),
            sites=["mlp_pre"],
            untrained=False,
        )
        for n in (4, 3)
    )
    assert verdict(few).startswith("Verdict: undecided, 4 v 4 groups are too few to tell")
    assert fewer.provenance["decision"]["level"] == "token"
    assert "3 and 3 groups" in fewer.provenance["decision"]["why"]
    assert verdict(fewer) == ""


def test_a_result_keeps_plain_values_only(tiny_model: LensModel, tmp_path: Path) -> None:
    probe = ContextProbe("space", words=["river", "cat", "road", "dark", "sky"], seed=np.int64(3))
    result = lp.sweep(tiny_model, probe, sites=["v"], layers=0, untrained=False)
    assert lp.SweepResult.load(result.save(tmp_path / "run")).provenance == result.provenance
    examples = probe.examples(tiny_model)
    odd = replace(examples, origin={**examples.origin, "model": tiny_model})
    with pytest.raises(lp.InputError, match=r"origin\.model is a LensModel, which a result cannot"):
        lp.sweep(tiny_model, odd, sites=["v"], layers=0)
    with pytest.raises(lp.InputError, match="probe must be a Probe or Examples; got 'negation'"):
        lp.sweep(tiny_model, "negation", sites=["v"])  # type: ignore[arg-type]


@pytest.mark.model
def test_word_types_of_one_stem_are_one_group(tiny_model: LensModel) -> None:
    pytest.importorskip("snowballstemmer")
    words = {"noun": ["house", "houses", "table"], "verb": ["walk", "walked", "sing"]}
    text = text_of("house houses table walk walked sing " * 5)
    by_word, by_stem = (
        lp.GrammarProbe(text, words=words, before=0, after=0, read="mean", group_by=by).examples(
            tiny_model
        )
        for by in ("word", "stem")
    )
    assert by_word.group is not None
    assert by_stem.group is not None
    assert by_word.word is not None
    assert len(set(by_word.group)) == 6
    assert len(set(by_stem.group)) == 4
    group = dict(zip(by_word.word, by_stem.group, strict=True))
    assert group["house"] == group["houses"] != group["table"]
    assert group["walk"] == group["walked"] != group["sing"]


@pytest.mark.model
def test_the_lessons_draw_is_kept(tiny_model: LensModel) -> None:
    text = text_of("we can and can not go. " * 30)
    assert lp.NegationProbe(text).balance_sources
    probe = lp.NegationProbe.course(text, before=0, after=0)
    assert not probe.balance_sources
    assert not any("counterpart" in name for name in probe.examples(tiny_model).counts)
