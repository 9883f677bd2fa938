"""What a unit's effect is measured by: a divergence, a loss, or any number made of logits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int

from lens_probes.ablation.windows import Group
from lens_probes.errors import InputError, one_line, shown

OnLogits = Callable[[torch.Tensor], torch.Tensor]
METRICS = ("kl", "loss")


@dataclass(frozen=True)
class Metric:
    """A measure of the model's output, as something to take gradients of.

    Attributes
    ----------
    name
        "kl", "loss", or "callable".
    order
        2: the effect is half the square of a change; 1: it is the change.
    after
        Tokens after the read position that have to be run.
    draws
        Gradients a pass: of a divergence random projections, of all else one.
    on_logits
        [window, d_vocab] logits at the read position -> [window]; None for "kl" and "loss".
    """

    name: Literal["kl", "loss", "callable"]
    order: Literal[1, 2]
    after: int
    draws: int
    on_logits: OnLogits | None = None

    def scalars(
        self,
        logits: Float[torch.Tensor, "window position d_vocab"],
        group: Group,
        first: int,
        following: Int[torch.Tensor, "window later"],
        noise: torch.Generator,
    ) -> Iterator[torch.Tensor]:
        """Sums over windows, each to take the gradient of.

        Parameters
        ----------
        logits
            From token `first` on.
        following
            The tokens that these logits predict.
        """
        read = group.read - first
        if self.name == "loss":
            yield loss_after(logits, following, read).sum()
        elif self.on_logits is not None:
            yield value_of(self.on_logits, logits[:, read].float()).sum()
        else:
            yield from _projections(logits[:, read].float(), self.draws, noise)


def metric_of(given: object, *, after: int, draws: int) -> Metric:
    """The metric asked for.

    Raises
    ------
    InputError
        Neither a name nor a function.
    """
    if given == "kl":
        return Metric("kl", 2, 0, draws)
    if given == "loss":
        return Metric("loss", 1, after, 1)
    if callable(given):
        return Metric("callable", 1, 0, 1, given)
    raise InputError(
        f"unknown metric {shown(given)}: choose from {', '.join(METRICS)}, or give a function from "
        "logits [window, d_vocab] to [window]."
    )


def value_of(
    on_logits: OnLogits, logits: Float[torch.Tensor, "window d_vocab"]
) -> Float[torch.Tensor, " window"]:
    """A user's number of logits, checked.

    Raises
    ------
    InputError
        It fails, or gives something else than one finite number a window that follows from logits.
    """
    try:
        value = on_logits(logits)
    except Exception as error:  # whatever a function of the user's raises
        raise InputError(
            f"metric fails on logits {list(logits.shape)}: {type(error).__name__}: "
            f"{one_line(error, 120)}."
        ) from error
    if not isinstance(value, torch.Tensor) or value.shape != logits.shape[:1]:
        got = list(value.shape) if isinstance(value, torch.Tensor) else shown(value)
        raise InputError(
            f"metric must give one number a window, a tensor [{len(logits)}]; got {got}."
        )
    if logits.requires_grad and not value.requires_grad:
        raise InputError(
            "metric must be computed from the logits by differentiable functions of torch; what it "
            "gives has no gradient."
        )
    if not bool(torch.isfinite(value).all()):
        raise InputError("metric must give finite numbers; it gives NaN or infinity.")
    return value


def loss_after(
    logits: Float[torch.Tensor, "window position d_vocab"],
    following: Int[torch.Tensor, "window later"],
    read: int,
) -> Float[torch.Tensor, " window"]:
    """Mean loss on the tokens after the one that is read.

    Raises
    ------
    InputError
        None follows.
    """
    log_p = logits[:, read : following.shape[1]].float().log_softmax(-1)
    if log_p.shape[1] == 0:
        raise InputError(
            "metric='loss' needs tokens after the one that is read, and a window ends there: use "
            "metric='kl', or examples with tokens after."
        )
    return -log_p.gather(-1, following[:, read:, None])[..., 0].mean(1)


def _projections(
    logits: Float[torch.Tensor, "window d_vocab"], draws: int, noise: torch.Generator
) -> Iterator[torch.Tensor]:
    """Random projections of the logits whose squared change is on average twice the divergence.

    To second order KL is half the variance, under p, of the change of the logits. With a random
    sign s of every token, the change of sum s sqrt(p) (logit - mean logit) has that variance as its
    mean square; it varies less than the gradient of the log-probability of a sampled token does,
    which has the same mean square.
    """
    p = logits.detach().softmax(-1)
    for _ in range(draws):
        sign = torch.randint(0, 2, p.shape, generator=noise).to(p) * 2 - 1
        weight = p.sqrt() * sign
        weight = weight - p * weight.sum(-1, keepdim=True)
        yield (weight * logits).sum()
