"""Models of TransformerLens in memory: fine-tuned, patched, processed, in half precision."""

from __future__ import annotations

import copy
import dataclasses
import os
from typing import Any

import torch
import transformer_lens
from transformer_lens.model_bridge import TransformerBridge
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from lens_probes.errors import InputError, given_as, one_line, shown
from lens_probes.model.backends import HAS_HOOKED_TRANSFORMER, fresh_bridge, fresh_hooked
from lens_probes.model.check import site_shapes
from lens_probes.model.load import LensModel
from lens_probes.model.recipe import AS_GIVEN, IN_MEMORY

Model = LensModel | torch.nn.Module
_TO_LENS = (LensModel, TransformerBridge) + (
    (transformer_lens.HookedTransformer,) if HAS_HOOKED_TRANSFORMER else ()
)


def wrap_model(tl_model: Any, tokenizer: Any = None) -> LensModel:
    """A model of TransformerLens that is in memory, as everything here takes one.

    Nothing is copied and nothing changes: weights, processing, dtype and device stay as they are,
    and are read off and recorded. `sweep`, `collect`, `ablate`, `paint` and the others wrap by
    themselves; this is for a tokenizer of one's own, or to look at `shapes` and `provenance`.

    Parameters
    ----------
    tl_model
        `HookedTransformer` or `TransformerBridge`: fine-tuned, patched, with processed weights.
    tokenizer
        By default the model's own. TransformerLens has its tokenizers put the BOS token first,
        whatever the model was trained with: where the tokenizer's name is known and on this
        machine, it is taken as it was saved.

    Raises
    ------
    InputError
        A model of another kind, or one that is not causal or has no site.
    """
    if tokenizer is not None:
        kind = "a tokenizer of transformers"
        given_as("tokenizer", tokenizer, PreTrainedTokenizerBase, kind)
    if isinstance(tl_model, LensModel):
        return tl_model if tokenizer is None else dataclasses.replace(tl_model, tokenizer=tokenizer)
    if not isinstance(tl_model, _TO_LENS):
        raise _no_model(tl_model)
    name = getattr(tl_model.cfg, "model_name", None) or "without a name"
    return LensModel(
        tl_model,
        _own_tokenizer(tl_model) if tokenizer is None else tokenizer,
        f"{IN_MEMORY}{type(tl_model).__name__} {name}",
        AS_GIVEN,
        _Twin(tl_model),
        site_shapes(tl_model),
    )


def check_model(model: Any) -> LensModel:
    """A loaded model as it is, one of TransformerLens wrapped; an error for anything else."""
    return wrap_model(model)


@dataclasses.dataclass(frozen=True)
class _Twin:
    """Makes the same architecture with random weights, from the configuration alone."""

    tl: Any

    def __call__(self, seed: int) -> Any:
        tl = self.tl
        try:
            if isinstance(tl, TransformerBridge):
                fresh = fresh_bridge(tl)
            else:
                cfg = copy.deepcopy(tl.cfg)
                cfg.device = str(next(tl.parameters()).device)
                fresh = fresh_hooked(cfg, tl.tokenizer, seed)
        except Exception as error:  # whatever a class of the user's own raises
            raise _no_twin(f"{type(error).__name__}: {one_line(error, 120)}") from error
        for name in _parts(tl).items() ^ _parts(fresh).items():
            raise _no_twin(f"its configuration says otherwise of {name[0]}")
        return fresh


def _parts(tl: Any) -> dict[str, tuple[int, ...]]:
    return {name: tuple(weight.shape) for name, weight in tl.named_parameters()}


def _no_twin(why: str) -> InputError:
    return InputError(
        f"no untrained twin of this model can be made from its configuration ({why}): give "
        "untrained=False."
    )


def _own_tokenizer(tl: Any) -> Any:
    """The tokenizer as it was saved, if it is here and has the same tokens; else the model's."""
    given = tl.tokenizer
    name = getattr(given, "name_or_path", None)
    if given is None or not name:
        return given
    try:
        saved = AutoTokenizer.from_pretrained(name, local_files_only=True, trust_remote_code=False)
    except Exception:  # not on this machine, or of another name
        return given
    return saved if saved.get_vocab() == given.get_vocab() else given


def _no_model(value: Any) -> InputError:
    """The line for what is no model that can be wrapped."""
    kinds = "a LensModel, HookedTransformer or TransformerBridge"
    if isinstance(value, PreTrainedModel):
        how = (
            "save it and its tokenizer with save_pretrained(folder), then load_model(folder), or "
            "wrap a TransformerBridge of it"
        )
    elif isinstance(value, str | os.PathLike):
        how = f"load_model({str(value)[:80]!r}) makes one"
    else:
        how = "load_model makes one from a name, a folder or a GGUF file"
    return InputError(f"model must be {kinds}; got {_kind(value)}: {how}.")


def _kind(value: Any) -> str:
    """A short value as it is, a large one (a model of another library) by its type."""
    plain = value is None or isinstance(value, str | int | float | os.PathLike)
    return shown(value) if plain else f"a {type(value).__name__}"
