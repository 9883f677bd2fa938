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
from lens_probes.stats._ridge_logit import ridge_path

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
    start, busy = time.perf_counter(), time.process_time()
    for _ in range(given.layers):
        for width in WIDTHS.values():
            ks = tuple(k for k in KS if k <= width)
            stats.sparse_probe(x[:, :width], label, groups=group, k=ks)
    took, busy = time.perf_counter() - start, time.process_time() - busy
    print(
        f"{given.layers} layers x {len(WIDTHS)} sites, {given.examples} a class, 4 folds with "
        f"controls and stability: {busy:.0f} processor seconds ({took:.0f} s here)"
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
    for _ in range(7):
        start = time.process_time()
        known = sweep_sparse_probe(features, labels, ks=KS, groups=groups, preprocess="standardize")
        theirs.append(time.process_time() - start)
        test = known.results[0].test_indices.numpy()
        start = time.process_time()
        aucs = _aucs(x, label, test)
        ours.append(time.process_time() - start)
    seconds, mine = min(theirs), min(ours)
    apart = max(abs(a - r.metrics.roc_auc) for a, r in zip(aucs, known.results, strict=True))
    print(
        f"one split, {len(KS)} values of k, {x.shape[1]} units: {1000 * seconds:.0f} ms of "
        f"TransformerLens 4, {1000 * mine:.1f} ms here, {seconds / mine:.0f} times; AUCs differ by "
        f"{apart:.1e} at most"
    )


def _aucs(x: np.ndarray, label: np.ndarray, test: np.ndarray) -> list[float]:
    """Held-out AUC for each k of one split, as `stats.sparse_probe` fits in each fold."""
    train = np.ones(len(label), dtype=bool)
    train[test] = False
    positive = label == 1
    sides = (x[train & (positive == side)].mean(axis=0, dtype=float) for side in (True, False))
    order = np.argsort(-np.abs(np.subtract(*sides)), kind="stable")[: KS[-1]]
    z = x[:, order].astype(float)
    z = (z - z[train].mean(axis=0)) / z[train].std(axis=0)
    fitted, held, side = z[train], z[test], positive[train]
    scores = np.empty((len(test), len(KS)))
    for j, (k, beta) in enumerate(zip(KS, ridge_path(fitted, side, KS, l2=0.01), strict=True)):
        scores[:, j] = held[:, :k] @ beta[:-1] + beta[-1]
    aucs: list[float] = stats.auc(scores, label[test]).auc.tolist()
    return aucs


if __name__ == "__main__":
    main()
