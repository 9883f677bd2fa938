"""Probes on k units: time beside TransformerLens 4's sweep, and of a model's worth of layers.

python benchmarks/sparse_probe.py [--layers 30] [--examples 300]

The comparison needs TransformerLens 4 (the environment of `make test-tl4`); elsewhere only the
second line is written.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from lens_probes import stats
from lens_probes.stats._ridge_logit import ridge_logit

WIDTHS = {"mlp_pre": 1536, "q": 576, "k": 192, "v": 192}  # the bundled model's
KS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


def main() -> None:
    """Write one line for each comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", type=int, default=30)
    parser.add_argument("--examples", type=int, default=300, help="of each class")
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    n = 2 * given.examples
    group = np.arange(n) % 48
    label = (group < 24).astype(int)
    words = rng.standard_normal((48, WIDTHS["mlp_pre"]))
    x = (rng.standard_normal((n, WIDTHS["mlp_pre"])) + 0.5 * words[group]).astype(np.float32)
    x[:, :8] += label[:, None]
    stats.sparse_probe(x[:, :50], label, groups=group, k=(1,))  # compiled once
    _beside_transformer_lens(x, label, group)
    start = time.perf_counter()
    for _ in range(given.layers):
        for width in WIDTHS.values():
            ks = tuple(k for k in KS if k <= width)
            stats.sparse_probe(x[:, :width], label, groups=group, k=ks)
    took = time.perf_counter() - start
    print(
        f"{given.layers} layers x {len(WIDTHS)} sites, {given.examples} a class, 4 folds with "
        f"controls and stability: {took:.0f} s"
    )


def _beside_transformer_lens(x: np.ndarray, label: np.ndarray, group: np.ndarray) -> None:
    try:
        import torch  # noqa: PLC0415  (no comparison without it)
        from transformer_lens.tools.analysis.sparse_probing import (  # noqa: PLC0415
            sweep_sparse_probe,
        )
    except ImportError:
        print("TransformerLens 4 is not installed here: no comparison")
        return
    features, labels, groups = torch.tensor(x), torch.tensor(label), torch.tensor(group)
    stats.auc(x[:, :2], label)  # compiled once
    theirs, ours = [], []
    for _ in range(3):
        start = time.perf_counter()
        known = sweep_sparse_probe(features, labels, ks=KS, groups=groups, preprocess="standardize")
        theirs.append(time.perf_counter() - start)
        test = known.results[0].test_indices.numpy()
        start = time.perf_counter()
        aucs = _aucs(x, label, test)
        ours.append(time.perf_counter() - start)
    seconds, mine = min(theirs), min(ours)
    apart = max(abs(a - r.metrics.roc_auc) for a, r in zip(aucs, known.results, strict=True))
    print(
        f"one split, {len(KS)} values of k, {x.shape[1]} units: TransformerLens 4 takes "
        f"{seconds / mine:.0f} times as long; AUCs differ by {apart:.1e} at most"
    )


def _aucs(x: np.ndarray, label: np.ndarray, test: np.ndarray) -> list[float]:
    """Held-out AUC for each k of one split, as `stats.sparse_probe` fits in each fold."""
    train = np.setdiff1d(np.arange(len(label)), test)
    positive, rows = label == 1, x[train].astype(float)
    gap = rows[positive[train]].mean(0) - rows[~positive[train]].mean(0)
    order = np.argsort(-np.abs(gap), kind="stable")[: KS[-1]]
    z = (x[:, order] - rows[:, order].mean(0)) / rows[:, order].std(0)
    beta, aucs = None, []
    for k in KS:
        beta = ridge_logit(z[train, :k], positive[train], l2=0.01, start=beta)
        score = z[test, :k] @ beta[:-1] + beta[-1]
        aucs.append(float(stats.auc(score[:, None], label[test]).auc[0]))
    return aucs


if __name__ == "__main__":
    main()
