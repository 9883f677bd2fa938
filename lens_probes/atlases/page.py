"""The page of an atlas: maps of properties by layers, units by what they are tuned to, a search."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from lens_probes.atlases.wording import Facts, atlas_lines
from lens_probes.drawing.chart import Chart, embedded, theme
from lens_probes.drawing.frame import frame, layer_axis, plain
from lens_probes.drawing.numbers import fixed, percent, seconds, whole
from lens_probes.drawing.page import flat, page_environment, page_file
from lens_probes.drawing.tables import Column, Table, auc, fact_table, text
from lens_probes.storage.integrity import write_page
from lens_probes.storage.paths import check_report_path

MOST_UNITS = 20_000
FOLLOWERS = 25
EXCLUSIVE = 3


def page_html(atlas: Facts) -> str:
    """One file that asks no network for anything."""
    environment = page_environment("lens_probes.atlases")
    return environment.get_template("atlas.html.j2").render(
        title=f"What {whole(len(atlas.units))} units are tuned to",
        answer=atlas_lines(atlas),
        charts=[chart for site in _sites(atlas) for chart in _maps(atlas, site)],
        exclusive=exclusive_table(atlas),
        properties=property_list(atlas),
        data=embedded(_search_data(atlas)),
        provenance=fact_table(
            "Everything recorded with this atlas", flat(dict(atlas.provenance)), ("name", "value")
        ),
        timings=fact_table(
            "Seconds spent", {k: seconds(v) for k, v in atlas.timings.items()}, ("stage", "time")
        ),
        templates=embedded({"light": theme("plotly_white"), "dark": theme("plotly_dark")}),
        style=page_file(environment, "style.css"),
        script=page_file(environment, "charts.js"),
        search=page_file(environment, "atlas.js"),
        plotly_js=Markup(get_plotlyjs()),
    )


def write_report(atlas: Facts, path: str | Path) -> Path:
    """Write the page; InputError for a path that cannot be written."""
    return write_page(check_report_path(path), page_html(atlas))


def _sites(atlas: Facts) -> list[str]:
    return list(dict.fromkeys(atlas.properties["site"]))


def _maps(atlas: Facts, site: str) -> list[Chart]:
    """Share of units and held-out AUC of the best, property by layer, of one site."""
    table = atlas.properties[atlas.properties["site"] == site]
    return [
        Chart.of(f"share-{site}", property_map(table, site, "share_significant")),
        Chart.of(f"auc-{site}", property_map(table, site, "best_auc_heldout")),
    ]


def property_map(table: pd.DataFrame, site: str, column: str) -> go.Figure:
    """Property by layer; the rows in the order of the atlas."""
    names = list(dict.fromkeys(table["property"]))
    grid = table.pivot(index="property", columns="layer", values=column).loc[names]
    is_share = column == "share_significant"
    layers = [int(layer) for layer in grid.columns]
    bar = {"title": {"text": "share" if is_share else "AUC"}, "thickness": 12}
    unit = "%{z:.0%} of the units" if is_share else "AUC %{z:.2f}"
    figure = go.Figure(
        go.Heatmap(
            z=grid.to_numpy(np.float32),
            x=layers,
            y=[plain(name) for name in names],
            zmin=0 if is_share else 0.5,
            zmax=None if is_share else 1,
            colorscale="Cividis",
            colorbar=bar,
            hovertemplate=f"%{{y}}, layer %{{x}}: {unit}<extra></extra>",
        )
    )
    figure.update_xaxes(**layer_axis(layers), showgrid=False)
    figure.update_yaxes(autorange="reversed", showgrid=False, tickfont={"size": 11})
    figure.update_yaxes(tickmode="linear", dtick=1, automargin=True)
    if is_share:
        top = table.sort_values(column, ascending=False, kind="stable").iloc[0]
        title = (
            f"{plain(site)}: at most {percent(top[column], 0)} of a layer's units follow one "
            f"property ({top['property']}, layer {top['layer']})"
        )
        caption = (
            "Share of units whose p over all units and properties is at most alpha. A share is "
            "mostly power: properties with few word types have less of it."
        )
    else:
        title = f"{plain(site)}: how well the best unit finds a property in new words and documents"
        caption = (
            "The unit is chosen in one half of the documents and of the word types and scored in "
            "the other, both ways, and the two AUCs are averaged; 0.5 is chance."
        )
    return frame(figure, title, caption, height=120 + 15 * len(names))


def exclusive_table(atlas: Facts) -> Table:
    """The units of each property that no other property comes near, most selective first."""
    units = atlas.units[atlas.units["named"]]
    order = units.sort_values("selectivity", ascending=False, kind="stable")
    top = order.groupby("best", sort=False).head(EXCLUSIVE)
    place = {name: i for i, name in enumerate(atlas.designs["property"])}
    top = top.assign(place=top["best"].map(place)).sort_values(
        ["place", "selectivity"], ascending=[True, False], kind="stable"
    )
    return Table.of(
        "Units that beat shuffled units"
        + (" and random weights" if atlas.provenance["options"]["untrained"] else "")
        + " in new words and documents, the most selective of each property",
        top,
        (
            Column("property", ("best",), text, number=False),
            Column("unit", ("name",), text, number=False),
            Column("z", ("t_best",), fixed),
            Column("AUC, new words and documents", ("auc_heldout",), auc),
            Column("selectivity", ("selectivity",), fixed),
            Column("second", ("second",), text, number=False),
            Column("z of the second given the first", ("partial_second",), fixed),
        ),
    )


def property_list(atlas: Facts) -> Table:
    """What is compared for each property, and what could not be."""
    designs = atlas.designs
    confounds = designs.filter(like="auc_")
    worst = confounds.sub(0.5).abs()
    names = [
        "" if row.isna().all() else f"{str(row.idxmax()).removeprefix('auc_')}"
        for _, row in worst.iterrows()
    ]
    sizes = [np.nan if row.isna().all() else 0.5 + row.max() for _, row in worst.iterrows()]
    counts = atlas.units.loc[atlas.units["p_best"] <= atlas.provenance["options"]["alpha"], "best"]
    table = designs.assign(
        largest=sizes, confound=names,
        n_best=designs["property"].map(counts.value_counts()).fillna(0).astype(int),
        n_named=designs["property"]
        .map(atlas.units.loc[atlas.units["named"], "best"].value_counts())
        .fillna(0)
        .astype(int),
    )  # fmt: skip
    return Table.of(
        "Every property: what is compared, the confound that differs most after matching, and the "
        "units that it is the best property of",
        table,
        (
            Column("property", ("property",), text, number=False),
            Column("heading", ("section",), text, number=False),
            Column("compared", ("level",), text, number=False),
            Column("with", ("n_groups1",), whole),
            Column("without", ("n_groups0",), whole),
            Column("confound", ("confound",), text, number=False),
            Column("its AUC", ("largest",), fixed),
            Column("best of", ("n_best",), whole),
            Column("with a sentence", ("n_named",), whole),
            Column("not tested because", ("problem",), text, number=False),
        ),
    )


def _search_data(atlas: Facts) -> dict[str, Any]:
    """Units for the search, the surest first, and those that follow each property."""
    units = atlas.units.reset_index(drop=True)
    order = units["t_best"].abs().sort_values(ascending=False, kind="stable").index[:MOST_UNITS]
    shown = units.loc[order]
    properties = list(atlas.values.columns)
    number = {name: i for i, name in enumerate(properties)} | {"": -1}
    z = atlas.values.to_numpy(np.float32)
    followers = {}
    for i, name in enumerate(properties):
        size = np.abs(np.nan_to_num(z[:, i]))
        top = np.argsort(-size, kind="stable")[:FOLLOWERS]
        followers[name] = [
            [str(units["name"].iloc[u]), _round(z[u, i]), _round(units["auc_heldout"].iloc[u]),
             str(units["best"].iloc[u])]
            for u in top.tolist()
        ]  # fmt: skip
    return {
        "properties": properties,
        "means": dict(zip(atlas.designs["property"], atlas.designs["means"], strict=True)),
        "total": len(units),
        "name": "\n".join(shown["name"].astype(str)),
        "best": shown["best"].map(number).tolist(),
        "second": shown["second"].map(number).tolist(),
        "t": [_round(v) for v in shown["t_best"]],
        "p": [_round(v, 4) for v in shown["p_best"]],
        "partial": [_round(v) for v in shown["partial_second"]],
        "selectivity": [_round(v) for v in shown["selectivity"]],
        "auc": [_round(v) for v in shown["auc_heldout"]],
        "named": shown["named"].astype(int).tolist(),
        "followers": followers,
    }


def _round(value: Any, digits: int = 2) -> float | None:
    number = float(value)
    return round(number, digits) if np.isfinite(number) else None
