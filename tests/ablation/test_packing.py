"""Copies behind one another give what copies in a batch give: at every site, in short jobs too."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hooked_tiny import hooked_tiny

from lens_probes.ablation.jobs import replace_units
from lens_probes.ablation.rerun import rerun, start
from lens_probes.model.backends import HAS_HOOKED_TRANSFORMER
from lens_probes.sites import SITES

pytestmark = [
    pytest.mark.model,
    pytest.mark.skipif(not HAS_HOOKED_TRANSFORMER, reason="bridges are not packed"),
]
TOKENS = torch.randint(3, 390, (3, 7), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("architecture", ["gpt2", "pythia", "llama"])
@pytest.mark.parametrize("n_positions", [1, 3])
def test_packed_copies_are_ablated_as_those_in_a_batch(
    architecture: str, n_positions: int, tiny_folders: dict[str, Path]
) -> None:
    model = hooked_tiny(tiny_folders[architecture], processing="none")
    drawn = torch.Generator().manual_seed(1)
    with torch.inference_mode():
        begun = start(model, TOKENS, 4, range(model.n_layers))
        for layer in range(model.n_layers):
            for site, shape in model.shapes.items():
                mask = torch.rand((2, shape.n_units), generator=drawn) < 0.4
                values = torch.randn((3, 1, shape.n_units), generator=drawn)
                hook = SITES[site].hook_name(layer), replace_units(mask, values, slice(0, 1), 3)
                options = {"fwd_hooks": [hook], "n_positions": n_positions}
                packed = rerun(model, begun, layer, 2, packed=True, **options)
                in_a_batch = rerun(model, begun, layer, 2, **options)
                torch.testing.assert_close(packed, in_a_batch, atol=1e-5, rtol=1e-4)
                last = site in ("k", "v") and n_positions == 1
                changed = (packed - begun.logits[:, :n_positions]).abs().max()
                assert last or changed > 1e-4
