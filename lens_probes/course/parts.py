"""What a part's name says where the lesson does not: its unit, its natural ends, why it is none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lens_probes.course.claim import Measured, Unit, Value

_SHARES = (
    "share", "early", "late", "top_share", "median_top_share", "share_", "least_share", "last",
    "before", "sign_agreement",
)  # fmt: skip
_ACCURACIES = ("low_layers", "highest", "best")
_UNTIL_ONE = ("auc", "auc_", "order_", "peak_depth", "concordance")
_CORRELATIONS = ("r", "r_", "cosine", "best_cosine", "rank_correlation")
_SIZES = ("sd_", "size_", "median_size", "n_", "middle", "outer")
_NONE_PASSED = ("low_layers", "highest", "share_positive", "sign_agreement", "ratio")


def unit_of(name: str, value: Value) -> Unit:
    """What the lesson said, else what the name says; a share or accuracy lies within 0 and 1."""
    if value.unit is not None:
        return value.unit
    if np.isfinite(value.value) and abs(value.value) > 1:
        return ""
    return "share" if _is(name, _SHARES) else "accuracy" if _is(name, _ACCURACIES) else ""


def ends_of(name: str, value: Value) -> tuple[float, float]:
    """Numbers that such a part cannot lie beyond."""
    if unit_of(name, value) or (value.unit is None and _is(name, _UNTIL_ONE)):
        return 0.0, 1.0
    if _is(name, _CORRELATIONS):
        return -1.0, 1.0
    if name in ("rank", "ratio"):
        return 1.0, np.inf
    return (0.0, np.inf) if _is(name, _SIZES) else (-np.inf, np.inf)


def why_none(name: str, value: Value) -> str:
    """Why a part has no value."""
    if value.why:
        return value.why
    if _is(name, _NONE_PASSED):
        return "no unit is significant, or too few words are left to score it"
    return "it could not be computed"


def bounded(measured: Measured) -> Measured:
    """The same with intervals that end where the part's kind ends, and with units."""
    parts = {}
    for name, value in measured.parts.items():
        lower, upper = ends_of(name, value)
        # NaN stays NaN: no interval.
        low, high = np.clip([value.low, value.high], lower, upper).tolist()
        parts[name] = replace(value, low=low, high=high, unit=unit_of(name, value))
    return replace(measured, parts=parts)


def _is(name: str, names: tuple[str, ...]) -> bool:
    return any(name == one or (one.endswith("_") and name.startswith(one)) for one in names)
