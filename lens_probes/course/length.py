"""Token length (L11 to L13): sums of every unit by sequence, so that draws cost no further pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lens_probes.activations.collect import collect
from lens_probes.course.claim import Value
from lens_probes.course.parts import ends_of
from lens_probes.course.setting import Setting
from lens_probes.course.spread import estimate, halves, mean
from lens_probes.examples.examples import Examples
from lens_probes.model.load import LensModel
from lens_probes.probes import TokenLengthProbe

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LengthSums:
    """Sums over the tokens of each group, for every unit of every layer.

    A group is a sequence, its first token apart: [group]. With y the columns length, log count and
    longer than the median: x, xx [layer, group, unit]; xy [layer, group, 3, unit]; y [group, 3];
    yy [group, 3, 3]; null, null_partial [layer, draw, unit] are r, and r given log count without
    first tokens, with lengths shuffled over token types.
    """

    n: Floats
    first: NDArray[np.bool_]
    y: Floats
    yy: Floats
    x: Floats
    xx: Floats
    xy: Floats
    null: Floats
    null_partial: Floats

    def weights(self, *, skip_first: bool, draws: int, seed: int) -> Floats:
        """[1 + draws, group]: all sequences, then halves of them."""
        n_sequences = len(self.n) // 2
        rng = np.random.default_rng(seed)
        drawn = [np.isin(np.arange(n_sequences), half) for half in halves(n_sequences, draws, rng)]
        table = np.vstack([np.ones(n_sequences), *drawn])
        return np.hstack([table, table * (not skip_first)])

    def correlations(self, weight: Floats, *, partial: bool) -> tuple[Floats, Floats]:
        """r and the shift of long tokens in sd, [layer, unit] each; `partial`: given log count."""
        n = float(weight @ self.n)
        y = np.tensordot(weight, self.y, 1) / n
        yy = np.tensordot(weight, self.yy, 1) / n - np.outer(y, y)
        x = np.tensordot(weight, self.x, (0, 1)) / n
        variance = np.tensordot(weight, self.xx, (0, 1)) / n - x**2
        xy = np.tensordot(weight, self.xy, (0, 1)) / n - x[:, None] * y[:, None]
        sd = np.sqrt(np.where(variance > 0, variance, np.nan))
        r = xy / (sd[:, None] * np.sqrt(np.diag(yy))[:, None])
        shift = xy[:, 2] / yy[2, 2] / sd
        if not partial:
            return r[:, 0], shift
        between = yy[0, 1] / np.sqrt(yy[0, 0] * yy[1, 1])
        rest = (1 - r[:, 1] ** 2) * (1 - between**2)
        apart = yy[1, 1] * yy[2, 2] - yy[1, 2] ** 2
        slope = (xy[:, 2] * yy[1, 1] - xy[:, 1] * yy[1, 2]) / apart
        return (r[:, 0] - r[:, 1] * between) / np.sqrt(rest), slope / sd


def length_examples(setting: Setting) -> Examples:
    """Every token of the lesson's sequences."""
    n = setting.size("sequences", course=16, machine=8, quick=2)
    longest = min(512, int(setting.model.cfg.n_ctx) // 2)
    length = setting.size("tokens in a sequence", course=512, machine=longest,
                          quick=min(256, longest))  # fmt: skip
    probe = TokenLengthProbe.course(
        setting.text, n_sequences=n, length=length, seed=setting.seed
    )  # fmt: skip
    return setting.examples(probe)


def length_sums(setting: Setting, *, untrained: bool) -> LengthSums:
    """Read all layers' MLP once; only sums are kept."""
    examples = length_examples(setting)
    model = setting.untrained if untrained else setting.model
    return setting.once(
        ("sums", examples.digest, untrained), lambda: _sums(model, examples, setting)
    )


def _sums(model: LensModel, examples: Examples, setting: Setting) -> LengthSums:
    assert examples.value is not None
    assert examples.covariates is not None
    assert examples.group is not None
    value = examples.value
    y = np.column_stack([value, examples.covariates["log_count"], value > np.median(value)])
    y = y.astype(np.float64)
    sequences, sequence = np.unique(
        [row.tobytes() for row in np.ascontiguousarray(examples.tokens)], return_inverse=True
    )
    first = examples.position == 0
    group = sequence + len(sequences) * first
    mark = np.eye(2 * len(sequences))[group]
    type_of = examples.group
    rng = np.random.default_rng([setting.seed, 3])
    of_type = np.zeros(int(type_of.max()) + 1)
    of_type[type_of] = value
    shuffled = np.stack([rng.permutation(of_type)[type_of] for _ in range(setting.draws)])
    frequency, later = y[:, [1]], ~first
    given = _unit_rows(_residual(shuffled[:, later].T, frequency[later]).T)
    shuffled = _unit_rows(shuffled - shuffled.mean(1, keepdims=True))
    activations = collect(model, examples, sites=["mlp_pre"])
    parts: dict[str, list[Floats]] = {"x": [], "xx": [], "xy": [], "null": [], "null_partial": []}
    for key in activations:
        x = activations[key].astype(np.float64)
        x -= x.mean(0)
        size = np.linalg.norm(x, axis=0)
        parts["x"].append(mark.T @ x)
        parts["xx"].append(mark.T @ x**2)
        parts["xy"].append(np.stack([mark.T @ (x * column[:, None]) for column in y.T], axis=1))
        parts["null"].append(shuffled @ x / np.where(size > 0, size, np.nan))
        rest = _residual(x[later], frequency[later])
        size = np.linalg.norm(rest, axis=0)
        parts["null_partial"].append(given @ rest / np.where(size > 0, size, np.nan))
    return LengthSums(
        n=mark.sum(0),
        first=np.repeat([False, True], len(sequences)),
        y=mark.T @ y,
        yy=np.einsum("ng,na,nb->gab", mark, y, y),
        **{name: np.stack(values) for name, values in parts.items()},
    )


def _residual(x: Floats, covariate: Floats) -> Floats:
    """Columns of x without their mean and without what is linear in the covariate [row, 1]."""
    x, centred = x - x.mean(0), covariate - covariate.mean(0)
    size = float((centred**2).sum())
    rest: Floats = x - centred @ (centred.T @ x) / (size or 1.0)
    return rest


def _unit_rows(rows: Floats) -> Floats:
    size = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / size, np.float64)


