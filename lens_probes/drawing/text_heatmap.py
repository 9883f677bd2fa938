"""Passages with every token on the colour of its activation, as HTML or for a terminal."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

import numpy as np
from markupsafe import Markup, escape

from lens_probes.drawing.numbers import general
from lens_probes.drawing.palette import hexadecimal, ink
from lens_probes.drawing.scales import LEVELS, ColourScale, Scale, colours
from lens_probes.drawing.token_activations import TokenActivations


@dataclass(frozen=True)
class TextHeatmap:
    """Passages under a unit, painted wherever they are shown: a notebook, a page, a terminal.

    `scale` None takes `best_scale`. In a notebook the last value of a cell shows itself;
    `str(heatmap)` is plain text with the values in brackets, `text()` has colours for a terminal.
    """

    paintings: tuple[TokenActivations, ...]
    scale: Scale | None = None

    @property
    def chosen(self) -> Scale:
        """The scale in use."""
        return self.scale or best_scale(self.paintings)

    def html(self) -> str:
        """An HTML fragment that needs nothing else."""
        return heatmap_html(self.paintings, self.chosen)

    def text(self, *, colour: bool = True) -> str:
        """All passages for a terminal, one after the other."""
        return "\n".join(heatmap_text(p, self.chosen, colour=colour) for p in self.paintings)

    def _repr_html_(self) -> str:
        return self.html()

    def __str__(self) -> str:
        return self.text(colour=False)


def heatmap_html(
    paintings: Sequence[TokenActivations], scale: Scale = "minmax", *, brief: bool = False
) -> str:
    """Passages as an HTML fragment that needs nothing else: each token on its activation's colour.

    Passages of one unit share one colour scale, whose limits the legend gives. The text of the
    token spans, joined, is the passage unchanged: line-end marks and boundaries are style only.
    Values are in each token's title and in a table under each passage; `brief` has no tables, and a
    legend of the limits alone. Follows the reader's light or dark mode.
    """
    parts = [Markup('<div class="lens-heatmap">')]
    diverging = ColourScale.of((), scale).diverging
    style = (
        resources.files("lens_probes.drawing").joinpath("templates/heatmap.css").read_text("utf-8")
    )
    parts.append(Markup("<style>{}</style>").format(Markup(style + _level_rules(diverging))))
    for unit in dict.fromkeys(painting.unit for painting in paintings):
        of_unit = [painting for painting in paintings if painting.unit == unit]
        limits = ColourScale.of((v for painting in of_unit for v in painting.values), scale)
        parts.append(_limits(limits) if brief else _legend(unit, limits))
        parts += [_passage(painting, limits, table=not brief) for painting in of_unit]
    parts.append(Markup("</div>"))
    return str(Markup("\n").join(parts))


def heatmap_text(
    painting: TokenActivations, scale: Scale = "minmax", *, colour: bool = True
) -> str:
    """One passage for a terminal: 24-bit background colours, or values in brackets without them.

    Line ends show as ↵. Control characters show as pictures, so that no text can drive the
    terminal. The target is underlined, or between » and «.
    """
    limits = ColourScale.of(painting.values, scale)
    palette = colours("light", diverging=limits.diverging)
    low, high = _value(limits.low), _value(limits.high)
    lines = [f"{_visible(painting.unit)}: {low} to {high} ({limits.describe()})\n"]
    for i, (piece, value) in enumerate(zip(painting.pieces, painting.values, strict=True)):
        shown, target = _visible(piece) or "▯", i == painting.target
        if not colour:
            body = f"»{shown}«" if target else shown
            lines.append(body.replace("\n", "↵") + f"[{_value(value)}]" + "\n" * piece.count("\n"))
            continue
        level = limits.level(value)
        style = "0" if level is None else _ansi(palette[level])
        style += ";1;4" if target else ""
        # Colour ends before each line end, or the terminal would fill the rest of the line.
        parts = shown.replace("\n", "↵\n").split("\n")
        lines.append("\n".join(f"\x1b[{style}m{part}\x1b[0m" if part else "" for part in parts))
    return "".join(lines) + "\n"


def best_scale(paintings: Sequence[TokenActivations]) -> Scale:
    """Zero in the middle where values have both signs and no outlier would wash out the rest."""
    values = np.array([value for painting in paintings for value in painting.values])
    values = values[np.isfinite(values)]
    if not len(values) or values.min() >= 0 or values.max() <= 0:
        return "robust"
    sizes = np.abs(values)
    return "symmetric" if sizes.max() <= 2 * np.percentile(sizes, 95) else "robust"


def _passage(painting: TokenActivations, limits: ColourScale, *, table: bool) -> Markup:
    tokens = Markup("").join(
        _token(i, piece, value, limits, i == painting.target)
        for i, (piece, value) in enumerate(zip(painting.pieces, painting.values, strict=True))
    )
    title = painting.title or painting.unit
    values = _table_of_values(painting, title) if table else ""
    return Markup(
        '<figure class="passage"><figcaption>{}</figcaption>'
        '<p class="tokens" dir="auto">{}</p>{}</figure>'
    ).format(title, tokens, values)


def _table_of_values(painting: TokenActivations, title: str) -> Markup:
    rows = Markup("").join(
        Markup('<tr><td>{}</td><th scope="row">{}</th><td>{}</td></tr>').format(
            f"{i} (read here)" if i == painting.target else i,
            piece.replace("\n", "↵") if piece else "part of the next character",
            _value(value),
        )
        for i, (piece, value) in enumerate(zip(painting.pieces, painting.values, strict=True))
    )
    return Markup(
        "<details><summary>Values of these {n} tokens</summary>"
        '<div class="values" tabindex="0" role="region" aria-label="Values, {title}"><table>'
        '<thead><tr><th scope="col">position</th><th scope="col">token</th>'
        '<th scope="col">activation</th></tr></thead><tbody>{rows}</tbody></table></div>'
        "</details>"
    ).format(title=title, n=len(painting.pieces), rows=rows)


def _token(place: int, piece: str, value: float, limits: ColourScale, target: bool) -> Markup:
    level = limits.level(value)
    classes = ["token", "nan" if level is None else f"{_prefix(limits.diverging)}{level}"]
    classes += ["target"] * target + ["empty"] * (not piece)
    # A parser turns a bare carriage return into a line feed; as a reference it stays what it is.
    text = escape(piece).replace("\r", Markup('<span class="return">&#13;</span>'))
    text = text.replace("\n", Markup('<span class="newline">\n</span>'))
    return Markup('<span class="{}" title="{} (token {}{})">{}</span>').format(
        " ".join(classes), _value(value), place, ", read here" * target, text
    )


def _legend(unit: str, limits: ColourScale) -> Markup:
    return Markup(
        '<p class="legend"><span>Activation of <strong>{}</strong>:</span> {} '
        "<span>({}; outlined: the token that is read)</span></p>"
    ).format(unit, _ramp(limits), limits.describe())


def _limits(limits: ColourScale) -> Markup:
    said = "<span>outlined: the token that is read</span>"
    return Markup(f'<p class="legend">{{}} {said}</p>').format(_ramp(limits))


def _ramp(limits: ColourScale) -> Markup:
    prefix = _prefix(limits.diverging)
    ramp = Markup("").join(
        Markup('<span class="{}{}"></span>').format(prefix, level) for level in range(LEVELS)
    )
    return Markup(
        '<span class="limits">{} <span class="ramp" aria-hidden="true">{}</span> {}</span>'
    ).format(_value(limits.low), ramp, _value(limits.high))


def _level_rules(diverging: bool) -> str:
    prefix = _prefix(diverging)

    def rules(background: Sequence[tuple[int, int, int]]) -> str:
        return "".join(
            f".lens-heatmap .{prefix}{level} {{ background: {hexadecimal(c)}; "
            f"color: {hexadecimal(ink(c))}; }}\n"
            for level, c in enumerate(background)
        )

    light = rules(colours("light", diverging=diverging))
    dark = rules(colours("dark", diverging=diverging))
    return f"{light}@media (prefers-color-scheme:dark){{\n{dark}}}\n"


def _prefix(diverging: bool) -> str:
    return "d" if diverging else "s"


def _value(value: float) -> str:
    if not math.isfinite(value):
        return str(value)
    return general(value).striptags() if 1e-3 <= abs(value) < 1e5 or value == 0 else f"{value:.2e}"


def _visible(text: str) -> str:
    """Control characters as their pictures (ESC as ␛), newlines kept.

    What is not seen, or turns the line around (direction overrides, joiners, line separators), by
    its number: ⟨U+202E⟩.
    """
    return "".join(map(_shown, text))


def _shown(c: str) -> str:
    if c < " ":
        return c if c == "\n" else chr(0x2400 + ord(c))
    if "\x7f" <= c <= "\x9f":
        return "␡"
    unseen = unicodedata.category(c) in ("Cf", "Cs", "Zl", "Zp")
    return f"⟨U+{ord(c):04X}⟩" if unseen else c


def _ansi(background: tuple[int, int, int]) -> str:
    foreground = ink(background)
    return "48;2;{};{};{};".format(*background) + "38;2;{};{};{}".format(*foreground)
