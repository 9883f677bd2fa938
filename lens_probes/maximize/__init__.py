"""Activation maximisation: by gradient, over real tokens, and how reproducible it is."""

from lens_probes.maximize.gradient import Decoded, Maximized, maximize
from lens_probes.maximize.reproducibility import Reproducibility, Similarity, reproducibility
from lens_probes.maximize.tokens import MaximizedTokens, maximize_tokens

__all__ = [
    "Decoded",
    "Maximized",
    "MaximizedTokens",
    "Reproducibility",
    "Similarity",
    "maximize",
    "maximize_tokens",
    "reproducibility",
]
