"""Every claim's rule on numbers where it must come out true, partly true, and false."""

from __future__ import annotations

import re

import pytest

from lens_probes.course import CLAIMS, LESSONS, Claim, Measured, Value, decide

NAN = float("nan")
# claim: numbers of a world in which the course is right, and of one in which it is wrong.
WORLDS: dict[str, tuple[dict[str, float], dict[str, float]]] = {
    "L02.a": ({"orders": 3.1}, {"orders": -0.2}),
    "L02.b": ({"median_rise": -0.05, "share_rising": 0}, {"median_rise": 0.9, "share_rising": 1}),
    "L02.c": ({"best_cosine": 0.17}, {"best_cosine": 0.8}),
    "L03.a": ({"top_share": 0.49}, {"top_share": 0.05}),
    "L03.b": (
        {"share_scattered": 0.6, "median_top_share": 0.15},
        {"share_scattered": 0, "median_top_share": 0.7},
    ),
    "L04.a": ({"share_distinct": 0.96, "cosine": 0.02}, {"share_distinct": 0.1, "cosine": 0.99}),
    "L05.a": (
        {"first_with_others": 0.1, "among_others": 0.6},
        {"first_with_others": 0.7, "among_others": 0.6},
    ),
    "L05.b": ({"on_prefix": 1e-6, "after": 0.4}, {"on_prefix": 0.5, "after": 0.001}),
    "L06.a": ({"error": 1e-7}, {"error": 0.1}),
    "L06.b": (
        {"r_masked": 0.98, "r_masked_lowest": 0.93},
        {"r_masked": 0.3, "r_masked_lowest": 0.1},
    ),
    "L07.a": (
        {"penultimate": 0, "last": 3, "normed": 1e-6},
        {"penultimate": 0.3, "last": 0, "normed": 0.2},
    ),
    "L08.a": (
        {"share_offset": 0.8, "share_negative": 0.9},
        {"share_offset": 0.2, "share_negative": 0.3},
    ),
    "L09.a": (
        {"share": 0.03, "share_noun": 0.02, "share_verb": 0.01},
        {"share": 0.4, "share_noun": 0, "share_verb": 0},
    ),
    "L09.b": ({"auc_noun": 0.85, "auc_verb": 0.8}, {"auc_noun": 0.5, "auc_verb": 0.4}),
    "L10.a": ({"r": 0.99, "r_other_words": 0.6}, {"r": 0.6, "r_other_words": 0.6}),
    "L10.b": (
        {"size_context": 0.4, "size_space": 0.99},
        {"size_context": 0.97, "size_space": 0.99},
    ),
    "L12.a": ({"shift": -0.06}, {"shift": 0.5}),
    "L12.b": (
        {"share_negative": 0.7, "median_size": 0.05},
        {"share_negative": 0.3, "median_size": 0.4},
    ),
    "L12.c": ({"median_first": 0.04}, {"median_first": -0.04}),
    "L12.d": (
        {"sd_last": 0.05, "sd_middle": 0.1, "size_last": 0.02, "size_middle": 0.06},
        {"sd_last": 0.2, "sd_middle": 0.1, "size_last": 0.1, "size_middle": 0.06},
    ),
    "L13.a": ({"bimodal_larger": 0.7, "bimodal": 0.4}, {"bimodal_larger": 0.3, "bimodal": 0.6}),
    "L14.a": ({"first_sees": 0, "last_sees": 0.3}, {"first_sees": 0.2, "last_sees": 0}),
    "L14.b": (
        {"peak_depth": 0.5, "middle": 3, "outer": 1},
        {"peak_depth": 0.95, "middle": 1, "outer": 3},
    ),
    "L15.a": (
        {"share": 0.07, "last": 0.03, "before": 0.08},
        {"share": 0.4, "last": 0.5, "before": 0.3},
    ),
    "L15.b": ({"share_positive": 0.52}, {"share_positive": 0.9}),
    "L16.a": ({"order_positive": 1, "order_negative": 1},
              {"order_positive": 0.8, "order_negative": 0.7}),
    "L16.b": ({"r": 0.85, "sign_agreement": 0.97}, {"r": 0.1, "sign_agreement": 0.5}),
    "L18.a": (
        {"r_beta_t": 0.99, "r_log_p": 0.98, "unstable": 1},
        {"r_beta_t": 0.3, "r_log_p": 0.2, "unstable": 0},
    ),
    "L18.b": ({"difference": 1e-14}, {"difference": 0.1}),
    "L18.c": ({"difference": 1e-14}, {"difference": 0.1}),
    "L19.a": ({"share": 0.4, "rank_correlation": 0.9}, {"share": 0.001, "rank_correlation": 0.1}),
    "L19.b": ({"auc_second": 0.9, "sign_agreement": 0.99},
              {"auc_second": 0.5, "sign_agreement": 0.5}),
    "L21.a": ({"best": 0.85}, {"best": 0.55}),
    "L21.b": ({"rank": 37}, {"rank": 1}),
    "L22.a": ({"auc": 0.8}, {"auc": 0.5}),
    "L22.b": ({"early": 0.7, "late": 0.25}, {"early": 0.1, "late": 0.9}),
    "L22.c": ({"low_layers": 0.77, "highest": 0.65}, {"low_layers": 0.55, "highest": 0.9}),
    "L23.a": ({"early": 0.7, "late": 0.25}, {"early": 0.1, "late": 0.9}),
    "L23.b": ({"low_layers": 0.75, "highest": 0.55}, {"low_layers": 0.55, "highest": 0.9}),
    "L23.c": ({"least_share": 0.2, "ratio": 1.5}, {"least_share": 0, "ratio": 1.0}),
}  # fmt: skip
# Where no mixture of the two worlds fulfils one condition and not the other.
PARTLY = {
    "L05.a": {"first_with_others": 0.2, "among_others": 0.1},
    "L10.a": {"r": 0.8, "r_other_words": 0.6},
    "L10.b": {"size_context": 0.75, "size_space": 0.8},
}


