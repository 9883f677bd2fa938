"""Part-of-speech tags of the words of a text, by a tagger that is an optional extra.

A tagger reads the whole sentence, so the tag of a word also rests on the words after it, which a
causal model has not read when it reads that word ("flies" in "time flies", "the flies died").
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from lens_probes.errors import InputError, one_line, unknown

TaggerName = Literal["spacy", "perceptron"]

_PIPELINE = "en_core_web_sm"
_PIECE = 20_000  # characters; spaCy's parser took 0.3 GB here and 0.6 GB at 100,000, as fast
# The parser stays: English pipelines tell "have" the verb from "have" the auxiliary by its arcs.
_NOT_NEEDED = ("ner", "lemmatizer", "trainable_lemmatizer", "senter", "entity_linker", "textcat")
_NOT_WORDS = frozenset({"PUNCT", "SYM", "SPACE"})

_PARAGRAPH = re.compile(r"\n\s*\n")
_SENTENCE_END = re.compile(r"[.!?][\"')\]\u201d\u2019]*\s+|\n\s*\n")
_SPACE = re.compile(r"\s+")
_WORD = re.compile(r"\d+(?:[.,]\d+)+|(?:[^\W\d_]\.){2,}|[^\W_]+(?:['\u2019][^\W_]+)*")
_CLITIC = re.compile(r"(?i)(?:n['\u2019]t|['\u2019](?:s|m|d|re|ve|ll))$|(?<=^can)not$")


@dataclass(frozen=True)
class TaggedWord:
    """One word of a text: `text[start:end]`, in characters, and its part of speech.

    `pos` is a tag of Universal Dependencies: NOUN, PROPN, VERB, AUX, ADJ, ADV, PRON, DET, ADP,
    CCONJ, SCONJ, PART, NUM, INTJ or X (universaldependencies.org/u/pos). Punctuation, symbols and
    white space are no words. Contractions are two: "do" AUX and "n't" PART.
    """

    start: int
    end: int
    text: str
    pos: str


@dataclass(frozen=True)
class Tagger:
    """Tags a text of any length, piece by piece: `for word in tagger(text)`.

    `name` is the name it was loaded by; `version` says which package and model, for provenance.
    """

    name: str
    version: str
    tag_piece: Callable[[str], Iterable[TaggedWord]] = field(repr=False, compare=False)
    piece: int = field(default=_PIECE, repr=False)

    def __call__(self, text: str) -> Iterator[TaggedWord]:
        """Words of the text in order, with offsets into it as it was given.

        A text longer than `piece` characters is cut at a paragraph's end, else at a sentence's,
        else at white space, and inside a word only where `piece` characters hold no white space.
        """
        for first, piece in _cut(text, self.piece):
            for word in self.tag_piece(piece):
                yield TaggedWord(first + word.start, first + word.end, word.text, word.pos)


def load_tagger(name: TaggerName, *, pipeline: str | Path | None = None) -> Tagger:
    """Load a tagger.

    Parameters
    ----------
    name
        `"spacy"`: a spaCy pipeline, the more accurate one; its English models come from GitHub,
        not from PyPI. `"perceptron"`: the averaged perceptron of PyPI `denckring-en-pos` (trained
        on UD English-EWT; UPOS accuracy 0.934 on its test part without punctuation, by its
        authors), whose model is in the wheel as JSON.
    pipeline
        spaCy only: the name of an installed pipeline or the folder of a saved one;
        `"en_core_web_sm"` by default.

    Raises
    ------
    InputError
        A tagger or pipeline that is not installed, or a pipeline that gives no parts of speech.
    """
    if name == "spacy":
        return _spacy(_PIPELINE if pipeline is None else str(pipeline))
    if name != "perceptron":
        raise unknown("tagger", name, ("spacy", "perceptron"))
    if pipeline is not None:
        raise InputError(
            f"the perceptron tagger has no pipeline; got {str(pipeline)!r}: leave pipeline out, or "
            f"choose the tagger 'spacy'."
        )
    return _perceptron()


def _spacy(pipeline: str) -> Tagger:
    spacy = _import(
        "spacy",
        f"run `pip install spacy` and then `python -m spacy download {_PIPELINE}` (from GitHub), "
        f"or choose the tagger 'perceptron', which downloads no model",
    )
    try:
        nlp = spacy.load(pipeline, exclude=list(_NOT_NEEDED))
    except Exception as error:
        raise _no_pipeline(pipeline, error) from error
    meta = nlp.meta
    model = f"{meta.get('lang', '')}_{meta.get('name', '')} {meta.get('version', '')}"

    def tag_piece(piece: str) -> list[TaggedWord]:
        return _spacy_words(nlp, pipeline, piece)

    tag_piece("They walk.")
    return Tagger(
        "spacy", f"spacy {spacy.__version__}, {model}", tag_piece, min(_PIECE, nlp.max_length)
    )


def _spacy_words(nlp: Any, pipeline: str, piece: str) -> list[TaggedWord]:
    words = []
    for token in nlp(piece):
        if not token.pos_:
            raise InputError(
                f"spaCy's pipeline {pipeline!r} gives {token.text!r} no part of speech (it has "
                f"{', '.join(nlp.pipe_names) or 'no components'}): choose one with a tagger or "
                f"morphologizer, such as {_PIPELINE}."
            )
        # Pipelines give a few brackets and lone apostrophes the tag of a word.
        if token.pos_ not in _NOT_WORDS and any(map(str.isalnum, token.text)):
            words.append(TaggedWord(token.idx, token.idx + len(token), token.text, token.pos_))
    return words


def _no_pipeline(pipeline: str, error: Exception) -> InputError:
    """What to run: a name can be downloaded, a folder cannot."""
    if Path(pipeline).exists() or not pipeline.isidentifier():
        return InputError(
            f"spaCy cannot load a pipeline from {pipeline!r} ({one_line(error)}): give the folder "
            f"of a saved pipeline or the name of an installed one, such as {_PIPELINE}."
        )
    reason = "is not installed" if isinstance(error, OSError) else f"fails ({one_line(error)})"
    return InputError(
        f"spaCy's pipeline {pipeline!r} {reason}: run `python -m spacy download {pipeline}` (from "
        f"GitHub), or choose the tagger 'perceptron', which downloads no model."
    )


def _perceptron() -> Tagger:
    package = _import("denckring_en_pos", "run `pip install denckring-en-pos` (it needs no more)")
    model = package.tagger()

    def tag_piece(piece: str) -> Iterator[TaggedWord]:
        for spans in _sentences(piece):
            # Its training text writes the straight apostrophe.
            words = [piece[start:end].replace("\u2019", "'") for start, end in spans]
            for (start, end), tag in zip(spans, model.tag(words), strict=True):
                yield TaggedWord(start, end, piece[start:end], tag.partition("|")[0])

    return Tagger("perceptron", f"denckring-en-pos {package.__version__}", tag_piece)


def _import(module: str, advice: str) -> ModuleType:
    try:
        return import_module(module)
    except ImportError as error:
        raise InputError(f"cannot import the tagger ({one_line(error)}): {advice}.") from error


def _sentences(piece: str) -> Iterator[list[tuple[int, int]]]:
    """Words (first and past-last character) of each sentence, contractions apart as in UD."""
    ends = (match.end() for match in _SENTENCE_END.finditer(piece))
    for first, last in pairwise((0, *ends, len(piece))):
        spans = []
        for word in _WORD.finditer(piece, first, last):
            clitic = _CLITIC.search(word[0])
            cut = word.start() + clitic.start() if clitic else word.start()
            if cut > word.start():
                spans.append((word.start(), cut))
            spans.append((cut, word.end()))
        if spans:
            yield spans


def _cut(text: str, size: int) -> Iterator[tuple[int, str]]:
    """Pieces of at most `size` characters, each with its place in the text."""
    first = 0
    while len(text) - first > size:
        last = first + size
        for pattern in (_PARAGRAPH, _SENTENCE_END, _SPACE):
            ends = [match.end() for match in pattern.finditer(text, first, last)]
            if ends:
                last = ends[-1]
                break
        yield first, text[first:last]
        first = last
    if first < len(text):
        yield first, text[first:]
