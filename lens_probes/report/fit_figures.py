"""How surely effects are known: a funnel of all units, and the logistic fit of one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from lens_probes.drawing.frame import evenly, frame, jitter, plain, short
from lens_probes.drawing.numbers import fixed, percent, whole
from lens_probes.drawing.palette import CLASS_COLOURS, GREEN, GREY
from lens_probes.report.example_figures import best_evidence, describe
from lens_probes.report.figures import Z95
from lens_probes.report.ranking import sides, value_name
from lens_probes.report.unit_figures import thin
from lens_probes.result.result import SweepData

MAX_POINTS = 400


def effect_and_precision(result: SweepData) -> go.Figure:
    """Funnel: effect of every unit against its standard error, with the 95 % limits of chance.

    The effect is the standardised beta of the logit, or r with a continuous label.
    """
    units = result.units
    x, error, name = _effect_and_error(result)
    known = np.flatnonzero(np.isfinite(x) & np.isfinite(error))
    title = "No unit has both an effect and a standard error"
    figure = go.Figure()
    if len(known):
        direction, significant = np.sign(x), units["significant"].to_numpy(bool)
        group = np.where(significant, np.where(direction > 0, 2, 1), 0)
        drawn = known[thin(x[known], -error[known], group[known])]
        _limits(figure, float(error[known].min()), float(error[known].max()))
        for code, label in enumerate(
            ("not significant", *(f"significant, {s}" for s in sides(result)))
        ):
            rows = drawn[group[drawn] == code]
            figure.add_trace(_units(units["name"].iloc[rows], x[rows], error[rows], code, label))
        outside = float((np.abs(x[known]) > Z95 * error[known]).mean())
        title = (
            f"{percent(outside)} of {whole(len(known))} units lie outside the 95 % limits of "
            "chance for examples that are independent; 5% would if nothing were tuned"
        )
    figure.update_xaxes(title={"text": name})
    figure.update_yaxes(title={"text": "standard error"}, autorange="reversed")
    why = "(constant)" if value_name(result) else "(constant, separated, or not fitted)"
    caption = (
        "Lines: 1.96 standard errors from 0. Precise units are at the top. The errors count tokens "
        f"as independent. {whole(len(units) - len(known))} units have no standard error {why}."
    )
    return frame(figure, title, caption, height=340)


def logistic_fit(result: SweepData, unit: str | None = None) -> go.Figure:
    """One unit's activation against the class (jittered), with the fitted curve.

    `unit` is a name in `result.evidence`; None is the strongest of them that has a finite fit.

    Raises InputError for a unit whose activations were not kept.
    """
    best = best_evidence(result, len(result.evidence.columns), unit)
    best = best.sort_values("beta", key=lambda beta: beta.isna(), kind="stable")
    if best.empty:
        return frame(go.Figure(), "No unit could be tested", "Nothing to draw.", height=100)
    row = best.iloc[0]
    unit = str(row["name"])
    x, label = result.evidence[unit].to_numpy(float), result.examples["label"].to_numpy(int)
    classes = [str(name) for name in result.provenance["examples"]["class_names"]]
    figure = go.Figure()
    for k in (0, 1):
        figure.add_trace(_jittered(result, x, np.flatnonzero(label == k), k, classes[k]))
    fitted = bool(np.isfinite(row["beta"]))
    if fitted:
        figure.add_trace(_curve(x, float(row["intercept"]), float(row["beta"]), classes[1]))
    figure.update_layout(showlegend=True)
    places = [f"{k}: {plain(short(name))}" for k, name in enumerate(classes)]
    ticks = {"tickvals": [0, 0.5, 1], "ticktext": [places[0], "0.5", places[1]]}
    figure.update_yaxes(**ticks, range=[-0.2, 1.2], zeroline=False, automargin=True)
    figure.update_xaxes(title={"text": f"activation of {plain(unit)}"}, zeroline=False)
    caption = "Points are examples, moved up or down a little so that they can be seen. " + (
        f"The curve is the fitted chance of {classes[1]}: with 0.5 as the limit it is right "
        f"for {percent(row['accuracy'])} of the examples it was fitted to."
        if fitted
        else "There is no curve: the steeper the better it would fit, without an end."
    )
    return frame(figure, _fit_title(row, classes), caption, height=260)


def _effect_and_error(
    result: SweepData,
) -> tuple[NDArray[np.float64], NDArray[np.float64], str]:
    units = result.units
    if value_name(result) is not None:
        r = units["r"].to_numpy(float)
        with np.errstate(invalid="ignore"):
            error = np.sqrt((1 - r**2) / (units["n"].to_numpy(float) - 2))
        return r, error, "effect: correlation r"
    name = "effect: standardised beta of the logit"
    if not {"beta", "beta_std", "beta_se"} <= set(units):
        nothing = np.full(len(units), np.nan)
        return nothing, nothing, name
    beta = units["beta_std"].to_numpy(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.abs(beta / units["beta"].to_numpy(float)) * units["beta_se"].to_numpy(float)
    return beta, error, name


def _limits(figure: go.Figure, low: float, high: float) -> None:
    span = np.linspace(0.9 * low, 1.02 * high, 2)
    for sign in (-1, 1):
        figure.add_trace(
            go.Scatter(
                x=sign * Z95 * span,
                y=span,
                name="95 % limits of chance",
                legendgroup="limits",
                showlegend=sign > 0,
                mode="lines",
                line={"color": GREEN, "width": 1.5, "dash": "dash"},
                hoverinfo="skip",
            )
        )


def _units(
    names: pd.Series, x: NDArray[np.float64], y: NDArray[np.float64], code: int, label: str
) -> go.Scatter:
    return go.Scatter(
        x=x.astype(np.float32),
        y=y.astype(np.float32),
        customdata=[plain(name) for name in names],
        name=plain(label),
        mode="markers",
        marker={
            "color": (GREY, *CLASS_COLOURS)[code],
            "symbol": ("circle", "circle", "square")[code],
            "size": 5,
            "opacity": 0.7,
            "line": {"width": 0},
        },
        hovertemplate="%{customdata}<br>effect %{x:.3f} ± %{y:.3f}<extra></extra>",
    )


def _jittered(
    result: SweepData, x: NDArray[np.float64], rows: NDArray[np.int64], k: int, name: str
) -> go.Scatter:
    drawn = rows[evenly(len(rows), MAX_POINTS)]
    return go.Scatter(
        x=x[drawn],
        y=np.round(k + 0.22 * jitter(len(drawn)), 3),
        customdata=[describe(row) for _, row in result.examples.iloc[drawn].iterrows()],
        name=plain(name),
        mode="markers",
        marker={
            "color": CLASS_COLOURS[k],
            "symbol": ("circle", "square")[k],
            "size": 5,
            "opacity": 0.6,
            "line": {"width": 0},
        },
        hovertemplate="%{customdata}<br>activation %{x:.4g}<extra></extra>",
    )


def _curve(x: NDArray[np.float64], intercept: float, beta: float, class1: str) -> go.Scatter:
    points = np.linspace(x.min(), x.max(), 121)
    chance = 0.5 * (1 + np.tanh(0.5 * (intercept + beta * points)))
    return go.Scatter(
        x=points,
        y=chance,
        name=f"fitted chance of {plain(class1)}",
        mode="lines",
        line={"color": GREEN, "width": 2.5},
        hovertemplate="activation %{x:.4g}: chance %{y:.1%}<extra></extra>",
    )


def _fit_title(row: pd.Series, classes: list[str]) -> str:
    if not np.isfinite(row["beta"]):
        status = str(row["status"]).replace("_", " ")
        return f"{row['name']} has no finite logistic fit: {status}"
    if not {"beta_std", "beta_se"} <= set(row.index):
        return f"{row['name']}: the fitted chance of {classes[1]} by activation"
    error = abs(row["beta_std"] / row["beta"]) * row["beta_se"]
    low, middle, high = (np.exp(row["beta_std"] + z * error) for z in (-Z95, 0, Z95))
    return (
        f"{row['name']}: one standard deviation more activation multiplies the odds of "
        f"{classes[1]} by {fixed(middle)} (95 % interval {fixed(low)} to {fixed(high)}, counting "
        "tokens)"
    )
