"""Where the course is doubtful: what a lesson's claim rests on, measured with something changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import torch
from transformers import GPT2Config, GPT2Model

from lens_probes import stats
from lens_probes.course.data import Data
from lens_probes.course.setting import Doubt
from lens_probes.model.load import LensModel

Test = Callable[[Data], pd.DataFrame]


def positions_are_added() -> Doubt:
    """A tiny GPT-2 of transformers: the same embeddings in another order give other states."""
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=50, n_positions=16, n_embd=16, n_layer=1, n_head=2)
    model: Any = GPT2Model(config)
    model.eval()
    ids = torch.tensor([[7, 7, 7]])
    with torch.no_grad():
        by_id = model(input_ids=ids).last_hidden_state
        given = model(inputs_embeds=model.wte(ids)).last_hidden_state
    same, moved = (by_id - given).abs().max(), (given[0, 0] - given[0, 2]).abs().max()
    return Doubt(
        "inputs_embeds does not skip position embeddings",
        f"GPT-2 of transformers, one token three times: inputs_embeds and input_ids differ by "
        f"{float(same):.1e}; its first and third position differ by {float(moved):.2f}",
    )


def evaluation_carries_gradients(model: LensModel, tokens: list[int]) -> Doubt:
    """Whether a model in evaluation mode still carries gradients."""
    grads = torch.is_grad_enabled() and any(p.requires_grad for p in model.tl.parameters())
    mode = "eval" if not model.tl.training else "train"
    with torch.enable_grad():
        logits = model.tl(torch.tensor([tokens], device=model.device))
    return Doubt(
        "eval mode does not switch gradients off",
        f"model in {mode} mode, parameters that require a gradient: {grads}; logits of a forward "
        f"pass carry one: {bool(logits.requires_grad)}",
    )


def without_not(data: Data) -> Doubt:
    """How much of 'not' the best unit recognises, chosen with it and without it."""
    is_not = data.word == "not"
    sides = (np.ones(len(data), bool), ~is_not)
    found = [_recall(data, rows, is_not) for rows in sides] if is_not.any() else [np.nan] * 2
    return Doubt(
        "word identity: leaving 'not' out",
        f"the best unit recognises {found[0]:.0%} of 'not' when chosen with it, {found[1]:.0%} "
        "without",
    )


def word_identity_alone(data: Data, n_units: int) -> Doubt:
    """Units that pass under the real split of the words, and under other splits of the same."""
    splits = stats.split_test(
        data.arrays, data.examples.label, data.group, alpha_unit=0.05 / n_units
    )
    return Doubt(
        "8 words can be told apart by word identity alone",
        f"units that pass (Bonferroni over all): {splits.share:.2%} under the real split of the "
        f"words, {np.median(splits.null_shares):.2%} (median) and up to "
        f"{splits.null_shares.max():.2%} under {splits.n} splits of the same words, "
        f"p = {splits.p:.3f}",
    )


def power(data: Data, test: Test, seed: int) -> Doubt:
    """Shares of the first and the last layer, and accuracy in sample, by the number of examples."""
    said = []
    for n in (n for n in (50, 100, 300) if n <= min(data.examples.n_per_class)):
        layers = test(data.balanced(n, seed))
        first, last = layers["share_significant"].iloc[[0, -1]]
        accuracy = layers["mean_accuracy_significant_positive"].mean()
        said.append(f"{n} a class: {first:.0%} to {last:.0%}, accuracy {accuracy:.1%}")
    return Doubt("shares and in-sample accuracy depend on n", "; ".join(said) or "too few windows")


def no_negation(data: Data, test: Test, seed: int) -> Doubt:
    """A contrast among the affirmations, beside negation at the same n."""
    affirms = data.rows(np.isin(data.word, ["can", "could", "may", "will"]) & (data.label == 0))
    control = affirms.relabelled(np.isin(affirms.word, ["may", "will"]).astype(int))
    n, said = min(*control.examples.n_per_class, *data.examples.n_per_class), "too few of them"
    if n >= 5:
        most = [test(d.balanced(n, seed))["share_significant"].max() for d in (control, data)]
        said = f"{n} a class, at most {most[0]:.0%} of a layer; negation at that n {most[1]:.0%}"
    return Doubt("word identity: can and could against may and will", said)


def _recall(data: Data, rows: np.ndarray, target: np.ndarray) -> float:
    """Share of targets on their side of the midpoint, by the best unit of some rows."""
    moments = stats.moments(data.x[rows], data.examples.label[rows])
    best = np.nanargmax(np.abs(stats.ttest(data.x[rows], data.examples.label[rows]).t))
    middle = (moments.mean0[best] + moments.mean1[best]) / 2
    return float(((data.x[target, best] > middle) == (moments.direction[best] > 0)).mean())
