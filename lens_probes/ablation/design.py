"""What an ablation is asked to do."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lens_probes.ablation.windows import KINDS, POSITIONS, Kind, Positions
from lens_probes.errors import InputError, alpha_of, at_least, choice, number, whole

# Keys and values at a token are for the tokens after it: the token itself hardly needs its own.
_READ_LATER = ("k", "v")
_OPEN = ("n_unit_nulls", "n_windows")  # None: as many as there are, or are needed
_ENOUGH_NULLS = 100


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
    interest: float = 1.0
    untrained: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        choice("kind", self.kind, KINDS)
        choice("positions", self.positions, POSITIONS)
        least = {"top": 1, "n_nulls": 1, "n_unit_nulls": 0, "n_controls": 0, "n_windows": 2,
                 "after": 0, "seed": 0}  # fmt: skip
        for name, minimum in least.items():
            value = getattr(self, name)
            if value is None and name in _OPEN:
                continue
            at_least(minimum, **{name: value})
            object.__setattr__(self, name, whole(name, value))
        object.__setattr__(self, "alpha", alpha_of(self.alpha))
        interest = number("interest", self.interest, least=1e-6, most=1.0)
        object.__setattr__(self, "interest", interest)
        if 1 / (1 + self.n_nulls) > self.alpha:
            raise InputError(
                f"with {self.n_nulls} write swaps p cannot be below {1 / (1 + self.n_nulls):.2g}, "
                f"and alpha is {self.alpha:g}: ask for {_fewest(self.alpha)} or more."
            )

    @property
    def unit_nulls(self) -> int:
        """Random units for each top unit, by default as many as one alone needs to pass.

        After Benjamini-Hochberg over the top units of a layer and site.
        """
        if self.n_unit_nulls is not None:
            return self.n_unit_nulls
        return max(self.n_nulls, math.ceil(self.top / self.alpha))

    @property
    def most_unit_nulls(self) -> int:
        """Random units of a layer and site: some serve a few of the top units only."""
        if self.n_unit_nulls is not None:
            return self.n_unit_nulls
        return self.unit_nulls * 3 // 2

    @property
    def notes(self) -> list[str]:
        """What is allowed and not advised."""
        if self.n_nulls >= _ENOUGH_NULLS:
            return []
        return [
            f"{self.n_nulls} write swaps: their {100 * (1 - self.alpha):g} % quantile is surer "
            f"with {_ENOUGH_NULLS} or more"
        ]

    def unit_measures(self, site: str) -> tuple[str, ...]:
        """What decides on single units: at the read position no token after it has to run."""
        if self.positions == "read" and site not in _READ_LATER:
            return ("kl",)
        return ("kl", "loss_after")


def _fewest(alpha: float) -> int:
    """The least number of nulls with 1 / (1 + n) <= alpha, as it is rounded there."""
    n = max(1, math.ceil(1 / alpha) - 2)
    while 1 / (1 + n) > alpha:
        n += 1
    return n


def check_top(top: int, n_units: int, where: str = "") -> None:
    """An error where there are too few units for random sets as large as the top one."""
    if n_units < 2 * top:
        raise InputError(
            f"{where}{n_units} units vary here: random sets as large as the top {top} need "
            f"{2 * top}; ask for a top of {max(1, n_units // 2)} or fewer."
        )
