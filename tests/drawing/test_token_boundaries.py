"""Tokens are painted at exact boundaries: against the bytes that each token stands for."""

import random

import numpy as np
import pytest
from html_page import Page
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from lens_probes.drawing.token_activations import TokenActivations
from lens_probes.report import heatmap_html, heatmap_text
from lens_probes.units.paint import token_texts

N = 1000
PROSE = "It was nothing that we can't do; 日本語の文字, שלום עולם, für élan, 😀 and so on.\n" * 20
POOLS = ("abc XYZ 12", "\n\t\r  ", "éüñß", "日本語漢字", "שלוםعربي", "😀👩‍👩‍👧🇫🇷",
         "\u200b\u0301\u202e", "<>&\"'", "\x00\x1b\x7f", "don't can't ")  # fmt: skip
BYTE_TOKENS = [f"<0x{byte:02X}>" for byte in range(256)]


def byte_level():
    """GPT-2's kind: letters stand for bytes."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(
        [PROSE], trainers.BpeTrainer(vocab_size=600, initial_alphabet=alphabet, show_progress=False)
    )
    return made


def byte_fallback():
    """Llama 2's kind: characters, and bytes for those that are not known."""
    made = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    made.normalizer = normalizers.Replace(" ", "▁")
    made.decoder = _from_byte_tokens()
    trainer = trainers.BpeTrainer(
        vocab_size=500, special_tokens=["<unk>", *BYTE_TOKENS], show_progress=False
    )
    made.train_from_iterator([PROSE[:40].replace(" ", "▁")], trainer)
    return made


def unigram():
    """Gemma's kind: pieces with probabilities, and bytes."""
    pieces = ["▁", *"abcdefghijklmnopqrstuvwxyz日本של", "▁the", "▁an", "it", "語"]
    scores = [("<unk>", 0.0), *((token, -20.0) for token in BYTE_TOKENS)]
    scores += [(piece, -5.0) for piece in pieces]
    made = Tokenizer(models.Unigram(scores, unk_id=0, byte_fallback=True))
    made.normalizer = normalizers.Replace(" ", "▁")
    made.decoder = _from_byte_tokens()
    return made


def _from_byte_tokens():
    parts = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    return decoders.Sequence(parts)


def gpt2_bytes(token):
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in printable]
    of = {chr(b): b for b in printable} | {chr(256 + i): b for i, b in enumerate(hidden)}
    return bytes(of[char] for char in token)


def piece_bytes(token):
    if token in BYTE_TOKENS:
        return bytes([BYTE_TOKENS.index(token)])
    return token.replace("▁", " ").encode()


def random_text(rng):
    pools = [*POOLS, chr(rng.randrange(0x20, 0xD800)), chr(rng.randrange(0xE000, 0xFFF0)),
             chr(rng.randrange(0x10000, 0x2FFFF))]  # fmt: skip
    return "".join(rng.choice(rng.choice(pools)) for _ in range(rng.randint(1, 24)))


def by_bytes(parts):
    """Each character at the token that brings its last byte."""
    pieces, held = [], b""
    for part in parts:
        held += part
        for size in range(len(held), -1, -1):
            try:
                pieces.append(held[:size].decode())
            except UnicodeDecodeError:
                continue
            held = held[size:]
            break
    assert not held
    return tuple(pieces)


@pytest.mark.parametrize(
    ("make", "to_bytes"),
    [
        (byte_level, gpt2_bytes),
        (byte_fallback, piece_bytes),
        (unigram, piece_bytes),
    ],
)
def test_boundaries_of_1000_random_texts(make, to_bytes):
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=make())
    rng = random.Random(0)
    split = 0
    for _ in range(N):
        text = random_text(rng)
        ids = np.array(tokenizer.encode(text, add_special_tokens=False))
        expected = by_bytes([to_bytes(t) for t in tokenizer.convert_ids_to_tokens(ids)])
        assert "".join(expected) == text
        assert token_texts(tokenizer, ids) == expected
        split += "" in expected
    assert split > N / 4


def test_a_replacement_character_in_the_text_is_a_character():
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=byte_level())
    ids = np.array(tokenizer.encode("a\ufffdb", add_special_tokens=False))
    assert token_texts(tokenizer, ids) == ("a", "", "", "\ufffd", "b")


def test_painted_random_texts_keep_their_boundaries():
    rng = random.Random(1)
    for _ in range(100):
        pieces = tuple(random_text(rng).replace("\x00", "") for _ in range(5))
        painting = TokenActivations("u", pieces, (0.5, -1.0, 2.0, 0.0, float("nan")), target=2)
        shown = Page(heatmap_html((painting,))).all("span", "token")
        assert [span.text for span in shown] == list(pieces)
        plain = heatmap_text(painting, colour=False)
        assert plain.count("[") - sum(p.count("[") for p in pieces) == 5
        assert not any(c in plain for c in "\x00\x1b\x7f\r\t")
