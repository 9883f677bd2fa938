"""How a sweep was made, in words and short tables, from its provenance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from lens_probes.drawing.frame import isolate
from lens_probes.drawing.numbers import fixed, whole
from lens_probes.report.ranking import class_names, listed, several_classes, value_name
from lens_probes.result.result import SweepData
from lens_probes.stats.relabel import MANY

METHODS = {
    "max_t": "max-T permutation",
    "bonferroni": "Bonferroni",
    "holm": "Holm",
    "bh": "Benjamini–Hochberg",
    "by": "Benjamini–Yekutieli",
    "max_adjusted": "largest adjusted score, by draws over groups",
    "hierarchical": "Benjamini–Bogomolov, layers then units",
}
_TESTS = {
    "score_p": "score test of a one-predictor logistic regression (score_p)",
    "wald_p": "Wald test of a one-predictor logistic regression (wald_p)",
    "lrt_p": "likelihood-ratio test of a one-predictor logistic regression (lrt_p)",
    "firth_p": "Firth's penalised likelihood-ratio test (firth_p)",
    "t_p": "Student t test (t_p)",
    "welch_p": "Welch t test (welch_p)",
    "word_p": "Welch t test of the means of replication groups (word_p)",
    "pooled_p": "each unit's p by permutation of classes over replication groups (pooled_p)",
    "p_family": "permutation of classes over replication groups, largest normalised Welch t of the "
    "family (p_family)",
    "adjusted_p": "scores of replication groups given the confounds (adjusted_p)",
    "paired_p": "paired t test of a word in the two conditions (paired_p)",
    "r_p": "t test of the Pearson correlation (r_p)",
}
_TESTS_OF_VALUES = {
    "p_family": "permutation of values over replication groups, largest studentised slope of the "
    "family (p_family)",
    "word_p": "slope over the means of replication groups, HC3 standard error (word_p)",
}
_TESTS_OF_CLASSES = {
    "F_p": "one-way F test (F_p)",
    "score_p": "score test of a one-predictor multinomial regression (score_p)",
    "p_family": "permutation of classes over replication groups, largest normalised Welch F of the "
    "family (p_family)",
}
_DECISION = (
    "preset",
    "p_column",
    "method",
    "scope",
    "alpha",
    "level",
    "n_families",
    "m_smallest",
    "m_largest",
    "left_out",
    "n_words_tested",
    "families",
    "adjusted",
    "level_at_this_design",
    "n_set_aside",
    "why",
)
_PERMUTATION = ("n_permutations", "min_per_group", "seed")
_FAMILIES = {
    "layer": "units of one layer and site",
    "site": "units of one site over all layers",
    "model": "all units of the sweep",
}


def question(result: SweepData) -> str:
    """The question the probe asks, or one made from the class names."""
    examples = result.provenance["examples"]
    names = class_names(result)
    asked = examples.get("origin", {}).get("question")
    value = value_name(result)
    made = f"Which units tell {names[1]} from {names[0]}?"
    if several_classes(result):
        made = f"Which units tell {listed(names)} apart?"
    return str(asked or (made if value is None else f"Which units follow {value}?"))


def measured(result: SweepData) -> dict[str, object]:
    """What was read, from what, under which decision."""
    examples = result.provenance["examples"]
    origin, counts = examples.get("origin", {}), examples["n_per_class"]
    nothing = [0 for _ in counts]
    words = examples.get("n_words_per_class", nothing)
    groups = examples.get("n_groups_per_class", nothing)
    facts: dict[str, object] = {}
    value = value_name(result)
    if value is not None:
        facts["label"] = f"{value}: {_spread(result.examples['value'])}"
    kind = "class" if value is None else "group"
    for k, name in enumerate(examples["class_names"]):
        types = f", {whole(words[k])} word types" if words[k] else ""
        if groups[k]:
            tokens = examples["n_read_tokens_per_class"][k]
            read = f" read at {whole(tokens)} tokens" if tokens else ""
            types += f"{read}: {whole(groups[k])} replication groups"
        facts[f"{kind} {k}: {name}"] = f"{whole(counts[k])} examples{types}{_words(result, k)}"
    if not all(words):
        independent = "groups" if any(groups) else "examples"
        facts["words"] = f"not given, so {independent} count as independent of each other"
    sources = examples.get("n_sources")
    facts["sources (speakers, files)"] = whole(sources) if sources else "not given"
    if isinstance(text := origin.get("text"), Mapping):
        facts["text"] = f"{text.get('name')} ({text.get('from')})"
    elif "kind" in origin:
        facts["text"] = origin["kind"]
    if "context" in origin:
        facts["context"] = _context(origin)
    facts |= _where_units_come_from(result)
    facts["layers read"] = ", ".join(str(layer) for layer in result.provenance.get("layers", ()))
    facts["sites read"] = ", ".join(result.provenance.get("sites", ()))
    facts["units"] = f"{whole(len(result.units))}, of which {_statuses(result.units)}"
    return facts


def _where_units_come_from(result: SweepData) -> dict[str, object]:
    """The model that was read, or what the activations were given as."""
    model = result.provenance["model"]
    if model is None:
        return {"activations": result.provenance["activations"]["from"]}
    size = f"{model.get('n_layers')} layers, width {model.get('d_model')}"
    tested = _tested(model, result.provenance.get("sites", ()))
    return {"model": f"{model.get('source')}: {size}", **tested}


def _tested(model: Mapping[str, Any], sites: Sequence[str]) -> dict[str, object]:
    """How the sites that were read were tested at load, and which are not Hugging Face's."""
    proof, differs = model.get("proof", {}), model.get("weights", {}).get("differs_at", ())
    facts: dict[str, object] = {}
    kinds = dict.fromkeys(proof[site] for site in sites if site in proof)
    if kinds:
        facts["sites, tested when the model was loaded"] = "; ".join(
            f"{', '.join(site for site in sites if proof.get(site) == kind)}: {kind}"
            for kind in kinds
        )
    if other := [site for site in sites if site in differs]:
        facts["not as in the Hugging Face model"] = f"{', '.join(other)} (weights were processed)"
    return facts


