"""What a paper says of a sweep: every number of it is the cell that it says it is."""

from __future__ import annotations

import re
from dataclasses import replace
from importlib import resources

import pytest
from continuous_result import make_continuous
from synthetic_result import CLASSES, SEPARATED, make_result, with_checks

from lens_probes.errors import InputError
from lens_probes.report.methods_section import MethodsSection
from lens_probes.report.traced import TracedNumbers, cell
from lens_probes.sweep_result import SweepResult


def full() -> SweepResult:
    """A rigorous result with all that a methods section may name."""
    result = with_checks(make_result())
    layers = result.layers.assign(untrained_n_significant=1, untrained_n_tested=12, control_auc=0.6)
    tuned = {"at_least": 7, "confidence": 0.95}
    units = result.units.assign(g_group_shrunk=0.5)
    return replace(
        result, layers=layers, units=units, validation={**result.validation, "tuned": tuned}
    )


RESULTS = {
    "full": full(),
    "tokens": make_result(),
    "course": make_result(preset="course"),
    "values": make_continuous(60, width=20),
}
# What is no number of the sweep: names, versions, layers, digests and keys of citations.
NAMES = (
    r"\[@\w+\]|TransformerLens [\d.]*|lens_probes [\d.]*|weights \w{12}|layers? [\d, -]+"
    r"|\w+_p\b|p_family"
)


@pytest.fixture(params=RESULTS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_every_number_is_traced_to_a_cell(name: str) -> None:
    result = RESULTS[name]
    methods = result.methods()
    said = re.sub(NAMES, " ", " ".join([methods.paragraph, *methods.card.values()]))
    for class_name in CLASSES:
        said = said.replace(class_name, " ")
    shown = sorted(re.findall(r"(?<![\w.])\d[\d,]*(?:\.\d+)?%?", said))
    assert shown == sorted(methods.numbers["written"])


def test_every_traced_number_is_the_value_of_its_cell(name: str) -> None:
    result = RESULTS[name]
    for row in result.methods().numbers.to_dict("records"):
        value = cell(result, row["place"])
        assert value == row["value"]
        scale = 100 if row["written"].endswith("%") else 1
        digits = len(row["written"].rstrip("%").partition(".")[2])
        written = float(row["written"].rstrip("%").replace(",", ""))
        assert written == pytest.approx(scale * value, abs=0.51 * 10**-digits)


def test_a_number_that_changes_changes_in_the_paragraph() -> None:
    result = RESULTS["full"]
    none = replace(result, units=result.units.assign(significant=False))
    assert "0 of 59 units were significant." in none.methods().paragraph
    assert "0 of 59" not in result.methods().paragraph


def test_sentences_have_at_most_two_numbers(name: str) -> None:
    methods = RESULTS[name].methods()
    for sentence in re.split(r"(?<=[.?])\s+(?=[A-Z\d])", methods.paragraph):
        assert len(re.findall(r"\d[\d,.]*", re.sub(NAMES, " ", sentence))) <= 2, sentence


def test_the_card_says_what_was_not_done() -> None:
    card = RESULTS["full"].methods().card
    assert list(card) == [
        "claimed", "causal", "strategy", "assumptions", "stressed", "not stressed",
        "would change the conclusion",
    ]  # fmt: skip
    assert card["causal"].startswith("No. ")
    assert "untrained weights" in card["stressed"]
    assert "intervention" in card["not stressed"]
    assert "intervention" not in card["stressed"]
    assert "Tokens are independent" in RESULTS["tokens"].methods().card["assumptions"]


def test_bibtex_has_what_is_cited_and_no_more(name: str) -> None:
    methods = RESULTS[name].methods()
    cited = set(re.findall(r"\[@(\w+)\]", methods.paragraph))
    assert set(re.findall(r"^@\w+\{(\w+),", methods.bibtex, re.M)) == cited
    assert all(text.count("{") == text.count("}") for text in methods.bibtex.split("\n\n"))
    assert cited <= set(re.findall(r"\\cite\{(\w+)\}", methods.latex()))


def test_every_reference_is_cited_by_some_method() -> None:
    source = resources.files("lens_probes.report").joinpath("references.bib").read_text("utf-8")
    known = set(re.findall(r"^@\w+\{(\w+),", source, re.M))
    result, said = RESULTS["full"], set()
    for method in ("max_t", "bh", "by", "holm", "hierarchical", "bonferroni", "max_adjusted"):
        decision = result.provenance["decision"] | {"method": method}
        changed = replace(result, provenance=result.provenance | {"decision": decision})
        said |= set(re.findall(r"\[@(\w+)\]", changed.methods().paragraph))
    assert said == known


def test_latex_escapes_what_is_a_command() -> None:
    latex = RESULTS["full"].methods().latex()
    assert r"plain \& <i>simple</i>" in latex
    assert r"mlp\_pre" in latex
    assert latex.count(r"\begin{tabular}") == latex.count(r"\end{tabular}") == 1
    assert isinstance(RESULTS["full"].methods(), MethodsSection)
    assert str(RESULTS["full"].methods()) == RESULTS["full"].methods().markdown()


def test_places_of_tables_and_of_what_is_not_there() -> None:
    result = RESULTS["tokens"]
    unit = result.units.set_index("name").loc[SEPARATED]
    assert cell(result, f"units / {SEPARATED} / auc") == unit["auc"]
    for place in ("units / L9.q.0 / auc", "layers / sum / none", "provenance / none", "tables / 0"):
        with pytest.raises(InputError, match="the result has no"):
            cell(result, place)
    assert TracedNumbers(result).table().empty
