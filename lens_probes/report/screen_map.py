"""Tuned by used: the figure and the table of a screen beside a sweep, and columns for its units."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd
import plotly.graph_objects as go

from lens_probes.drawing.frame import frame, layer_axis, plain
from lens_probes.drawing.numbers import general, whole
from lens_probes.drawing.palette import line_style
from lens_probes.drawing.tables import Column, Table, text
from lens_probes.result.result import SCREEN, SweepData

if TYPE_CHECKING:
    from lens_probes.screening.saved import Screen

_CORNERS = {
    "tuned_used": "tuned, used",
    "tuned_no_measured_use": "tuned, no measured use",
    "tuned_undecided": "tuned, undecided",
    "other_used": "not found tuned, used",
    "other_no_measured_use": "not found tuned, no measured use",
    "other_undecided": "not found tuned, undecided",
}


def saved_screen(result: SweepData) -> Screen | None:
    """The screen beside a loaded result; None where there is none."""
    if result.folder is None or not (result.folder / SCREEN).exists():
        return None
    from lens_probes.screening.saved import Screen  # noqa: PLC0415 (loads torch)

    return Screen.beside(result)


def with_use(result: SweepData, screen: Screen | None) -> SweepData:
    """The result whose units table says of each unit that was screened whether it is used."""
    if screen is None:
        return result
    from lens_probes.screening.map import with_tuned  # noqa: PLC0415 (loads torch)

    found = with_tuned(screen.units, result)
    # Screened before and behind its non-linearity, a unit is shown where it was swept.
    found = found.assign(own=found["site"] == found["swept_site"])
    found = found.sort_values("own", ascending=False, kind="stable")
    found = found.drop_duplicates(["layer", "swept_site", "unit"])
    found = found.assign(use_ratio=found["effect"] / found["typical"])
    names = {"swept_site": "site", "effect": "use_effect"}
    columns = ["layer", "swept_site", "unit", "used", "effect", "use_ratio"]
    use = found[columns].rename(columns=names)
    units = result.units.drop(columns=["used", "use_effect", "use_ratio"], errors="ignore")
    return replace(result, units=units.merge(use, on=["layer", "site", "unit"], how="left"))


def corner_table(screen: Screen) -> Table:
    """Counts of each corner, by layer and site."""
    columns = [
        Column("layer", ("layer",), whole),
        Column("site", ("site",), text, number=False),
        *(Column(title, (name,), whole) for name, title in _CORNERS.items()),
    ]
    return Table.of("Units in each corner, by layer and site", screen.map, tuple(columns))


def use_by_layer(screen: Screen) -> go.Figure:
    """Units that are used, of the tuned ones and of the others, by layer and site."""
    table = screen.map
    figure = go.Figure()
    layers = sorted(set(table["layer"]))
    index = 0
    for site in dict.fromkeys(table["site"]):
        here = table[table["site"] == site].sort_values("layer")
        for group, name in (("tuned", "tuned"), ("other", "others")):
            colour, symbol, dash = line_style(index)
            index += 1
            figure.add_trace(go.Scatter(
                x=here["layer"].tolist(), y=here[f"{group}_used"].tolist(),
                name=f"{plain(site)}, {name}", mode="lines+markers",
                line={"color": colour, "dash": dash}, marker={"symbol": symbol, "size": 7},
                hovertemplate="layer %{x}: %{y} used<extra></extra>",
            ))  # fmt: skip
    figure.update_xaxes(**layer_axis(layers))
    figure.update_yaxes(title={"text": "units called used"}, rangemode="tozero")
    caption = (
        "Tuned: by the decision of this sweep. Used: the model does more without the unit than "
        "without units of its layer and site that write as much. A tuned unit without measured "
        "use is not shown to be without any."
    )
    total = table.drop(columns=["layer", "site"]).sum()
    title = (
        f"Of the tuned units {whole(total['tuned_used'])} are called used, of the others "
        f"{whole(total['other_used'])}"
    )
    return frame(figure, title, caption, height=380)


def use_lines(screen: Screen | None, units: pd.DataFrame, name: str) -> tuple[str, ...]:
    """What the screen says of one unit of a sweep, whose table `with_use` has completed."""
    found = units[units["name"] == name]
    if screen is None or found.empty or pd.isna(found.iloc[0].get("used")):
        return ()
    row: Mapping[Hashable, Any] = found.iloc[0].to_dict()
    ratio = row["use_ratio"]
    beside = "" if pd.isna(ratio) else f", {general(ratio)} times the typical unit of its size"
    verdict = str(row["used"])
    return (
        f"Screened with all units: {verdict}. Setting it to its mean changes the "
        f"{_measured(screen)} by {general(row['use_effect'])} nats{beside}.",
    )


def _measured(screen: Screen) -> str:
    names = {"kl": "next-token distribution", "loss": "loss on the tokens after"}
    return names.get(screen.provenance["options"]["metric"], "metric")
