"""The screen against exact ablation, its verdicts, and the model it leaves behind."""

from __future__ import annotations

import importlib
import importlib.metadata
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hooked_tiny import hooked_tiny
from tiny_models import CONFIGS

import lens_probes as lp
from lens_probes.ablation.rerun import Way, way_of
from lens_probes.ablation.windows import Positions, grouped
from lens_probes.errors import InputError
from lens_probes.model.load import LensModel
from lens_probes.screening.calibration import calibration_table, rank_correlation
from lens_probes.screening.exact import exact_effects
from lens_probes.screening.gradients import Key, Slopes, place_of, slopes
from lens_probes.screening.metrics import metric_of
from lens_probes.screening.writes import behind

pytestmark = pytest.mark.model

HOOKED = importlib.metadata.version("transformer-lens").startswith("3.")
BACK_ENDS = ("bridge", "hooked") if HOOKED else ("bridge",)
N, LENGTH, READ = 24, 14, 9
SITES = ("mlp_pre", "mlp_post", "q", "k", "v", "z", "resid_post")
FEW: dict[str, Any] = {"n_exact": 20, "n_exact_windows": 4, "n_draws": 4}


@pytest.fixture(scope="module")
def examples() -> lp.Examples:
    tokens = np.random.default_rng(0).integers(1, 400, (N, LENGTH))
    return lp.Examples.from_tokens(tokens, READ, np.arange(N) % 2)


@pytest.fixture(scope="module")
def models(
    tiny_models: dict[str, LensModel], tiny_folders: dict[str, Path]
) -> dict[tuple[str, str], LensModel]:
    found = {(name, "bridge"): model for name, model in tiny_models.items()}
    if HOOKED:
        for name, folder in tiny_folders.items():
            found[name, "hooked"] = hooked_tiny(folder, processing="none")
    return found


def exact_by_hand(
    model: LensModel, examples: lp.Examples, site: str, metric: Any, positions: Positions
) -> np.ndarray:
    """Every unit of layer 0 set to its mean, alone."""
    groups = grouped(examples, 4)
    tokens = torch.from_numpy(examples.tokens[:, : READ + 1])
    name = lp.SITES[site].hook_name(0)
    with torch.inference_mode():
        _, cache = model.run_with_cache(tokens, names_filter=[name])
    values = cache[name].flatten(2)
    where = values[:, READ] if positions == "read" else values.flatten(0, 1)
    reference = {(0, site): where.double().mean(0).numpy()}
    units = {(0, site): np.arange(model.shapes[site].n_units)}
    return exact_effects(
        model, groups, units, reference, metric_of(metric, after=4, draws=1), positions=positions,
        way="whole",
    )[0, site][:-1]  # fmt: skip


def contrast(logits: torch.Tensor) -> torch.Tensor:
    return 100 * (logits[:, 5] - logits[:, 7])


def slopes_of(
    model: LensModel, examples: lp.Examples, sites: Sequence[str], positions: Positions, way: Way
) -> dict[Key, Slopes]:
    (group,) = grouped(examples, 0)
    found = slopes(
        model, group, [0, 1], [place_of(model, site) for site in sites],
        metric_of(contrast, after=0, draws=1), positions=positions, way=way,
        noise=torch.Generator(),
    )  # fmt: skip
    return dict(found)


@pytest.mark.parametrize("back_end", BACK_ENDS)
@pytest.mark.parametrize("name", CONFIGS)
def test_gradients_are_those_of_small_changes(
    models: dict[tuple[str, str], LensModel], examples: lp.Examples, name: str, back_end: str
) -> None:
    model = models[name, back_end]
    sites = [site for site in SITES if site in model.shapes]
    tokens = torch.from_numpy(examples.tokens[:, : READ + 1])
    kept = slopes_of(model, examples, sites, "read", way_of(model, grouped(examples, 0)))
    whole = slopes_of(model, examples, sites, "read", "whole")
    for layer, site in kept:
        gradient = kept[layer, site].gradient[0, :, 0]
        assert torch.allclose(gradient, whole[layer, site].gradient[0, :, 0], rtol=0.01, atol=0.01)
        at = place_of(model, site).at
        for unit in (1, 7):
            moved = []
            for step in (0.02, -0.02):

                def push(x: Any, hook: object, unit: int = unit, step: float = step) -> Any:
                    flat = x.flatten(2).clone()
                    flat[:, READ, unit] += step
                    return flat.reshape(x.shape)

                hooks = [(lp.SITES[at].hook_name(layer), push)]
                moved.append(contrast(model.run_with_hooks(tokens, fwd_hooks=hooks)[:, READ]))
            slope = (moved[0] - moved[1]) / 0.04
            scale = gradient.abs().max()
            assert (slope - gradient[:, unit]).abs().max() < 0.02 * scale + 0.01, (layer, site)


