"""What a paper says of a sweep: a methods paragraph, a disclosure card, references."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

import pandas as pd

from lens_probes.drawing.numbers import fixed
from lens_probes.report.checks import checks_made
from lens_probes.report.disclosure import disclosure
from lens_probes.report.latex import escaped
from lens_probes.report.methods import METHODS, question
from lens_probes.report.ranking import class_names, listed
from lens_probes.report.screen_map import saved_screen
from lens_probes.report.since import saved_card, saved_replication
from lens_probes.report.traced import TracedNumbers
from lens_probes.result.result import SweepData

_DECIDES = {
    "max_t": ("westfall1993",), "bh": ("benjamini1995",), "by": ("benjamini2001",),
    "holm": ("holm1979",), "hierarchical": ("benjamini2014",), "max_adjusted": ("westfall1993",),
}  # fmt: skip


@dataclass(frozen=True)
class MethodsSection:
    """A sweep as a paper tells it.

    Attributes
    ----------
    paragraph
        Sentences with [@key] where a method is cited.
    card
        Disclosure: what was claimed, causal or not, by what strategy, under which assumptions,
        what was stressed and what was not, what would change the conclusion.
    bibtex
        The works that the paragraph cites.
    numbers
        DataFrame written, place, value: every number of paragraph and card, and the cell it is.
    """

    paragraph: str
    card: Mapping[str, str]
    bibtex: str
    numbers: pd.DataFrame

    def markdown(self) -> str:
        """Paragraph and card, citations as [@key] (Pandoc)."""
        rows = "".join(f"| {name} | {said} |\n" for name, said in self.card.items())
        return f"{self.paragraph}\n\n| disclosure | |\n|---|---|\n{rows}"

    def latex(self) -> str:
        r"""Paragraph and card (booktabs), citations as \cite{key}."""
        rows = "".join(
            rf"{_tex(name)} & {_tex(said)} \\" + "\n" for name, said in self.card.items()
        )
        return (
            f"{_tex(self.paragraph)}\n\n\\begin{{tabular}}{{lp{{0.7\\linewidth}}}}\n\\toprule\n"
            f"{rows}\\bottomrule\n\\end{{tabular}}\n"
        )

    def __str__(self) -> str:
        return self.markdown()


def methods_section(result: SweepData) -> MethodsSection:
    """The methods section of a result; what lies beside a saved one is taken into account."""
    number = TracedNumbers(result)
    sentences, cited = _sentences(result, number)
    replication, causal, screen = (
        saved_replication(result),
        saved_card(result),
        saved_screen(result),
    )
    card = disclosure(
        result,
        number,
        causal=causal,
        screen=screen,
        replication=replication,
        made=checks_made(
            result,
            replicated=replication is not None,
            intervened=causal is not None or screen is not None,
        ),
    )
    return MethodsSection(" ".join(sentences), card, _bibtex(cited), number.table())


def _sentences(result: SweepData, number: TracedNumbers) -> tuple[list[str], list[str]]:
    decision, validation = result.provenance["decision"], result.validation
    said = [question(result), *_examples(result, number), *_units(result, number)]
    cited = ["nanda2022"] if result.provenance["model"] else []
    said.append(_test(result, number))
    cited += _DECIDES.get(decision["method"], ())
    if decision["level"] == "word":
        cited.append("clark1973")
    said.append(
        f"{number('units / sum / significant')} of {number('layers / sum / n_tested')} units were "
        "significant."
    )
    if decision["level"] != "token":
        tokens = number("units / sum / significant_token_level")
        said.append(f"Counting tokens as independent it would have been {tokens}.")
    if "untrained_n_significant" in result.layers:
        again = number("layers / sum / untrained_n_significant")
        said.append(f"The same sweep of the model with untrained weights found {again}.")
    if validation.get("tuned"):
        bound = number("validation / tuned / at_least")
        sure = number("validation / tuned / confidence", lambda value: f"{value:.0%}")
        said.append(f"At least {bound} units are tuned, with {sure} confidence [@blanchard2020].")
        cited.append("blanchard2020")
    nested = validation.get("nested_best")
    if nested and nested["unit"]["auc"] is not None:
        auc = number("validation / nested_best / unit / auc", lambda value: fixed(value, 3))
        said.append(
            f"Units chosen in training folds have a held-out AUC of {auc} (intervals allow for "
            "shared training data [@nadeau2003])."
        )
        cited.append("nadeau2003")
    if "control_auc" in result.layers:
        said.append("The control task is that of random classes of words [@hewitt2019].")
        cited.append("hewitt2019")
    if "g_group_shrunk" in result.units:
        said.append("Effects of units are shrunk for having been selected [@stephens2017].")
        cited.append("stephens2017")
    return said, cited


def _examples(result: SweepData, number: TracedNumbers) -> list[str]:
    examples = result.provenance["examples"]
    origin = examples.get("origin", {})
    text = f" from {origin['text']['name']}" if isinstance(origin.get("text"), Mapping) else ""
    place = "provenance / examples /"
    if examples.get("value_name"):
        counted = " + ".join(
            number(f"{place} n_per_class / {k}") for k in range(len(examples["n_per_class"]))
        )
        said = [f"We read {counted} examples{text}, labelled by {examples['value_name']}."]
    else:
        named = [
            f"{number(f'{place} n_per_class / {k}')} of {name}"
            for k, name in enumerate(class_names(result))
        ]
        said = [f"We read examples{text}: {listed(named)}."]
    if any(groups := examples["n_groups_per_class"]):
        counted = " v ".join(
            number(f"{place} n_groups_per_class / {k}") for k in reversed(range(len(groups)))
        )
        said.append(
            "Word types that are read at one token are one replication group, the unit of "
            f"independent evidence: {counted} groups."
        )
    return said


def _units(result: SweepData, number: TracedNumbers) -> list[str]:
    model, sites = result.provenance["model"], listed(result.provenance["sites"])
    n = number("layers / sum / n_units")
    layers = len(result.provenance["layers"])
    where = f"layer{'s' * (layers > 1)} {_runs(result.provenance['layers'])}"
    if model is None:
        return [f"Activations were given: {n} units ({sites}, {where})."]
    versions, weights = model.get("versions", {}), model["weights_sha256"][:12]
    return [
        f"Activations are those of {model['source']} at {sites} of {where}: {n} units.",
        f"They were read with TransformerLens {versions.get('transformer-lens', '')} [@nanda2022] "
        f"and lens_probes {versions.get('lens-probes', '')}; sha256 of the weights {weights}.",
    ]


def _runs(layers: list[int]) -> str:
    """Layers as ranges: 0-3, 8."""
    runs: list[list[int]] = []
    for layer in layers:
        if runs and layer == runs[-1][1] + 1:
            runs[-1][1] = layer
        else:
            runs.append([layer, layer])
    return ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in runs)


def _test(result: SweepData, number: TracedNumbers) -> str:
    decision = result.provenance["decision"]
    what = {"word": "replication groups [@clark1973]", "pair": "pairs", "token": "tokens"}
    method = METHODS.get(decision["method"], decision["method"])
    cites = "".join(f" [@{key}]" for key in _DECIDES.get(decision["method"], ()))
    alpha = number("provenance / decision / alpha", lambda value: f"{value:g}")
    draws = ""
    if decision["method"] == "max_t":
        draws = f", {number('provenance / decision / n_permutations')} relabellings"
    return (
        f"Units were tested over {what[decision['level']]} ({decision['p_column']}), corrected by "
        f"{method}{cites} at alpha {alpha}{draws}."
    )


def _bibtex(keys: list[str]) -> str:
    """The entries of these keys, in their order in the file."""
    source = resources.files("lens_probes.report").joinpath("references.bib").read_text("utf-8")
    entries = {re.match(r"@\w+\{(\w+)", e)[1]: e for e in source.strip().split("\n\n")}  # type: ignore[index]
    return "\n\n".join(entry for key, entry in entries.items() if key in keys) + "\n"


def _tex(text: str) -> str:
    """Text with what LaTeX reads as commands escaped, and its citations."""
    parts = re.split(r"( ?\[@\w+\])", text)
    return "".join(
        rf"~\cite{{{part.strip()[2:-1]}}}" if re.fullmatch(r" ?\[@\w+\]", part) else escaped(part)
        for part in parts
    )
