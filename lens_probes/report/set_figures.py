"""How many units does it take: AUC of k units by depth, and the sets that halves agree on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from lens_probes.drawing.frame import frame, layer_axis, plain
from lens_probes.drawing.numbers import fixed, percent, whole
from lens_probes.drawing.palette import BLUE, GREEN, GREY, VERMILLION
from lens_probes.drawing.tables import Column, Table
from lens_probes.result.result import SweepData

# Sites whose units are the same coordinates in every layer.
_SHARED_UNITS = ("resid_pre", "resid_mid", "resid_post", "attn_out", "mlp_out")
_MARKS = ((BLUE, "circle", "solid"), (VERMILLION, "square", "dash"))
_ALL = ("auc_all_units", "all units", GREEN, "diamond", "solid")


def set_figure(result: SweepData) -> go.Figure:
    """Held-out AUC by layer of probes on the smallest and a middle k, on all units, and of chance.

    Result with `sets`. Chance: as many units, chosen and fitted with labels permuted over words.
    """
    assert result.sets is not None
    table = result.sets[result.sets["layer"] >= 0]
    sites = list(dict.fromkeys(table["site"]))
    ks = sorted(set(table["k"]))
    shown = list(dict.fromkeys((ks[0], ks[len(ks) // 2])))
    height = 60 + 170 * len(sites)
    figure = make_subplots(rows=len(sites), cols=1, shared_xaxes=True, vertical_spacing=24 / height)
    for row, site in enumerate(sites, start=1):
        rows = table[table["site"] == site].sort_values("layer")
        lines = [
            ("auc_heldout", k, f"{k} unit{'s' * (k > 1)}", *style)
            for k, style in zip(shown, _MARKS, strict=False)
        ]
        lines.append((_ALL[0], shown[-1], *_ALL[1:]))
        lines.append(("auc_shuffled", shown[-1], f"{shown[-1]}, labels permuted", GREY, "x", "dot"))
        for column, k, name, colour, symbol, dash in lines:
            part = rows[rows["k"] == k]
            line = go.Scatter(
                x=part["layer"].to_numpy(), y=part[column].to_numpy(float), name=name,
                legendgroup=name, showlegend=row == 1, mode="lines+markers", cliponaxis=False,
                line={"color": colour, "dash": dash, "width": 2},
                marker={"symbol": symbol, "size": 7},
                hovertemplate=f"layer %{{x}}, {plain(site)}<br>{name}: AUC %{{y:.3f}}"
                "<extra></extra>",
                error_y=_spread(part) if column == "auc_shuffled" else None,
            )  # fmt: skip
            figure.add_trace(line, row=row, col=1)
        figure.update_yaxes(title={"text": f"{plain(site)}: held-out AUC"}, row=row, col=1)
    figure.update_xaxes(**layer_axis(sorted(set(table["layer"]))))
    for row in range(1, len(sites)):
        figure.update_xaxes(title=None, row=row, col=1)
    drawn = [trace.y.min() for trace in figure.data if len(trace.y)]
    figure.update_yaxes(range=[min(0.45, *drawn) - 0.03, 1.02])
    caption = (
        "The units of each set are chosen, standardised and weighted on training words alone and "
        "scored on the words left out. Permuted: the same choice and fit with labels that mean "
        "nothing, the mean of several draws; bars: two standard deviations of them."
    )
    return frame(figure, _title(result.sets), caption, height=height)


def _spread(rows: pd.DataFrame) -> dict[str, Any]:
    """Bars of two standard deviations of the draws with permuted labels."""
    sd = rows["auc_shuffled_sd"].to_numpy(float)
    return {"type": "data", "array": 2 * sd, "thickness": 1, "width": 3}


def set_table(result: SweepData) -> Table:
    """One row per layer and site: how many units it takes, and the set with its error."""
    assert result.sets is not None
    assert result.set_members is not None
    rows = result.sets.drop_duplicates(["layer", "site"]).copy()
    members = result.set_members[result.set_members["member"]]
    names = members.groupby(["layer", "site"], sort=False)["name"].agg(list)
    by_units = members.groupby(["layer", "site"], sort=False)["unit"].agg(set)
    places = list(zip(rows["layer"], rows["site"], strict=True))
    rows["members"] = [_listed(names.get(place, [])) for place in places]
    rows["where"] = ["all layers" if layer < 0 else f"layer {layer}" for layer, _ in places]
    chance = rows["auc_all_units"] - 2 * rows["auc_all_units_se"] <= 0.5
    rows["needed"] = [
        ("at chance" if none else "not reached") if np.isnan(k) else whole(k)
        for k, none in zip(rows["smallest_k"], chance, strict=True)
    ]
    rows["overlap"] = [_overlap(by_units, layer, site) for layer, site in places]
    columns = (
        Column("where", ("where",), str, number=False),
        Column("site", ("site",), str, number=False),
        Column("AUC, all units", ("auc_all_units",), lambda value: fixed(value, 3)),
        Column("units it takes", ("needed",), str),
        Column("units in the set", ("n_members",), whole),
        Column("false ones expected, at most", ("expected_false_members",), _two),
        Column("the set", ("members",), str, number=False),
        *(
            (Column("shared with the layer before", ("overlap",), _share),)
            if rows["overlap"].notna().any()
            else ()
        ),
    )
    caption = (
        "Sets of units: the fewest units whose held-out AUC is within a standard error of that of "
        "all units, and the units that at least nine in ten random halves of the words choose"
    )
    return Table.of(caption, rows, columns)


def _title(sets: pd.DataFrame) -> str:
    """How many units of the whole sweep it takes; of one layer and site where there is no more."""
    whole_sweep = sets[sets["layer"] < 0]
    rows = whole_sweep if len(whole_sweep) else sets
    needed, every = rows["smallest_k"].iloc[0], rows["auc_all_units"].iloc[0]
    if not np.isfinite(needed):
        return "No number of units that was tried comes up to the probe on all units"
    k = int(needed)
    auc = rows.loc[rows["k"] == k, "auc_heldout"].iloc[0]
    some = (
        "One unit, chosen on other words, has"
        if k == 1
        else f"{k} units, chosen on other words, have"
    )
    return f"{some} AUC {fixed(auc, 3)}; all units {fixed(every, 3)}"


def _overlap(by_units: pd.Series, layer: int, site: str) -> float:
    """Members shared with the layer before, of those in either; NaN where units differ."""
    before, here = by_units.get((layer - 1, site)), by_units.get((layer, site))
    if site not in _SHARED_UNITS or before is None or here is None:
        return float("nan")
    return len(before & here) / len(before | here)


def _listed(names: list[str], most: int = 8) -> str:
    if not names:
        return "none"
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest


def _two(value: float) -> str:
    return fixed(value, 2)


def _share(value: float) -> str:
    return "" if np.isnan(value) else percent(value)
