"""A synthetic result: known units in known places, and text that tries to break out of a page."""

from dataclasses import replace

import numpy as np
import pandas as pd

from lens_probes import stats
from lens_probes.drawing.token_activations import TokenActivations
from lens_probes.result.layers import summarise_layers
from lens_probes.sweep_result import SweepResult

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
        for part in (stats.moments, stats.ttest, stats.logistic, stats.auc):
            index |= vars(part(x, y))
        tables.append(pd.DataFrame(index))
    units, decided = _decide(pd.concat(tables, ignore_index=True), preset)
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


def with_checks(result):
    """The same result as the rigorous preset would give it: by words, with checks."""
    word_p = result.units["log10_score_p"] / 4
    units = result.units.assign(
        log10_word_p=word_p,
        word_p=10.0**word_p,
        significant=result.units["log10_score_p"] < -9,
        p_corrected=0.004,
        log10_p_corrected=np.log10(0.004),
        auc_heldout=0.75,
        effective_n=31.5,
    )
    tested = (result.layers["n_tested"] > 0).to_numpy()
    held_out = np.where(tested, 0.6 + result.layers["layer"] / 20, np.nan)
    layers = result.layers.assign(
        mean_accuracy_significant_positive_heldout=np.where(tested, 0.61, np.nan),
        best_unit_auc_heldout=held_out,
        mean_difference_auc_heldout=held_out + 0.05,
        logistic_probe_auc_heldout=held_out + 0.1,
        control_auc_low=0.55,
        control_auc_high=0.65,
        selectivity=0.125,
        untrained_share_significant=0.025,
    )
    changed = {"p_column": "p_family", "method": "max_t", "level": "word"}
    changed |= {"n_permutations": 1000, "min_per_group": 5, "seed": 0, "threshold": [3.25, 4.5]}
    changed |= {"n_words_tested": [4, 3]}
    nulls = {
        "tokens": {"nominal": 0.05, "unit": 0.051, "family": 0.045, "n": 200},
        "words": {"nominal": 0.05, "unit": 0.333, "family": float("nan"), "n": 200},
    }
    return replace(
        result,
        units=units,
        layers=layers,
        provenance=result.provenance | {"decision": result.provenance["decision"] | changed},
        validation={
            "resolution": "7 v 5 word types: 792 relabellings, smallest p 0.0013",
            "notes": ["no passages are known: no held-out scores by passage"],
            "held_out_by": "word",
            "nested_best": {
                "unit": {"auc": 0.75, "low": 0.6, "high": 0.9},
                "mean_difference": {"auc": 0.8, "low": 0.65, "high": 0.95},
                "logistic_probe": {"auc": 0.85, "low": 0.7, "high": 0.95},
                "chosen_unit": ["L3.mlp_pre.1"],
                "chosen_array": [[3, "mlp_pre"]],
            },
            "nulls": nulls,
            "confounds": {"n_characters": {"mean0": 4.25, "mean1": 3.0, "auc": 0.25}},
        },
    )


def paintings():
    """Passages with everything that is hard to show."""
    awkward = ("He", " said", ":\n", "\n", SCRIPT, " a&b", "", "😀", " שלום", " עולם")
    awkward += ("\r\n", "\t", " not")
    values = (60.0, *np.linspace(-2, 2, len(awkward) - 1).tolist())
    return (
        TokenActivations(SEPARATED, awkward, values, CLASSES[0], len(awkward) - 1),
        TokenActivations(SEPARATED, ("a", " b", " c"), (0.0, -1.5, 1.0), "negation", 1),
    )


def _decide(units, preset):
    """Holm over all units: of the score test, or of Wald's where that is what decides."""
    p_column = "wald_p" if preset == "course" else "score_p"
    log10_p = units[f"log10_{p_column}"].to_numpy(float)
    corrected = stats.adjust_log10(log10_p, method="holm")
    decided = units.assign(
        p_corrected=10.0**corrected,
        log10_p_corrected=corrected,
        significant=corrected <= np.log10(0.05),
        significant_token_level=corrected <= np.log10(0.05),
    )
    n = int(np.isfinite(log10_p).sum())
    return decided, {
        "preset": preset,
        "p_column": p_column,
        "method": "holm",
        "scope": "model",
        "alpha": 0.05,
        "level": "token",
        "why": "",
        "n_families": 1,
        "m_smallest": n,
        "m_largest": n,
        "n_permutations": 99,
        "min_per_group": 5,
        "seed": 0,
        "n_set_aside": 0,
        "families": [0],
        "left_out": len(units) - n,
    }


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
            "n_read_tokens_per_class": [4, 3],
            "n_groups_per_class": [4, 3],
            "set_aside": {},
            "n_sources": 5,
            "by_source": [],
            "tokens_up_to_target": [91, 91],
            "value_name": None,
            "tokens_computed": 8190,
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