@pytest.mark.parametrize("back_end", BACK_ENDS)
@pytest.mark.parametrize("name", CONFIGS)
def test_a_change_before_the_non_linearity_is_made_behind_it(
    models: dict[tuple[str, str], LensModel], examples: lp.Examples, name: str, back_end: str
) -> None:
    model = models[name, back_end]
    tokens = torch.from_numpy(examples.tokens[:, : READ + 1])
    reference = np.linspace(-1, 2, model.shapes["mlp_pre"].n_units).astype(np.float32)
    c = behind(model, {(1, "mlp_pre"): reference})[1, "mlp_pre"]
    one = slopes_of(model, examples, ["mlp_pre"], "read", "whole")[1, "mlp_pre"]
    seen: list[torch.Tensor] = []

    def replaced(x: torch.Tensor, hook: object) -> torch.Tensor:
        return torch.from_numpy(reference).expand_as(x).clone()

    def keep(x: torch.Tensor, hook: object) -> None:
        seen.append(x[:, READ].clone())

    last = (lp.SITES["mlp_post"].hook_name(1), keep)
    for hooks in ([last], [(lp.SITES["mlp_pre"].hook_name(1), replaced), last]):
        model.run_with_hooks(tokens, fwd_hooks=hooks)
    factor = 1 if one.factor is None else one.factor[:, 0]
    change = torch.from_numpy(c) * factor - one.written[:, 0]
    assert torch.allclose(change.float(), seen[1] - seen[0], atol=1e-5)


@pytest.mark.parametrize("positions", ["read", "all"])
def test_a_divergence_is_what_ablations_give(
    models: dict[tuple[str, str], LensModel], examples: lp.Examples, positions: Positions
) -> None:
    model = models["llama", BACK_ENDS[-1]]
    found = lp.screen(
        model, examples, sites=["mlp_pre"], layers=[0], positions=positions, n_windows=None,
        n_exact=20, n_exact_windows=4, n_draws=300,
    )  # fmt: skip
    exact = exact_by_hand(model, examples, "mlp_pre", "kl", positions)
    assert rank_correlation(found.units["effect"].to_numpy(), exact) > 0.95
    assert 0.8 < found.units["effect"].median() / np.median(exact) < 1.25


def test_the_loss_is_of_the_tokens_after(tiny_model: LensModel, examples: lp.Examples) -> None:
    found = lp.screen(tiny_model, examples, layers=0, metric="loss", after=4, n_windows=None, **FEW)
    exact = exact_by_hand(tiny_model, examples, "mlp_post", "loss", "read")
    assert rank_correlation(found.units["effect"].to_numpy(), exact) > 0.9
    ends = lp.Examples.from_tokens(examples.tokens, -1, examples.label)
    with pytest.raises(InputError, match="needs tokens after"):
        lp.screen(tiny_model, ends, metric="loss", **FEW)


def test_where_screen_and_ablation_disagree_it_is_said() -> None:
    rng = np.random.default_rng(0)
    keys = [(layer, "mlp_post") for layer in range(3)]
    estimates = {key: rng.random(100) + 0.1 for key in keys}
    units = {key: np.arange(30) for key in keys}
    names = {key: [str(unit) for unit in range(30)] for key in keys}
    same = {key: estimates[key][:30] for key in keys}
    good = calibration_table(estimates, units, same, 1e-9, names)
    assert good["valid"].all()
    assert set(good["n"]) == {30}
    halved = same | {keys[2]: same[keys[2]] / 2}
    half = calibration_table(estimates, units, halved, 1e-9, names)
    assert half["valid"].tolist() == [False] * 3 or half["valid"].tolist() == [True, True, False]
    assert half["median_ratio"].iloc[2] == pytest.approx(2)
    mixed = same | {keys[0]: same[keys[0]][::-1]}
    assert not calibration_table(estimates, units, mixed, 1e-9, names)["valid"].any()


