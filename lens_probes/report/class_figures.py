"""Figures of several classes: effects by layer, what is told apart held out, and what is not."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from lens_probes.drawing.direct_labels import label_ends
from lens_probes.drawing.frame import frame, plain, short
from lens_probes.drawing.numbers import fixed, percent, whole
from lens_probes.drawing.palette import BLUE, GREEN, GREY
from lens_probes.report.figures import best_map
from lens_probes.report.ranking import class_names
from lens_probes.report.site_panels import panels_height, site_panels
from lens_probes.result.result import SweepData

HELD_OUT = {
    "best_unit_balanced_accuracy_heldout": ("chosen unit", BLUE, "circle", "solid"),
    "probe_balanced_accuracy_heldout": ("layer probe", GREEN, "diamond", "solid"),
}


def best_eta_map(result: SweepData) -> go.Figure:
    """Eta squared of the strongest unit of every layer and site."""
    names = class_names(result)
    table = result.layers.assign(strength=result.layers["best_eta_squared"])
    known = table.dropna(subset="strength")
    title = "No layer and site has a unit that could be tested"
    if len(known):
        best = known.iloc[int(known["strength"].argmax())]
        title = (
            f"The best single unit of a layer tells most of the classes in layer {best['layer']} "
            f"of {best['site']}: eta squared {fixed(best['strength'], 3)}, highest for "
            f"{names[int(best['best_highest'])]}"
        )
    caption = (
        "Share of the variance of the strongest unit in each cell that lies between classes. It is "
        "the best of many on the same examples, so it lies above 0 even where nothing is tuned. "
        "Blank: no unit could be tested."
    )
    return best_map(
        table, title, caption, (0, 1), "eta squared",
        lambda row: f"{plain(row['best_unit'])}: {fixed(row['strength'], 3)}<br>"
        f"best of {whole(row['n_tested'])} tested units",
    )  # fmt: skip


def has_held_out(result: SweepData) -> bool:
    """Whether layers have held-out balanced accuracies."""
    return any(c in result.layers and result.layers[c].notna().any() for c in HELD_OUT)


def class_accuracy_by_layer(result: SweepData) -> go.Figure:
    """Held-out balanced accuracy by layer of chosen units and of a probe on all units."""
    table = result.layers
    figure = site_panels(
        table, HELD_OUT, y_title="balanced accuracy", y_range=(0, 1.02), says="%{y:.1%}",
        tickformat=".0%",
    )  # fmt: skip
    chance = 1 / len(class_names(result))
    figure.add_hline(y=chance, line={"width": 1, "dash": "dot", "color": GREY})
    by = result.validation.get("held_out_by", "part of the examples")
    caption = (
        f"Mean over classes of the share of a class that is named rightly, on examples (whole "
        f"{by}s) that had no part in it. Dotted: chance, {percent(chance)}. A unit names the class "
        "whose training mean is nearest. The layer probe is multinomial, on all "
        "units: far above, many units tell the classes apart."
    )
    nested = result.validation.get("nested_classes")
    title = "Held-out balanced accuracy of single units and of whole layers"
    if nested:
        title = (
            f"Units that training folds choose name {percent(nested['unit'])} rightly on the fold "
            f"left out; a probe on the layer that they choose {percent(nested['probe'])}"
        )
    height = panels_height(table)
    framed = frame(figure, title, caption, height=height)
    return label_ends(framed, height=height, panels=table["site"].nunique())


def confusion(result: SweepData) -> go.Figure:
    """Which classes the layer probe takes for which, on held-out examples."""
    nested, names = result.validation["nested_classes"], class_names(result)
    counts = np.array(nested["confusion"], dtype=np.float64)
    totals = counts.sum(axis=1, keepdims=True)
    share = counts / np.maximum(totals, 1)
    ticks = [plain(short(name)) for name in names]
    figure = go.Figure(
        go.Heatmap(
            z=share,
            x=ticks,
            y=ticks,
            customdata=counts,
            text=[[percent(value, 0) for value in row] for row in share],
            texttemplate="%{text}",
            zmin=0,
            zmax=1,
            colorscale="Cividis",
            colorbar={"title": {"text": "share", "font": {"size": 13}}, "tickformat": ".0%",
                      "thickness": 12},
            xgap=1,
            ygap=1,
            hovertemplate="%{y} named %{x}: %{z:.1%} (%{customdata:,} examples)<extra></extra>",
        )
    )  # fmt: skip
    figure.update_xaxes(title={"text": "named by the probe"}, type="category", showgrid=False)
    figure.update_yaxes(
        title={"text": "class"}, type="category", autorange="reversed", showgrid=False,
        automargin=True,
    )  # fmt: skip
    off = share - np.diag(np.diag(share))
    most = np.unravel_index(int(off.argmax()), off.shape)
    title = (
        f"{names[most[0]]} is taken for {names[most[1]]} most often: {percent(off[most], 0)} of "
        "its held-out examples"
        if off.max() > 0
        else "The probe on the layer that training folds choose names all of them rightly"
    )
    places = ", ".join(dict.fromkeys(f"layer {a} of {b}" for a, b in nested["chosen_array"]))
    caption = (
        "Rows add up to all examples of a class. Each fold is named by a probe that was fitted "
        f"without it, on the layer and site that did best inside the other folds ({places})."
    )
    return frame(figure, title, caption, height=140 + 34 * len(names))
