"""What a probe must say: its question, its two classes and its examples."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from lens_probes.examples import Examples

if TYPE_CHECKING:
    from lens_probes.model import LensModel


class Probe(ABC):
    """One contrast between two classes of tokens.

    A probe turns a text (or words, or sentences) into labelled examples with a model's tokenizer;
    everything after that is the same for all probes. To write one, subclass this, set `name`,
    `question` and `class_names`, and return Examples.
    """

    name: str
    question: str
    class_names: tuple[str, str]

    @abstractmethod
    def examples(self, model: LensModel) -> Examples:
        """Labelled examples for this model, with what was dropped and why in `counts`."""
