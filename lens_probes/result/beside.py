"""What is found of a sweep's units and lies in its folder: a causal card, a screen."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import pandas as pd

from lens_probes.errors import InputError
from lens_probes.result.result import SweepData


class Beside:
    """Its units by name, and what lies beside a result.

    `place` is the name of its folder in the result's, `kind` its name in a sentence, `again` what
    makes it anew.
    """

    place: ClassVar[str]
    kind: ClassVar[str]
    again: ClassVar[str]
    units: pd.DataFrame
    provenance: Mapping[str, Any]

    @classmethod
    @abstractmethod
    def load(cls, folder: str | Path) -> Self:
        """Read what was saved."""

    def unit(self, name: str) -> pd.Series:
        """The row of one unit, by name; KeyError where it is not among the units."""
        found = self.units[self.units["name"] == name]
        if found.empty:
            raise KeyError(name)
        return found.iloc[0]

    @classmethod
    def beside(cls, result: SweepData) -> Self | None:
        """The one beside a loaded result; None where there is none.

        Raises
        ------
        InputError
            It cannot be read, or is of another sweep.
        """
        if result.folder is None or not (result.folder / cls.place).exists():
            return None
        found, swept = cls.load(result.folder / cls.place), result.provenance
        here = found.provenance
        if here["examples"]["sha256"] != swept["examples"]["sha256"]:
            other = "examples"
        elif here["model"]["weights_sha256"] != result.recorded_model["weights_sha256"]:
            other = "weights"
        else:
            return found
        raise InputError(
            f"the {cls.kind} beside this result is of other {other}: move it out of the result's "
            f"folder, or {cls.again} again."
        )