def decided(result: SweepData) -> dict[str, object]:
    """Which p-value decides, corrected how, over what."""
    decision = result.provenance["decision"]
    low, high = decision.get("m_smallest"), decision.get("m_largest")
    size = whole(low) if low == high else f"{whole(low)} to {whole(high)}"
    facts = {
        "preset": decision["preset"],
        "test that decides": _test(result),
        "correction": METHODS.get(decision["method"], decision["method"]),
        "family (scope)": f"{_FAMILIES.get(decision['scope'], '')} (scope {decision['scope']})",
        "families": decision.get("n_families"),
        "tests in a family (m)": size,
        "alpha": f"{decision['alpha']:g}",
        "level": f"{decision.get('level', 'token')} (what the p-value counts)",
        "reason for this level": decision.get("why"),
        "replication groups tested": " v ".join(
            map(str, reversed(decision.get("n_words_tested", ())))
        ),
        "examples of groups with both classes, set aside": decision.get("n_set_aside") or None,
        "adjusted test: given": ", ".join((decision.get("adjusted") or {}).get("given", ())),
        "level of this test in this design (nominal alpha), simulated": _level(decision),
        "left out (no p-value)": decision.get("left_out"),
        "significant": f"{whole(int(result.units['significant'].sum()))} units",
    }
    facts = {name: value for name, value in facts.items() if value not in (None, "")}
    extra = {key: value for key, value in decision.items() if key not in _DECISION}
    if decision["method"] != "max_t" and decision["p_column"] != "pooled_p":
        extra = {key: value for key, value in extra.items() if key not in _PERMUTATION}
    return facts | {key.replace("_", " "): _value(key, value) for key, value in extra.items()}


def _level(decision: Mapping[str, Any]) -> str | None:
    """Simulated error of the deciding test, lowest to highest over kinds of null units."""
    found = decision.get("level_at_this_design")
    return None if found is None else f"{found[0]:.2f} to {found[1]:.2f}"


def _value(key: str, value: object) -> object:
    """As it is shown: a list, one number a family, by its ends; a count that stopped, so."""
    if key == "n_relabellings" and isinstance(value, int) and value >= MANY:
        return f"{value:.0e} or more"
    if not isinstance(value, list | tuple):
        return value
    known = [one for one in value if one is not None]
    ends = dict.fromkeys(fixed(end, 3) for end in (min(known), max(known))) if known else ("none",)
    return " to ".join(ends)


def _test(result: SweepData) -> str:
    p_column = str(result.provenance["decision"]["p_column"])
    if value_name(result) is not None and p_column in _TESTS_OF_VALUES:
        return _TESTS_OF_VALUES[p_column]
    if several_classes(result) and p_column in _TESTS_OF_CLASSES:
        return _TESTS_OF_CLASSES[p_column]
    return _TESTS.get(p_column, p_column)


def _spread(value: pd.Series) -> str:
    low, middle, high = (fixed(v, 2).removesuffix(".00") for v in value.quantile([0, 0.5, 1]))
    return f"from {low} to {high}, median {middle}"


def _words(result: SweepData, label: int, limit: int = 40) -> str:
    examples = result.examples
    if "word" not in examples:
        return ""
    counts: pd.Series[int] = examples.loc[examples["label"] == label, "word"].value_counts()
    if counts.empty:
        return ""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))
    shown = ", ".join(f"{isolate(word)} {n}" for word, n in ordered[:limit])
    return f": {shown}" + (f" and {len(ordered) - limit} more" if len(ordered) > limit else "")


def _context(origin: Mapping[str, Any]) -> str:
    bos = "with" if origin.get("bos") else "without"
    if origin["context"] == "window":
        return f"window: {origin.get('before')} tokens before the target, {bos} a BOS token"
    return f"{origin['context']}, {bos} a BOS token"


def _statuses(units: pd.DataFrame) -> str:
    counts = units["status"].value_counts()
    return ", ".join(
        f"{whole(counts[status])} {str(status).replace('_', ' ')}"
        for status in sorted(counts.index, key=lambda s: (-counts[s], str(s)))
    )
