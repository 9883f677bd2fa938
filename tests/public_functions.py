"""Every public function with arguments that it takes, and what else a user may pass for each."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import torch

import lens_probes as lp
from lens_probes import maximize, residual, stats
from lens_probes.stats import folds_by_word

RNG = np.random.default_rng(0)
N, WIDTH = 24, 3
LABELS = np.arange(N) % 2
WORDS = [f"w{i % 8}" for i in range(N)]
PURE = [f"{label}w{i // 2 % 3}" for i, label in enumerate(LABELS)]  # every group has one class
X = RNG.normal(size=(N, WIDTH)) + LABELS[:, None]
VALUE = RNG.normal(size=N)
OF_WORDS = RNG.normal(size=8)[np.arange(N) % 8]
BODY = "We can see it, but they cannot. He will not go, and nobody will. " * 12
IDS = RNG.integers(3, 390, (2, 6)).tolist()


class _Liar:
    """Says that it is an array of numbers and is none."""

    dtype, ndim, shape = "float64", 2, (N, WIDTH)

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError("no array here")

    def __repr__(self) -> str:
        raise RuntimeError("no repr either")


def _object_array() -> Any:
    cells = np.empty(N, dtype=object)
    cells[:] = [None, "a", 1.5, [1]] * (N // 4)
    return cells


# Made anew for each try: a generator is used up.
ODD: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "True": lambda: True,
    "text": lambda: "x",
    "number as text": lambda: "10",
    "empty text": lambda: "",
    "bytes": lambda: b"x",
    "half a character": lambda: "a\ud83d",
    "1.5": lambda: 1.5,
    "NaN": lambda: float("nan"),
    "infinity": lambda: float("inf"),
    "-1": lambda: -1,
    "-2**63": lambda: -(2**63),
    "10**9": lambda: 10**9,
    "2**63": lambda: 2**63,
    "10**30": lambda: 10**30,
    "1e308": lambda: 1e308,
    "1e-320": lambda: 1e-320,
    "complex": lambda: 1j,
    "empty list": lambda: [],
    "dict": lambda: {"a": 1},
    "set": lambda: {1, 2},
    "object": object,
    "liar": _Liar,
    "function": lambda: len,
    "type": lambda: int,
    "missing": lambda: pd.NA,
    "time": lambda: pd.Timestamp("2020-01-01"),
    "generator": lambda: (i for i in range(N)),
    "range": lambda: range(N),
    "list of lists": lambda: [[1, 2], [3, 4]],
    "ragged": lambda: [[1, [2]], 3],
    "list of text": lambda: ["a", 1] * (N // 2),
    "list of None": lambda: [None] * N,
    "list of NaN": lambda: [float("nan")] * N,
    "list of infinity": lambda: [float("inf"), 1.0] * (N // 2),
    "list of huge": lambda: [10**30] * N,
    "list of negative": lambda: [-1] * N,
    "list of lists, long": lambda: [[1.0, 2.0]] * N,
    "object array": _object_array,
    "empty array": lambda: np.zeros((0, WIDTH)),
    "no units": lambda: np.zeros((N, 0)),
    "three axes": lambda: np.zeros((N, WIDTH, 2)),
    "scalar array": lambda: np.array(2),
    "constant": lambda: np.zeros((N, WIDTH)),
    "constant column": lambda: np.zeros(N),
    "NaN array": lambda: np.full((N, WIDTH), np.nan),
    "huge array": lambda: np.full((N, WIDTH), 1e308) * (np.arange(N) % 2)[:, None],
    "complex array": lambda: np.zeros((N, WIDTH), complex),
    "dates": lambda: np.array(["2020-01-01"] * N, dtype="datetime64[D]"),
    "texts": lambda: np.array(["a", "b"] * (N // 2)),
    "structured": lambda: np.zeros(N, dtype=[("a", float)]),
    "masked": lambda: np.ma.masked_array(np.arange(N), np.arange(N) < 3),
    "read-only": lambda: np.broadcast_to(np.float32(1.0), (N, WIDTH)),
    "tensor": lambda: torch.zeros(2, 2),
    "complex tensor": lambda: torch.zeros(N, WIDTH, dtype=torch.complex64),
    "sparse tensor": lambda: torch.zeros(N, WIDTH).to_sparse(),
    "meta tensor": lambda: torch.zeros(N, WIDTH, device="meta"),
    "tensor with gradient": lambda: torch.ones(N, WIDTH, requires_grad=True),
    "bfloat16": lambda: torch.ones(N, WIDTH, dtype=torch.bfloat16),
    "column": lambda: pd.Series([1, None] * (N // 2)),
    "frame": lambda: pd.DataFrame({"a": ["x"] * N}),
}  # fmt: skip

_TWO = {"x": X, "y": LABELS}
_OF_VALUE = {"x": X, "value": VALUE}
_OF_WORDS = {"x": X, "value": OF_WORDS, "word": WORDS}
THREE = np.arange(N) % 3
_THREE = {"x": X, "y": THREE}
OF_THREE = [f"{k}w{i // 3 % 3}" for i, k in enumerate(THREE)]  # every group has one class
_FEW = {"n_permutations": 9, "alpha": 0.05, "seed": 0}
ROUNDS = {"alpha_unit": 0.05, "n": 5, "seed": 0}
STATS: dict[str, dict[str, Any]] = {
    "adjust": {"p": [0.1, 0.2], "method": "holm", "family": [0, 0]},
    "adjust_log10": {"log10_p": [-1.0, -2.0], "method": "bh", "family": [0, 1]},
    "adjust_hierarchical_log10": {"log10_p": [-1.0, -2.0], "family": [0, 1]},
    "adjusted_test": {
        **_TWO, "groups": PURE, "fixed": None, "covariates": VALUE[:, None], "n_draws": 9,
        "seed": 0, "family": [0] * WIDTH, "alpha": 0.05, "method": "auto", "icc": 0.3,
    },
    "auc": _TWO,
    "auc_against_rest": _THREE,
    "chi2_tail": {"statistic": [1.0, 2.0], "dof": 2},
    "concordance": {
        "effect1": [0.1, 0.2, -0.3], "significant1": [True, False, True],
        "effect2": [0.1, 0.3, -0.2], "significant2": [True, True, True],
    },
    "correlation": {"x": X, "y": VALUE, "covariates": VALUE[::-1, None]},
    "count_distinct": {"x": X},
    "f_tail": {"f": [1.0, 2.0], "dof1": 2.0, "dof2": [3.0, 4.0]},
    "f_test": _THREE,
    "firth": _TWO,
    "folds_by_passage": {"y": LABELS, "source": WORDS, "n_folds": 3, "seed": 0},
    "folds_by_value": {"value": VALUE, "groups": WORDS, "n_folds": 3, "seed": 0},
    "folds_by_word": {"y": LABELS, "word": PURE, "n_folds": 2, "seed": 0},
    "group_effects": {**_TWO, "groups": PURE},
    "heldout_auc": {
        "score": X, "y": LABELS, "groups": PURE, "fold": folds_by_word(LABELS, PURE, n_folds=2),
    },
    "heldout_direction": {**_TWO, "fold": np.arange(N) // 2 % 3},
    "heldout_highest": {**_THREE, "fold": np.arange(N) // 3 % 3},
    "heldout_r": {**_OF_VALUE, "fold": np.arange(N) % 3},
    "logistic": {**_TWO, "n_threads": 1},
    "max_permutation": {
        **_TWO, "groups": PURE, "within": None, "family": [0] * WIDTH, "statistic": None,
        "bound": False, **_FEW,
    },
    "moments": _TWO,
    "normal_tail": {"z": [1.0, 2.0]},
    "normalised_welch": {"x": X, "y": LABELS == 1},
    "paired": {**_TWO, "pair": np.arange(N) // 2, "n_pairings": 3, "seed": 0},
    "pairwise_g": _THREE,
    "relabel_tokens_null": {**_TWO, **ROUNDS},
    "relabel_tokens_null_r": {**_OF_VALUE, **ROUNDS},
    "relabel_words_null": {**_TWO, "word": PURE, **ROUNDS},
    "relabel_words_null_f": {**_THREE, "word": OF_THREE, **ROUNDS},
    "relabel_words_null_r": {**_OF_WORDS, **ROUNDS},
    "resolution": {
        "method": "max_t", "n_groups0": 9, "n_groups1": 9, "n_units": 3, "alpha": 0.05,
        "n_permutations": 9, "n_relabellings": None,
    },
    "resolution_f": {"y": THREE, "groups": OF_THREE, "n_permutations": 9, "alpha": 0.05},
    "resolution_r": {
        "value": OF_WORDS, "groups": WORDS, "within": None, "n_permutations": 9, "alpha": 0.05,
    },
    "shrink": {"effect": RNG.normal(size=12), "se": [1.0] * 12},
    "sign_agreement": {
        **_TWO, "groups": PURE, "direction": [1.0, 1, -1], "selected": [True] * WIDTH,
        "kind": "class", "n_permutations": 19, "seed": 0,
    },
    "mean_auc": {
        **_TWO, "groups": PURE, "direction": [1.0, 1, -1], "selected": [True] * WIDTH,
        "n_permutations": 19, "seed": 0,
    },
    "effect_agreement": {
        **_TWO, "groups": PURE, "effect": [0.5, 1.0, -1.0], "n_permutations": 19, "seed": 0,
    },
    "sparse_probe": {
        **_TWO, "groups": np.arange(N), "k": (1, 2), "selector": "t", "n_folds": 2, "seed": 0,
        "fold": None, "l2": 0.01, "n_stable": 2, "threshold": 0.9,
    },
    "spline_columns": {"values": VALUE, "n_knots": 4},
    "split_test": {**_TWO, "word": PURE, **ROUNDS},
    "student_tail": {"t": [1.0, 2.0], "dof": [3.0, 4.0]},
    "ttest": _TWO,
    "tuned_at_least": {"value": [3.0, 2.0, 1.0], "simes_level": 0.5, "among": None},
    "word_level": {**_TWO, "word": PURE, "min_per_word": 2},
    "word_level_f": {**_THREE, "word": OF_THREE},
    "word_level_paired": {**_TWO, "word": np.arange(N) // 4},
    "word_level_r": {**_OF_WORDS, "min_per_word": 2},
    "zero_inflated": {**_TWO, "groups": PURE},
}  # fmt: skip
_UNIT = {"site": "q", "layer": 0, "unit": 1}
_READ = {"site": "q", "layer": 0, "units": [0, 1], "batch": 2, "length": 8, "seed": 0}
MAXIMIZE: dict[str, dict[str, Any]] = {
    "maximize": {
        **_UNIT, "n_tokens": 2, "n_starts": 1, "steps": 1, "learning_rate": 0.1, "l2": 0.0,
        "read": "last", "position_embeddings": True, "n_neighbours": 2, "seed": 0,
    },
    "maximize_tokens": {
        **_UNIT, "n_tokens": 2, "n_starts": 1, "steps": 1, "n_candidates": 3, "top_k": 2,
        "read": "last", "seed": 0, "progress": False,
    },
    "reproducibility": {
        **_UNIT, "n_restarts": 2, "n_null": 2, "n_tokens": 2, "steps": 1, "learning_rate": 0.1,
        "l2": 0.0, "read": "last", "position_embeddings": True, "seed": 0,
    },
    "top_contexts": {
        **_READ, "k": 2, "n_random": 2, "quantiles": [0.5], "per_quantile": 1, "overlap": 0,
        "n_windows": None, "skip_first": True, "exclude_sinks": False, "sink_factor": 4.0,
        "distinct": 0, "bos": False, "before": 2, "after": 1, "n_sampled": 32, "progress": False,
    },
    "batch_winners": {
        **_READ, "n_batches": 2, "skip_first": True, "exclude_sinks": False, "sink_factor": 4.0,
        "bos": False, "progress": False,
    },
}  # fmt: skip
NORMS = 1 + RNG.random((4, 2, 6))
RESIDUAL: dict[str, dict[str, Any]] = {
    "attention_sinks": {"norm": NORMS, "typical": None, "ratio": 10.0},
    "block_sums": {"tokens": IDS, "layer": 0},
    "hidden_states": {"tokens": IDS},
    "path_length": {"tokens": IDS, "positions": None},
    "prefix_difference": {"first": IDS[0], "second": [*IDS[0][:3], 4, 5, 6], "sites": ["q"]},
    "sees_what": {
        "tokens": IDS[0],
        "positions": [1, 2],
        "replacements": None,
        "n_replacements": 2,
        "seed": 0,
    },
    "stream": {"tokens": IDS},
    "stream_correlation": {"tokens": IDS, "outlier_z": 6.0, "sink_ratio": 10.0},
    "token_correlations": {"tokens": IDS[0], "layer": 0, "site": "q"},
    "typical_norm": {"norm": NORMS},
}
ALL = (("stats", stats, STATS), ("maximize", maximize, MAXIMIZE), ("residual", residual, RESIDUAL))


Try = tuple[str, Callable[..., Any], dict[str, Any], str, str]


def functions(module: Any) -> list[str]:
    """Names of the public functions of a module."""
    return [name for name in module.__all__ if inspect.isfunction(getattr(module, name))]


def text() -> lp.Text:
    """A text of two documents."""
    return lp.Text("t", (lp.Document("d", "s", BODY), lp.Document("e", "s", BODY[::2])), "made")


def sound(module: Any, name: str, given: dict[str, Any], model: lp.LensModel) -> dict[str, Any]:
    """Arguments of a function that it takes."""
    parameters = inspect.signature(getattr(module, name)).parameters
    more = {"model": model, "text": text()}
    return {key: more[key] for key in more if key in parameters} | given


def tries(model: lp.LensModel) -> Iterator[Try]:
    """(name, function, its arguments with one made odd, that one, what it became), one by one."""
    for area, module, of_area in ALL:
        for name, given in of_area.items():
            usual = sound(module, name, given, model)
            for argument in usual:
                for odd in ODD:
                    yield f"{area}.{name}", getattr(module, name), usual, argument, odd
