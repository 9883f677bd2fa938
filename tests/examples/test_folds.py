"""Held-out folds: whole words, whole passages."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from word_examples import made_examples

from lens_probes.examples.folds import make_folds, passage_ids


def test_folds_hold_out_whole_words_and_whole_passages() -> None:
    examples = made_examples(source=np.array([f"s{i % 11}" for i in range(120)], dtype=object))
    folds = make_folds(examples)
    assert folds.main_name == "word"
    for fold, groups in ((folds.word, examples.word), (folds.passage, examples.source)):
        assert fold is not None
        for name in set(groups):
            assert len(set(fold[groups == name])) == 1
        for k in set(fold):
            assert set(examples.label[fold == k]) == {0, 1}
    # Two word types read at each token: they are one group, and held out together.
    tokens = examples.tokens.copy()
    read = tokens[:, -1] = examples.label + 2 * (np.arange(120) % 12 // 4)
    shared = make_folds(replace(examples, tokens=tokens)).word
    assert shared is not None
    for token in set(read.tolist()):
        assert len(set(examples.word[read == token])) == 2
        assert len(set(shared[read == token])) == 1
    two_words = replace(examples, word=np.array([f"w{i % 2}" for i in range(120)], dtype=object))
    folds = make_folds(two_words)
    assert folds.word is None
    assert folds.main_name == "passage"
    assert "no held-out scores by word" in folds.notes[0]


def test_passages_of_one_text_never_share_a_token() -> None:
    rng = np.random.default_rng(4)
    offset = np.sort(rng.choice(3000, 120, replace=False))
    examples = made_examples(
        document=np.array(["book"] * 120, dtype=object), offset=offset, source=None
    )
    ids = passage_ids(examples)
    assert ids is not None
    assert len(set(ids)) > 3
    for i in range(119):
        if offset[i + 1] - offset[i] < 6:
            assert ids[i] == ids[i + 1]
    assert passage_ids(made_examples(source=None)) is None
