"""Taggers: offsets, contractions, pieces, what is said when one is missing, and accuracy."""

import dataclasses
import re
import sys
from types import SimpleNamespace

import pytest

from lens_probes.errors import InputError
from lens_probes.texts.tagging import TaggedWord, Tagger, load_tagger

# Written and tagged by hand for this test, most words in both classes: N noun, V verb, P proper
# noun, A auxiliary.
SAMPLE = """
The walks_N along the river_N were_A long. She walks_V home every evening_N.
They plan_V to visit_V the old port_N. The plan_N failed_V because nobody understood_V it.
I will_A report_V the loss_N to the board_N. The report_N shows_V a steady rise_N in trade_N.
Prices_N rise_V when supply_N falls_V. He has_A never asked_V for help_N.
We have_V a duty_N to help_V the poor. Farmers_N work_V hard, and their work_N feeds_V cities_N.
The nation_N needs_V new roads_N and bridges_N. Her needs_N changed_V after the war_N.
Congress_P passed_V the act_N in March_P. You must_A act_V now.
The light_N faded_V over the hills_N. Please light_V the lamp_N before dinner_N.
A sudden change_N surprised_V the guests_N. People_N change_V slowly.
The judge_N ruled_V against the company_N. Do_A not judge_V a book_N by its cover_N.
Snow_N covers_V the fields_N in winter_N.
They cover_V the costs_N of travel_N. His voice_N was_A calm and his hands_N shook_V.
She hands_V him the keys_N without a word_N. Our trust_N in the law_N remains_V strong.
I trust_V that the committee_N will_A agree_V. The remains_N of the temple_N lie_V near the road_N.
That was_A a lie_N, and everyone knew_V it. The state_N can_A not state_V its reasons_N.
He reasons_V like a lawyer_N. Washington_P wrote_V many letters_N to Jefferson_P.
Mary_P opened_V a can_N of soup_N. The rapid growth_N of industry_N created_V problems_N.
Running_V a farm_N takes_V patience_N. The broken window_N let_V cold air_N into the room_N.
Those who fought_V deserve_V our thanks_N. We thank_V the soldiers_N and their families_N.
What caused_V the fire_N at the mill_N? The manager_N fired_V two clerks_N on Friday_P.
Time_N flies_V, but flies_N do_A not keep_V time_N.
Children_N play_V in the street_N until the play_N begins_V.
The government_N promised_V to cut_V taxes_N. A deep cut_N on the arm_N bled_V for hours_N.
Nations_N that arm_V themselves fear_V attack_N.
"""
CLASSES = {"N": "NOUN", "V": "VERB", "P": "PROPN", "A": "AUX"}


def gold():
    """The sample's text and its marked words: first character -> part of speech."""
    text, marks = "", {}
    for part in re.split(r"(\w+_[NVPA]\b)", SAMPLE):
        word, _, mark = part.partition("_")
        if mark:
            marks[len(text)] = CLASSES[mark]
        text += word
    return text, marks


def recall_and_precision(tagger):
    """Of nouns and verbs together; a word with no mark in the sample is neither."""
    text, marks = gold()
    kinds = ("NOUN", "VERB")
    found = {word.start: word.pos for word in tagger(text) if word.pos in kinds}
    true = {start: pos for start, pos in marks.items() if pos in kinds}
    hits = sum(found.get(start) == pos for start, pos in true.items())
    return hits / len(true), hits / len(found)


def whitespace_tagger(piece):
    return Tagger(
        "words",
        "1",
        lambda text: (TaggedWord(m.start(), m.end(), m[0], "X") for m in re.finditer(r"\S+", text)),
        piece,
    )


@pytest.fixture
def perceptron(monkeypatch):
    """The perceptron tagger with a model that tags by one rule and keeps what it was given."""
    given = []

    def tag(words):
        given.append(list(words))
        return ["VERB|Fin" if word == "sank" else "X|-" for word in words]

    package = SimpleNamespace(tagger=lambda: SimpleNamespace(tag=tag), __version__="9.9")
    monkeypatch.setitem(sys.modules, "denckring_en_pos", package)
    return load_tagger("perceptron"), given


class FakeToken(str):
    """The part of a spaCy token that is read: text, idx, len() and pos_."""

    def __new__(cls, text, idx, pos):
        token = super().__new__(cls, text)
        token.text, token.idx, token.pos_ = text, idx, pos
        return token


