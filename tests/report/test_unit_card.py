"""A card shows its unit's row, its examples and neighbours, and what was found out since."""

from dataclasses import dataclass

import numpy as np
import pytest
from continuous_result import RISES, make_continuous
from html_page import Page
from synthetic_result import CLASSES, PLANTED, SCRIPT, SEPARATED, with_checks

from lens_probes.errors import InputError
from lens_probes.report import UnitDetails, class_distributions
from lens_probes.report.html import CARDS, report_html, unit_cards
from lens_probes.report.unit_card import marked, unit_card


@dataclass(frozen=True)
class Context:
    kind: str
    value: float
    before: str
    token: str
    after: str
    source: str


DETAILS = UnitDetails(
    contexts=(
        Context("counter_example", -1.5, "a ", "not", " b", ""),
        Context("top", 8.25, "left ", SCRIPT, " right\r\n\nand", "file <1>"),
        Context("top", 7.0, "", "שלום", "", ""),
        Context("anywhere_top", 9.5, "x ", "y", " z", ""),
    ),
    anywhere="1,440 tokens of 16 windows",
    promoted=((" not", 0.25), ("\n", 0.125)),
    suppressed=((" yes", -0.5),),
    direct="Direct path only: what 1 of it adds.",
    replication=("On new words: the same sign.",),
    causal=(f"The loss rises {SCRIPT}.",),
)


def cells(table, column=0):
    return [row[column].unescape() for row in table.rows]


def test_statistics_are_the_row(result):
    card = unit_card(result, PLANTED)
    row = result.units.set_index("name").loc[PLANTED]
    statistics = dict(zip(cells(card.statistics), cells(card.statistics, 1), strict=True))
    assert statistics["AUC ± se"] == f"{row['auc']:.3f} ± {row['auc_se']:.3f}"
    interval = f"{row['hedges_g']:.2f} [{row['g_low']:.2f}, {row['g_high']:.2f}]"
    assert statistics["Hedges' g [95 %]"] == interval
    assert statistics["status"] == "ok"
    assert card.summary == f"higher for {CLASSES[1]}, g = {row['hedges_g']:.2f}, significant"


def test_examples_are_the_highest_the_lowest_and_those_on_the_wrong_side(result):
    table = unit_card(result, PLANTED).examples
    x, label = result.evidence[PLANTED], result.examples["label"]
    of = {}
    for row in table.rows:
        of.setdefault(str(row[0]), []).append(float(str(row[1]).replace("−", "-")))
    assert of["highest"] == pytest.approx(x.nlargest(3).tolist(), rel=5e-3)
    assert of["lowest"] == pytest.approx(x.nsmallest(3).tolist(), rel=5e-3)
    middle = x.groupby(label).mean().mean()
    wrong = np.where(label == 1, middle - x, x - middle)
    expected = x.iloc[np.argsort(-wrong, kind="stable")[:3]]
    assert of["counter-examples"] == pytest.approx(expected.tolist(), rel=5e-3, abs=5e-4)


def test_a_unit_that_separates_well_has_no_counter_examples(result):
    kinds = set(cells(unit_card(result, SEPARATED).examples))
    assert kinds == {"highest", "lowest", "75, 50 and 25 % quantile", "drawn at random"}


def test_neighbours_are_the_nearest_in_effect_and_the_most_alike(result):
    card = unit_card(result, PLANTED)
    g = result.units.set_index("name")["hedges_g"].dropna()
    nearest = (g.drop(PLANTED) - g[PLANTED]).abs().nsmallest(5).index
    assert cells(card.in_effect) == list(nearest)
    r = result.evidence.corr()[PLANTED].drop(PLANTED)
    assert cells(card.alike) == list(r.abs().sort_values(ascending=False).index)


def test_cards_are_made_for_the_best_and_for_those_with_details(result):
    names = [card.name for card, _ in unit_cards(result, {})]
    assert names == [SEPARATED, PLANTED, "L2.q.0", "L3.mlp_pre.2"]
    assert len(names) <= CARDS
    cards = unit_cards(result, {"L3.q.1": DETAILS})
    last, charts = cards[-1]
    assert last.name == "L3.q.1"
    assert last.examples is None
    assert charts == []


def test_details_are_text_in_the_page(result):
    source = report_html(with_checks(result), details={PLANTED: DETAILS})
    assert SCRIPT not in source
    page = Page(source)
    (card,) = (e for e in page.all("details") if e.attributes.get("id") == f"card-{PLANTED}")
    assert "left " + SCRIPT + " right↵↵and" in card.text
    assert "שלום" in card.text
    assert "On new words: the same sign." in card.text
    assert f"The loss rises {SCRIPT}." in card.text
    headings = [e.text for e in page.all("h4") if e.parent is card]
    assert headings == [
        "Replication", "Does the model use it?", "Examples in their text", "What else drives it",
    ]  # fmt: skip
    kinds = [e.text for e in page.all("h5") if e.parent is card]
    assert kinds == ["Highest", "Counter-examples", "Highest"]
    assert "Of 1,440 tokens of 16 windows, whatever their class." in card.text
    assert "Direct path only: what 1 of it adds." in card.text
    vocabulary = next(t for t in page.all("table") if "Direct effect" in t.text)
    rows = [[c.text for c in page.elements if c.parent is row] for row in page.all("tr")
            if row.parent.parent is vocabulary]  # fmt: skip
    assert rows[1:] == [["␣not", "0.250", "␣yes", "−0.500"], ["↵", "0.125", "–", "–"]]


def test_the_mark_is_on_the_token_and_not_on_the_space_before_it():
    shown = marked(Context("top", 1.0, " He said\n", " <not>", " & left", ""))
    assert shown == "He said↵ <mark>&lt;not&gt;</mark> &amp; left"
    assert marked(Context("top", 1.0, "a", "  ", "b", "")) == "a<mark>  </mark>b"


def test_cards_of_a_continuous_label():
    card = unit_card(make_continuous(), RISES)
    assert card.summary.startswith("rises with token length (characters), r = 0.")
    assert "token length (characters)" in [c.header for c in card.examples.columns]


def test_a_unit_without_activations_cannot_be_drawn(result):
    with pytest.raises(InputError, match="unit with kept activations"):
        class_distributions(result, unit="L3.q.1")
