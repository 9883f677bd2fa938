"""Colours that colour-blind readers can tell apart, and the contrast of text on them."""

from __future__ import annotations

from collections.abc import Sequence

Rgb = tuple[int, int, int]

# Okabe and Ito (2008), without black (invisible on a dark page) and with yellow last (faint on a
# light one).
BLUE = "#0072B2"
VERMILLION = "#D55E00"
GREEN = "#009E73"
PURPLE = "#CC79A7"
ORANGE = "#E69F00"
SKY = "#56B4E9"
YELLOW = "#F0E442"
GREY = "#8A8F98"
NEUTRAL = "#DCDFE3"
OKABE_ITO = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, YELLOW)
CLASS_COLOURS = (BLUE, VERMILLION)  # the first two of OKABE_ITO, which further classes go on with

# A colour alone never tells lines apart: each has a marker and a dash of its own as well.
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "star", "triangle-down")
DASHES = ("solid", "dash", "dot", "dashdot")


def line_style(index: int) -> tuple[str, str, str]:
    """Colour, marker and dash of line number `index`; 56 pairs before one comes again."""
    return (
        OKABE_ITO[index % len(OKABE_ITO)],
        SYMBOLS[index % len(SYMBOLS)],
        DASHES[index // len(OKABE_ITO) % len(DASHES)],
    )


def rgb(colour: str) -> Rgb:
    """Red, green and blue, 0 to 255, of "#rrggbb"."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def hexadecimal(colour: Rgb) -> str:
    """The inverse of `rgb`."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def blend(stops: Sequence[str], share: float) -> Rgb:
    """Colour at `share` (0 to 1) of the way along evenly spaced stops."""
    place = share * (len(stops) - 1)
    first = min(int(place), len(stops) - 2)
    low, high, part = rgb(stops[first]), rgb(stops[first + 1]), place - first
    red, green, blue = (round(a + (b - a) * part) for a, b in zip(low, high, strict=True))
    return red, green, blue


def contrast(one: Rgb, other: Rgb) -> float:
    """WCAG 2 contrast ratio, 1 to 21."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def ink(background: Rgb) -> Rgb:
    """Black or white, whichever reads better; the better of the two is always above 4.5."""
    black, white = (0, 0, 0), (255, 255, 255)
    return black if contrast(black, background) >= contrast(white, background) else white


def _luminance(colour: Rgb) -> float:
    linear = []
    for part in colour:
        c = part / 255
        linear.append(c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4)
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