def measured(claim: str, parts: dict[str, float], **more: dict[str, float]) -> Measured:
    values = {
        name: Value(value, **{column: more[column][name] for column in more})
        for name, value in parts.items()
    }
    return Measured(claim, "both", values, "n", "how")


def verdict(claim: Claim, parts: dict[str, float]) -> str:
    return str(decide(claim, measured(claim.id, parts), claim.model))


def test_every_claim_has_a_world_and_a_lesson() -> None:
    assert list(WORLDS) == list(CLAIMS)
    assert len(CLAIMS) == 40
    assert {claim.lesson for claim in CLAIMS.values()} <= set(LESSONS)
    assert len(LESSONS) == 23


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=list(CLAIMS))
def test_a_rule_is_true_where_the_course_is_right(claim: Claim) -> None:
    right, _ = WORLDS[claim.id]
    assert set(claim.reads) == set(right)
    assert verdict(claim, right) == ("true of any model" if claim.identity else "reproduced")


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=list(CLAIMS))
def test_a_rule_is_false_where_the_course_is_wrong(claim: Claim) -> None:
    _, wrong = WORLDS[claim.id]
    assert verdict(claim, wrong) == "contradicted"


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=list(CLAIMS))
def test_a_rule_is_partly_true_where_one_condition_fails(claim: Claim) -> None:
    right, wrong = WORLDS[claim.id]
    mixed = [right | {name: wrong[name] for name in list(right)[:k]} for k in range(1, len(right))]
    words = {verdict(claim, parts) for parts in [*mixed, PARTLY.get(claim.id, wrong)]}
    if len(claim.rule) > 1 and len(right) > 1:
        assert "partly" in words
    assert words <= {"reproduced", "true of any model", "partly", "contradicted"}


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=list(CLAIMS))
def test_a_number_that_does_not_exist_reproduces_nothing(claim: Claim) -> None:
    right, _ = WORLDS[claim.id]
    assert verdict(claim, dict.fromkeys(right, NAN)) == "not testable here"
    with pytest.raises(KeyError):
        decide(claim, measured(claim.id, {}), claim.model)


def test_numbers_of_the_course_stand_in_the_claims() -> None:
    said = " ".join(claim.statement + claim.number for claim in CLAIMS.values())
    for number in ("70 %", "25 %", "75-80 %", "65 %", "48 of 50", "0.17", "0.99", "5-10 %"):
        assert number in said
    assert not re.search(r"\bTODO\b", said)


def test_the_model_is_named_where_it_is_not_the_courses() -> None:
    claim = CLAIMS["L22.b"]
    right, wrong = WORLDS["L22.b"]
    assert str(decide(claim, measured(claim.id, right), "bundled")) == "on bundled: reproduced"
    assert str(decide(claim, measured(claim.id, wrong), "GPT2-large")) == "contradicted"
    hub = decide(claim, measured(claim.id, right), "openai-community/gpt2-large")
    assert str(hub) == "reproduced"
    folder = decide(claim, measured(claim.id, right), "models/gpt2-large")
    assert str(folder) == "on models/gpt2-large: reproduced"
    simulated = decide(CLAIMS["L18.b"], measured("L18.b", {"difference": 0}), "bundled")
    assert str(simulated) == "true of any model"


def test_identities_are_marked_and_give_their_reason() -> None:
    marked = [one.id for one in CLAIMS.values() if one.identity]
    assert marked == ["L05.b", "L06.a", "L07.a", "L18.b", "L18.c"]
    right, wrong = WORLDS["L06.a"]
    found = decide(CLAIMS["L06.a"], measured("L06.a", right), "bundled")
    assert (found.word, found.said) == ("reproduced", "true of any model")
    assert found.why == CLAIMS["L06.a"].identity
    broken = decide(CLAIMS["L06.a"], measured("L06.a", wrong), "bundled")
    assert broken.said == "contradicted", "then the code is wrong"


def test_a_named_unit_cannot_be_tested_on_another_model() -> None:
    claim = CLAIMS["L03.a"]
    elsewhere = decide(claim, measured(claim.id, {"top_share": 0.9}), "bundled")
    assert str(elsewhere) == "on bundled: not testable here"
    assert "a named unit of EleutherAI/gpt-neo-125M" in elsewhere.why
    there = decide(claim, measured(claim.id, {"top_share": 0.9}), "gpt-neo-125M")
    assert str(there) == "reproduced"
    assert [one.id for one in CLAIMS.values() if one.needs] == ["L03.a"]


def test_missing_data_is_said() -> None:
    given = Measured("L09.b", "course", {}, "0", "how", missing="no tagger")
    found = decide(CLAIMS["L09.b"], given, "bundled")
    assert (found.word, found.why) == ("not testable here", "no tagger")


def test_the_rule_is_also_applied_to_the_null_and_the_untrained_model() -> None:
    right, wrong = WORLDS["L22.b"]
    given = measured("L22.b", right, untrained=right, null=wrong)
    found = decide(CLAIMS["L22.b"], given, "bundled")
    assert (found.word, found.untrained, found.null) == ("reproduced", "reproduced", "contradicted")
    unknown = decide(CLAIMS["L22.b"], measured("L22.b", right), "bundled")
    assert (unknown.untrained, unknown.null) == ("", "")
