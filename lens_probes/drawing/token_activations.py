"""What is drawn of a unit's tokens: a passage under it, and one token with the text around it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class TokenActivations:
    """One passage under one unit.

    `pieces` are the texts of its tokens; joined they are the passage. `values` [position] are the
    activations; `target` is the position an example is read at, or None for a free passage.
    """

    unit: str
    pieces: tuple[str, ...]
    values: tuple[float, ...]
    title: str = ""
    target: int | None = None


class ShownContext(Protocol):
    """A token with the text around it and the unit's activation there."""

    @property
    def kind(self) -> str:
        """One of `report.unit_card.KIND_NAMES`; contexts of a kind are shown together."""

    @property
    def value(self) -> float:
        """Activation at the token."""

    @property
    def before(self) -> str:
        """Text before the token."""

    @property
    def token(self) -> str:
        """The token itself."""

    @property
    def after(self) -> str:
        """Text after the token."""

    @property
    def source(self) -> str:
        """Class, speaker, file or document."""
