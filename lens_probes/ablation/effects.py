"""What the model does without some units: loss and next-token distribution, many sets in a pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray

from lens_probes.ablation.jobs import Job, JobsOfLayer, SwapJob, hooks_of
from lens_probes.ablation.rerun import Start, Way, rerun, start
from lens_probes.ablation.windows import Group, Positions
from lens_probes.errors import InputError
from lens_probes.model.load import LensModel

AnyJob = Job | SwapJob | JobsOfLayer
TOKENS_PER_PASS = 1536
_LOGIT_BYTES = 2**28
_WINDOWS = 8
_LARGE = 20.0


@dataclass(frozen=True)
class Effects:
    """Change by each set's ablation in each example, in nats: arrays [set, example].

    Attributes
    ----------
    kl
        Kullback-Leibler divergence of the next-token distribution at the read position: how far
        the ablated model's is from the intact one's.
    loss_after, loss_target, loss_elsewhere
        Mean change of the loss on the tokens after the target, on those of the target, and on
        those before it; positive = worse without the units. NaN where a window has no such tokens,
        or they were not run; tokens before the first ablated one have a change of exactly 0.
    """

    kl: Float[np.ndarray, "set example"]
    loss_after: Float[np.ndarray, "set example"]
    loss_target: Float[np.ndarray, "set example"]
    loss_elsewhere: Float[np.ndarray, "set example"]


def measure(
    model: LensModel,
    groups: list[Group],
    jobs: Sequence[AnyJob],
    *,
    positions: Positions = "read",
    way: Way = "prefix",
    tokens_per_pass: int = TOKENS_PER_PASS,
    advance: Callable[[int], Any] = lambda _: None,
) -> list[Effects]:
    """Do every set of every job on all windows: one result a job, or one a layer's jobs together.

    Windows run once intact; then copies of them, each without another set, run side by side from
    the job's layer on.

    Parameters
    ----------
    way
        `"prefix"`: keep keys and values of the tokens before the target, which `positions="read"`
        cannot change; `"packed"`: the same, with copies behind one another; `"whole"`: run whole
        windows again, as `positions="all"` always does (see `rerun.exact_way`).
    tokens_per_pass
        Copies in one pass, as a number of tokens.
    advance
        Called with the number of sets times windows that are done.
    """
    n = sum(len(group.rows) for group in groups)
    found = [_empty(len(job), n) for job in jobs]
    with torch.inference_mode():
        for group in (part for whole in groups for part in whole.part(_WINDOWS)):
            first = group.target if positions == "read" and way != "whole" else 0
            tokens = torch.from_numpy(group.tokens.astype(np.int64)).to(model.device)
            last = max(group.read + 1, tokens.shape[1] - 1)
            begun = start(model, tokens[:, :last], first, [job.layer for job in jobs])
            scorer = _Scorer(group, tokens, first, begun)
            for job, effects in zip(jobs, found, strict=True):
                packed = way == "packed" and first > 0
                _measure_job(model, job, effects, scorer, begun, positions, tokens_per_pass, packed)
                advance(len(job) * len(group.rows))
    return found


def _measure_job(
    model: LensModel,
    job: AnyJob,
    effects: Effects,
    scorer: _Scorer,
    begun: Start,
    positions: Positions,
    tokens_per_pass: int,
    packed: bool,
) -> None:
    group, n_windows = scorer.group, len(scorer.group.rows)
    length = begun.logits.shape[1]
    n_positions = group.read + 1 - scorer.first if job.short else length
    replaced = group.where(positions)
    where = slice(replaced.start - scorer.first, min(replaced.stop - scorer.first, n_positions))
    hooks = hooks_of(job, group.rows, where, model.device)
    bytes_per_row = 4 * n_positions * begun.logits.shape[2]
    rows = min(tokens_per_pass // n_positions, _LOGIT_BYTES // bytes_per_row)
    size = max(1, rows // n_windows)
    if packed:  # one sequence must not be longer than the model's context
        size = max(1, min(size, (int(model.cfg.n_ctx) - scorer.first) // n_positions))
    for at in range(0, len(job), size):
        here = slice(at, min(at + size, len(job)))
        logits = rerun(
            model, begun, job.layer, here.stop - at, fwd_hooks=hooks(here),
            n_positions=n_positions, packed=packed,
        )  # fmt: skip
        scorer.score(logits, effects, here, short=job.short)
    _check_finite(effects.kl[:, group.rows], job)


class _Scorer:
    """Scores logits of ablated copies against those of the intact model, for one group."""

    def __init__(self, group: Group, tokens: torch.Tensor, first: int, begun: Start) -> None:
        self.group, self.first = group, first
        self.next = tokens[:, first + 1 :]
        self.read = group.read - first
        log_p = begun.logits.float().log_softmax(-1)
        self.loss = _loss(log_p, self.next)
        self.intact = log_p[:, self.read].clone()
        self.p = self.intact.exp()
        token, last = np.arange(first + 1, tokens.shape[1]), tokens.shape[1] - 1
        target, read = group.target, group.read
        self.parts = {
            "loss_after": (token > read, last - read),
            "loss_target": ((token >= target) & (token <= read), read + 1 - max(target, 1)),
            "loss_elsewhere": (token < target, target - 1),
        }

    def score(
        self,
        logits: Float[torch.Tensor, "copy window position d_vocab"],
        effects: Effects,
        at: slice,
        *,
        short: bool = False,
    ) -> None:
        """Write the effects of these copies; short: the read position only.

        A mean is over all tokens of its part, those before the first that ran with a change of 0.
        Copies are scored one by one: what they need then stays in the processor's cache.
        """
        rows = self.group.rows
        divergence, change = [], []
        for copy in logits:
            log_q = (copy[:, self.read] if short else copy).float().log_softmax(-1)
            here = log_q if short else log_q[:, self.read]
            divergence.append(_divergence(self.p, self.intact, here))
            if not short:
                change.append((_loss(log_q, self.next) - self.loss).double())
        effects.kl[at, rows] = torch.stack(divergence).cpu().numpy()
        if short:
            return
        changes = torch.stack(change).cpu().numpy()
        for name, (tokens, n_tokens) in self.parts.items():
            if n_tokens > 0:
                getattr(effects, name)[at, rows] = changes[..., tokens].sum(axis=-1) / n_tokens


def _loss(
    log_p: Float[torch.Tensor, "window position d_vocab"],
    following: Int[torch.Tensor, "window later"],
) -> Float[torch.Tensor, "window later"]:
    """Loss on the tokens that follow."""
    return -log_p[:, : following.shape[-1]].gather(-1, following[..., None])[..., 0]


def _divergence(
    p: Float[torch.Tensor, "window d_vocab"],
    log_p: Float[torch.Tensor, "window d_vocab"],
    log_q: Float[torch.Tensor, "window d_vocab"],
) -> Float[torch.Tensor, " window"]:
    """KL(p || q), as a sum of terms that are never negative.

    sum p d = sum p (d + exp(-d) - 1) for d = log p - log q, since both distributions sum to 1: tiny
    divergences do not drown in the rounding of large terms of both signs. Where a token gains so
    much that exp(-d) is not exact, or is impossible in either, terms are taken from q itself.
    """
    change = log_q - log_p
    if bool(change.max() <= _LARGE):  # not where it is NaN
        terms = torch.expm1(change).sub_(change).mul_(p)
        return terms.sum(-1, dtype=torch.float64).clamp_min(0)
    log_p, log_q = log_p.double(), log_q.double()
    wide, q, change = log_p.exp(), log_q.exp(), log_q - log_p
    large = q - wide * (1 + change)
    terms = torch.where(change > _LARGE, large, wide * (change.expm1() - change))
    return torch.where(log_p.isneginf(), q, terms).sum(-1).clamp_min(0)


def _check_finite(values: NDArray[np.float64], job: AnyJob) -> None:
    if not np.isfinite(values).all():
        raise InputError(
            f"layer {job.layer}, site {job.site}: without some units the model's next-token "
            "distribution is not finite: load it in float32, or use kind='mean'."
        )


def _empty(n_sets: int, n: int) -> Effects:
    arrays: list[NDArray[np.float64]] = [np.full((n_sets, n), np.nan) for _ in range(4)]
    return Effects(*arrays)
