"""How large a model is, without its weights: from its configuration and its files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from lens_probes.errors import InputError, one_line
from lens_probes.model.backends import BUNDLED
from lens_probes.model.gguf import bundled_gguf, converted_gguf
from lens_probes.model.options import DTYPES
from lens_probes.storage.paths import user_path

_WEIGHTS = ("*.safetensors", "*.bin", "*.gguf")


@dataclass(frozen=True)
class ModelSize:
    """Parameters; bytes of their files on disk (None: not on this machine), of memory now free."""

    kind: str
    n_layers: int
    d_model: int
    n_parameters: int
    on_disk: int | None
    free: int

    def in_memory(self, dtype: str) -> int:
        """Bytes of the weights; passes and activations come on top."""
        return self.n_parameters * DTYPES[dtype].itemsize


def model_size(source: str | Path) -> ModelSize:
    """Read a model's configuration and make it without weights.

    Parameters
    ----------
    source
        As of `load_model`; of a name on the hub, its configuration alone is fetched.

    Raises
    ------
    InputError
        No such model, or one whose configuration transformers cannot take.
    """
    path: Path | None = user_path(source)
    if str(source) == BUNDLED:
        path = converted_gguf(bundled_gguf())
    elif path is not None and path.suffix.lower() == ".gguf":
        path = converted_gguf(path)
    local = path is not None and path.is_dir()
    auto_config: Any = AutoConfig
    auto_model: Any = AutoModelForCausalLM
    try:
        config = auto_config.from_pretrained(
            path if local else str(source), local_files_only=local, trust_remote_code=False
        )
        with torch.device("meta"):
            model = auto_model.from_config(config)
    except Exception as error:  # whatever a hub client or a parser raises
        raise InputError(
            f"cannot tell the size of model {str(source)!r} from its configuration "
            f"({one_line(error, 120)}): give a folder, a .gguf file or a name on the model hub."
        ) from error
    text = config.get_text_config()
    files = [] if not local or path is None else [f for w in _WEIGHTS for f in path.glob(w)]
    return ModelSize(
        type(model).__name__,
        int(text.num_hidden_layers),
        int(text.hidden_size),
        sum(weight.numel() for weight in model.parameters()),
        sum(file.stat().st_size for file in files) if files else None,
        psutil.virtual_memory().available,
    )
