"""Ablations against raw Hugging Face, and identities that hold in every model."""

from __future__ import annotations

import dataclasses
import importlib.metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hooked_tiny import hooked_tiny
from hugging_face import MODULES, changed, raw_effects, raw_model
from tiny_models import CONFIGS

from lens_probes.ablation.effects import Effects, measure
from lens_probes.ablation.jobs import Job, replace_units
from lens_probes.ablation.matching import profile_of
from lens_probes.ablation.rerun import exact_way, rerun, start
from lens_probes.ablation.windows import Replacement, changes, grouped, masks, replacement
from lens_probes.activations.collect import collect
from lens_probes.examples.examples import Examples
from lens_probes.model.load import LensModel
from lens_probes.sites import SITES

pytestmark = pytest.mark.model

HOOKED = importlib.metadata.version("transformer-lens").startswith("3.")
BACK_ENDS = ("bridge", "hooked") if HOOKED else ("bridge",)
N, LENGTH, READ = 5, 18, 11
MEASURES = ("kl", "loss_after", "loss_target", "loss_elsewhere")
CASES = [(name, site, "read") for name in CONFIGS for site in MODULES[name]]
CASES += [
    (name, site, "all") for name, site in (("gpt2", "mlp_pre"), ("llama", "k"), ("llama", "z"))
]
POSITIONS = [(name, "read") for name in CONFIGS] + [("llama", "all")]


@pytest.fixture(scope="module")
def models(
    tiny_models: dict[str, LensModel], tiny_folders: dict[str, Path]
) -> dict[tuple[str, str], LensModel]:
    found = {(name, "bridge"): model for name, model in tiny_models.items()}
    if HOOKED:
        for name, folder in tiny_folders.items():
            found[name, "hooked"] = hooked_tiny(folder, processing="none")
    return found


@pytest.fixture(scope="module")
def raws(tiny_folders: dict[str, Path]) -> dict[str, Any]:
    return {name: raw_model(folder) for name, folder in tiny_folders.items()}


@pytest.fixture(scope="module")
def examples() -> Examples:
    tokens = np.random.default_rng(0).integers(1, 400, (N, LENGTH))
    return Examples.from_tokens(tokens, READ, np.arange(N) % 2)


def effects_of(
    model: LensModel,
    examples: Examples,
    layer: int,
    site: str,
    sets: list[np.ndarray],
    new: Replacement,
    **options: object,
) -> Effects:
    job = Job(layer, site, masks(sets, model.shapes[site].n_units), new)
    (effects,) = measure(model, grouped(examples, after=20), [job], **options)
    return effects


@pytest.mark.parametrize("back_end", BACK_ENDS)
@pytest.mark.parametrize(("name", "site", "positions"), CASES)
def test_effects_are_those_of_hugging_face(
    models: dict[tuple[str, str], LensModel],
    raws: dict[str, Any],
    examples: Examples,
    name: str,
    site: str,
    positions: str,
    back_end: str,
) -> None:
    model, raw, layer = models[name, back_end], raws[name], 1
    n_units = model.shapes[site].n_units
    values = np.linspace(-1, 1, n_units).astype(np.float32)
    sets = [np.array([2]), np.array([0, 5, n_units - 1])]
    tokens = torch.from_numpy(examples.tokens)
    found = effects_of(
        model, examples, layer, site, sets, Replacement(values),
        positions=positions, way=exact_way(model, tokens),
    )  # fmt: skip
    where = slice(None) if positions == "all" else slice(READ, READ + 1)
    with torch.inference_mode():
        intact = raw(tokens).logits
        for row, units in enumerate(sets):

            def change(tensor: torch.Tensor, units: np.ndarray = units) -> torch.Tensor:
                tensor = tensor.clone()
                tensor[:, where, units] = torch.from_numpy(values[units])
                return tensor

            with changed(raw, name, layer, site, change):
                wanted = raw_effects(intact, raw(tokens).logits, tokens, READ)
            assert wanted["loss_after"].abs().max() > 1e-4, "the ablation must do something"
            for measured in MEASURES:
                np.testing.assert_allclose(
                    getattr(found, measured)[row], wanted[measured], atol=3e-6, rtol=1e-4
                )


