"""What an ablation is asked to do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lens_probes.ablate.windows import KINDS, POSITIONS, Kind, Positions
from lens_probes.errors import InputError, unknown

# Keys and values at a token are for the tokens after it: the token itself hardly needs its own.
_READ_LATER = ("k", "v")


@dataclass(frozen=True)
class Design:
    """Options of `ablate`, checked."""

    top: int = 20
    kind: Kind = "mean"
    positions: Positions = "read"
    n_nulls: int = 100
    n_unit_nulls: int | None = None
    n_controls: int = 20
    n_windows: int | None = 50
    after: int = 10
    alpha: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise unknown("kind", self.kind, KINDS)
        if self.positions not in POSITIONS:
            raise unknown("positions", self.positions, POSITIONS)
        least = {"top": 1, "n_nulls": 1, "n_unit_nulls": 0, "n_controls": 0, "n_windows": 2,
                 "after": 0}  # fmt: skip
        for name, minimum in least.items():
            value = getattr(self, name)
            if value is not None and value < minimum:
                raise InputError(f"{name} must be {minimum} or more; got {value}.")
        if not 0 < self.alpha < 1:
            raise InputError(f"alpha must lie between 0 and 1; got {self.alpha}.")

    @property
    def unit_nulls(self) -> int:
        """Random units: as many as one unit alone needs to pass after Benjamini-Hochberg."""
        if self.n_unit_nulls is not None:
            return self.n_unit_nulls
        return max(self.n_nulls, int(np.ceil(self.top / self.alpha)) - 1)

    def unit_measures(self, site: str) -> tuple[str, ...]:
        """What decides on single units: at the read position no token after it has to run."""
        if self.positions == "read" and site not in _READ_LATER:
            return ("kl",)
        return ("kl", "loss_after")


def check_top(top: int, n_units: int, where: str = "") -> None:
    """An error where there are too few units for random sets as large as the top one."""
    if n_units < 2 * top:
        raise InputError(
            f"{where}{n_units} units vary here: random sets as large as the top {top} need "
            f"{2 * top}; ask for a top of {max(1, n_units // 2)} or fewer."
        )
