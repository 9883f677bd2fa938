"""The one state in which a model computes, whatever its caller does with it before and meanwhile.

Training mode (dropout), autocast, a second thread or Ctrl-C in the middle of a pass would each
change numbers or leave hooks behind, and nothing in an array of activations would show it.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import weakref
from collections.abc import Iterator
from types import FrameType
from typing import Any

import torch
from transformer_lens.model_bridge.exceptions import StopAtLayerException

from lens_probes.errors import InputError

_PASSES: weakref.WeakKeyDictionary[Any, _Turn] = weakref.WeakKeyDictionary()
_PASSES_LOCK = threading.Lock()


class _Turn:
    """Whose turn it is on a model; how deep this thread's passes are nested."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.depth = 0


@contextlib.contextmanager
def computing(tl: Any, *, gradients: bool | None = None) -> Iterator[None]:
    """Evaluation mode, no autocast, one pass at a time; then everything as it was.

    Ctrl-C during a pass takes effect after it (a second one at once), and hooks that an error has
    left behind are removed: the model is never left half-way.

    Parameters
    ----------
    tl
        `HookedTransformer` or `TransformerBridge`.
    gradients
        False: none are kept. True: they are, also where the caller has turned them off. None: as
        the caller has it.

    Raises
    ------
    InputError
        The weights of a `HookedTransformer` were cast behind the back of its configuration.
    """
    turn = _turn_of(tl)
    with turn.lock, contextlib.ExitStack() as stack:
        if turn.depth == 0:
            _check_dtype(tl)
            stack.enter_context(_interrupt_after())
            stack.enter_context(_unchanged(tl))
            for kind in {"cpu", next(tl.parameters()).device.type}:
                stack.enter_context(torch.autocast(kind, enabled=False))
        if gradients is not None:
            stack.enter_context(torch.inference_mode(not gradients))
        if gradients:
            stack.enter_context(torch.enable_grad())
        turn.depth += 1
        stack.callback(_leave, turn)
        yield


def weights_dtype(tl: Any) -> torch.dtype:
    """What a model computes in, as its weights are now: the type of its first weight."""
    dtype: torch.dtype = next(one.dtype for one in tl.parameters() if one.is_floating_point())
    return dtype


def _check_dtype(tl: Any) -> None:
    """HookedTransformer casts to what its configuration says; a bridge goes by its weights."""
    found, said = weights_dtype(tl), tl.cfg.dtype
    if found != said and not hasattr(tl, "original_model"):
        raise InputError(
            f"this model's weights are {found} and its configuration says {said}: cast it with "
            f"model.tl.to({found}), which changes both, or load it with dtype."
        )


def _leave(turn: _Turn) -> None:
    turn.depth -= 1


def _turn_of(tl: Any) -> _Turn:
    # The blocks, since a model that carries kept keys and values is another object around them.
    with _PASSES_LOCK:
        return _PASSES.setdefault(getattr(tl, "blocks", tl), _Turn())


@contextlib.contextmanager
def _unchanged(tl: Any) -> Iterator[None]:
    """Evaluation mode inside; afterwards each module's own mode again, and no new hooks."""
    modules = _modules(tl)
    training = [module for module in modules if module.training]
    hooked = {
        module: {*module._forward_hooks, *module._backward_hooks}
        for module in modules
        if module._forward_hooks or module._backward_hooks
    }
    level = getattr(tl, "context_level", 0)
    # The attribute, not train(): that would descend into modules whose mode is their own.
    for module in training:
        module.training = False
    try:
        yield
    except BaseException:
        for module in modules:
            _drop_hooks(module, hooked.get(module, set()))
        tl.context_level = level
        raise
    finally:
        for module in training:
            module.training = True


def _modules(tl: Any) -> list[Any]:
    """All parts of a model; a bridge's own and Hugging Face's beneath."""
    found: dict[Any, None] = {}
    waiting = [tl, getattr(tl, "original_model", None)]
    while waiting:
        module = waiting.pop()
        if module is not None and module not in found:
            found[module] = None
            waiting.extend(module._modules.values())
    return list(found)


def _drop_hooks(module: Any, keep: set[int]) -> None:
    """Remove hooks that are not to be kept, and what TransformerLens noted of them."""
    for registry, noted in (("_forward_hooks", "fwd_hooks"), ("_backward_hooks", "bwd_hooks")):
        new = [number for number in getattr(module, registry) if number not in keep]
        for number in new:
            del getattr(module, registry)[number]
        if new and hasattr(module, noted):
            kept = [one for one in getattr(module, noted) if one.hook.id not in new]
            setattr(module, noted, kept)


@contextlib.contextmanager
def ending_after(tl: Any, layer: int) -> Iterator[None]:
    """End a bridge's passes where a layer ends, and give what leaves it.

    The bridge's own `stop_at_layer` cannot stop after the last block, and not all models have one
    final norm that runs next.
    """

    def end(block: object, inputs: object, output: Any) -> None:
        raise StopAtLayerException(output[0] if isinstance(output, (tuple, list)) else output)

    handle = tl.blocks[layer].register_forward_hook(end)
    try:
        yield
    finally:
        handle.remove()


@contextlib.contextmanager
def _interrupt_after() -> Iterator[None]:
    """Hold Ctrl-C back until the end; a second one is let through."""
    usual = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(usual):
        yield
        return
    held: list[tuple[int, FrameType | None]] = []

    def hold(number: int, frame: FrameType | None) -> None:
        held.append((number, frame))
        if len(held) > 1:
            usual(number, frame)

    signal.signal(signal.SIGINT, hold)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
        if len(held) == 1:
            usual(*held[0])
