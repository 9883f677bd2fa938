"""`lens-probes sweep PROBE`: one command for each probe."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Literal

from cyclopts import App

from lens_probes.cli.labelled import labelled
from lens_probes.cli.options import DrawOptions, ModelOptions, SweepOptions, check_at_least
from lens_probes.cli.running import command_line as command_line
from lens_probes.cli.running import run_sweep

if TYPE_CHECKING:
    from lens_probes.probes import Probe

sweep_app = App(
    name="sweep",
    help="Test every unit of some sites and layers for one contrast between two classes of tokens.",
)
sweep_app.command(labelled)


@sweep_app.command
def negation(
    *,
    text: str = "speeches",
    words: Literal["extended", "course"] | None = None,
    seed: int = 0,
    draw: DrawOptions | None = None,
    options: SweepOptions | None = None,
    model: ModelOptions | None = None,
) -> None:
    """Negations ("can't", "never", "nothing") against affirmations, in running text.

    Parameters
    ----------
    text
        Where to look: see `lens-probes texts`.
    words
        `extended`: pairs of a word affirmed and negated; `course`: the lesson's few words, "not"
        among them, and its rule. [default: extended; course in the course preset]
    seed
        Of the draw.
    """
    _sweep("negation", "NegationProbe", text, draw, options, model, words=words, seed=seed)


@sweep_app.command
def proper_noun(
    *,
    text: str = "speeches",
    rule: Literal["extended", "course"] | None = None,
    characters: int | None = None,
    seed: int = 0,
    draw: DrawOptions | None = None,
    options: SweepOptions | None = None,
    model: ModelOptions | None = None,
) -> None:
    """Proper nouns against other words, in running text.

    Common words that begin a sentence, and so have a capital, are a further negative set.

    Parameters
    ----------
    text
        Where to look: see `lens-probes texts`.
    rule
        `extended`: whole words that are capitalised inside sentences; `course`: the lesson's
        tokens. [default: extended; course in the course preset]
    characters
        Documents are drawn at random up to this many characters. [default: 2,000,000]
    seed
        Of the draw.
    """
    _sweep(
        "proper-noun", "ProperNounProbe", text, draw, options, model,
        rule=rule, characters=characters, seed=seed,
    )  # fmt: skip


@sweep_app.command
def grammar(
    *,
    text: str | None = None,
    tagger: Literal["spacy", "perceptron"] | None = None,
    classes: str | None = None,
    leading_space: bool | None = None,
    characters: int | None = None,
    seed: int = 0,
    draw: DrawOptions | None = None,
    options: SweepOptions | None = None,
    model: ModelOptions | None = None,
) -> None:
    """Verbs against nouns: 100 and 100 lone words, or in running text; or all parts of speech.

    Adjectives, adverbs and function words are a further negative set.

    Parameters
    ----------
    text
        Look for the words in a text. [default: lone words]
    tagger
        Tag every word of the text and take what is a noun or a verb there (optional extras).
    classes
        `pos`: each universal part of speech a class of its own, by the tagger in the text; or some
        of them: NOUN,VERB,ADJ. [default: nouns and verbs]
    leading_space
        Lone words with a space before them.
    characters
        Documents are drawn at random up to this many characters. [default: 400,000 for a tagger]
    seed
        Of the draw.
    """
    _sweep(
        "grammar", "GrammarProbe", text, draw, options, model,
        tagger=tagger, classes=_several(classes), leading_space=leading_space,
        characters=characters, seed=seed,
    )  # fmt: skip


@sweep_app.command
def category(
    *,
    words: str | None = None,
    text: str | None = None,
    sentences: Literal["frames", "single", "multi", "new"] | None = None,
    seed: int = 0,
    draw: DrawOptions | None = None,
    options: SweepOptions | None = None,
    model: ModelOptions | None = None,
) -> None:
    """The words of one category against those of another, in sentences or in running text.

    Parameters
    ----------
    words
        `dental_furniture`, `animals_tools`, `random_words` (a null), or your own: a TOML file
        with two lists under [words] and, if you like, frames or sentences.
        [default: dental_furniture]
    text
        Look for the words in a text. [default: the words' own sentences]
    sentences
        `frames`: every word in the same neutral sentences; `single`, `multi`: the lesson's eight
        words, one or several in a sentence; `new`: further words. [default: frames; single in the
        course preset]
    seed
        Of the draw, and of the split of random words.
    """
    _sweep(
        "category", "CategoryProbe", text, draw, options, model,
        words=words, sentences=sentences, seed=seed,
    )  # fmt: skip


@sweep_app.command
def token_length(
    *,
    text: str = "speeches",
    n_sequences: int | None = None,
    length: int | None = None,
    skip: int | None = None,
    seed: int = 0,
    options: SweepOptions | None = None,
    model: ModelOptions | None = None,
) -> None:
    """The length of a token in characters, a continuous label: correlations in place of classes.

    Parameters
    ----------
    text
        Where to take sequences from: see `lens-probes texts`.
    n_sequences
        Sequences, each read once. [default: 16]
    length
        Tokens in a sequence. [default: 512]
    skip
        Tokens at the start of a sequence that are left out. [default: 1; 0 in the course preset]
    seed
        Of the draw.
    """
    _sweep(
        "token-length", "TokenLengthProbe", text, None, options, model,
        n_sequences=n_sequences, length=length, skip=skip, seed=seed,
    )  # fmt: skip


@sweep_app.command
def context(
    *,
    change: Literal["context", "space"] = "context",
    prompt: str | None = None,
    n_tokens: int | None = None,
    bos: bool | None = None,
    seed: int = 0,
    options: SweepOptions | None = None,
    model: ModelOptions | None = None,
) -> None:
    """A token in its context against the same token alone, or with a space before it.

    Parameters
    ----------
    change
        `context`: tokens of a text that the model writes, in it and alone; `space`: 100 lone
        nouns with and without a leading space.
    prompt
        What the model continues.
    n_tokens
        Tokens to write. [default: 200]
    bos
        Put the BOS token first. [default: where the tokenizer does]
    seed
        Of the sampling.
    """
    _sweep(
        "context", "ContextProbe", None, None, options, model,
        change=change, prompt=prompt, n_tokens=n_tokens, bos=bos, seed=seed,
    )  # fmt: skip


def _sweep(
    name: str,
    kind: str,
    text: str | None,
    draw: DrawOptions | None,
    options: SweepOptions | None,
    model: ModelOptions | None,
    **given: Any,
) -> None:
    """Sweep for a probe made of the options that were given; the lesson's in the course preset."""
    options = options or SweepOptions()
    if draw is not None:
        given |= dataclasses.asdict(draw)
    check_at_least(0, seed=given["seed"])
    check_at_least(1, chunk=given.get("chunk"))
    given = {option: value for option, value in given.items() if value is not None}

    def make() -> Probe:
        from lens_probes import probes
        from lens_probes.texts.load import load_text

        if text is not None:
            given["text"] = load_text(text)
        made = getattr(probes, kind)
        probe: Probe = made.course(**given) if options.preset == "course" else made(**given)
        return probe

    run_sweep(name, make, options, model or ModelOptions())


def _several(classes: str | None) -> str | list[str] | None:
    """Names of classes: one as it is, several as a list."""
    return classes.split(",") if classes and "," in classes else classes
