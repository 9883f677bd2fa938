"""Activations that leave the range of float16: one line that says where, and what to do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import lens_probes as lp

pytestmark = pytest.mark.model


def test_an_overflow_names_layer_site_and_remedy(tiny_folders: dict[str, Path]) -> None:
    half, exact = (
        lp.load_model(tiny_folders["gpt2"], dtype=dtype) for dtype in ("float16", "float32")
    )
    ids = np.random.default_rng(0).integers(3, 390, (12, 6))
    examples = lp.Examples.from_tokens(ids, -1, [0, 1] * 6)
    asked = {"sites": ["mlp_pre"], "layers": 1, "preset": "course"}
    assert len(lp.sweep(half, examples, **asked).units)
    for model in (half, exact):
        with torch.no_grad():
            for name, weight in model.tl.original_model.named_parameters():
                if ".1." in name and "c_fc" in name and name.endswith("weight"):
                    weight[:, 3] = weight[:, 3] / weight[:, 3].abs().max() * 6e4
                    assert bool(torch.isfinite(weight).all()), "each weight is within float16"
    sums = lp.collect(exact, examples, sites=["mlp_pre"], layers=1)[1, "mlp_pre"]
    assert np.abs(np.delete(sums, 3, axis=1)).max() < 65504 < np.abs(sums[:, 3]).max()
    with pytest.raises(lp.InputError, match=r"layer 1, site mlp_pre: unit 3, example \d") as said:
        lp.sweep(half, examples, **asked)
    assert "Load it in float32 or bfloat16" in str(said.value)
    assert str(said.value).isprintable()
    assert len(lp.sweep(exact, examples, **asked).units), "the remedy works"