@pytest.mark.parametrize("back_end", BACK_ENDS)
@pytest.mark.parametrize("name", CONFIGS)
def test_a_restart_is_the_whole_pass(
    models: dict[tuple[str, str], LensModel], examples: Examples, name: str, back_end: str
) -> None:
    model, tokens = models[name, back_end], torch.from_numpy(examples.tokens)
    with torch.inference_mode():
        way = exact_way(model, tokens)
        local = name == "gpt_neo"  # its local layers count tokens between a query and a key
        assert way == ("packed" if back_end == "hooked" and not local else "prefix")
        whole = model.run_with_hooks(tokens, fwd_hooks=[], return_type="logits")
        for first in (0, 1, READ, LENGTH - 1):
            begun = start(model, tokens, first, range(model.n_layers))
            torch.testing.assert_close(begun.logits, whole[:, first:], atol=3e-6, rtol=1e-5)
            for layer in range(model.n_layers):
                for packed in {False, way == "packed"}:
                    again = rerun(model, begun, layer, 3, packed=packed)
                    wanted = whole[:, first:].expand(again.shape)
                    torch.testing.assert_close(again, wanted, atol=3e-6, rtol=1e-5)
                    short = rerun(model, begun, layer, 2, n_positions=1, packed=packed)
                    assert short.shape[:3] == (2, N, 1)
                    torch.testing.assert_close(short, wanted[:2, :, :1], atol=3e-6, rtol=1e-5)


