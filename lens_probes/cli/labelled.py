"""`lens-probes sweep labelled FILE`: a table of the user's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lens_probes.cli.options import ModelOptions, SweepOptions
from lens_probes.cli.running import run_sweep

if TYPE_CHECKING:
    from lens_probes.probes import Probe


def labelled(
    file: Path,
    *,
    text: str | None = None,
    label: str | None = None,
    classes: str | None = None,
    start: str | None = None,
    end: str | None = None,
    target: str | None = None,
    word: str | None = None,
    group: str | None = None,
    pair: str | None = None,
    source: str | None = None,
    read: Literal["last", "first", "mean", "every"] = "last",
    context: Literal["text", "sentence", "window", "word"] = "text",
    before: int = 90,
    after: int = 10,
    bos: bool | None = None,
    options: SweepOptions | None = None,
    model: ModelOptions | None = None,
) -> None:
    """Texts of your own with a label each, from a CSV, JSON lines or parquet file.

    Different labels are classes, more numbers than two a continuous label. Options name columns; an
    empty name takes none.

    Parameters
    ----------
    file
        A table with a header (.csv, .tsv, .jsonl, .ndjson, .parquet), or .conll, .conllu.
    text
        Column of the text, or of lists of words with a list of labels, one a word.
        [default: text, sentence, words or tokens]
    label
        Column of the label. [default: label, class, sense, tag, labels or tags]
    classes
        Two labels or more, class 0 first: noun,verb. Rows of others are left out.
    start
        Column of the target's first character, counted from 0. [default: start]
    end
        Column of the character behind the target's last. [default: end]
    target
        Column of the target as a word that its text holds once; without any, the whole text is
        the target. [default: target, else word]
    word
        Column of the word type. [default: the target in lower case]
    group
        Column of what is independent of the rest, in place of word types. [default: group]
    pair
        Column of pairs, each once in both classes. [default: pair]
    source
        Column of the passage: a speaker, a book. [default: source]
    read
        Token of the target that is read; `mean`: over all of them; `every`: each is an example.
    context
        `text`: all of the text before the target; `sentence`: its sentence; `window`: the tokens
        before it; `word`: the target alone.
    before
        Tokens before the target with context `window`; targets with fewer are dropped.
    after
        Tokens behind the target with context `window`.
    bos
        Put the BOS token first. [default: where the tokenizer does]
    """
    options = options or SweepOptions()

    def make() -> Probe:
        from lens_probes.probes import LabelledProbe

        made = LabelledProbe.course if options.preset == "course" else LabelledProbe
        return made(
            file, text=text, label=label, target=target, start=start, end=end, word=word,
            group=group, pair=pair, source=source, read=read, context=context, before=before,
            after=after, bos=bos, classes=None if classes is None else classes.split(","),
        )  # fmt: skip

    run_sweep("labelled", make, options, model or ModelOptions())
