"""The strongest units of a sweep in their contexts, and what they write to the vocabulary."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray

from lens_probes.activations.forward import run_hooks
from lens_probes.errors import InputError
from lens_probes.examples.checks import NO_TOKEN
from lens_probes.examples.examples import Examples
from lens_probes.model.load import LensModel
from lens_probes.units.decision import rank_column
from lens_probes.units.details import CARDS, EACH, TokenContext, UnitDetails, choose
from lens_probes.units.direct_effect import MLP_SITES, N_OTHERS, DirectEffect, direct_effects
from lens_probes.units.paint import token_texts

WINDOWS, TOKENS_READ, LONGEST = 16, 2048, 512
TOKENS_BEFORE, TOKENS_AFTER = 20, 8
# Fewer are no running text: the words themselves, which the examples show already.
_FEWEST_TOKENS = 100


def unit_details(
    model: LensModel, examples: Examples, evidence: pd.DataFrame, units: pd.DataFrame
) -> dict[str, UnitDetails]:
    """Contexts and direct effect of the `CARDS` strongest units whose activations were kept.

    Contexts of the examples come from the activations at hand. At most `WINDOWS` windows are
    read besides, at all their tokens: what else drives the unit, and how long the final residual
    stream is.

    Parameters
    ----------
    evidence
        Activations [example, unit] by unit name.
    units
        The table of all units.
    """
    if model.tokenizer is None:
        return {}
    rank = rank_column(units)
    kept = units[units["name"].isin(list(evidence.columns))].dropna(subset=rank)
    best = kept.sort_values(rank, kind="stable").head(CARDS)
    if best.empty:
        return {}
    read = _Windows.read(model, examples, best)
    direct = _direct(model, best, read.residual)
    return {
        str(row["name"]): UnitDetails(
            contexts=(
                *_of_examples(model, examples, evidence[row["name"]].to_numpy(float), row),
                *read.contexts(model, str(row["name"])),
            ),
            anywhere=read.said,
            promoted=() if isinstance(effect, str) else effect.promoted,
            suppressed=() if isinstance(effect, str) else effect.suppressed,
            direct=effect if isinstance(effect, str) else _said(row, effect, len(read.residual)),
        )
        for (_, row), effect in zip(best.iterrows(), direct, strict=True)
    }


def _of_examples(
    model: LensModel, examples: Examples, x: NDArray[np.float64], unit: pd.Series
) -> Iterable[TokenContext]:
    label = examples.label
    if "highest" in unit.index:  # of several classes: its own against the rest
        label = (label == int(unit["highest"])).astype(np.int64)
    for kind, i in choose(x, label, float(unit["direction"])):
        end = int(examples.position[i])
        first = end if examples.first is None else int(examples.first[i])
        parts = _around(model, examples.tokens[i], first, end)
        said = [examples.contrast.of(i)]
        if examples.source is not None:
            said.append(str(examples.source[i]))
        yield TokenContext(kind, float(x[i]), *parts, source=", ".join(said))


def _around(
    model: LensModel, tokens: NDArray[np.int64], first: int, end: int
) -> tuple[str, str, str]:
    """Text before, of and after some tokens of a window."""
    start = max(0, first - TOKENS_BEFORE)
    ids = tokens[start : end + 1 + TOKENS_AFTER]
    pieces = token_texts(model.tokenizer, ids[ids != NO_TOKEN].astype(np.int64))
    a, b = first - start, end + 1 - start
    return "".join(pieces[:a]), "".join(pieces[a:b]), "".join(pieces[b:])


class _Windows:
    """Some windows of the sweep read at every token, under some units."""

    def __init__(
        self,
        tokens: Int[np.ndarray, "window position"],
        values: dict[str, Float[np.ndarray, "window position"]],
        residual: Float[torch.Tensor, "token d_model"],
    ) -> None:
        self.tokens, self.values, self.residual = tokens, values, residual
        # The first token has no context, and models park their largest activations on it.
        self._there = (tokens != NO_TOKEN) & (np.arange(tokens.shape[1]) > 0)
        self._n = int(self._there.sum())

    @classmethod
    def read(cls, model: LensModel, examples: Examples, units: pd.DataFrame) -> _Windows:
        """Windows spread evenly over the examples, and so over both classes and the text."""
        length = min(examples.tokens.shape[1], int(model.cfg.n_ctx), LONGEST)
        n = min(WINDOWS, TOKENS_READ // length, len(examples))
        spread = np.unique(np.linspace(0, len(examples) - 1, n).astype(int))
        tokens = examples.tokens[spread, :length].astype(np.int64)
        places = [(int(u["layer"]), str(u["site"]), int(u["unit"])) for _, u in units.iterrows()]
        ends = "resid_post" if "resid_post" in model.shapes else "resid_pre"
        last = (model.n_layers - 1, ends)
        keys = dict.fromkeys([*((layer, site) for layer, site, _ in places), last])
        # What fills a short window up is behind all that is read: a causal model does not see it.
        batch = torch.from_numpy(np.where(tokens == NO_TOKEN, 0, tokens)).to(model.device)
        found = run_hooks(model, batch, keys, np.arange(tokens.shape[1]))
        values = {
            str(name): found[layer, site].flatten(2)[:, :, unit].float().cpu().numpy()
            for name, (layer, site, unit) in zip(units["name"], places, strict=True)
        }
        there = torch.from_numpy((tokens != NO_TOKEN) & (np.arange(tokens.shape[1]) > 0))
        if not there.any():
            there = torch.from_numpy(tokens != NO_TOKEN)
        return cls(tokens, values, found[last][there.to(model.device)])

    @property
    def said(self) -> str:
        """What was read, in words; nothing where it is no running text."""
        if self._n < _FEWEST_TOKENS:
            return ""
        return (
            f"{self._n:,} tokens of {len(self.tokens)} windows of the sweep, without the first "
            "token of each"
        )

    def contexts(self, model: LensModel, name: str) -> Iterable[TokenContext]:
        """The tokens with the highest values, and some at random."""
        if self._n < _FEWEST_TOKENS:
            return
        values = self.values[name]
        window, position = np.nonzero(self._there)
        order = np.argsort(-values[window, position], kind="stable")[:EACH]
        random = np.random.default_rng(0).choice(self._n, EACH, replace=False)
        for kind, chosen in (("anywhere_top", order), ("anywhere_random", random)):
            for i in chosen:
                w, p = int(window[i]), int(position[i])
                parts = _around(model, self.tokens[w], p, p)
                yield TokenContext(kind, float(values[w, p]), *parts)


def _direct(
    model: LensModel, units: pd.DataFrame, residual: Float[torch.Tensor, "token d_model"]
) -> list[DirectEffect | str]:
    """Of the MLP units among these; why there is none of one (nothing for other sites)."""
    found: list[DirectEffect | str] = [""] * len(units)
    rows = [i for i, site in enumerate(units["site"]) if site in MLP_SITES]
    places = [(int(units["layer"].iloc[i]), int(units["unit"].iloc[i])) for i in rows]
    if not places:
        return found
    try:
        for i, effect in zip(rows, direct_effects(model, places, residual), strict=True):
            found[i] = effect
    except InputError as error:
        for i in rows:
            found[i] = str(error)
    return found


def _said(unit: pd.Series, effect: DirectEffect, n: int) -> str:
    return (
        f"Direct path only: what 1 of L{unit['layer']}.mlp_post.{unit['unit']} adds to a logit "
        "through the final norm and the unembedding, as if no later layer read it; the norm's "
        f"scale is the mean over {n:,} tokens, and the mean over the vocabulary is taken off. "
        f"Every unit promotes something: half of {N_OTHERS} random units of this layer change some "
        f"logit by {effect.others:.2g} or more."
    )
