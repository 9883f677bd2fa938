"""Tokens of a long text, kept in the cache folder from one process to the next.

A file is named by the digest of the text and of the tokenizer's rules, says so inside, and carries
the digest of its own numbers. Whatever is not whole, or cannot be read or written, is made again:
no answer depends on it.
"""

from __future__ import annotations

import importlib.metadata
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from lens_probes.errors import InputError
from lens_probes.storage.cache import cache_folder, keep
from lens_probes.storage.integrity import read_file, sha256_of

log = logging.getLogger(__name__)

_FORMAT = "1"


@dataclass(frozen=True)
class DocumentTokens:
    """Ids of one document, with the first and end character of each; all [token]."""

    ids: NDArray[np.int64]
    first_char: NDArray[np.int32]
    end_char: NDArray[np.int32]


def place_of_tokens(text: str, tokenizer: str) -> Path:
    """Where the tokens of a text are kept, for one tokenizer and this version of its library.

    `text` and `tokenizer` say all that decides how a text is cut.
    """
    version = importlib.metadata.version("tokenizers")
    name = sha256_of(" ".join((_FORMAT, text, tokenizer, version)).encode())
    return cache_folder() / "tokens" / f"{name[:32]}.safetensors"


def read_tokens(path: Path, n_documents: int) -> list[DocumentTokens] | None:
    """What `keep_tokens` wrote; None where it is not there, or not whole."""
    try:
        data = read_file(path)
        body, digest = data[:-64], data[-64:]
        if sha256_of(path.name.encode() + body).encode() != digest:
            raise ValueError("its numbers are not what was written")
        kept = load(body)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, SafetensorError) as error:
        log.warning("%s is not used (%s): the text is tokenized again", path, error)
        return None
    ends = np.cumsum(kept["lengths"])[:-1]
    parts = [np.split(kept[name], ends) for name in ("ids", "first_char", "end_char")]
    documents = [
        DocumentTokens(ids.astype(np.int64), first, end)
        for ids, first, end in zip(*parts, strict=True)
    ]
    return documents if len(documents) == n_documents else None


def keep_tokens(path: Path, documents: Sequence[DocumentTokens]) -> None:
    """Write the tokens of all documents as one file; where that fails, say so and go on."""
    parts = {
        name: np.concatenate([getattr(document, name) for document in documents]).astype(np.int32)
        for name in ("ids", "first_char", "end_char")
    }
    lengths = np.array([len(document.ids) for document in documents], dtype=np.int64)
    body = save(parts | {"lengths": lengths})
    try:
        keep(path, body + sha256_of(path.name.encode() + body).encode())
    except InputError as error:
        log.warning("tokens are not kept: %s", error)
