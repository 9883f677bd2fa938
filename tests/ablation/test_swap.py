"""Write swaps: where units write, that a change in its own place is the ablation, error rates."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import numpy as np
import pytest
import torch
from hooked_tiny import hooked_tiny

from lens_probes.ablation.effects import measure
from lens_probes.ablation.jobs import Job
from lens_probes.ablation.rerun import exact_way
from lens_probes.ablation.swap import NO_DIRECTION, Writes, not_itself, swap_job, writes_of
from lens_probes.ablation.windows import grouped, masks, replacement
from lens_probes.activations.collect import collect
from lens_probes.checks.audit_numbers import linear_p
from lens_probes.examples.examples import Examples
from lens_probes.model.load import LensModel
from lens_probes.sites import SITES


def test_swaps_hold_their_level_for_sets_that_move_together_and_random_sets_do_not() -> None:
    p = np.array([linear_p(seed, 1.0) for seed in range(300)])
    by_swaps, by_random_sets = (p <= 0.05).mean(axis=0)
    assert 0.02 < by_swaps <= 0.07
    assert by_random_sets > 0.12
    read = np.array([linear_p(seed, 3.0)[0] for seed in range(40)])
    assert (read <= 0.05).mean() >= 0.8


def test_swaps_are_different_of_equal_length_and_leave_the_top_units_out() -> None:
    length = np.exp(np.random.default_rng(0).normal(size=40))
    length[[7, 9]] = 0.0
    top, others = np.array([3, 7]), np.setdiff1d(np.arange(40), [3, 7])
    into, scale = Writes("z", length).swaps(top, others, 100, seed=1)
    assert len({tuple(row) for row in into.tolist()}) == 100
    assert not set(into.ravel()) & {3, 7, 9}, "9 writes nothing: it has no direction"
    assert all(len(set(row)) == 2 for row in into.tolist())
    np.testing.assert_allclose(length[into] * scale, np.tile(length[top], (100, 1)), rtol=1e-6)
    again = Writes("z", length).swaps(top, others, 100, seed=1)
    assert (again[0] == into).all()
    few, _ = Writes("z", length).swaps(top[:1], others[:5], 100, seed=1)
    assert len(few) == 5
    none, _ = Writes("z", length).swaps(top, others[:1], 100, seed=1)
    assert none.shape == (0, 2)


HOOKED = importlib.metadata.version("transformer-lens").startswith("3.")
NAMES = ["gpt2", "llama", *(["hooked llama"] if HOOKED else [])]


@pytest.fixture(scope="module")
def models(
    tiny_models: dict[str, LensModel], tiny_folders: dict[str, Path]
) -> dict[str, LensModel]:
    hooked = hooked_tiny(tiny_folders["llama"], processing="none") if HOOKED else None
    return {**tiny_models, **({} if hooked is None else {"hooked llama": hooked})}


@pytest.mark.model
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("site", "out"), [("mlp_post", "mlp_out"), ("z", "attn_out")])
def test_the_length_of_a_write_is_what_a_unit_adds(
    models: dict[str, LensModel], name: str, site: str, out: str
) -> None:
    model, unit, layer = models[name], 5, 1
    writes = writes_of(model, layer, site)
    assert isinstance(writes, Writes)
    seen: list[torch.Tensor] = []

    def push(tensor: torch.Tensor, hook: object) -> torch.Tensor:
        flat = tensor.flatten(2).clone()
        flat[..., unit] += len(seen)
        return flat.view(tensor.shape)

    def keep(tensor: torch.Tensor, hook: object) -> None:
        seen.append(tensor.clone())

    hooks = [(SITES[site].hook_name(layer), push), (SITES[out].hook_name(layer), keep)]
    with torch.inference_mode():
        for _ in range(2):
            model.run_with_hooks(torch.ones(1, 3, dtype=torch.long), fwd_hooks=hooks)
    wanted = (seen[1] - seen[0])[0, -1].norm()
    assert writes.length[unit] == pytest.approx(float(wanted), rel=1e-3)


@pytest.mark.model
@pytest.mark.parametrize("positions", ["read", "all"])
@pytest.mark.parametrize("name", NAMES)
def test_a_change_written_in_its_own_place_is_the_ablation(
    models: dict[str, LensModel], name: str, positions: str
) -> None:
    model, layer, n, read = models[name], 1, 5, 7
    tokens = np.random.default_rng(0).integers(1, 400, (n, 12))
    examples = Examples.from_tokens(tokens, read, np.arange(n) % 2)
    top, way = np.array([0, 3, 4]), exact_way(model, torch.from_numpy(tokens))
    for site in sorted(set(model.shapes) - {"q", "k", "v"}):
        n_units = model.shapes[site].n_units
        x = collect(model, examples, sites=[site], layers=[layer])[layer, site]
        new = replacement(
            model, (layer, site), "zero", positions, reference=(examples, x),
            measured=(examples, x), donors=np.arange(n), after=4,
        )  # fmt: skip
        writes = writes_of(model, layer, site)
        assert isinstance(writes, Writes)
        swaps = swap_job(
            model, (layer, site), writes, new, examples, top, np.arange(6, n_units), n=4,
            positions=positions, after=4, seed=0,
        )  # fmt: skip
        ablation = Job(layer, site, masks([top], n_units), new)
        found, wanted = measure(
            model, grouped(examples, 4), [swaps, ablation], positions=positions, way=way
        )
        assert len(found.kl) == 5
        for measured in ("kl", "loss_after"):
            values, ablated = getattr(found, measured), getattr(wanted, measured)[0]
            np.testing.assert_allclose(values[-1], ablated, atol=3e-6, rtol=2e-3, err_msg=site)
        others = np.abs(found.loss_after[:-1] - wanted.loss_after).max(axis=1)
        assert (others > 1e-5).all(), f"{site}: other directions do something else"


@pytest.mark.model
def test_queries_keys_and_values_have_no_direction(tiny_models: dict[str, LensModel]) -> None:
    for site in ("q", "k", "v"):
        assert writes_of(tiny_models["llama"], 0, site) == NO_DIRECTION


def test_changes_that_are_not_all_that_is_written_are_no_null() -> None:
    assert not_itself(1.0, 1.04, 0.0) == not_itself(1e-9, 2e-9, 1e-9) == ""
    assert "by 1 nats, ablating them by 1.2" in not_itself(1.0, 1.2, 0.0)
