"""Activation maximisation by sampling: the tokens of a corpus that drive every unit highest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from tqdm.auto import tqdm

from lens_probes.arrays import array_of
from lens_probes.errors import InputError, at_least, flag, shown, within
from lens_probes.maximize.contexts import Found, Places, TopContexts
from lens_probes.maximize.corpus import TokenStream, Window, context_keys
from lens_probes.maximize.ranking import NOTHING, Moments, Reservoir, RunningTop
from lens_probes.maximize.reading import (
    MOST_WINDOWS,
    Place,
    SinkCount,
    Sinks,
    at,
    in_batches,
    make_place,
)
from lens_probes.model.wrap import Model, check_model
from lens_probes.residual.sinks import SINK_RATIO
from lens_probes.texts.load import Text

MOST_AROUND = 10_000  # tokens kept on each side of an example


def top_contexts(
    model: Model,
    text: Text,
    *,
    site: str,
    layer: int,
    units: Iterable[int] | int | None = None,
    k: int = 20,
    n_random: int = 10,
    quantiles: Sequence[float] = (0.5, 0.75, 0.9, 0.99),
    per_quantile: int = 3,
    batch: int = 32,
    length: int = 256,
    overlap: int = 0,
    n_windows: int | None = None,
    skip_first: bool = True,
    exclude_sinks: bool = False,
    sink_factor: float = SINK_RATIO,
    distinct: int = 0,
    bos: bool = False,
    before: int = 20,
    after: int = 5,
    n_sampled: int = 4096,
    seed: int = 0,
    progress: bool = False,
) -> TopContexts:
    """The k tokens of a corpus with the largest activation of every unit, and what is below them.

    One pass: windows of `length` tokens tile each document from its start (the last is shorter),
    and each token is ranked once. Top examples alone mislead, so the k smallest, tokens around
    some quantiles and tokens drawn at random come beside them. What is kept is [k, unit], a sample
    of `n_sampled` tokens [token, unit] and one batch, however long the corpus.

    Parameters
    ----------
    model, text
        What reads, and what is read.
    site, layer, units
        Where to read. A negative layer counts from the last one, -1; units are indices from 0, each
        once, and None is all of them.
    batch
        Windows in one forward pass; changes the time, and values by rounding only.
    overlap
        Tokens that a window takes over from the one before as context; each is ranked where it
        came first. With 0, the first tokens of each window have little context.
    n_windows
        Read only this many windows, drawn at random from all of them. None reads everything.
    skip_first, exclude_sinks, sink_factor, bos
        As in `batch_winners`.
    distinct
        Rank places that end in the same `distinct` tokens (as the model read them) only once, by
        the most extreme value; 0 ranks them all.
    before, after
        Tokens around each example to keep.
    k, n_random
        Highest and lowest places to keep, and places at random.
    quantiles, per_quantile
        Where else places are shown from (between 0 and 1), and how many at each.
    length, n_sampled, seed, progress
        Tokens in a window; values kept for quantiles; of all draws; a bar on standard error.

    Raises
    ------
    InputError
        A place the model lacks, an option out of range, fewer tokens than k, n_random or
        per_quantile ask for.
    """
    at_least(1, k=k, n_random=n_random, per_quantile=per_quantile)
    within(1, MOST_WINDOWS, batch=batch)
    within(0, MOST_AROUND, before=before, after=after)
    at_least(0, overlap=overlap, distinct=distinct, seed=seed)
    flag("progress", progress)
    model = check_model(model)
    place = make_place(
        model, site=site, layer=layer, units=units, length=length, bos=bos,
        skip_first=skip_first, exclude_sinks=exclude_sinks, sink_factor=sink_factor,
    )  # fmt: skip
    least = max(k, n_random, per_quantile)
    at_least(least, n_sampled=n_sampled)
    _check_options(quantiles, overlap, length, n_windows)
    stream = TokenStream.count(text, model.tokenizer)
    _check_enough(stream.n_tokens, least, text)
    chosen = _choose(int(stream.n_windows(length, overlap).sum()), n_windows, seed)
    tiling = _Tiling(stream, length, overlap, batch, chosen, distinct)
    kept = _Kept.empty(k, len(place.units), min(n_sampled, stream.n_tokens), seed)
    sinks, left_out = _read_corpus(place, tiling, kept, progress=progress)
    _check_enough(kept.moments.n, least, text)
    if (kept.top.token == NOTHING).any():
        raise InputError(f"text {text.name!r} has fewer than {k} distinct contexts: lower k.")
    token, values = kept.sample.result()
    found = {
        "top": (kept.top.value, kept.top.token),
        "bottom": (kept.bottom.value, kept.bottom.token),
        "quantile": _around_quantiles(values, token, quantiles, per_quantile),
        "random": (
            values[:n_random],
            np.broadcast_to(token[:n_random, None], (n_random, len(place.units))),
        ),
    }
    needed = np.unique(np.concatenate([numbers.ravel() for _, numbers in found.values()]))
    examples = {
        kind: Found(value, np.searchsorted(needed, numbers))
        for kind, (value, numbers) in found.items()
    }
    return TopContexts(
        units=place.units,
        names=place.names,
        **examples,
        quantiles=tuple(quantiles),
        mean=kept.moments.mean,
        sd=kept.moments.sd,
        places=_places(tiling, needed, before, after, bos),
        documents=tuple((document.name, document.source) for document in text.documents),
        n_tokens=stream.n_tokens,
        n_counted=kept.moments.n,
        n_sampled=len(token),
        left_out=left_out,
        sinks=sinks,
        settings={
            "length": length, "overlap": overlap, "n_windows": tiling.n_windows, "before": before,
            "after": after, "skip_first": skip_first, "distinct": distinct, "bos": bos,
            "seed": seed, "text": text.name, "text_sha256": text.sha256,
            "model": model.provenance,
        },
        tokenizer=model.tokenizer,
    )  # fmt: skip


@dataclass(frozen=True)
class _Tiling:
    """How a corpus is cut into windows, and which of them are read."""

    stream: TokenStream
    length: int
    overlap: int
    batch: int
    chosen: NDArray[np.int64] | None
    distinct: int

    @property
    def n_windows(self) -> int:
        if self.chosen is not None:
            return len(self.chosen)
        return int(self.stream.n_windows(self.length, self.overlap).sum())

    def windows(self) -> Iterator[Window]:
        return self.stream.windows(self.length, self.overlap, self.chosen)

    def position(self, token_index: NDArray[np.int64]) -> NDArray[np.int64]:
        """Position in its window of a token of a document."""
        stride = self.length - self.overlap
        beyond = self.overlap + (token_index - self.length) % stride
        return np.where(token_index < self.length, token_index, beyond)


@dataclass(frozen=True)
class _Kept:
    """All that is kept of the tokens read so far; its size is fixed at the start."""

    top: RunningTop
    bottom: RunningTop
    sample: Reservoir
    moments: Moments

    @classmethod
    def empty(cls, k: int, n_units: int, n_sampled: int, seed: int) -> _Kept:
        return cls(
            RunningTop(k, n_units),
            RunningTop(k, n_units, smallest=True),
            Reservoir(n_sampled, n_units, seed),
            Moments(n_units),
        )

    def update(
        self,
        values: torch.Tensor,
        number: NDArray[np.int64],
        key: NDArray[np.uint64] | None,
    ) -> None:
        self.top.update(values, number, key)
        self.bottom.update(values, number, key)
        self.sample.update(values, number)
        self.moments.update(values)


def _read_corpus(
    place: Place, tiling: _Tiling, kept: _Kept, *, progress: bool
) -> tuple[Sinks, dict[str, int]]:
    """Run every window once; what counts goes into `kept`."""
    sinks = SinkCount(place, (window.ids for window in tiling.windows()))
    left_out: Counter[str] = Counter()
    prefix = 0 if place.bos is None else 1
    with tqdm(total=tiling.n_windows, desc="windows", disable=not progress) as bar:
        for windows in in_batches(tiling.windows(), tiling.batch):
            ids = [window.ids for window in windows]
            tokens, counted = place.tokens(ids), place.counted(ids, [w.n_seen for w in windows])
            values, norm = place.read(tokens)
            ranked, left = place.eligible(counted, sinks.find(tokens, norm, counted))
            left_out.update(left)
            first = np.array([window.first for window in windows])[:, None]
            number = (first + np.arange(tokens.shape[1]) - prefix)[ranked]
            key = context_keys(tokens, tiling.distinct)[ranked] if tiling.distinct else None
            kept.update(at(values, ranked), number, key)
            bar.update(len(windows))
    return sinks.result(), dict(left_out)


def _choose(n: int, n_windows: int | None, seed: int) -> NDArray[np.int64] | None:
    """Numbers of the windows to read, sorted; None for all."""
    if n_windows is None or n_windows >= n:
        return None
    drawn = np.random.default_rng(seed).choice(n, n_windows, replace=False, shuffle=False)
    return np.sort(drawn)


def _around_quantiles(
    values: Float[np.ndarray, "token unit"],
    token: NDArray[np.int64],
    quantiles: Sequence[float],
    n: int,
) -> tuple[Float[np.ndarray, "rank unit"], NDArray[np.int64]]:
    """Values and tokens of n order statistics around each quantile, for each unit."""
    by_token = np.argsort(token)
    values, token = values[by_token], token[by_token]
    middle = np.round(np.array(quantiles) * (len(token) - 1)).astype(np.int64)
    first = np.clip(middle - n // 2, 0, len(token) - n)
    ranks = (first[:, None] + np.arange(n)).ravel()
    rows = np.empty((len(ranks), values.shape[1]), dtype=np.int64)
    for unit, column in enumerate(values.T):
        rows[:, unit] = np.argsort(column, kind="stable")[ranks]
    return np.take_along_axis(values, rows, 0), token[rows]


def _places(
    tiling: _Tiling, number: NDArray[np.int64], before: int, after: int, bos: bool
) -> Places:
    stream = tiling.stream
    document = stream.document_of(number)
    token = number - stream.starts[document]
    ids = stream.cut(number - before, before + 1 + after, document)
    return Places(document, token, tiling.position(token) + bos, ids)


def _check_options(
    quantiles: Sequence[float], overlap: int, length: int, n_windows: int | None
) -> None:
    given = array_of("quantiles", quantiles)
    numbers = given.ndim == 1 and given.size and given.dtype.kind in "fiu"
    if not numbers or not ((given >= 0) & (given <= 1)).all():
        raise InputError(
            f"quantiles must be one or more numbers from 0 to 1; got {shown(quantiles)}."
        )
    if overlap >= length:
        raise InputError(f"overlap must be less than length, {length}; got {overlap}.")
    if n_windows is not None:
        at_least(1, n_windows=n_windows)


def _check_enough(n: int, least: int, text: Text) -> None:
    if n < least:
        raise InputError(
            f"text {text.name!r} has {n} tokens that can be ranked, {least} are needed (k, "
            "n_random or per_quantile): lower them, or give a longer text."
        )
