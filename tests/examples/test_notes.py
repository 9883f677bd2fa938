"""What a sweep says of its windows: control tokens, copies, padding, one token read by all."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import lens_probes as lp
from lens_probes.examples.folds import make_folds

pytestmark = pytest.mark.model


def notes_of(model: lp.LensModel, examples: lp.Examples) -> list[str]:
    result = lp.sweep(model, examples, sites=["q"], layers=0, untrained=False, n_permutations=20)
    return list(result.validation["notes"])


def test_control_tokens_written_in_a_corpus_are_counted_and_named(
    tiny_model: lp.LensModel,
) -> None:
    plain = "We can go there but she can not, and I can. "
    body = "We can go there.<|endoftext|> She can not, and I can. "

    def said(text: str) -> list[str]:
        made = lp.Text("t", (lp.Document("d", "d", text * 6),), "made")
        probe = lp.CategoryProbe(
            words={"yes": ["can", "go"], "no": ["not"]}, text=made, context="window", before=6,
            after=0, max_per_class=None,
        )  # fmt: skip
        examples = probe.examples(tiny_model)
        n = sum(
            0 in row[1 : end + 1]
            for row, end in zip(examples.tokens, examples.position, strict=True)
        )
        assert bool(n) == ("<|endoftext|>" in text)
        notes = [note for note in notes_of(tiny_model, examples) if "control tokens" in note]
        if n:
            assert notes == [
                f"{n} of {len(examples)} windows hold control tokens behind their first token, "
                "which the model does not read as text: <|endoftext|>"
            ]
        return notes

    assert said(body)
    assert not said(plain)


@pytest.mark.parametrize("side", ["right", "left"])
def test_padded_rows_are_refused_and_an_appended_end_token_is_said(
    tiny_model: lp.LensModel, side: str
) -> None:
    rows = [[5 + i, 20 + i, 40 + i, 60 + i][: 2 + i % 3] for i in range(12)]
    label = [0, 1] * 6
    pad = 0
    full = [
        row + [pad] * (4 - len(row)) if side == "right" else [pad] * (4 - len(row)) + row
        for row in rows
    ]
    tokenizer = tiny_model.tokenizer
    before = tokenizer.pad_token
    tokenizer.pad_token = tokenizer.eos_token
    try:
        with pytest.raises(lp.InputError, match=r"padding token '<\|endoftext\|>', as \d+ of 12"):
            lp.sweep(tiny_model, lp.Examples.from_tokens(full, -1, label), sites=["q"], layers=0)
        assert notes_of(tiny_model, lp.Examples.from_tokens(rows, -1, label))
    finally:
        tokenizer.pad_token = before
    ended = lp.Examples.from_tokens([[*row, 0] for row in rows], -1, label)
    assert any(
        "all 12 examples are read at the same token, '<|endoftext|>', a control token: was it "
        "appended" in note
        for note in notes_of(tiny_model, ended)
    )


def test_copies_of_rows_without_words_are_held_out_together_and_said(
    tiny_model: lp.LensModel,
) -> None:
    rng = np.random.default_rng(0)
    once = rng.integers(3, 390, (40, 6))
    label = rng.permutation(np.arange(40) % 2)
    tokens, labels = np.tile(once, (4, 1)), np.tile(label, 4)
    # Four copies of a row under two sources: 20 sources are 10 passages.
    source = [f"s{2 * (i % 40 % 10) + i // 40 % 2}" for i in range(160)]
    copies = lp.Examples.from_tokens(tokens, -1, labels, source=source)
    assert copies.group is None
    fold = make_folds(copies).main
    assert fold is not None
    assert len(set(fold.tolist())) > 1
    for window in set(copies.windows):
        assert len(set(fold[copies.windows == window])) == 1
    said = [note for note in notes_of(tiny_model, copies) if "distinct windows" in note]
    assert said == [
        "160 examples are 40 distinct windows: copies of a window are held out together, and a "
        "test at token level counts each of them (with own_group=examples.windows they count once)"
    ]
    once = dataclasses.replace(copies, own_group=copies.windows)
    result = lp.sweep(tiny_model, once, sites=["q"], layers=0, untrained=False, n_permutations=20)
    assert result.provenance["decision"]["level"] == "word"
    assert result.provenance["decision"]["n_words_tested"] == [20, 20]
    alone = copies.select(np.arange(40))
    assert not [note for note in notes_of(tiny_model, alone) if "distinct windows" in note]