def test_a_prefix_that_is_not_whole_is_noticed(
    models: dict[tuple[str, str], LensModel],
    examples: Examples,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from lens_probes.ablation import rerun as module

    honest = module.continued

    def forgetful(model: LensModel, prefix: object) -> object:
        kept = None if prefix is None else [(k[:, :1], v[:, :1]) for k, v in prefix]
        return honest(model, kept)

    tokens = torch.from_numpy(examples.tokens)
    monkeypatch.setattr(module, "continued", forgetful)
    with torch.inference_mode():
        assert exact_way(models["gpt2", BACK_ENDS[-1]], tokens) == "whole"


@pytest.mark.parametrize("back_end", BACK_ENDS)
@pytest.mark.parametrize(("name", "positions"), POSITIONS)
def test_nothing_ablated_changes_nothing_nor_do_own_values(
    models: dict[tuple[str, str], LensModel],
    examples: Examples,
    name: str,
    back_end: str,
    positions: str,
) -> None:
    model, layer = models[name, back_end], 1
    for site in model.shapes:
        x = collect(model, examples, sites=[site], layers=[layer])[layer, site]
        options = {"reference": (examples, x), "measured": (examples, x), "after": 20}
        itself = replacement(
            model, (layer, site), "resample", positions, donors=np.arange(N), **options
        )
        other = replacement(
            model, (layer, site), "resample", positions, donors=np.arange(N)[::-1], **options
        )
        everything = np.arange(x.shape[1])
        sets = [everything[:0], everything[:3], everything]
        for new, silent in ((itself, (0, 1, 2)), (other, (0,))):
            found = effects_of(model, examples, layer, site, sets, new, positions=positions)
            for measured in MEASURES:
                values = getattr(found, measured)
                assert np.abs(values[list(silent)]).max() < 3e-6
        swapped = np.maximum(found.kl, np.abs(found.loss_after))[2]
        assert (swapped[[0, 1, 3, 4]] > 1e-5).all(), f"{site}: other values must change something"


@pytest.mark.parametrize("back_end", BACK_ENDS)
@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize(("site", "out"), [("mlp_post", "mlp_out"), ("z", "attn_out")])
def test_without_its_units_a_branch_leaves_its_bias(
    models: dict[tuple[str, str], LensModel],
    raws: dict[str, Any],
    examples: Examples,
    name: str,
    back_end: str,
    site: str,
    out: str,
) -> None:
    model, layer = models[name, back_end], 1
    module, _ = MODULES[name][site]
    blocks = {"llama": "model.layers", "pythia": "gpt_neox.layers"}.get(name, "transformer.h")
    last = raws[name].get_submodule(f"{blocks}.{layer}.{module}")
    bias = torch.zeros(int(model.cfg.d_model)) if last.bias is None else last.bias.detach()
    assert name == "llama" or bias.abs().max() > 0.01
    n_units = model.shapes[site].n_units
    seen: list[torch.Tensor] = []

    def keep(tensor: torch.Tensor, hook: object) -> None:
        seen.append(tensor.clone())

    with torch.inference_mode():
        begun = start(model, torch.from_numpy(examples.tokens), READ, [layer])
        mask = torch.ones(2, n_units, dtype=torch.bool)
        zeros = replace_units(mask, torch.zeros(1, 1, n_units), slice(0, 1), N)
        hooks = [(SITES[site].hook_name(layer), zeros), (SITES[out].hook_name(layer), keep)]
        rerun(model, begun, layer, 2, fwd_hooks=hooks)
    left = seen[0].reshape(2 * N, -1, bias.shape[0])
    torch.testing.assert_close(left[:, 0], bias.expand(2 * N, -1), atol=0, rtol=0)
    assert (left[:, 1] - bias).abs().max() > 0.01, "later tokens keep theirs"


@pytest.mark.parametrize("positions", ["read", "all"])
@pytest.mark.parametrize("back_end", BACK_ENDS)
@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("site", ["mlp_out", "attn_out"])
def test_a_branch_at_zero_is_a_branch_removed(
    models: dict[tuple[str, str], LensModel],
    raws: dict[str, Any],
    examples: Examples,
    name: str,
    back_end: str,
    site: str,
    positions: str,
) -> None:
    model, raw, layer = models[name, back_end], raws[name], 1
    n_units, tokens = model.shapes[site].n_units, torch.from_numpy(examples.tokens)
    found = effects_of(
        model, examples, layer, site, [np.arange(n_units)],
        Replacement(np.zeros(n_units, np.float32)), positions=positions,
        way=exact_way(model, tokens),
    )  # fmt: skip
    where = slice(None) if positions == "all" else slice(READ, READ + 1)

    def remove(output: torch.Tensor) -> torch.Tensor:
        output = output.clone()
        output[:, where] = 0.0
        return output

    with torch.inference_mode():
        intact = raw(tokens).logits
        with changed(raw, name, layer, site, remove):
            wanted = raw_effects(intact, raw(tokens).logits, tokens, READ)
    assert wanted["kl"].min() > 1e-4, "the branch must do something"
    for measured in MEASURES:
        np.testing.assert_allclose(
            getattr(found, measured)[0], wanted[measured], atol=3e-6, rtol=1e-4
        )


@pytest.mark.parametrize("kind", ["zero", "mean", "resample"])
@pytest.mark.parametrize("positions", ["read", "all"])
def test_the_matched_change_is_the_one_that_is_made(
    models: dict[tuple[str, str], LensModel], kind: str, positions: str
) -> None:
    model, layer, site, after = models["gpt2", "bridge"], 1, "mlp_pre", 3
    rng = np.random.default_rng(2)
    spans = 1 if kind == "resample" else np.array([1, 2, 1, 3, 2, 1])
    examples = Examples.from_tokens(
        [rng.integers(1, 400, n).tolist() for n in (12, 9, 12, 11, 15, 9)],
        [5, 8, 5, 6, 7, 6], [0, 1] * 3,
    )  # fmt: skip
    examples = dataclasses.replace(examples, first=examples.position - spans + 1, read="mean")
    x = collect(model, examples, sites=[site], layers=[layer])[layer, site]
    pair, donors = (examples, x), np.roll(np.arange(6), 1)
    new = replacement(
        model, (layer, site), kind, positions, reference=pair, measured=pair, donors=donors,
        after=after,
    )  # fmt: skip
    found = profile_of(changes(model, (layer, site), new, pair, positions, after))
    sums, squares, n = 0.0, 0.0, 0
    for row in range(6):
        read, span = int(examples.position[row]), int(examples.spans[row])
        length = int((examples.tokens[row] >= 0).sum())
        last = max(read + 1, min(length, read + 1 + after) - 1)
        where = slice(0, last) if positions == "all" else slice(read + 1 - span, read + 1)
        (group,) = grouped(examples.select([row]), after)
        seen: list[torch.Tensor] = []

        def keep(tensor: torch.Tensor, hook: object, seen: list[torch.Tensor] = seen) -> None:
            seen.append(tensor.flatten(2).clone())

        with torch.inference_mode():
            hooks = [(SITES[site].hook_name(layer), keep)]
            model.run_with_hooks(torch.from_numpy(group.tokens), fwd_hooks=hooks)
        old = seen[0][0, where].double().numpy()
        fresh = new.values(np.array([row]), len(old))[0].double().numpy()
        sums, n = sums + old.sum(axis=0), n + len(old)
        squares = squares + ((old - fresh) ** 2).sum(axis=0)
    np.testing.assert_allclose(found.mean, sums / n, atol=1e-6)
    np.testing.assert_allclose(found.size, np.sqrt(squares / n), rtol=1e-4)


def test_many_sets_in_a_pass_are_as_one_by_one(
    models: dict[tuple[str, str], LensModel], examples: Examples
) -> None:
    model = models["llama", BACK_ENDS[-1]]
    sets = [np.array([i, i + 1]) for i in range(7)]
    zeros = Replacement(np.zeros(model.shapes["mlp_pre"].n_units, np.float32))
    run = lambda **options: effects_of(model, examples, 1, "mlp_pre", sets, zeros, **options)  # noqa: E731
    way = exact_way(model, torch.from_numpy(examples.tokens))
    together, alone, whole = run(way=way), run(tokens_per_pass=1), run(way="whole")
    for measured in MEASURES:
        for other in (alone, whole):
            np.testing.assert_allclose(
                getattr(together, measured), getattr(other, measured), atol=3e-6
            )
    assert together.kl.min() > 1e-7


def test_windows_of_unequal_length_and_short_runs(
    models: dict[tuple[str, str], LensModel],
) -> None:
    model = models["gpt2", "bridge"]
    rng = np.random.default_rng(1)
    lengths, reads = [12, 9, 12, 7, 9], [5, 8, 5, 0, 4]
    tokens = [rng.integers(1, 400, n).tolist() for n in lengths]
    examples = Examples.from_tokens(tokens, reads, [0, 1, 0, 1, 0])
    units, zeros = np.arange(6), Replacement(np.zeros(model.shapes["mlp_post"].n_units, np.float32))
    found = effects_of(model, examples, 0, "mlp_post", [units], zeros)
    for row, (ids, read) in enumerate(zip(tokens, reads, strict=True)):
        alone = Examples.from_tokens([ids, ids], read, [0, 1])
        one = effects_of(model, alone, 0, "mlp_post", [units], zeros, way="whole")
        for measured in MEASURES:
            np.testing.assert_allclose(
                getattr(found, measured)[0, row], getattr(one, measured)[0, 0], atol=3e-6
            )
    assert np.isnan(found.loss_after[0, 1]), "nothing follows the last token"
    assert np.isnan(found.loss_target[0, 3]), "the first token has no loss"
    job = Job(0, "mlp_post", masks([units], len(zeros.fixed)), zeros, short=True)
    (short,) = measure(model, grouped(examples, after=20), [job])
    np.testing.assert_allclose(short.kl, found.kl, atol=1e-7, rtol=1e-4)
    assert np.isnan(short.loss_after).all()
