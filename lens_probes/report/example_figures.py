"""Figures of single examples under the best units, class by class and word by word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from lens_probes.drawing.frame import evenly, frame, isolate, jitter, plain, short
from lens_probes.drawing.numbers import fixed, percent, whole
from lens_probes.drawing.palette import line_style
from lens_probes.errors import unknown
from lens_probes.report.ranking import class_names, listed, strongest
from lens_probes.result.result import SweepData

MAX_POINTS = 250
MAX_POINTS_OF_WORD = 40
MAX_WORDS = 12
_AUC_OF = ("in the unit's own direction", "that of the class it is highest for, against the rest")
ACTIVATION = "activation (the model's own units)"


def best_evidence(result: SweepData, n: int, unit: str | None = None) -> pd.DataFrame:
    """The n strongest units among those whose activations were kept, or the one named.

    Raises InputError for a unit whose activations were not kept.
    """
    names = list(result.evidence.columns)
    if unit is not None and unit not in names:
        raise unknown("unit with kept activations", unit, names)
    wanted = names if unit is None else [unit]
    return strongest(result.units[result.units["name"].isin(wanted)], n)


def class_distributions(result: SweepData, n: int = 6, *, unit: str | None = None) -> go.Figure:
    """Activation of every example under the n best units, class by class; the word on hover.

    `unit` names one unit of `result.evidence` instead.

    More than `MAX_POINTS` examples of a class are thinned evenly, in the order of the text.
    """
    best = best_evidence(result, n, unit)
    rows = max(len(best), 1)
    height = 50 + (60 + 30 * len(class_names(result))) * rows
    figure = make_subplots(
        rows=rows,
        cols=1,
        vertical_spacing=min(55 / height, 0.25),
        subplot_titles=[_panel_title(unit) for _, unit in best.iterrows()] or None,
    )
    label = result.examples["label"].to_numpy(int)
    names = class_names(result)
    strips = [
        _Strip(k, name, k, 0.7, np.flatnonzero(label == k), MAX_POINTS)
        for k, name in enumerate(names)
    ]
    for row, name in enumerate(best["name"], start=1):
        values = result.evidence[name].to_numpy(float)
        for strip in strips:
            figure.add_trace(strip.points(values, result.examples), row=row, col=1)
            figure.add_trace(strip.mean(values), row=row, col=1)
    ticks = [plain(short(name)) for name in names]
    places = list(range(len(names)))
    figure.update_yaxes(tickvals=places, ticktext=ticks, range=[-0.6, len(names) - 0.4])
    _bare_lines(figure)
    figure.update_annotations(x=0, xanchor="left", font={"size": 12})
    if len(best):
        figure.update_xaxes(title={"text": ACTIVATION}, row=rows, col=1)
    shown = sum(len(strip.drawn) for strip in strips)
    caption = (
        f"Each point is one example ({whole(shown)} of {whole(len(label))} are drawn in every "
        "panel; panels have their own scales), each upright stroke the mean of a class over all "
        f"its examples. AUC is {_AUC_OF[len(names) > 2]}. Units were picked on these examples."
    )
    return frame(figure, _distributions_title(best, named=unit is not None), caption, height=height)


def word_distributions(result: SweepData, *, unit: str | None = None) -> go.Figure:
    """Activation under the best unit (or the one named), word by word: do words of a class agree?

    The `MAX_WORDS` words with most examples of each class, at most `MAX_POINTS_OF_WORD` each.
    """
    best = best_evidence(result, 1, unit)
    figure = go.Figure()
    if best.empty or not has_words(result):
        return frame(figure, "No words were given", "Nothing to draw.", height=100)
    row = best.iloc[0]
    values = result.evidence[row["name"]].to_numpy(float)
    means = _word_means(result, values)
    drawn = means.groupby("label", sort=True).head(MAX_WORDS)
    drawn = drawn.sort_values(["label", "mean", "word"], kind="stable")
    ticks = []
    for place, (_, word) in enumerate(drawn.iterrows()):
        k = int(word["label"])
        strip = _Strip(k, str(word["word"]), place, 0.5, word["rows"], MAX_POINTS_OF_WORD)
        figure.add_trace(strip.points(values, result.examples))
        figure.add_trace(strip.mean(values, size=16))
        ticks.append(plain(f"{isolate(short(str(word['word'])))} ({len(word['rows'])})"))
    figure.update_yaxes(tickvals=list(range(len(ticks))), ticktext=ticks)
    figure.update_yaxes(range=[-0.8, len(ticks) - 0.2])
    figure.update_xaxes(title={"text": f"activation of {plain(row['name'])}"})
    _bare_lines(figure)
    names = class_names(result)
    of = f"Words of {names[1]} (squares) above words of {names[0]} (circles)"
    if len(names) > 2:
        of = f"Words of {listed(names)}, from below, each class in its colour"
    caption = (
        f"{of}, ordered by their "
        f"means (strokes); in brackets the number of examples. {len(drawn)} of {len(means)} words "
        "are shown, those with most examples. The words of a class are what a claim about the "
        "class has to hold for: one or two of them can make a unit significant."
    )
    return frame(figure, _words_title(means, row, names), caption, height=60 + 21 * len(ticks))


def has_words(result: SweepData) -> bool:
    """Whether the examples say which word each of them is."""
    return "word" in result.examples and bool(result.examples["word"].notna().any())


@dataclass(frozen=True)
class _Strip:
    """Examples that share one line of a figure: a class, or a word of a class."""

    label: int
    name: str
    place: int
    width: float
    rows: NDArray[np.int64]
    max_points: int

    @property
    def drawn(self) -> NDArray[np.int64]:
        return self.rows[evenly(len(self.rows), self.max_points)]

    def points(self, values: NDArray[np.float64], examples: pd.DataFrame) -> go.Scatter:
        drawn = self.drawn
        return go.Scatter(
            x=values[drawn],
            y=np.round(self.place + self.width * jitter(len(drawn)), 3),
            customdata=[describe(row) for _, row in examples.iloc[drawn].iterrows()],
            name=plain(self.name),
            showlegend=False,
            mode="markers",
            marker={
                "color": line_style(self.label)[0],
                "symbol": line_style(self.label)[1],
                "size": 5,
                "opacity": 0.7,
                "line": {"width": 0},
            },
            hovertemplate="%{customdata}<br>activation %{x:.4g}<extra></extra>",
        )

    def mean(self, values: NDArray[np.float64], size: int = 32) -> go.Scatter:
        return go.Scatter(
            x=[values[self.rows].mean()],
            y=[self.place],
            mode="markers",
            marker={
                "symbol": "line-ns",
                "size": size,
                "line": {"width": 3, "color": line_style(self.label)[0]},
            },
            name=plain(self.name),
            showlegend=False,
            hovertemplate=f"mean of {plain(self.name)} (n = {len(self.rows):,}): %{{x:.4g}}"
            "<extra></extra>",
        )


def _bare_lines(figure: go.Figure) -> None:
    figure.update_yaxes(showgrid=False, zeroline=False, automargin=True)
    figure.update_xaxes(zeroline=False)


def describe(example: pd.Series) -> str:
    """Word and source of an example, for a label of a figure."""
    known = [c for c in ("word", "source") if c in example and not pd.isna(example[c])]
    return ", ".join(plain(example[c]) for c in known) or f"example {example.name}"


def _word_means(result: SweepData, values: NDArray[np.float64]) -> pd.DataFrame:
    """Words of each class with their rows and mean, those with most examples first."""
    groups = result.examples.groupby(["label", "word"]).indices
    words = []
    for key, rows in groups.items():
        label, word = cast(tuple[int, str], key)
        words.append((int(label), str(word), rows, values[rows].mean()))
    words.sort(key=lambda word: (word[0], -len(word[2]), word[1]))
    return pd.DataFrame(words, columns=["label", "word", "rows", "mean"])


def _panel_title(unit: pd.Series) -> str:
    status = "" if unit["status"] == "ok" else f", {unit['status']}".replace("_", " ")
    return plain(f"{unit['name']}: AUC {fixed(_own_auc(unit), 3)}{status}")


def _own_auc(unit: pd.Series) -> float:
    """In the unit's own direction; of several classes, of the one it is highest for."""
    if "highest" in unit.index:
        return float(unit[f"auc{max(int(unit['highest']), 0)}"])
    return float(max(unit["auc"], 1 - unit["auc"]))


