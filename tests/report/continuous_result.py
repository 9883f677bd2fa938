"""A synthetic result with a continuous label: token length, one unit that follows it."""

from dataclasses import replace

import numpy as np
import pandas as pd
from synthetic_result import LAYERS, SITES, make_result

from lens_probes import stats

VALUE = "token length (characters)"
RISES, FALLS, CONSTANT = "L2.mlp_pre.5", "L3.q.7", "L0.mlp_pre.1"
WORDS = ("a", "to", "the", "שלום", "never", "<b>bo", "nothing", "although", "therefore")
_QUANTILES = {"q05_r": 0.05, "q25_r": 0.25, "median_r": 0.5, "q75_r": 0.75, "q95_r": 0.95}


def make_continuous(n=180, layers=LAYERS, width=40):
    """Noise, but for one unit that rises with length, one that falls, a dead layer and a constant.

    All units of layer 2, site q, rise a little.
    """
    rng = np.random.default_rng(5)
    word = [WORDS[i % len(WORDS)] for i in range(n)]
    value = np.array([len(w) for w in word], dtype=float)
    z = (value - value.mean()) / value.std()
    arrays = {(layer, site): rng.normal(size=(n, width)) for layer in layers for site in SITES}
    arrays[2, "mlp_pre"][:, 5] += 2 * z
    arrays[3, "q"][:, 7] -= 1.2 * z
    arrays[2, "q"] += 0.3 * z[:, None]
    arrays[0, "mlp_pre"][:, 1] = 4.0
    arrays[0, "q"][:] = 1.0
    units = pd.concat([_table(key, x, value) for key, x in arrays.items()], ignore_index=True)
    corrected = stats.adjust_log10(units["log10_r_p"].to_numpy(float), method="holm")
    units = units.assign(
        p_corrected=10.0**corrected,
        log10_p_corrected=corrected,
        significant=corrected <= np.log10(0.05),
        significant_token_level=corrected <= np.log10(0.05),
        status=np.where(units["r"].isna(), "constant", "ok"),
    )
    two_classes = make_result()
    kept = (RISES, FALLS, "L2.q.0", "L3.mlp_pre.2")
    places = [name.split(".") for name in kept]
    evidence = {
        n: arrays[int(la[1:]), s][:, int(u)] for n, (la, s, u) in zip(kept, places, strict=True)
    }
    return replace(
        two_classes,
        units=units,
        layers=layer_table(units),
        examples=_examples(word, value),
        evidence=pd.DataFrame(evidence),
        validation={"held_out_by": "word", "notes": []},
        provenance=_provenance(two_classes.provenance, value, units),
    )


def layer_table(units):
    """Layers as a sweep with a continuous label summarises them."""
    rows = []
    for (layer, site), group in units.groupby(["layer", "site"], sort=False):
        tested = group.dropna(subset="r")
        best = tested.loc[tested["log10_r_p"].idxmin()] if len(tested) else None
        found = tested[tested["significant"]]
        n = len(tested)
        rows.append(
            {
                "layer": layer,
                "site": site,
                "n_units": len(group),
                "n_tested": n,
                "n_constant": len(group) - n,
                "n_significant": len(found),
                "share_significant": len(found) / n if n else np.nan,
                "share_significant_token_level": len(found) / n if n else np.nan,
                "n_significant_positive": int((found["direction"] > 0).sum()),
                "share_significant_positive": (found["direction"] > 0).sum() / n if n else np.nan,
                "mean_r": tested["r"].mean(),
                "sd_r": tested["r"].std(),
                **{name: tested["r"].quantile(q) for name, q in _QUANTILES.items()},
                "mean_partial_r": np.nan,
                "median_partial_r": np.nan,
                "best_unit": None if best is None else best["name"],
                "best_r": np.nan if best is None else best["r"],
                "best_r_heldout": np.nan if best is None else 0.9 * best["r"],
            }
        )
    return pd.DataFrame(rows)


def _table(key, x, value):
    layer, site = key
    found = stats.correlation(x, value)
    index = {"layer": layer, "site": site, "unit": np.arange(x.shape[1])}
    index |= {"name": [f"L{layer}.{site}.{unit}" for unit in range(x.shape[1])]}
    index |= {"n": len(x), "mean": x.mean(axis=0), "sd": x.std(axis=0, ddof=1)}
    index |= {"n_distinct": [len(np.unique(column)) for column in x.T]}
    index |= {"direction": np.sign(found.r), **vars(found)}
    return pd.DataFrame(index | {"r_heldout": 0.9 * np.abs(found.r), "word_r": 1.05 * found.r})


def _examples(word, value):
    n = len(word)
    return pd.DataFrame(
        {
            "label": (value > np.median(value)).astype(int),
            "value": value,
            "word": word,
            "source": [f"speaker {i % 5}" for i in range(n)],
            "document": "speech",
            "offset": np.arange(n),
            "position": 20,
        }
    )


def _provenance(base, value, units):
    above = int((value > np.median(value)).sum())
    examples = base["examples"] | {
        "class_names": ["at most the median", "longer than the median"],
        "n_per_class": [len(value) - above, above],
        "n_words_per_class": [5, 4],
        "n_read_tokens_per_class": [5, 4],
        "n_groups_per_class": [5, 4],
        "set_aside": {},
        "value_name": VALUE,
        "counts": {"tokens": 5000, "drawn": len(value)},
        "origin": {"probe": "token_length", "question": "Which units follow token length?"},
    }
    left_out = int(units["r"].isna().sum())
    tested = len(units) - left_out
    decision = base["decision"] | {
        "p_column": "r_p",
        "m_smallest": tested,
        "m_largest": tested,
        "left_out": left_out,
    }
    return base | {"examples": examples, "decision": decision}
