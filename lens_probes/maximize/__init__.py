"""Activation maximisation: by gradient, over real tokens, and how reproducible it is."""

from lens_probes.maximize.contexts import Context, TopContexts
from lens_probes.maximize.gradient import Decoded, Maximized, maximize
from lens_probes.maximize.reproducibility import Reproducibility, Similarity, reproducibility
from lens_probes.maximize.sampling import top_contexts
from lens_probes.maximize.tokens import MaximizedTokens, maximize_tokens
from lens_probes.maximize.winners import Winners, batch_winners

__all__ = [
    "Context",
    "Decoded",
    "Maximized",
    "MaximizedTokens",
    "Reproducibility",
    "Similarity",
    "TopContexts",
    "Winners",
    "batch_winners",
    "maximize",
    "maximize_tokens",
    "reproducibility",
    "top_contexts",
]
