"""Targets of several tokens: the loss on a target is over all of its tokens, first to last."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hugging_face import changed, raw_model

from lens_probes.ablation.effects import measure
from lens_probes.ablation.jobs import Job
from lens_probes.ablation.windows import Replacement, grouped, masks
from lens_probes.examples.examples import Examples
from lens_probes.model.load import LensModel

pytestmark = pytest.mark.model

LENGTH = 14
FIRST = np.array([6, 5, 0, 8])
READ = np.array([8, 5, 2, 9])


@pytest.mark.parametrize("way", ["prefix", "whole"])
def test_the_loss_on_a_target_is_the_mean_over_its_tokens(
    tiny_models: dict[str, LensModel], tiny_folders: dict[str, Path], way: str
) -> None:
    model, raw = tiny_models["gpt2"], raw_model(tiny_folders["gpt2"])
    ids = np.random.default_rng(0).integers(1, 400, (len(READ), LENGTH))
    examples = replace(Examples.from_tokens(ids, READ, [0, 1, 0, 1]), first=FIRST, read="mean")
    assert examples.spans.tolist() == [3, 1, 3, 2]
    units = np.array([0, 3, 7, 20])
    n_units = model.shapes["mlp_post"].n_units
    new = Replacement(np.zeros(n_units, np.float32))
    job = Job(0, "mlp_post", masks([units], n_units), new)
    (found,) = measure(model, grouped(examples, after=20), [job], way=way)
    tokens = torch.from_numpy(ids)
    for row, (first, read) in enumerate(zip(FIRST.tolist(), READ.tolist(), strict=True)):

        def silent(tensor: torch.Tensor, first: int = first, read: int = read) -> torch.Tensor:
            tensor = tensor.clone()
            tensor[:, first : read + 1, units] = 0.0
            return tensor

        window = tokens[row : row + 1]
        with torch.inference_mode():
            logits = [raw(window).logits]
            with changed(raw, "gpt2", 0, "mlp_post", silent):
                logits.append(raw(window).logits)
        log_p = [one[0].double().log_softmax(-1) for one in logits]
        # The loss on token t is read off position t - 1; the first token of all has none.
        worse = {
            t: float(log_p[0][t - 1, ids[row, t]] - log_p[1][t - 1, ids[row, t]])
            for t in range(1, LENGTH)
        }
        parts = {
            "loss_target": [worse[t] for t in range(max(first, 1), read + 1)],
            "loss_after": [worse[t] for t in range(read + 1, LENGTH)],
            "loss_elsewhere": [worse[t] for t in range(1, first)],
        }
        for name, values in parts.items():
            wanted = np.mean(values) if values else np.nan
            np.testing.assert_allclose(getattr(found, name)[0, row], wanted, atol=3e-6)
        if read > first:
            assert abs(np.mean(parts["loss_target"])) > 1e-4, "the ablation must do something"
            assert abs(np.mean(parts["loss_target"]) - parts["loss_target"][-1]) > 1e-5
        if first > 0:
            assert np.mean(parts["loss_elsewhere"]) == pytest.approx(0, abs=1e-12)
