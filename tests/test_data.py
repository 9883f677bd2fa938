"""Word lists and sentences: what the probes that read them take for granted."""

import re
import tomllib
from collections import Counter
from functools import cache
from importlib import resources
from itertools import chain
from typing import Any

import numpy as np
import pytest
from scipy.stats import mannwhitneyu
from wordfreq import zipf_frequency

FILES = [
    "grammar.toml",
    "categories.toml",
    "context.toml",
    "negation.toml",
    "agreement.toml",
    "polarity.toml",
]
FORMS = ["a", "an", "mass", "plural"]
COUNTABLE_ARTICLE = {"a": "a", "an": "an"}
LETTERS = re.compile(r"[a-z]+")
WORD = re.compile(r"[A-Za-z]+")


def raw(name: str) -> str:
    return resources.files("lens_probes").joinpath("data", name).read_text("utf-8")


grammar = tomllib.loads(raw("grammar.toml"))
categories = tomllib.loads(raw("categories.toml"))
context = tomllib.loads(raw("context.toml"))

frames: dict[str, list[str]] = categories["frames"]
dental_furniture: dict[str, Any] = categories["dental_furniture"]
singles: dict[str, list[str]] = dental_furniture["sentences_single"]
multi: list[str] = dental_furniture["sentences_multi"]
new_sentences: dict[str, dict[str, str]] = dental_furniture["new_sentences"]
random_words: list[str] = categories["random_words"]["a"]


def flat(by_form: dict[str, list[str]]) -> list[str]:
    return list(chain.from_iterable(by_form.values()))


def words_in(sentence: str) -> list[str]:
    return [word.lower() for word in WORD.findall(sentence)]


targets = {name: flat(forms) for name, forms in dental_furniture["targets"].items()}
ALL_TARGETS = targets["furniture"] + targets["dental"]
further = {name: flat(forms) for name, forms in dental_furniture["words"].items()}
# Every word of the two categories, and what a target would look like in the plural.
OF_A_CATEGORY = {*ALL_TARGETS, *chain.from_iterable(further.values())}
OF_A_CATEGORY |= {f"{word}s" for word in OF_A_CATEGORY} | {"bookshelves", "cavities", "tooth"}
SENTENCES = [
    *chain.from_iterable(singles.values()),
    *multi,
    *chain.from_iterable(by_word.values() for by_word in new_sentences.values()),
]


@pytest.mark.parametrize("name", FILES)
def test_only_plain_characters(name: str) -> None:
    assert raw(name).isascii()
    assert "\t" not in raw(name)
    assert all(len(line) <= 100 for line in raw(name).splitlines())


def test_files_hold_these_tables_and_no_others() -> None:
    assert {name: set(table) for name, table in grammar.items()} == {
        "course": {"noun", "verb"},
        "specificity": {"adjective", "adverb", "function"},
    }
    assert set(categories) == {"frames", "dental_furniture", "animals_tools", "random_words"}
    assert set(dental_furniture) == {
        "classes", "targets", "sentences_single", "sentences_multi", "words", "new_sentences",
    }  # fmt: skip
    assert set(categories["animals_tools"]) == {"classes", "words"}
    assert set(context) == {"prompt", "further_prompts"}


def test_grammar_words_are_counted_lower_case_and_in_one_class_only() -> None:
    classes = {**grammar["course"], **grammar["specificity"]}
    assert {name: len(words) for name, words in classes.items()} == {
        "noun": 100, "verb": 100, "adjective": 30, "adverb": 30, "function": 30,
    }  # fmt: skip
    every = flat(classes)
    assert [word for word, n in Counter(every).items() if n > 1] == []
    assert all(LETTERS.fullmatch(word) for word in every)
    # A plural, or a form that is of both classes (a building), would undo the contrast.
    assert not [n for n in grammar["course"]["noun"] if n.endswith("s") and n != "happiness"]
    inflected = [v for v in grammar["course"]["verb"] if v.endswith(("ing", "ed", "es"))]
    assert inflected == ["proceed"]