class FakePipeline:
    """The part of a spaCy pipeline that is used; like spaCy's, it refuses a long text."""

    pipe_names = ("tok2vec", "tagger")
    meta: dict[str, str] = {"lang": "en", "name": "core_web_sm", "version": "3.8.0"}  # noqa: RUF012

    def __init__(self, max_length=1_000_000, tag="NOUN"):
        self.max_length, self.tag = max_length, tag

    def __call__(self, text):
        assert len(text) <= self.max_length, "[E088] text exceeds maximum"
        tags = {".": "PUNCT", "[": "X", "$": "SYM"}
        for match in re.finditer(r"\w+|\s+|[^\w\s]", text):
            pos = "SPACE" if match[0].isspace() else tags.get(match[0], self.tag)
            yield FakeToken(match[0], match.start(), pos)


def fake_spacy(monkeypatch, load):
    monkeypatch.setitem(sys.modules, "spacy", SimpleNamespace(load=load, __version__="3.8.1"))


def test_pieces_end_at_paragraphs_and_offsets_count_in_the_whole_text():
    paragraph = "one two three four. five six"
    text = "\n\n".join([paragraph] * 40) + "\n\n" + "word " * 60 + "\n \n" + "x" * 130
    seen = []
    tagger = whitespace_tagger(100)
    spy = dataclasses.replace(tagger, tag_piece=lambda t: seen.append(t) or tagger.tag_piece(t))
    words = list(spy(text))
    assert "".join(seen) == text
    assert max(map(len, seen)) <= 100
    assert all(piece.startswith("one") and piece.endswith("\n\n") for piece in seen[:13])
    whole = list(whitespace_tagger(10_000)(text))
    assert words[:-2] == whole[:-1]
    assert all(text[w.start : w.end] == w.text for w in words)
    assert [w.end - w.start for w in words[-2:]] == [100, 30]
    assert list(tagger("")) == []


def test_a_long_paragraph_is_cut_after_a_sentence():
    seen = []
    sentences = "Ships sail on. They do. " * 30
    tagger = Tagger("none", "1", lambda piece: seen.append(piece) or [], 50)
    assert list(tagger(sentences)) == []
    assert {piece[-2:] for piece in seen} == {". "}


def test_perceptron_gets_sentences_with_contractions_apart(perceptron):
    tagger, given = perceptron
    text = "  We can\u2019t go; it's 1960's 3,000.5 U.S. o'clock!\n\nThe (ship) cannot—sank. N't"
    words = list(tagger(text))
    assert given == [
        ["We", "ca", "n't", "go", "it", "'s", "1960", "'s", "3,000.5", "U.S."],
        ["o'clock"],
        ["The", "ship", "can", "not", "sank"],
        ["N't"],
    ]
    assert all(text[w.start : w.end] == w.text for w in words)
    assert [w.text for w in words[:3]] == ["We", "ca", "n\u2019t"]
    assert [w.text for w in words if w.pos == "VERB"] == ["sank"]
    assert (tagger.name, tagger.version) == ("perceptron", "denckring-en-pos 9.9")


def test_spacy_stub_keeps_the_parser_and_words_only(monkeypatch):
    asked = []
    fake_spacy(monkeypatch, lambda name, exclude: asked.append((name, exclude)) or FakePipeline(60))
    tagger = load_tagger("spacy")
    ((name, left_out),) = asked
    assert name == "en_core_web_sm"
    assert "ner" in left_out
    assert not {"parser", "tagger", "tok2vec", "attribute_ruler"} & set(left_out)
    text = "Ships [sail] for $ 5.\n\n" * 20
    words = list(tagger(text))
    assert [w.text for w in words] == ["Ships", "sail", "for", "5"] * 20
    assert all(text[w.start : w.end] == w.text for w in words)
    assert (tagger.name, tagger.version) == ("spacy", "spacy 3.8.1, en_core_web_sm 3.8.0")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"name": "spacey"}, "unknown tagger 'spacey': choose from spacy, perceptron. Did you"),
        ({"name": "perceptron", "pipeline": "en_core_web_sm"}, "has no pipeline; got 'en_core"),
        ({"name": "spacy"}, "`pip install spacy` and then `python -m spacy download en_core_web"),
        ({"name": "perceptron"}, "(.*): run `pip install denckring-en-pos`"),
    ],
)
def test_wrong_or_missing_tagger(monkeypatch, options, says):
    for module in ("spacy", "denckring_en_pos"):
        monkeypatch.setitem(sys.modules, module, None)  # the import then fails
    with pytest.raises(InputError, match=says) as raised:
        load_tagger(**options)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("pipeline", "error", "says"),
    [
        ("en_core_web_lg", OSError("[E050]"), "not installed: run `python -m spacy download en_c"),
        ("en_core_web_lg", ValueError("bad\nconfig"), r"fails \(bad config\): run `python -m"),
        ("./none", OSError("[E050] no model"), r"'./none' \(\[E050\] no model\): give the folder"),
    ],
)
def test_missing_pipeline(monkeypatch, pipeline, error, says):
    def load(name, exclude):
        raise error

    fake_spacy(monkeypatch, load)
    with pytest.raises(InputError, match=says) as raised:
        load_tagger("spacy", pipeline=pipeline)
    assert "\n" not in str(raised.value)


