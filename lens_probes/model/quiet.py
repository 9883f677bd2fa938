"""What other libraries print while a model is loaded, and nothing else, is left out."""

from __future__ import annotations

import contextlib
import functools
import io
import warnings
from collections.abc import Iterator
from typing import Any

import huggingface_hub
import transformers.utils.logging
from transformers import modeling_gguf_pytorch_utils

# Not typed, or not exported.
_logging: Any = transformers.utils.logging
_gguf: Any = modeling_gguf_pytorch_utils
_hub: Any = huggingface_hub.utils


@contextlib.contextmanager
def quiet_hooked_transformer() -> Iterator[None]:
    """Silence exactly what HookedTransformer says on 3.9: its deprecation, its printed line."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.filterwarnings("ignore", "HookedTransformer", DeprecationWarning)
        yield


@contextlib.contextmanager
def quiet_transformers() -> Iterator[None]:
    """Without transformers' bars of weights that are read and converted; downloads keep theirs."""
    shown, bar = _logging.is_progress_bar_enabled(), _gguf.tqdm
    downloads = not _hub.are_progress_bars_disabled()
    _logging.disable_progress_bar()
    _gguf.tqdm = functools.partial(bar, disable=True)
    if downloads:
        _hub.enable_progress_bars()
    try:
        yield
    finally:
        _gguf.tqdm = bar
        if shown:
            _logging.enable_progress_bar()
            if not downloads:
                _hub.disable_progress_bars()
