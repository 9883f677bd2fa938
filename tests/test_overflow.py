"""Activations that leave the range of float16: one line that says where, and what to do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import lens_probes as lp

pytestmark = pytest.mark.model


def test_an_overflow_names_layer_site_and_remedy(tiny_folders: dict[str, Path]) -> None:
    model = lp.load_model(tiny_folders["gpt2"], dtype="float16")
    ids = np.random.default_rng(0).integers(3, 390, (12, 6))
    examples = lp.Examples.from_tokens(ids, -1, [0, 1] * 6)
    assert len(lp.sweep(model, examples, sites=["mlp_pre"], layers=1, preset="course").units)
    with torch.no_grad():
        for name, weight in model.tl.original_model.named_parameters():
            if name.endswith("bias") and "c_fc" in name and ".1." in name:
                weight[3] = float("inf")  # as a sum beyond 65,504
    with pytest.raises(lp.InputError, match=r"layer 1, site mlp_pre: unit 3, example 0: ") as said:
        lp.sweep(model, examples, sites=["mlp_pre"], layers=1, preset="course")
    assert "Load it in float32 or bfloat16" in str(said.value)
    assert str(said.value).isprintable()
