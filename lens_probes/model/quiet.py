"""What other libraries print while a model is loaded, and nothing else, is left out."""

from __future__ import annotations

import contextlib
import functools
import io
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import transformers.utils.logging
from transformers import modeling_gguf_pytorch_utils

# Not typed, or not exported.
_logging: Any = transformers.utils.logging
_gguf: Any = modeling_gguf_pytorch_utils
# What is changed is the whole process's: models are loaded one at a time.
_ONE = threading.RLock()


@contextlib.contextmanager
def quiet_hooked_transformer() -> Iterator[None]:
    """Silence exactly what HookedTransformer says on 3.9: its deprecation, its printed line."""
    with _ONE, warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.filterwarnings("ignore", "HookedTransformer", DeprecationWarning)
        yield


@contextlib.contextmanager
def quiet_transformers() -> Iterator[None]:
    """Without transformers' bars of weights that are read and converted; downloads keep theirs."""
    with _ONE:
        # Its own function for it would change the settings of downloads, too.
        shown, bar = _logging._tqdm_active, _gguf.tqdm
        _logging._tqdm_active = False
        _gguf.tqdm = functools.partial(bar, disable=True)
        try:
            yield
        finally:
            _logging._tqdm_active, _gguf.tqdm = shown, bar