def test_pipeline_without_parts_of_speech(monkeypatch):
    fake_spacy(monkeypatch, lambda name, exclude: FakePipeline(tag=""))
    with pytest.raises(InputError, match=r"'They' no part of speech \(it has tok2vec, tagger\)"):
        load_tagger("spacy")


def test_real_spacy_pipeline_built_here(tmp_path):
    spacy = pytest.importorskip("spacy")
    example = pytest.importorskip("spacy.training").Example
    taught = [
        ("She walks home.", ["PRON", "VERB", "ADV", "PUNCT"]),
        ("The walks were long.", ["DET", "NOUN", "AUX", "ADJ", "PUNCT"]),
        ("They don't plan it.", ["PRON", "AUX", "PART", "VERB", "PRON", "PUNCT"]),
        ("The plan works.", ["DET", "NOUN", "VERB", "PUNCT"]),
    ]
    spacy.util.fix_random_seed(0)
    nlp = spacy.blank("en")
    nlp.to_disk(tmp_path / "untagged")
    nlp.add_pipe("morphologizer")
    examples = [example.from_dict(nlp.make_doc(text), {"pos": tags}) for text, tags in taught]
    nlp.initialize(lambda: examples)
    for _ in range(20):
        nlp.update(examples)
    nlp.to_disk(tmp_path / "taught")

    tagger = load_tagger("spacy", pipeline=tmp_path / "taught")
    for text, tags in taught:
        words = list(tagger(f"\n{text}"))
        assert [word.pos for word in words] == tags[:-1]
        assert [f"\n{text}"[word.start : word.end] for word in words] == [w.text for w in words]
    assert tagger.version.startswith(f"spacy {spacy.__version__}, en_pipeline 0.0.0")
    with pytest.raises(InputError, match=r"no part of speech \(it has no components\)"):
        load_tagger("spacy", pipeline=tmp_path / "untagged")
    with pytest.raises(InputError, match="'en_no_such' is not installed: run `python -m spacy do"):
        load_tagger("spacy", pipeline="en_no_such")
    with pytest.raises(InputError, match="give the folder of a saved pipeline"):
        load_tagger("spacy", pipeline=tmp_path / "nowhere")


def test_perceptron_finds_nouns_and_verbs_of_the_sample():
    pytest.importorskip("denckring_en_pos")
    recall, precision = recall_and_precision(load_tagger("perceptron"))
    assert recall > 0.88  # 0.914 and 0.927 with denckring-en-pos 0.6.0
    assert precision > 0.88


def test_installed_spacy_pipelines_find_nouns_and_verbs_of_the_sample():
    models = pytest.importorskip("spacy.util").get_installed_models()
    names = [name for name in models if name.startswith("en_")]
    if not names:
        pytest.skip("no English spaCy pipeline is installed")
    for name in names:
        recall, precision = recall_and_precision(load_tagger("spacy", pipeline=name))
        assert recall > 0.95, name  # 0.986 and 0.993 with en_core_web_sm 3.8.0
        assert precision > 0.95, name


def test_sample_cannot_be_tagged_without_context():
    """The best tag a word type could have, whatever its sentence, reaches less than the taggers."""
    text, marks = gold()
    types = {}
    for start, pos in marks.items():
        if pos in ("NOUN", "VERB"):
            word = re.compile(r"\w+").match(text, start)[0].lower()
            types.setdefault(word, []).append(pos)
    best = sum(max(map(tags.count, tags)) for tags in types.values())
    assert best / sum(map(len, types.values())) < 0.88