def test_an_invalid_site_is_left_undecided(
    tiny_model: LensModel, examples: lp.Examples, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(*args: Any, **options: Any) -> Any:
        return {key: -one for key, one in exact_effects(*args, **options).items()}

    room = importlib.import_module("lens_probes.screening.estimate")
    monkeypatch.setattr(room, "exact_effects", wrong)
    found = lp.screen(tiny_model, examples, metric=contrast, **FEW)
    assert set(found.units["used"]) == {"undecided"}
    assert set(found.units["why"]) == {"screen not valid here"}
    assert any("not valid" in line for line in found.text_lines())


def test_the_same_request_gives_the_same_screen_and_units_are_all_there(
    tiny_model: LensModel, examples: lp.Examples
) -> None:
    one, two = (lp.screen(tiny_model, examples, sites=["mlp_post", "z"], **FEW) for _ in range(2))
    pd.testing.assert_frame_equal(one.units, two.units)
    pd.testing.assert_frame_equal(one.calibration, two.calibration)
    n = sum(tiny_model.shapes[site].n_units for site in ("mlp_post", "z")) * tiny_model.n_layers
    assert len(one.units) == n
    columns = ["layer", "site", "unit", "name", "effect", "size", "p", "q", "used"]
    assert list(one.units)[: len(columns)] == columns
    assert {"layer", "site", "n", "rank_correlation", "median_ratio", "valid"} <= set(
        one.calibration
    )
    assert one.map.empty


def state_of(model: LensModel) -> dict[str, Any]:
    modules = list(model.tl.modules())
    return {
        "hooks": sum(len(m._forward_hooks) + len(m._backward_hooks) for m in modules),
        "training": [m.training for m in modules],
        "gradients": [p.grad is None for p in model.tl.parameters()],
        "wanted": [p.requires_grad for p in model.tl.parameters()],
        "enabled": torch.is_grad_enabled(),
        "weights": model.weights_digest,
    }


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C is an error in Python, also where the tests run in the background of a shell."""
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, usual)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("back_end", BACK_ENDS)
def test_the_model_is_as_it_was_also_after_an_error_or_ctrl_c(
    models: dict[tuple[str, str], LensModel], examples: lp.Examples, back_end: str
) -> None:
    model = models["llama", back_end]
    before = state_of(model)
    with torch.no_grad():
        plain = lp.screen(model, examples, **FEW)
    assert state_of(model) == before
    for stop in range(1, 5):
        calls = []

        def interrupting(logits: torch.Tensor, calls: list[int] = calls, stop: int = stop) -> Any:
            calls.append(1)
            if len(calls) == stop:
                signal.raise_signal(signal.SIGINT)
            return contrast(logits)

        with pytest.raises(KeyboardInterrupt):
            lp.screen(model, examples, metric=interrupting, **FEW)
        assert state_of(model) == before
    with pytest.raises(InputError, match="one number a window"):
        lp.screen(model, examples, metric=lambda logits: logits.sum(), **FEW)
    assert state_of(model) == before
    pd.testing.assert_frame_equal(plain.units, lp.screen(model, examples, **FEW).units)


def test_adding_zeros_changes_nothing(tiny_model: LensModel, examples: lp.Examples) -> None:
    from lens_probes.screening.gradients import _Tape, place_of

    tokens = torch.from_numpy(examples.tokens)
    tape = _Tape(range(tiny_model.n_layers), [place_of(tiny_model, site) for site in SITES[:4]])
    with torch.inference_mode(False):
        plain = tiny_model.run_with_hooks(tokens, fwd_hooks=[])
        hooked = tiny_model.run_with_hooks(tokens, fwd_hooks=tape.hooks)
    assert torch.equal(plain, hooked)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"metric": "auc"}, "unknown metric 'auc'"),
        ({"positions": "some"}, "unknown positions 'some'"),
        ({"sites": ["mlp"]}, "unknown site 'mlp'"),
        ({"layers": 99}, "no layer 99"),
        ({"n_windows": 1}, "n_windows must be 2 or more"),
        ({"n_windows": 10**6}, r"n_windows is 1,000,000 and there are \d+ windows"),
        ({"seed": -1}, "seed must be 0 or more"),
        ({"result": 3}, "result must be a SweepResult"),
        ({"alpha": 2}, "alpha must lie"),
        ({"metric": lambda logits: logits[:, 10**6]}, "metric fails on logits"),
        ({"metric": lambda logits: logits[:, 0] * np.nan}, "metric must give finite numbers"),
        ({"metric": lambda logits: torch.ones(len(logits))}, "what it gives has no gradient"),
    ],
)
def test_mistakes_are_one_line(
    tiny_model: LensModel, examples: lp.Examples, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError, match=said) as raised:
        lp.screen(tiny_model, examples, **options)
    assert "\n" not in str(raised.value)
