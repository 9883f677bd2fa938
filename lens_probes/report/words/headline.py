"""The answer at a glance: question, verdict, three numbers, the strongest unit, one caution."""

from __future__ import annotations

from dataclasses import dataclass

from lens_probes.drawing.numbers import percent
from lens_probes.report.methods import question
from lens_probes.report.words.caution import caution
from lens_probes.report.words.strongest_unit import strongest_unit
from lens_probes.report.words.summary import how_many
from lens_probes.report.words.word_identity import judgement
from lens_probes.result.result import SweepData

COUNTED = {"word": "counting words", "pair": "counting pairs of a word", "token": "counting tokens"}


@dataclass(frozen=True)
class SignificantShare:
    """Significant units of those tested, by one way to count, or with other weights."""

    label: str
    n: int
    n_tested: int

    @property
    def share(self) -> str:
        """The share as a percentage; "–" where nothing could be tested."""
        return percent(self.n / self.n_tested if self.n_tested else None)


@dataclass(frozen=True)
class Headline:
    """What a reader sees first; every number is in the tables of the result."""

    question: str
    verdict: str
    shares: tuple[SignificantShare, ...]
    strongest: str
    caution: str

    @classmethod
    def of(cls, result: SweepData) -> Headline:
        """The headline of a result of any kind."""
        first = caution(result)[0]
        return cls(
            question(result), _verdict(result), _shares(result), strongest_unit(result),
            f"{first[:1].upper()}{first[1:]}",
        )  # fmt: skip

    def lines(self) -> tuple[str, ...]:
        """Four lines for a terminal, of sentences with at most two numbers."""
        counted, *rest = (f"{one.label} {one.share}" for one in self.shares)
        shares = f"{counted[:1].upper()}{counted[1:]} of units are significant"
        if len(rest) == 2:
            shares += f", {rest.pop(0)}"
        shares += "".join(f". {one[:1].upper()}{one[1:]}" for one in rest)
        return (
            f"{self.question} {self.verdict}",
            f"{shares}.",
            self.strongest,
            f"Caution: {self.caution[:1].lower()}{self.caution[1:]}",
        )


def _verdict(result: SweepData) -> str:
    """One sentence: what was shown, and how many units are significant."""
    found = judgement(result)
    if found is None:
        return how_many(result)
    said = f"{found[0][:1].upper()}{found[0][1:]}"
    return f"{said}." if "," in said else f"{said}: {how_many(result)}"


def _shares(result: SweepData) -> tuple[SignificantShare, ...]:
    """By the test that decided; counting tokens beside it; with untrained weights."""
    units, layers = result.units, result.layers
    level, n_tested = result.provenance["decision"]["level"], int(layers["n_tested"].sum())
    shares = [SignificantShare(COUNTED[level], int(units["significant"].sum()), n_tested)]
    if level != "token":
        tokens = int(units["significant_token_level"].sum())
        shares.append(SignificantShare(COUNTED["token"], tokens, n_tested))
    if "untrained_n_significant" in layers:
        n, of = (int(layers[f"untrained_n_{what}"].sum()) for what in ("significant", "tested"))
        shares.append(SignificantShare("untrained weights", n, of))
    return tuple(shares)
