"""A paragraph, and the same with the hard wraps of an editor."""

import textwrap

PROSE = (
    "It is a truth universally acknowledged, that a single man in possession of a good fortune, "
    "must be in want of a wife. However little known the feelings or views of such a man may be "
    "on his first entering a neighbourhood, this truth is so well fixed in the minds of the "
    "surrounding families, that he is considered the rightful property of some one or other."
)
FILLED = textwrap.fill(PROSE, 70)
