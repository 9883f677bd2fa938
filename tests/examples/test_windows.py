"""Windows begin as the texts do that a model was trained on, and the result says so."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers.processors import TemplateProcessing

import lens_probes as lp
from lens_probes.examples.windows import starts_with_bos

pytestmark = pytest.mark.model
BODY = "We can see it, but they cannot. He will not go, and she will. They can not stay. " * 12


def text() -> lp.Text:
    return lp.Text("t", (lp.Document("d", "s", BODY),), "made")


@pytest.fixture(scope="module")
def starts(tiny_folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> lp.LensModel:
    """A model whose tokenizer puts its BOS token before every text."""
    folder = tmp_path_factory.mktemp("starts") / "m"
    shutil.copytree(tiny_folders["gpt2"], folder)
    model = lp.load_model(folder)
    add_bos(model.tokenizer)
    return model


def add_bos(tokenizer: Any) -> None:
    name = tokenizer.bos_token
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{name} $A", special_tokens=[(name, tokenizer.bos_token_id)]
    )


def probe(**options: Any) -> lp.NegationProbe:
    return lp.NegationProbe(text(), before=3, after=0, max_per_class=20, **options)


def test_the_tokenizers_habit_is_the_default(
    tiny_model: lp.LensModel, starts: lp.LensModel
) -> None:
    assert not starts_with_bos(tiny_model.tokenizer)
    assert starts_with_bos(starts.tokenizer)
    bos = starts.tokenizer.bos_token_id
    for model, usual in ((tiny_model, False), (starts, True)):
        for asked, expected in ((None, usual), (True, True), (False, False)):
            made = probe(bos=asked).examples(model)
            assert (made.tokens[:, 0] == bos).all() == expected
            assert made.origin["bos"] is expected
        made = lp.ContextProbe(words=["red", "green", "two"], change="space").examples(model)
        assert made.origin["bos"] is usual
    assert lp.NegationProbe.course(text()).bos is False


def test_it_is_said(starts: lp.LensModel) -> None:
    for asked, line in (
        (None, "windows begin with the BOS token '<|endoftext|>', as this tokenizer does"),
        (False, "windows begin without the BOS token '<|endoftext|>', which this tokenizer puts"),
    ):
        found = lp.sweep(starts, probe(bos=asked), sites=["q"], layers=0, untrained=False,
                         n_permutations=19)  # fmt: skip
        assert any(line in note for note in found.validation["notes"]), found.validation["notes"]
        assert found.provenance["examples"]["origin"]["bos"] is (asked is None)


def test_a_tokenizer_without_bos_works(starts: lp.LensModel) -> None:
    name, starts.tokenizer.bos_token = starts.tokenizer.bos_token, None
    try:
        made = probe().examples(starts)
        assert made.origin["bos"] is False
        np.testing.assert_array_equal(made.tokens, probe(bos=False).examples(starts).tokens)
        with pytest.raises(lp.InputError, match="no BOS token: leave bos out"):
            probe(bos=True).examples(starts)
    finally:
        starts.tokenizer.bos_token = name
