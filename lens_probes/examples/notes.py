"""What is said of windows, or refused: padding, control tokens, copies, one token read by all."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Bool
from numpy.typing import NDArray

from lens_probes.errors import InputError
from lens_probes.examples.examples import Examples
from lens_probes.examples.windows import starts_with_bos

_NAMED = 5


def refuse_padding(examples: Examples, tokenizer: Any) -> None:
    """An error where rows were padded: pads would be read, or attended to as text is.

    Raises
    ------
    InputError
        Some examples are read at a pad and others are not, or behind one; or windows begin with
        pads. A single first token that is also the tokenizer's BOS is none.
    """
    pad = getattr(tokenizer, "pad_token_id", None)
    if pad is None or not len(examples) or not examples.knows_tokens:
        return
    tokens, position = examples.tokens, examples.position
    is_read = examples.read_tokens == pad
    before = tokens[np.arange(len(examples)), np.maximum(position - 1, 0)] == pad
    right = is_read & (before | (not is_read.all())) & (position > 0)
    first = tokens[:, 0] == pad
    second = tokens[:, min(1, tokens.shape[1] - 1)] == pad
    is_bos = pad == getattr(tokenizer, "bos_token_id", None)
    left = first & (position > 0) & (second | (not is_bos))
    for bad, where in ((right, "is read at"), (left, "begins with")):
        if bad.any():
            i = int(np.flatnonzero(bad)[0])
            raise InputError(
                f"example {i} {where} the padding token {_text(tokenizer, pad)!r}, as "
                f"{int(bad.sum())} of {len(examples)} do: give rows of their own lengths, without "
                "padding (tokenizer(texts) with padding=False); they need not be equal."
            )


def notes_on(examples: Examples, tokenizer: Any) -> list[str]:
    """Copies, control tokens, and one token that all examples are read at, as lines to show."""
    if not examples.knows_tokens:
        return []
    return [
        *_copies(examples),
        *_control_tokens(examples, tokenizer),
        *_one_token(examples, tokenizer),
        *_bos(examples, tokenizer),
    ]


def _copies(examples: Examples) -> list[str]:
    n = len(set(examples.windows))
    if n == len(examples) or examples.pair is not None:
        return []
    once = " (with own_group=examples.windows they count once)" if examples.group is None else ""
    return [
        f"{len(examples)} examples are {n} distinct windows: copies of a window are held out "
        f"together, and a test at token level counts each of them{once}"
    ]


def _control_tokens(examples: Examples, tokenizer: Any) -> list[str]:
    special = sorted(set(getattr(tokenizer, "all_special_ids", None) or ()))
    inside = np.isin(examples.tokens, special) & _read(examples)
    inside[:, 0] = False  # a BOS token
    if not inside.any():
        return []
    found = np.unique(examples.tokens[inside]).tolist()
    named = ", ".join(_text(tokenizer, i) for i in found[:_NAMED])
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return [
        f"{int(inside.any(1).sum())} of {len(examples)} windows hold control tokens behind their "
        f"first token, which the model does not read as text: {named}{more}"
    ]


def _one_token(examples: Examples, tokenizer: Any) -> list[str]:
    read = np.unique(examples.read_tokens)
    if len(read) > 1 or tokenizer is None:
        return []
    said = f"all {len(examples)} examples are read at the same token, {_text(tokenizer, read[0])!r}"
    control = read[0] in (getattr(tokenizer, "all_special_ids", None) or ())
    return [said + (", a control token: was it appended by the tokenizer?" if control else "")]


def _bos(examples: Examples, tokenizer: Any) -> list[str]:
    """Whether windows begin as the texts do that the model has been trained on."""
    if tokenizer is None or not starts_with_bos(tokenizer):
        return []
    bos = int(tokenizer.bos_token_id)
    n, name = int((examples.tokens[:, 0] != bos).sum()), repr(_text(tokenizer, bos))
    if not n:
        return [f"windows begin with the BOS token {name}, as this tokenizer does"]
    return [
        f"{n} of {len(examples)} windows begin without the BOS token {name}, which this tokenizer "
        "puts before every text"
    ]


def _read(examples: Examples) -> Bool[np.ndarray, "example position"]:
    """[example, position] whether a token is read or attended to."""
    read: NDArray[np.bool_] = np.arange(examples.tokens.shape[1]) <= examples.position[:, None]
    return read


def _text(tokenizer: Any, token: int) -> str:
    return str(tokenizer.decode([int(token)]))