def length_parts(r: Floats, shift: Floats, layer: int) -> dict[str, float]:
    """The numbers of L12's rules from r and shift [layer, unit]."""
    n = len(r)
    sixth = max(1, n // 6)
    middle = r[n // 4 : max(n // 4 + 1, n - n // 4)]
    return {
        "shift": mean(shift[layer].tolist()),
        "share_negative": float((r[1:] < 0).sum() / max(1, np.isfinite(r[1:]).sum())),
        "median_size": float(np.nanmedian(np.abs(r[1:]))),
        "median_first": float(np.nanmedian(r[0])),
        "sd_last": float(np.nanmean(np.nanstd(r[-sixth:], axis=1))),
        "sd_middle": float(np.nanmean(np.nanstd(middle, axis=1))),
        "size_last": float(np.nanmedian(np.abs(r[-sixth:]))),
        "size_middle": float(np.nanmedian(np.abs(middle))),
    }


def length_values(setting: Setting, layer: int, *, partial: bool) -> dict[str, Value]:
    """Every number with interval, null and untrained value; partial: given frequency, no firsts."""
    found: dict[bool, list[Mapping[str, float]]] = {}
    for untrained in (False, True):
        sums = length_sums(setting, untrained=untrained)
        table = sums.weights(skip_first=partial, draws=setting.draws, seed=setting.seed)
        found[untrained] = [
            length_parts(*sums.correlations(weight, partial=partial), layer)
            for weight in (table if not untrained else table[:1])
        ]
    sums = length_sums(setting, untrained=False)
    null = sums.null_partial if partial else sums.null
    flat = np.full(null.shape[::2], np.nan)
    shuffled = [length_parts(null[:, k], flat, layer) for k in range(null.shape[1])]
    value, *drawn = found[False]
    values = {}
    for name, number in value.items():
        lower, upper = ends_of(name, Value(number))
        values[name] = estimate(
            number, [d[name] for d in drawn], null=[s[name] for s in shuffled],
            untrained=found[True][0][name], lower=lower, upper=upper,
        )  # fmt: skip
    return values


def bimodality(x: Floats) -> float:
    """Sarle's coefficient (skewness squared + 1) / kurtosis: 5/9 for a uniform distribution."""
    z = (x - x.mean()) / x.std()
    return float(((z**3).mean() ** 2 + 1) / (z**4).mean())
