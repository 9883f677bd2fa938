"""Where a sweep's numbers come from, as its result keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lens_probes.activations.collect import Activations
from lens_probes.examples.examples import Examples
from lens_probes.examples.replication_groups import groups_per_class, set_aside


def provenance_of(
    source: Mapping[str, Any],
    examples: Examples,
    activations: Activations,
    decided: dict[str, Any],
) -> dict[str, Any]:
    """What units are of (`source`), examples, layers and sites, and the decision; plain values."""
    classes = range(len(examples.class_names))
    n_words = [
        0 if examples.word is None else len(set(examples.word[examples.label == label]))
        for label in classes
    ]
    n_tokens = [0 for _ in classes]
    if examples.knows_tokens:
        read = examples.read_tokens
        n_tokens = [len(np.unique(read[examples.label == label])) for label in classes]
    return {
        **source,
        "examples": {
            "class_names": list(examples.class_names),
            "n_per_class": list(examples.n_per_class),
            "n_words_per_class": n_words,
            "n_read_tokens_per_class": n_tokens,
            "n_groups_per_class": list(groups_per_class(examples)),
            "set_aside": set_aside(examples) if decided["level"] == "word" else {},
            "n_sources": 0 if examples.source is None else len(set(examples.source)),
            "by_source": examples.by_source().to_dict("records"),
            "tokens_up_to_target": [int(examples.position.min()) + 1,
                                    int(examples.position.max()) + 1],
            "sha256": examples.digest,
            "counts": dict(examples.counts),
            "value_name": examples.value_name or None,
            "tokens_computed": activations.tokens_computed,
            "origin": dict(examples.origin),
        },
        "layers": sorted({layer for layer, _ in activations}),
        "sites": list(dict.fromkeys(site for _, site in activations)),
        "decision": decided,
    }  # fmt: skip
