"""Probes: one file for each contrast."""

from lens_probes.probes.base import Probe, TextProbe
from lens_probes.probes.category import CategoryProbe
from lens_probes.probes.context import ContextProbe
from lens_probes.probes.grammar import GrammarProbe
from lens_probes.probes.labelled import LabelledProbe
from lens_probes.probes.negation import NegationProbe
from lens_probes.probes.proper_noun import ProperNounProbe
from lens_probes.probes.token_length import TokenLengthProbe

__all__ = [
    "CategoryProbe",
    "ContextProbe",
    "GrammarProbe",
    "LabelledProbe",
    "NegationProbe",
    "Probe",
    "ProperNounProbe",
    "TextProbe",
    "TokenLengthProbe",
]
