"""What a caller does with a model before or during a pass changes no number and leaves no trace."""

from __future__ import annotations

import _thread
import os
import pickle
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hooked_tiny import hooked_tiny
from tiny_models import save_tiny
from torch.utils.hooks import RemovableHandle

import lens_probes as lp
from lens_probes.ablation.effects import TOKENS_PER_PASS
from lens_probes.maximize.objective import unit_objective
from lens_probes.model.backends import HAS_HOOKED_TRANSFORMER
from lens_probes.model.load import LensModel

pytestmark = pytest.mark.model
hooked_only = pytest.mark.skipif(not HAS_HOOKED_TRANSFORMER, reason="4.x has bridges only")
IDS = np.random.default_rng(0).integers(3, 390, (24, 9))
HOOK = "blocks.1.mlp.hook_post"
# `make torture` sets both to the size that is promised: 40 runs in two threads, 200 interrupts.
THREADED = int(os.environ.get("THREADED", "0"))
INTERRUPTS = int(os.environ.get("INTERRUPTS", "8"))


@pytest.fixture
def model(tmp_path: Path) -> LensModel:
    return lp.load_model(save_tiny("gpt2", tmp_path / "m"))


def examples(ids: np.ndarray = IDS) -> lp.Examples:
    return lp.Examples.from_tokens(ids, -1, np.arange(len(ids)) % 2)


def read(model: LensModel, ids: np.ndarray = IDS, **options: Any) -> np.ndarray:
    found = lp.collect(model, examples(ids), sites=["resid_post"], **options)
    return np.stack([found[key] for key in found])


def raw(model: LensModel) -> torch.Tensor:
    """The same numbers from TransformerLens itself, in whatever state things are."""
    with torch.no_grad():
        _, cache = model.tl.run_with_cache(torch.from_numpy(IDS))
    return cache["blocks.2.hook_resid_post"][:, -1]


def hooks_on(model: LensModel) -> int:
    modules = {*model.tl.modules(), *getattr(model.tl, "original_model", model.tl).modules()}
    return sum(len(m._forward_hooks) + len(getattr(m, "fwd_hooks", ())) for m in modules)


def test_training_mode_changes_nothing_and_stays(model: LensModel, tmp_path: Path) -> None:
    wanted = read(model)
    block = model.tl.original_model.transformer.h[1]
    for switch_on in (model.tl.train, model.tl.original_model.train, block.train):
        switch_on()
        before = [module.training for module in model.tl.original_model.modules()]
        assert any(before)
        assert np.abs(raw(model)[:, None].numpy() - wanted[2][:, None]).max() > 1e-2
        assert np.array_equal(read(model), wanted)
        assert np.array_equal(read(model, store=tmp_path / "store"), wanted)
        assert [m.training for m in model.tl.original_model.modules()] == before
        model.tl.eval()
        model.tl.original_model.eval()


def test_autocast_changes_nothing(model: LensModel, tmp_path: Path) -> None:
    wanted = read(model)
    with torch.autocast("cpu", torch.bfloat16):
        assert np.abs(raw(model).float().numpy() - wanted[2]).max() > 1e-3
        assert np.array_equal(read(model, store=tmp_path / "store"), wanted)
        assert torch.is_autocast_enabled("cpu")
        logits = model.run_with_hooks(torch.from_numpy(IDS))
    assert logits.dtype == torch.float32


def test_the_dtype_is_read_when_it_runs(model: LensModel, tmp_path: Path) -> None:
    store = tmp_path / "store"
    before = read(model, store=store)
    model.tl.half()
    assert model.provenance["dtype"] == "float16"
    asked = lp.load_model(model.source, dtype="float16")
    found = read(model, store=store)
    np.testing.assert_array_equal(found, read(asked))
    assert 0 < np.abs(found - before).max() < 0.1


@hooked_only
def test_a_hooked_transformer_cast_behind_its_configuration_is_refused(
    tiny_folders: dict[str, Path],
) -> None:
    model = hooked_tiny(tiny_folders["gpt2"], processing="none")
    read(model)
    model.tl.half()
    with pytest.raises(lp.InputError, match=r"weights are torch.float16 .* model.tl.to\(") as said:
        read(model)
    assert "\n" not in str(said.value)
    model.tl.to(torch.float16)
    read(model)
    assert model.provenance["dtype"] == "float16"


def test_threads_take_turns(model: LensModel, tmp_path: Path) -> None:
    parts = np.random.default_rng(1).integers(3, 390, (max(12, THREADED), 6, 9))
    wanted = [read(model, part) for part in parts]
    jobs: list[tuple[np.ndarray, dict[str, Any]]] = [
        (part, {"store": tmp_path / str(i)} if i % 3 == 0 else {})
        for i, part in enumerate([*parts, *parts])
    ]
    with ThreadPoolExecutor(2 if THREADED else 6) as pool:
        found = list(pool.map(lambda job: read(model, job[0], **job[1]), jobs))
    for one, expected in zip(found, wanted + wanted, strict=True):
        assert np.array_equal(one, expected)


