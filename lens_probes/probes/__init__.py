"""Probes: one file each, one class each."""

from lens_probes.probes.base import Probe
from lens_probes.probes.negation import NegationProbe

__all__ = ["NegationProbe", "Probe"]
