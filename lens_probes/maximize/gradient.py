"""Activation maximisation by gradient: embeddings of a few tokens that drive one unit up."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int

from lens_probes.errors import InputError, at_least, shown, within
from lens_probes.maximize.objective import (
    Objective,
    Read,
    unit_objective,
)
from lens_probes.model.load import LensModel
from lens_probes.model.wrap import Model, check_model

# What is held at once: embeddings of all starts, a path with a row for each step.
MOST_STARTS, MOST_STEPS = 10_000, 1_000_000
_ROWS_PER_DECODE = 512
_HIGHEST_RATE = 1e30  # Adam divides it by 0.1, in float32


@dataclass(frozen=True)
class Decoded:
    """Vocabulary tokens nearest to embeddings by cosine.

    Attributes
    ----------
    tokens
        Ids [start, token].
    cosine
        Similarity of each embedding to that token's [start, token].
    text
        The tokens as text, per start; None for a model without tokenizer.
    """

    tokens: Int[np.ndarray, "start token"]
    cosine: Float[np.ndarray, "start token"]
    text: tuple[tuple[str, ...], ...] | None


@dataclass(frozen=True)
class Maximized:
    """Optimised embeddings, how they got there, and what they decode to.

    Attributes
    ----------
    name
        The unit, such as `L4.resid_post.90`.
    embeddings, start_embeddings
        After the last step, and the random starts [start, token, d_model].
    path
        Activation of the unit [step, start]: row 0 is the start, the last row the result.
    neighbours_path
        The same for the units `neighbours`, next to it by index [step, start, neighbour].
    decoded, start_decoded
        Nearest vocabulary tokens of both. The starts are the null: they are random, and decode to
        distinct tokens with similar cosines all the same.
    settings
        What was run: tokens, steps, learning rate, l2, read, positions, seed, start_sd.
    """

    name: str
    embeddings: Float[np.ndarray, "start token d_model"]
    start_embeddings: Float[np.ndarray, "start token d_model"]
    path: Float[np.ndarray, "step start"]
    neighbours: tuple[int, ...]
    neighbours_path: Float[np.ndarray, "step start neighbour"]
    decoded: Decoded
    start_decoded: Decoded
    settings: Mapping[str, Any]

    @property
    def activation(self) -> Float[np.ndarray, " start"]:
        """Activation of the unit at the end of each start's run."""
        last: Float[np.ndarray, " start"] = self.path[-1]
        return last

    @property
    def share_start_tokens(self) -> float:
        """Share of embeddings that decode to the very token their random start decodes to."""
        return float((self.decoded.tokens == self.start_decoded.tokens).mean())


def maximize(
    model: Model,
    *,
    site: str,
    layer: int,
    unit: int,
    n_tokens: int = 5,
    n_starts: int = 1,
    steps: int = 500,
    learning_rate: float = 0.001,
    l2: float = 0.0,
    read: Read = "last",
    position_embeddings: bool = True,
    n_neighbours: int = 10,
    seed: int = 0,
) -> Maximized:
    """Optimise the embeddings of a few tokens for one unit (lessons L02 and L04).

    The starts are normal with the standard deviation of the embedding matrix; Adam lowers
    -activation + l2 * ||E||^2, the square summed over all tokens of a start. The embeddings go in
    through `hook_embed`, so all that follows the token embedding is in place; the forward pass
    ends at the site. Starts share a batch but not an optimum: each moves as it would alone.

    Parameters
    ----------
    model
        Of `load_model`, or a model in memory (`wrap_model`).
    site
        Where the unit is.
    read
        `"last"`: the unit at the last token. `"mean"`: its mean over the tokens.
    position_embeddings
        False leaves learned position embeddings out. Hugging Face's `inputs_embeds` adds them.
    n_neighbours
        Units of the same layer and site, nearest by index, whose paths are recorded.
    layer, unit
        Where the unit is.
    n_tokens
        Embeddings that are optimised together.
    n_starts
        Random starts, optimised side by side.
    steps
        Steps of Adam.
    learning_rate
        Of Adam.
    l2
        Weight of the squared norm of the embeddings in the loss.
    seed
        Of the random starts.

    Raises
    ------
    InputError
        A unit that does not exist, an option outside its range, a run that diverged.
    """
    within(1, MOST_STARTS, n_starts=n_starts)
    within(1, MOST_STEPS, steps=steps)
    at_least(0, n_neighbours=n_neighbours, seed=seed)
    _check_rates(learning_rate, l2)
    model = check_model(model)
    objective = unit_objective(
        model, site=site, layer=layer, unit=unit, n_tokens=n_tokens, read=read,
        position_embeddings=position_embeddings, n_neighbours=n_neighbours,
    )  # fmt: skip
    sd = start_sd(model)
    start = random_embeddings(model, (n_starts, n_tokens), np.random.default_rng(seed))
    end, path = _ascend(objective, start, steps, learning_rate, l2)
    return Maximized(
        name=objective.name,
        embeddings=end.cpu().numpy(),
        start_embeddings=start.cpu().numpy(),
        path=path[..., 0],
        neighbours=objective.neighbours,
        neighbours_path=path[..., 1:],
        decoded=decode(model, end),
        start_decoded=decode(model, start),
        settings={
            "n_tokens": n_tokens, "n_starts": n_starts, "steps": steps, "optimizer": "Adam",
            "learning_rate": learning_rate, "l2": l2, "read": read,
            "positions": objective.positions, "seed": seed, "start_sd": sd,
        },
    )  # fmt: skip


