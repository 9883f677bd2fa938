"""A synthetic result: known units in known places, and text that tries to break out of a page."""

import numpy as np
import pandas as pd

from lens_probes.decision import decide, preset_decision
from lens_probes.paint import Painting
from lens_probes.result import SweepResult, summarise_layers
from lens_probes.sweep import unit_statistics

SCRIPT = "<script>alert(1)</script>"
CLASSES = ("plain & <i>simple</i>", "negation")
WORDS = (("always", "can", "שלום", "😀"), ("not", SCRIPT, "never"))
LAYERS, SITES, WIDTH = (0, 2, 3), ("mlp_pre", "q"), 12
PLANTED, SEPARATED, CONSTANT = "L2.mlp_pre.5", "L3.q.7", "L0.mlp_pre.1"


def make_result(n_per_class=(40, 50), layers=LAYERS, width=WIDTH, *, preset="rigorous"):
    """Noise, but for one tuned unit, one that separates, one constant unit, one dead layer.

    L2.mlp_pre.5 is 2 sd higher for class 1; L3.q.7 is lower for class 1 without overlap;
    L0.mlp_pre.1 is constant; all of L0.q is constant; all noise of layer 2, site q, is shifted.
    """
    rng = np.random.default_rng(3)
    y = np.repeat([0, 1], n_per_class)
    activations = {}
    for layer in layers:
        for site in SITES:
            x = rng.normal(size=(len(y), width))
            activations[layer, site] = x
    activations[2, "mlp_pre"][:, 5] += 2 * y
    activations[2, "q"] += 1.5 * y[:, None]
    activations[3, "q"][:, 7] = np.where(y == 1, -3, 3) + rng.uniform(-1, 1, len(y))
    activations[0, "mlp_pre"][:, 1] = 4.0
    activations[0, "q"][:] = 1.0
    tables = []
    for (layer, site), x in activations.items():
        names = [f"L{layer}.{site}.{unit}" for unit in range(width)]
        index = {"layer": layer, "site": site, "unit": np.arange(width), "name": names}
        tables.append(pd.DataFrame(index | unit_statistics(x, y)))
    units, decided = decide(pd.concat(tables, ignore_index=True), preset_decision(preset))
    kept = (PLANTED, SEPARATED, "L2.q.0", "L3.mlp_pre.2")
    evidence = {}
    for name in kept:
        layer, site, unit = name.split(".")
        evidence[name] = activations[int(layer[1:]), site][:, int(unit)]
    return SweepResult(
        units=units,
        layers=summarise_layers(units),
        examples=_examples(y),
        evidence=pd.DataFrame(evidence),
        provenance=_provenance(n_per_class, layers, decided),
        paintings=paintings(),
        timings={"forward passes": 1.25, "statistics": 0.5},
    )


def paintings():
    """Passages with everything that is hard to show."""
    awkward = ("He", " said", ":\n", "\n", SCRIPT, " a&b", "", "😀", " שלום", " עולם")
    awkward += ("\r\n", "\t", " not")
    values = (60.0, *np.linspace(-2, 2, len(awkward) - 1).tolist())
    return (
        Painting(SEPARATED, awkward, values, CLASSES[0], len(awkward) - 1),
        Painting(SEPARATED, ("a", " b", " c"), (0.0, -1.5, 1.0), "negation", 1),
    )


def _examples(y):
    word = [WORDS[label][i % len(WORDS[label])] for i, label in enumerate(y)]
    return pd.DataFrame(
        {
            "label": y,
            "word": word,
            "source": [f"speaker {i % 5}" for i in range(len(y))],
            "document": "speech <1>",
            "offset": np.arange(len(y)),
            "position": 90,
        }
    )


def _provenance(n_per_class, layers, decided):
    return {
        "model": {
            "source": "tiny",
            "class": "HookedTransformer",
            "weights_sha256": "ab" * 32,
            "processing": "none",
            "dtype": "float32",
            "device": "cpu",
            "n_layers": 4,
            "d_model": 16,
            "bos_token": "<|endoftext|>",
            "versions": {"lens-probes": "0.1.0", "torch": "2.13.0"},
        },
        "examples": {
            "class_names": list(CLASSES),
            "n_per_class": list(n_per_class),
            "n_words_per_class": [4, 3],
            "n_sources": 5,
            "sha256": "cd" * 32,
            "counts": {"candidates": 1234, "dropped: too near the start": 34, "drawn": 90},
            "origin": {
                "probe": "negation",
                "question": "Which units are tuned to negation?",
                "text": {"name": "novel.txt", "from": "texts/novel.txt", "sha256": "ef" * 32},
                "words": {CLASSES[0]: list(WORDS[0]), "negation": list(WORDS[1])},
                "word_set": "extended",
                "max_per_class": 50,
                "context": "window",
                "before": 90,
                "bos": False,
                "seed": 0,
            },
        },
        "layers": list(layers),
        "sites": list(SITES),
        "decision": decided,
        "command": "lens-probes sweep negation --text 'texts/novel.txt'",
    }