@pytest.mark.parametrize(
    ("measure", "auc_bound", "pair_bound"), [("zipf", 0.02, 0.15), ("length", 0.03, 1)]
)
def test_nouns_and_verbs_are_matched(measure: str, auc_bound: float, pair_bound: float) -> None:
    def of(words: list[str]) -> np.ndarray:
        measured = [zipf_frequency(w, "en") if measure == "zipf" else len(w) for w in words]
        return np.array(measured, dtype=float)

    noun, verb = of(grammar["course"]["noun"]), of(grammar["course"]["verb"])
    auc = mannwhitneyu(noun, verb).statistic / (len(noun) * len(verb))
    assert abs(auc - 0.5) < auc_bound
    assert np.abs(noun - verb).max() <= pair_bound + 1e-9  # place by place
    if measure == "zipf":
        assert min(noun.min(), verb.min()) > 3.9  # about 8 in a million words


@cache
def bundled_tokenizer() -> Any:
    from transformers import AutoTokenizer

    from lens_probes.model.gguf import bundled_gguf, converted_gguf

    return AutoTokenizer.from_pretrained(converted_gguf(bundled_gguf()), local_files_only=True)


def token_counts(words: list[str], *, space: bool = True) -> list[int]:
    given = [f" {word}" if space else word for word in words]
    return [len(ids) for ids in bundled_tokenizer()(given, add_special_tokens=False)["input_ids"]]


@pytest.mark.bundled
def test_token_counts_under_the_bundled_model_are_matched() -> None:
    every = [*flat(grammar["course"]), *flat(grammar["specificity"])]
    assert set(token_counts(every)) == {1}
    noun = np.array(token_counts(grammar["course"]["noun"], space=False))
    verb = np.array(token_counts(grammar["course"]["verb"], space=False))
    assert noun.tolist() == verb.tolist()  # place by place
    for contrast in ("dental_furniture", "animals_tools"):
        first, second = (flat(forms) for forms in categories[contrast]["words"].values())
        assert Counter(token_counts(first)) == Counter(token_counts(second))
    assert set(token_counts(random_words)) == {1}


def test_the_eight_targets_and_their_classes() -> None:
    assert dental_furniture["classes"] == ["furniture", "dental"]
    assert set(targets["furniture"]) == {"doorknob", "dishwasher", "cupboard", "bookshelf"}
    assert set(targets["dental"]) == {"toothpaste", "toothbrush", "floss", "mouthwash"}
    assert list(singles) == [
        *targets["furniture"],
        "toothpaste",
        "toothbrush",
        "floss",
        "mouthwash",
    ]


@pytest.mark.parametrize("word", singles)
def test_single_sentences_hold_their_target_once_and_nothing_of_the_categories(word: str) -> None:
    assert len(set(singles[word])) == 5
    places = []
    for sentence in singles[word]:
        found = words_in(sentence)
        assert [w for w in found if w in OF_A_CATEGORY] == [word], sentence
        assert re.findall(rf"\b{word}\b", sentence) == [word], sentence  # lower case, as it is read
        assert sentence.count(word) == 1
        places.append(found.index(word) / (len(found) - 1))
    assert min(places) < 0.34, places
    assert max(places) > 0.66, places
    assert any(0.15 < place < 0.75 for place in places), places


def test_targets_sit_at_like_places_in_both_classes() -> None:
    place = {
        name: np.array([words_in(s).index(w) for w in words for s in singles[w]])
        for name, words in targets.items()
    }
    assert len(place["furniture"]) == len(place["dental"]) == 20
    assert abs(place["furniture"].mean() - place["dental"].mean()) < 0.5  # words before the target


def test_sentences_with_several_targets() -> None:
    assert len(set(multi)) == 20
    held = [[w for w in words_in(sentence) if w in OF_A_CATEGORY] for sentence in multi]
    assert all(len(found) >= 2 and set(found) <= set(ALL_TARGETS) for found in held)
    assert all(len(found) == len(set(found)) for found in held)
    assert min(Counter(chain.from_iterable(held))[word] for word in ALL_TARGETS) >= 6
    mixed = [
        f for f in held if set(f) & set(targets["dental"]) and set(f) & set(targets["furniture"])
    ]
    assert len(mixed) == 17


def test_new_sentences_hold_one_new_word_each() -> None:
    forms = []
    for name, sentences in new_sentences.items():
        assert len(sentences) == 8
        assert set(sentences) <= set(further[name])
        for word, sentence in sentences.items():
            assert [w for w in words_in(sentence) if w in OF_A_CATEGORY] == [word]
            assert word in sentence
        by_form = dental_furniture["words"][name]
        forms.append(Counter(f for f in FORMS for w in by_form[f] if w in sentences))
    assert list(new_sentences) == dental_furniture["classes"]
    assert forms[0] == forms[1]


