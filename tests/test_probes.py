"""Every probe on tiny models: what it draws, its pairs, its further negative set, its refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_models import PROSE

import lens_probes as lp
from lens_probes.model import LensModel
from lens_probes.probes import (
    CategoryProbe,
    ContextProbe,
    GrammarProbe,
    NegationProbe,
    ProperNounProbe,
    TokenLengthProbe,
)
from lens_probes.probes.again import probe_again
from lens_probes.probes.contrasts import bundled_contrast, load_contrast
from lens_probes.texts import Document, Text, load_text, some_documents

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


def test_a_saved_probe_can_be_made_again(tiny_model: LensModel, prose_file: Path) -> None:
    text = load_text(prose_file)
    words = {"affirmation": ["can", "will"], "negation": ["cannot", "never"]}
    for probe in (
        NegationProbe(text, words, max_per_class=9, before=5, after=2),
        GrammarProbe.course(),
        CategoryProbe.course(),
        TokenLengthProbe(text, n_sequences=2, length=20),
        ContextProbe("space"),
    ):
        examples = probe.examples(tiny_model)
        assert probe_again(examples.origin).examples(tiny_model).digest == examples.digest