def test_no_hook_and_no_mode_is_left_by_an_interrupt(
    model: LensModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C at the worst moment: TransformerLens has begun to remove its hooks."""

    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    tokens = torch.from_numpy(IDS)
    wanted, usual = read(model), signal.getsignal(signal.SIGINT)
    n_hooks, level = hooks_on(model), model.tl.context_level
    model.tl.train()
    keep = model.tl.hook_dict[HOOK]
    keep.add_hook(lambda value, hook: None)  # the caller's own stays
    monkeypatch.setattr(RemovableHandle, "remove", interrupted)
    for run in (model.run_with_hooks, model.tl.run_with_hooks):
        with pytest.raises(KeyboardInterrupt):
            run(tokens, fwd_hooks=[(HOOK, lambda value, hook: value * 0)])
        left = hooks_on(model) - n_hooks - 2
        assert left == (0 if run == model.run_with_hooks else 2)  # TransformerLens alone: one stays
        assert len(keep.fwd_hooks) == 1 + left // 2
        assert model.tl.context_level == level or left
        assert model.tl.training
        assert signal.getsignal(signal.SIGINT) is usual
    monkeypatch.undo()
    model.tl.eval()
    keep.remove_hooks()
    assert np.array_equal(read(model), wanted)


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Ctrl-C as at a terminal: what a script starts in the background ignores it."""
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, usual)


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_waits_for_the_end_of_a_pass_and_a_second_one_does_not(model: LensModel) -> None:
    reached: list[str] = []

    def press(times: int) -> Callable[..., None]:
        def hook(value: torch.Tensor, hook: object) -> None:
            for _ in range(times):
                _thread.interrupt_main()
            reached.append("pressed")

        return hook

    tokens = torch.from_numpy(IDS)
    for times, expected in ((1, ["pressed", "end"]), (2, [])):
        reached.clear()
        hooks = [(HOOK, press(times)), ("ln_final.hook_in", lambda v, hook: reached.append("end"))]
        with pytest.raises(KeyboardInterrupt):
            model.run_with_hooks(tokens, fwd_hooks=hooks)
        assert reached[: len(expected)] == expected
        assert ("end" in reached) is (times == 1)


@pytest.mark.usefixtures("ctrl_c")
def test_ablate_interrupted_at_any_moment_leaves_the_model_as_it_was(model: LensModel) -> None:
    given = lp.Examples.from_tokens(
        np.random.default_rng(0).integers(3, 390, (60, 9)), 5, np.arange(60) % 2,
        word=[f"w{i}" for i in range(60)], source=[f"s{i % 12}" for i in range(60)],
    )  # fmt: skip

    def run() -> None:
        lp.ablate(model, given, sites=["mlp_post"], top=3, n_nulls=19, n_controls=1,
                  tokens_per_pass=TOKENS_PER_PASS // 16)  # fmt: skip

    run()  # compiles what is compiled: an interrupt there is a warning of its own
    wanted, n_hooks = read(model), hooks_on(model)
    rng, interrupted = np.random.default_rng(0), 0
    for _ in range(INTERRUPTS):
        timer = threading.Timer(rng.uniform(0.02, 0.5), _thread.interrupt_main)
        timer.start()
        try:
            run()
            timer.join()
        except KeyboardInterrupt:
            interrupted += 1
        finally:
            timer.cancel()
        assert hooks_on(model) == n_hooks
        assert not model.tl.training
    assert interrupted > INTERRUPTS // 4
    assert np.array_equal(read(model), wanted)


def test_gradients_are_there_for_maximisation_wherever_it_is_called(model: LensModel) -> None:
    objective = unit_objective(model, site="mlp_post", layer=1, unit=3, n_tokens=9)
    wanted = objective.gradient_at_tokens(IDS[:2])
    assert wanted.abs().max() > 0
    for off in (torch.no_grad, torch.inference_mode):
        with off():
            assert torch.equal(objective.gradient_at_tokens(IDS[:2]), wanted)
            embedded = model.embedding()[torch.from_numpy(IDS[:2])]
            assert objective.with_gradient(embedded)[1].abs().max() > 0


def test_a_hook_of_the_callers_is_said(model: LensModel) -> None:
    assert model.provenance["foreign_hook"] is None
    model.tl.hook_dict[HOOK].add_hook(lambda value, hook: value * 2)
    said = model.provenance["foreign_hook"]
    assert model.tl.hook_dict[said] is model.tl.hook_dict[HOOK]
    model.tl.reset_hooks()
    handle = torch.nn.modules.module.register_module_forward_hook(lambda *_: None)
    try:
        assert model.provenance["foreign_hook"] == "all modules"
    finally:
        handle.remove()
    assert model.provenance["foreign_hook"] is None


def test_a_pickled_model_is_the_same_model_or_one_line(model: LensModel) -> None:
    again = pickle.loads(pickle.dumps(model))
    assert np.array_equal(read(again), read(model))
    fresh = pickle.loads(pickle.dumps(model.reinitialised(3)))
    assert np.array_equal(read(fresh), read(model.reinitialised(3)))
    with torch.no_grad():
        next(model.tl.parameters()).add_(0.1)
    with pytest.raises(lp.InputError, match="other weights than are in use") as said:
        pickle.loads(pickle.dumps(model))
    assert "\n" not in str(said.value)