def test_sentences_are_all_different_and_spelled_with_known_words() -> None:
    assert len(set(SENTENCES)) == len(SENTENCES) == 40 + 20 + 16
    for sentence in [*SENTENCES, *flat(frames)]:
        assert re.fullmatch(r"[A-Z{][A-Za-z{}, ]*\.", sentence), sentence
        assert "  " not in sentence
        unknown = [w for w in words_in(sentence) if zipf_frequency(w, "en") < 1.5]
        assert unknown == [], sentence


def test_frames_are_the_same_sentences_in_every_form() -> None:
    assert list(frames) == FORMS
    assert {len(set(given)) for given in frames.values()} == {10}
    for form, given in frames.items():
        assert all(frame.count("{") == frame.count("{word}") == 1 for frame in given), form
    bare = {
        form: [re.sub(r"\ban? (?=\{word\})", "", frame) for frame in given]
        for form, given in frames.items()
    }
    assert bare["a"] == bare["an"] == bare["mass"]
    assert [frame.replace("were never", "was never") for frame in bare["plural"]] == bare["mass"]
    assert sum("were never" in frame for frame in frames["plural"]) == 1


@pytest.mark.parametrize("form", FORMS)
def test_frames_agree_with_the_form(form: str) -> None:
    before = Counter(re.findall(r"(\w+) \{word\}", frame)[0] for frame in frames[form])
    articles = {word: n for word, n in before.items() if word in ("a", "an")}
    assert articles == ({COUNTABLE_ARTICLE[form]: 9} if form in COUNTABLE_ARTICLE else {})
    assert before["The"] == 1
    in_frames = set(chain.from_iterable(words_in(f.replace("{word}", "")) for f in frames[form]))
    listed = {*OF_A_CATEGORY, *random_words, *flat(categories["animals_tools"]["words"]["animals"])}
    assert not in_frames & (listed | set(flat(categories["animals_tools"]["words"]["tools"])))


def test_words_are_listed_under_the_form_they_have() -> None:
    lists = [*dental_furniture["words"].values(), *dental_furniture["targets"].values()]
    lists += [*categories["animals_tools"]["words"].values(), categories["random_words"]]
    for by_form in lists:
        assert set(by_form) <= set(FORMS)
        # By letter, which is by sound here: no hour, no university.
        assert all(word[0] not in "aeiou" for word in by_form.get("a", []))
        assert all(word[0] in "aeiou" for word in by_form.get("an", []))
        assert all(word.endswith("s") or word == "teeth" for word in by_form.get("plural", []))
        assert not [w for w in by_form.get("mass", []) if re.search(r"[^s]s$", w)]


@pytest.mark.parametrize(("contrast", "n"), [("dental_furniture", 17), ("animals_tools", 16)])
def test_word_lists_of_a_contrast_are_balanced_and_disjoint(contrast: str, n: int) -> None:
    words = categories[contrast]["words"]
    assert list(words) == categories[contrast]["classes"]
    first, second = words.values()
    assert {form: len(ws) for form, ws in first.items()} == {f: len(ws) for f, ws in second.items()}
    every = [*flat(first), *flat(second)]
    assert len(every) == len(set(every)) == 2 * n
    assert all(LETTERS.fullmatch(word) for word in every)
    assert not set(every) & set(ALL_TARGETS)


def test_random_words_belong_to_neither_contrast() -> None:
    assert len(random_words) == len(set(random_words)) == 40
    assert all(LETTERS.fullmatch(word) for word in random_words)
    animals_tools = set(
        chain.from_iterable(map(flat, categories["animals_tools"]["words"].values()))
    )
    assert not set(random_words) & (OF_A_CATEGORY | animals_tools)


def test_prompts_end_in_the_middle_of_a_sentence() -> None:
    assert context["prompt"] == "I think the world could be better if"
    prompts = [context["prompt"], *context["further_prompts"]]
    assert len(set(prompts)) == 6
    assert all(re.fullmatch(r"[A-Z][a-zA-Z, ]*[a-z]", prompt) for prompt in prompts)
