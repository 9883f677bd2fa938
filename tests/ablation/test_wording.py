"""Each sentence of a card says what its columns hold, with two numbers at most."""

from __future__ import annotations

import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from lens_probes.ablation.verdict import UNDECIDED, UNUSED, USED
from lens_probes.ablation.wording import card_lines

WHY = "between 0.31 and 0.83 times what the median random one does. 2.7 times would have been seen"
SET = {
    "layer": 4, "site": "mlp_pre", "k": 21, "n_encoded": 18, "verdict": UNUSED, "why": WHY,
    "kl": 0.00123, "kl_swap": 0.00456, "loss_after": -0.0078, "loss_after_swap": 0.0091,
    "n_nulls": 101, "p_family": 0.234, "p_untrained": 0.342, "verdict_untrained": USED,
    "steered": "L4.mlp_pre.7", "steering_slope": 0.0343, "steering_p": 0.456,
}  # fmt: skip
BARE = {
    "layer": 5, "site": "k", "verdict": UNDECIDED, "why": "no direction", "n_nulls": 0,
    "kl_swap": np.nan, "loss_after": np.nan, "loss_after_swap": np.nan, "p_family": np.nan,
    "p_untrained": np.nan, "verdict_untrained": UNDECIDED, "steered": None,
}  # fmt: skip
OPTIONS = {"top": 21, "kind": "mean", "positions": "read", "alpha": 0.05}
EXAMPLES = {"class_names": ["no", "yes"], "n_chosen": 77, "n_measured": [24, 26],
            "apart": ["replication group", "passage"]}  # fmt: skip


def card(**options: object) -> SimpleNamespace:
    verdicts = [USED] * 7 + [UNUSED] * 3 + [UNDECIDED] * 2
    names = [f"L4.mlp_pre.{i}" for i in range(12)]
    units = pd.DataFrame({"layer": 4, "site": "mlp_pre", "name": names, "verdict": verdicts})
    said = {"options": OPTIONS | options, "examples": EXAMPLES, "notes": ["few swaps"]}
    return SimpleNamespace(
        verdict=UNDECIDED, why="L5.k: no direction", sets=pd.DataFrame([SET, SET | BARE]),
        units=units, provenance=said,
    )  # fmt: skip


def test_the_sentences_are_those_of_the_columns() -> None:
    assert card_lines(card()) == (
        "Does the model use these units? undecided: L5.k: no direction.",
        "The top 21 units of each layer and site, chosen on 77 examples, were set to their mean "
        "where they are read. It was measured in 26 windows of yes and 24 of no, which share no "
        "replication group or passage with those.",
        f"L4.mlp_pre: no more than a typical unit: {WHY}. 18 of its top 21 units encode the "
        "property. Without them the next-token distribution changes by 0.0012 nats, the same "
        "change in other directions by 0.0046. The loss after it changes by -0.0078 nats, the "
        "same change in other directions by +0.0091. Against 101 write swaps p = 0.23, corrected. "
        "The same of the untrained model: used (p = 0.34).",
        "L4.mlp_pre, its units one by one: 7 used (L4.mlp_pre.0, L4.mlp_pre.1, L4.mlp_pre.2, "
        "L4.mlp_pre.3, L4.mlp_pre.4, ...). 3 no more than a typical unit, 2 undecided.",
        "L5.k: undecided: no direction. 18 of its top 21 units encode the property. Without them "
        "the next-token distribution changes by 0.0012 nats. No token follows whose loss could "
        "change. The same of the untrained model: undecided.",
        "L5.k, its units one by one: 0 used. 0 no more than a typical unit, 0 undecided.",
        "Steering L4.mlp_pre.7 up by one standard deviation changes the log-odds of words of yes "
        "by +0.034 (p = 0.46 against random units).",
        "Notes: few swaps.",
    )


@pytest.mark.parametrize("column", sorted(set(SET) - {"layer", "site", "steered"}))
def test_every_column_is_said(column: str) -> None:
    before = card_lines(card())
    other = card()
    value = other.sets.loc[0, column]
    other.sets.loc[0, column] = f"{value} twice" if isinstance(value, str) else 3 * value
    assert card_lines(other) != before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"kind": "zero"}, "were set to zero where"),
        ({"kind": "resample"}, "were given another window's values where"),
        ({"positions": "all"}, "were set to their mean at every token."),
    ],
)
def test_what_was_done_is_said(options: dict[str, str], said: str) -> None:
    assert said in card_lines(card(**options))[1]
    assert said not in card_lines(card())[1]


def test_a_sentence_has_two_numbers_at_most() -> None:
    named = re.compile(r"L\d+\.\w+(\.\d+)?")
    for line in card_lines(card()):
        for sentence in re.split(r"(?<=[a-z)0-9])\. ", named.sub("unit", line)):
            assert len(re.findall(r"\d+(?:\.\d+)?", sentence)) <= 2, sentence
