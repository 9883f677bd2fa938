"""Do restarts of activation maximisation find the same optimum? Against random embeddings."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from jaxtyping import Float

from lens_probes.errors import within
from lens_probes.maximize.gradient import (
    MOST_STARTS,
    Maximized,
    decode,
    maximize,
    random_embeddings,
)
from lens_probes.maximize.objective import Read, unit_objective
from lens_probes.model.wrap import Model, check_model

TIE = 1e-12
MOST_NULL = 1_000_000


@dataclass(frozen=True)
class Similarity:
    """How alike several sets of embeddings of k tokens are.

    Attributes
    ----------
    n_distinct
        Distinct decoded tokens over all sets.
    embedding_cosine
        Between the embeddings of two sets, place by place joined into one vector [pair].
    jaccard
        Overlap of the decoded tokens of two sets, whatever their places [pair].
    activation
        Of the unit, for each set [start].
    """

    n_distinct: int
    embedding_cosine: Float[np.ndarray, " pair"]
    jaccard: Float[np.ndarray, " pair"]
    activation: Float[np.ndarray, " start"]


@dataclass(frozen=True)
class Reproducibility:
    """Restarts of one maximisation, and as many random embeddings, n_null times.

    The p values are one-sided (optima more alike than random embeddings), with the observed value
    counted among the draws: (1 + draws at least as extreme) / (1 + draws). Many distinct tokens
    show nothing unless random embeddings decode to fewer: compare n_distinct with null_distinct.

    Attributes
    ----------
    maximized
        The run; each start is one restart.
    optima
        Similarity between the optima.
    null
        Between random embeddings of the same norms, n_null draws.
    n_decoded
        Restarts x tokens: the most distinct tokens there can be.
    p_distinct, p_embedding, p_decoded
        Fewer distinct tokens, higher mean cosine, higher mean Jaccard than the null; NaN where a
        mean is none.
    """

    maximized: Maximized
    optima: Similarity
    null: tuple[Similarity, ...]
    n_decoded: int
    p_distinct: float
    p_embedding: float
    p_decoded: float

    @property
    def null_distinct(self) -> tuple[int, ...]:
        """Distinct decoded tokens in each draw of the null."""
        return tuple(draw.n_distinct for draw in self.null)


def reproducibility(
    model: Model,
    *,
    site: str,
    layer: int,
    unit: int,
    n_restarts: int = 10,
    n_null: int = 100,
    n_tokens: int = 5,
    steps: int = 500,
    learning_rate: float = 0.001,
    l2: float = 0.0,
    read: Read = "last",
    position_embeddings: bool = True,
    seed: int = 0,
) -> Reproducibility:
    """Repeat a maximisation from random starts and compare the optima (lesson L04).

    Parameters
    ----------
    model
        Of `load_model`, or a model in memory (`wrap_model`).
    site, layer, unit
        Where the unit is.
    n_restarts
        Random starts, 2 or more.
    n_null
        Sets of random embeddings of the same norms, as the null.
    n_tokens, steps, learning_rate, l2, read, position_embeddings
        As in `maximize`.
    seed
        Of the draws: the same seed gives the same result.

    Raises
    ------
    InputError
        Fewer than 2 restarts, and whatever `maximize` raises.
    """
    within(1, MOST_NULL, n_null=n_null)
    within(2, MOST_STARTS, n_restarts=n_restarts)
    model = check_model(model)
    run = maximize(
        model, site=site, layer=layer, unit=unit, n_tokens=n_tokens, n_starts=n_restarts,
        steps=steps, learning_rate=learning_rate, l2=l2, read=read,
        position_embeddings=position_embeddings, seed=seed,
    )  # fmt: skip
    objective = unit_objective(
        model, site=site, layer=layer, unit=unit, n_tokens=n_tokens, read=read,
        position_embeddings=position_embeddings,
    )  # fmt: skip
    norms = np.linalg.norm(run.embeddings, axis=-1, keepdims=True)
    [rng] = np.random.default_rng(seed).spawn(1)
    null = []
    for _ in range(n_null):
        drawn = random_embeddings(model, (n_restarts, n_tokens), rng)
        size = torch.from_numpy(norms).to(drawn)
        drawn = torch.nn.functional.normalize(drawn, dim=-1) * size
        activation = objective.of_embeddings(drawn)[:, 0].float().cpu().numpy()
        tokens = decode(model, drawn).tokens
        null.append(_similarity(drawn.cpu().numpy(), tokens, activation))
    optima = _similarity(run.embeddings, run.decoded.tokens, run.activation)
    return Reproducibility(
        maximized=run,
        optima=optima,
        null=tuple(null),
        n_decoded=run.decoded.tokens.size,
        p_distinct=_p([-draw.n_distinct for draw in null], -optima.n_distinct),
        p_embedding=_p(
            [draw.embedding_cosine.mean() for draw in null], optima.embedding_cosine.mean()
        ),
        p_decoded=_p([draw.jaccard.mean() for draw in null], optima.jaccard.mean()),
    )


def _similarity(
    embeddings: Float[np.ndarray, "start token d_model"],
    tokens: np.ndarray,
    activation: Float[np.ndarray, " start"],
) -> Similarity:
    joined = embeddings.reshape(len(embeddings), -1).astype(np.float64)
    joined /= np.linalg.norm(joined, axis=1, keepdims=True)
    pairs = list(combinations(range(len(joined)), 2))
    cosine = np.array([joined[a] @ joined[b] for a, b in pairs])
    sets = [set(row) for row in tokens.tolist()]
    jaccard = np.array([len(sets[a] & sets[b]) / len(sets[a] | sets[b]) for a, b in pairs])
    return Similarity(len(np.unique(tokens)), cosine, jaccard, activation)


def _p(null: list[float], observed: float) -> float:
    drawn = np.array(null)
    if np.isnan(observed) or np.isnan(drawn).any():
        return float("nan")
    # The same Jaccards summed in another order differ in the last digit: that is a tie.
    extreme = (drawn >= observed) | np.isclose(drawn, observed, rtol=TIE, atol=TIE)
    return float((1 + extreme.sum()) / (1 + len(drawn)))