def start_sd(model: LensModel) -> float:
    """Standard deviation over all entries of the embedding matrix."""
    return float(model.embedding().double().std())


def random_embeddings(
    model: LensModel, shape: tuple[int, int], rng: np.random.Generator
) -> Float[torch.Tensor, "start token d_model"]:
    """Normal embeddings with the embedding matrix's standard deviation, as for the starts."""
    drawn = rng.normal(scale=start_sd(model), size=(*shape, int(model.cfg.d_model)))
    # Half precision would swallow Adam's small steps: the embeddings stay in float32 or more.
    double = model.embedding().dtype == torch.float64
    dtype = torch.float64 if double else torch.float32
    return torch.from_numpy(drawn).to(model.device, dtype)


def decode(model: LensModel, embeddings: Float[torch.Tensor, "start token d_model"]) -> Decoded:
    """The vocabulary token nearest to each embedding by cosine; never a row of zeros."""
    matrix = model.embedding().float()
    size = matrix.norm(dim=-1, keepdim=True)
    directions = torch.where(size > 0, matrix / size, 0.0)
    rows = torch.nn.functional.normalize(embeddings.float().flatten(0, 1), dim=-1)
    best = []
    for part in torch.split(rows, _ROWS_PER_DECODE):
        cosine = part @ directions.T
        best.append(cosine.masked_fill(size.T == 0, -math.inf).max(-1))
    shape = embeddings.shape[:2]
    tokens = torch.cat([found.indices for found in best]).reshape(shape).cpu().numpy()
    similarity = torch.cat([found.values for found in best]).reshape(shape).cpu().numpy()
    text = None
    if model.tokenizer is not None:
        text = tuple(tuple(model.tokenizer.decode([i]) for i in row) for row in tokens.tolist())
    return Decoded(tokens, similarity, text)


def _ascend(
    objective: Objective,
    start: Float[torch.Tensor, "start token d_model"],
    steps: int,
    learning_rate: float,
    l2: float,
) -> tuple[torch.Tensor, Float[np.ndarray, "step start column"]]:
    """Adam on a copy of the starts; the path has one row more than there are steps."""
    embeddings = start.clone()
    adam = torch.optim.Adam([embeddings], lr=learning_rate)
    path = []
    for step in range(steps):
        values, gradient = objective.with_gradient(embeddings)
        _check_finite(objective.name, values, embeddings, step, learning_rate, l2)
        path.append(values)
        embeddings.grad = 2 * l2 * embeddings - gradient
        adam.step()
    values = objective.of_embeddings(embeddings)
    _check_finite(objective.name, values, embeddings, steps, learning_rate, l2)
    return embeddings, torch.stack([*path, values]).float().cpu().numpy()


def _check_rates(learning_rate: float, l2: float) -> None:
    for name, value in {"learning_rate": learning_rate, "l2": l2}.items():
        if isinstance(value, bool) or not isinstance(value, Real):
            raise InputError(f"{name} must be a number; got {shown(value)}.")
    if not 0 < learning_rate <= _HIGHEST_RATE:
        raise InputError(
            f"learning_rate must be above 0 and at most {_HIGHEST_RATE:g}; got {learning_rate!r}."
        )
    if not 0 <= l2 <= _HIGHEST_RATE:
        raise InputError(f"l2 must lie between 0 and {_HIGHEST_RATE:g}; got {shown(l2)}.")


def _check_finite(
    name: str,
    values: torch.Tensor,
    embeddings: torch.Tensor,
    step: int,
    learning_rate: float,
    l2: float,
) -> None:
    penalty = embeddings.square().sum((1, 2))
    bad = ~(torch.isfinite(values[:, 0]) & torch.isfinite(penalty))
    if not bad.any():
        return
    start = int(bad.int().argmax())
    what = f"{name}: activation {float(values[start, 0]):.3g} at step {step}, start {start}"
    if step == 0:
        raise InputError(
            f"{what}, before any update: this model's weights or dtype give no finite activation."
        )
    or_l2 = f" or l2 (now {l2:g})" if l2 else ""
    raise InputError(
        f"{what}, and ||E||^2 {float(penalty[start]):.3g}: the run diverged; lower learning_rate "
        f"(now {learning_rate:g}){or_l2}."
    )
