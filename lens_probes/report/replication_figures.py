"""Two rounds of the same test: does what was found come again?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from lens_probes.drawing.frame import frame, plain
from lens_probes.drawing.numbers import NONE, fixed, missing, percent, whole
from lens_probes.drawing.palette import BLUE, GREEN, GREY, ORANGE, VERMILLION
from lens_probes.drawing.tables import Column, Table, auc, text
from lens_probes.report.unit_figures import thin

_GROUPS = {
    "none": ("in neither", GREY, "circle"),
    "first": ("in the first only", ORANGE, "triangle-up"),
    "second": ("in the second only", VERMILLION, "diamond"),
    "both": ("in both", BLUE, "square"),
}


class Replicated(Protocol):
    """What a replication has to hold to be drawn and tabled.

    units: one row a unit: name, t1, t2 (t, or r with a continuous label), group ("both", "first",
    "second" or "none": significant where). lines: one row a kind of replication, with the
    columns of `replication_table`.
    """

    @property
    def units(self) -> pd.DataFrame:
        """One row a unit."""

    @property
    def provenance(self) -> Mapping[str, Any]:
        """`["first"]["examples"]`: that of the first sweep."""

    @property
    def lines(self) -> pd.DataFrame:
        """One row a kind of replication."""


def replication_scatter(replication: Replicated) -> go.Figure:
    """t of every unit in the first and in the second round, on one scale, with the diagonal."""
    units = replication.units
    x, y = units["t1"].to_numpy(float), units["t2"].to_numpy(float)
    known = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    figure, t = go.Figure(), _measure(replication)
    codes = pd.Categorical(units["group"], categories=list(_GROUPS)).codes.astype(np.int64)
    if len(known):
        drawn = known[_both_ways(x[known], y[known], codes[known])]
        for code, group in enumerate(_GROUPS):
            rows = drawn[codes[drawn] == code]
            figure.add_trace(_points(units["name"].iloc[rows], x[rows], y[rows], group))
        _diagonal(figure, np.concatenate([x[known], y[known]]))
    else:
        drawn = known
    figure.update_xaxes(title={"text": f"{t}, first round"}, zeroline=True)
    figure.update_yaxes(title={"text": f"{t}, second round"}, zeroline=True)
    caption = (
        f"Points: {whole(len(drawn))} of {whole(len(units))} units, the extremes and one for each "
        "occupied cell of a grid. Units that were picked because they are strong in the first "
        "round lie below the diagonal in the second, in size: regression to the mean. "
        f"{t} counts tokens."
    )
    if len(units) > len(known):
        caption += f" {whole(len(units) - len(known))} units have no {t} in one of the rounds."
    title = _title(units.iloc[known], x[known], y[known], t)
    return frame(figure, title, caption, height=460)


def replication_table(replication: Replicated) -> Table:
    """Every kind of replication by itself: agreement of signs, found again, held-out, effects."""
    score = "AUC" if _measure(replication) == "t" else "r"
    columns = (
        Column("new", ("kind",), text, "what differs from the first round", number=False),
        Column("examples", ("n",), text),
        Column("word types", ("n_words",), text),
        Column("groups", ("n_groups",), text, "replication groups: what intervals count"),
        Column("units compared", ("units_compared",), whole),
        Column("significant before", ("n_significant1",), whole),
        Column("sign agrees", ("sign_agreement",), percent),
        *_beside("sign_agreement", _range(percent)),
        Column("significant again", ("share_significant_again",), percent),
        Column("counting", ("level",), text, number=False),
        Column(score, ("auc_heldout",), auc),
        *_beside("auc_heldout", _range(auc)),
        Column(f"{score}, best unit", ("best_auc_heldout",), auc),
        *_beside("best_auc_heldout", _range(auc))[:1],
        Column("r of effects", ("effect_correlation",), auc),
        *_beside("effect_correlation", _range(auc)),
        Column("concordance", ("concordance",), auc),
        Column("note", ("note",), text, number=False),
    )
    return Table.of("Replication, one line for each kind", replication.lines, columns)


def _beside(name: str, ends: Callable[[Any, Any], str]) -> tuple[Column, ...]:
    """Interval over groups, what labels dealt at random give, and p against it."""
    return (
        Column("95 % over groups", (f"{name}_low", f"{name}_high"), ends),
        Column(
            "at random",
            (f"{name}_null_low", f"{name}_null_high"),
            ends,
            "middle 95 % with labels dealt out again over the second sample's groups",
        ),
        Column("p", (f"{name}_p",), auc, "share of those that are as high"),
    )


def _range(form: Callable[[Any], object]) -> Callable[[Any, Any], str]:
    return lambda low, high: NONE if missing(low) else f"{form(low)} to {form(high)}"


def _measure(replication: Replicated) -> str:
    """What t1 and t2 are."""
    described = replication.provenance.get("first", {}).get("examples", {})
    return "t" if described.get("value_name") is None else "r"


def _both_ways(
    x: NDArray[np.float64], y: NDArray[np.float64], group: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Thinned by `thin`, whose `y` is a strength, from above and from below."""
    return np.union1d(thin(x, y, group), thin(x, -y, group))


def _points(
    names: pd.Series, x: NDArray[np.float64], y: NDArray[np.float64], group: str
) -> go.Scatter:
    says, colour, symbol = _GROUPS[group]
    return go.Scatter(
        x=x.astype(np.float32),
        y=y.astype(np.float32),
        customdata=[plain(name) for name in names],
        name=f"significant {says}",
        mode="markers",
        marker={
            "color": colour,
            "symbol": symbol,
            "size": 5,
            "opacity": 0.7,
            "line": {"width": 0},
        },
        hovertemplate="%{customdata}<br>t %{x:.2f}, then %{y:.2f}<extra></extra>",
    )


def _diagonal(figure: go.Figure, values: NDArray[np.float64]) -> None:
    ends = [float(values.min()), float(values.max())]
    figure.add_trace(
        go.Scatter(
            x=ends,
            y=ends,
            name="equal in both",
            mode="lines",
            line={"color": GREEN, "width": 1.5, "dash": "dash"},
            hoverinfo="skip",
        )
    )


def _title(units: pd.DataFrame, x: NDArray[np.float64], y: NDArray[np.float64], t: str) -> str:
    if len(x) < 3 or not (x.std() and y.std()):
        return f"No unit has a {t} in both rounds"
    r = float(np.corrcoef(x, y)[0, 1])
    said = f"{t} of the two rounds correlates at r = {fixed(r)} over {whole(len(x))} units"
    first = int(units["group"].isin(["both", "first"]).sum())
    if not first:
        return f"{said}; none was significant in the first"
    again = int((units["group"] == "both").sum())
    return f"{said}; {whole(again)} of {whole(first)} significant units are significant again"
