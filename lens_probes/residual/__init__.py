"""The residual stream: what each block adds to it, how it changes, and who can see whom."""

from lens_probes.residual.causality import PrefixDifference, Sight, prefix_difference, sees_what
from lens_probes.residual.correlation import (
    StreamCorrelation,
    TokenCorrelations,
    stream_correlation,
    token_correlations,
)
from lens_probes.residual.deltas import BlockSums, PathLength, block_sums, path_length
from lens_probes.residual.hidden import HiddenStateDifference, HiddenStates, hidden_states
from lens_probes.residual.sinks import Sink, attention_sinks, typical_norm
from lens_probes.residual.stream import stream

__all__ = [
    "BlockSums",
    "HiddenStateDifference",
    "HiddenStates",
    "PathLength",
    "PrefixDifference",
    "Sight",
    "Sink",
    "StreamCorrelation",
    "TokenCorrelations",
    "attention_sinks",
    "block_sums",
    "hidden_states",
    "path_length",
    "prefix_difference",
    "sees_what",
    "stream",
    "stream_correlation",
    "token_correlations",
    "typical_norm",
]
