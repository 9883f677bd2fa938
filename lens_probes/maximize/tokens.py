"""Activation maximisation over real tokens: text that drives one unit up.

Unconstrained embeddings are no text. Here every candidate is a sequence of vocabulary tokens, found
by greedy coordinate gradient (Zou et al. 2023, "Universal and Transferable Adversarial Attacks on
Aligned Language Models", after Shin et al. 2020, "AutoPrompt").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from tqdm.auto import tqdm

from lens_probes.activations.collect import read_all_positions
from lens_probes.errors import at_least, flag, within
from lens_probes.maximize.gradient import MOST_STARTS, MOST_STEPS
from lens_probes.maximize.objective import (
    Objective,
    Read,
    unit_objective,
)
from lens_probes.maximize.round_trip import TextTokens, text_tokens
from lens_probes.model.wrap import Model, check_model

MOST_CANDIDATES = 100_000
FORWARDS_PER_GRADIENT = 3  # a backward pass costs about two forward passes


@dataclass(frozen=True)
class MaximizedTokens:
    """Texts found for one unit, beside random ones for the same effort.

    Attributes
    ----------
    name
        The unit, such as `L4.resid_post.90`.
    tokens, text
        The result of each start: ids [start, token], and the text that is tokenised into them.
    activation
        Of the unit [start], measured anew: the text is tokenised and run as any other text.
    path
        Activation during the search [step, start]; row 0 is the best of n_candidates random
        sequences, where the search starts. It never falls.
    n_evaluations
        Sequences run forward by all starts together; one with its gradient counts as three.
    n_refused
        Candidates never run because their text is tokenised differently.
    random_activation
        Of `n_evaluations` random sequences [sequence], the same amount of computation: the
        baseline.
    random_text
        The best of them.
    settings
        What was run: tokens, steps, candidates, top_k, read, seed.
    """

    name: str
    tokens: Int[np.ndarray, "start token"]
    text: tuple[str, ...]
    activation: Float[np.ndarray, " start"]
    path: Float[np.ndarray, "step start"]
    n_evaluations: int
    n_refused: int
    random_activation: Float[np.ndarray, " sequence"]
    random_text: str
    settings: Mapping[str, Any]

    @property
    def best(self) -> int:
        """The start with the highest activation."""
        return int(self.activation.argmax())

    @property
    def beats_random(self) -> bool:
        """Whether the best text drives the unit higher than the best of the random ones."""
        return bool(self.activation.max() > self.random_activation.max())


def maximize_tokens(
    model: Model,
    *,
    site: str,
    layer: int,
    unit: int,
    n_tokens: int = 8,
    n_starts: int = 1,
    steps: int = 30,
    n_candidates: int = 64,
    top_k: int = 64,
    read: Read = "last",
    seed: int = 0,
    progress: bool = False,
) -> MaximizedTokens:
    """Search for a text of n_tokens tokens with a high activation of one unit.

    A start is the best of n_candidates random sequences. Each step takes the gradient of the
    activation with respect to the embeddings, ranks at every place the tokens by the gain it
    promises, draws n_candidates single replacements among the top_k of each place, runs them, and
    keeps the best if it beats what is there. No BOS token is added. Special tokens are left out,
    and so are candidates whose text is tokenised differently.

    Parameters
    ----------
    model
        Of `load_model`, or a model in memory (`wrap_model`).
    site, layer, unit
        Where the unit is.
    n_tokens
        Length of the text.
    n_starts
        Independent searches.
    steps
        Replacements that are tried, one after the other.
    n_candidates
        Random sequences of a start, and replacements of a step.
    top_k
        Tokens of each place that replacements are drawn from.
    read
        `"last"`: the unit at the last token; `"mean"`: its mean over the tokens.
    seed
        Of the draws: the same seed gives the same result.
    progress
        A bar on standard error.

    Raises
    ------
    InputError
        A unit that does not exist, an option outside its range, a model without tokenizer.
    """
    within(1, MOST_STARTS, n_starts=n_starts)
    within(1, MOST_STEPS, steps=steps)
    within(1, MOST_CANDIDATES, n_candidates=n_candidates)
    at_least(1, top_k=top_k)
    at_least(0, seed=seed)
    flag("progress", progress)
    model = check_model(model)
    objective = unit_objective(
        model, site=site, layer=layer, unit=unit, n_tokens=n_tokens, read=read
    )
    allowed = text_tokens(model)
    search_rng, random_rng = np.random.default_rng(seed).spawn(2)
    pool = allowed.draw(n_starts * n_candidates, n_tokens, search_rng)
    search = _Search(objective, allowed, pool.reshape(n_starts, n_candidates, -1), search_rng)
    for _ in tqdm(range(steps), desc="steps", disable=not progress):
        search.step(n_candidates, top_k)
    text = allowed.texts(search.tokens)
    random = allowed.draw(search.n_evaluations, n_tokens, random_rng)
    random_activation = objective.of_tokens(random)
    return MaximizedTokens(
        name=objective.name,
        tokens=search.tokens,
        text=tuple(text),
        activation=_measured_from_text(objective, text),
        path=np.stack(search.path),
        n_evaluations=search.n_evaluations,
        n_refused=search.n_refused,
        random_activation=random_activation,
        random_text=allowed.texts(random[[random_activation.argmax()]])[0],
        settings={
            "n_tokens": n_tokens, "n_starts": n_starts, "steps": steps,
            "n_candidates": n_candidates, "top_k": top_k, "read": read, "seed": seed,
            "method": "greedy coordinate gradient",
        },
    )  # fmt: skip


class _Search:
    """The sequences that are best so far, one for each start, and what finding them has cost."""

    def __init__(
        self,
        objective: Objective,
        allowed: TextTokens,
        pool: Int[np.ndarray, "start candidate token"],
        rng: np.random.Generator,
    ) -> None:
        self._objective, self._allowed, self._rng = objective, allowed, rng
        self._matrix = objective.model.embedding()
        n_starts, n_candidates, n_tokens = pool.shape
        activation = objective.of_tokens(pool.reshape(-1, n_tokens)).reshape(n_starts, -1)
        # Units that are silent on most texts have no slope there: start where one is not.
        first = activation.argmax(1)
        self.tokens = pool[np.arange(n_starts), first]
        self.path = [activation.max(1)]
        self.n_evaluations = n_starts * n_candidates
        self.n_refused = 0

    def step(self, n_candidates: int, top_k: int) -> None:
        """Try single replacements in every start; keep the best where it is an improvement."""
        promising = self._promising(top_k)
        rows = [self._replaced(start, promising[start], n_candidates) for start in range(len(self))]
        candidates = np.concatenate(rows)
        owner = np.repeat(np.arange(len(self)), [len(row) for row in rows])
        survives = self._allowed.survives(candidates)
        candidates, owner = candidates[survives], owner[survives]
        self.n_refused += int((~survives).sum())
        now = self.path[-1].copy()
        if len(candidates):
            self.n_evaluations += len(candidates)
            activation = self._objective.of_tokens(candidates)
            for i in np.argsort(activation, kind="stable"):
                if activation[i] > now[owner[i]]:
                    now[owner[i]], self.tokens[owner[i]] = activation[i], candidates[i]
        self.path.append(now)

    def __len__(self) -> int:
        return len(self.tokens)

    def _promising(self, top_k: int) -> Int[np.ndarray, "start token rank"]:
        """Allowed tokens with the largest first-order gain at each place."""
        gradient = self._objective.gradient_at_tokens(self.tokens)
        self.n_evaluations += FORWARDS_PER_GRADIENT * len(self)
        allowed = torch.from_numpy(self._allowed.ids).to(self._matrix.device)
        choices = self._matrix[allowed].float()
        k = min(top_k, len(allowed))
        best = [(part @ choices.T).topk(k).indices for part in gradient.float()]
        found: Int[np.ndarray, "start token rank"] = allowed[torch.stack(best)].cpu().numpy()
        return found

    def _replaced(
        self, start: int, promising: Int[np.ndarray, "token rank"], n: int
    ) -> Int[np.ndarray, "candidate token"]:
        """Copies of one start's sequence with one token replaced, all different from it."""
        tokens = self.tokens[start]
        places, ranks = np.nonzero(promising != tokens[:, None])
        drawn = self._rng.permutation(len(places))[:n]
        candidates = np.repeat(tokens[None], len(drawn), axis=0)
        candidates[np.arange(len(drawn)), places[drawn]] = promising[places[drawn], ranks[drawn]]
        return candidates


def _measured_from_text(objective: Objective, texts: list[str]) -> Float[np.ndarray, " start"]:
    """Activation of the unit for texts, tokenised anew and run with no embedding inserted."""
    model = objective.model
    tokens = np.array(model.tokenizer(texts, add_special_tokens=False)["input_ids"])
    values = read_all_positions(model, tokens, objective.layer, objective.site)[..., objective.unit]
    return values[:, -1] if objective.read == "last" else values.mean(1)