def _distributions_title(best: pd.DataFrame, *, named: bool) -> str:
    if best.empty:
        return "No unit could be tested, so no activations were kept"
    first = best.iloc[0]
    who = str(first["name"]) if named else f"{first['name']}, the strongest unit,"
    if first["status"] == "separated":
        return f"{who} separates the classes with no overlap"
    share = percent(_own_auc(first))
    pairs = "one example of its class and one of another" if "highest" in first.index else ""
    return (
        f"{who} puts {share} of pairs of {pairs or 'one example of each class'} in the same order"
    )


def _words_title(means: pd.DataFrame, unit: pd.Series, names: tuple[str, ...]) -> str:
    if len(names) > 2:
        own = means["label"] == int(unit["highest"])
        one, rest = (means.loc[rows, "mean"].to_numpy(float) for rows in (own, ~own))
        share = (one[:, None] > rest[None, :]).mean() if len(one) and len(rest) else np.nan
        return (
            f"{unit['name']}: a word of {names[int(unit['highest'])]} has a higher mean than one "
            f"another class in {percent(share, 0)} of pairs of words"
        )
    sign = 1 if unit["direction"] > 0 else -1
    one, zero = (sign * means.loc[means["label"] == k, "mean"].to_numpy(float) for k in (1, 0))
    share = (one[:, None] > zero[None, :]).mean() if len(one) and len(zero) else np.nan
    higher, lower = names[sign > 0], names[sign < 0]
    if share == 1:
        return f"{unit['name']}: every word of {higher} has a higher mean than any of {lower}"
    return (
        f"{unit['name']}: a word of {higher} has a higher mean than a word of {lower} in "
        f"{percent(share, 0)} of pairs of words"
    )
