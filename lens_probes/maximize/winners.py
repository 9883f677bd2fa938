"""Which token of every batch drives a unit highest: lesson L03, for all units of a layer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from numpy.typing import NDArray
from tqdm.auto import tqdm

from lens_probes.errors import InputError, at_least, flag, within
from lens_probes.maximize.corpus import TokenStream
from lens_probes.maximize.reading import MOST_WINDOWS, SinkCount, Sinks, at, make_place
from lens_probes.model.wrap import Model, check_model
from lens_probes.residual.sinks import SINK_RATIO
from lens_probes.texts.load import Text

MOST_TOKENS = 2**28


@dataclass(frozen=True)
class Winners:
    """The arg-max token of every batch, for every unit of one layer and site.

    Attributes
    ----------
    units, names
        Indices and names of the units; the columns of all arrays.
    value, token_id
        Largest activation of each batch, and the token it stands at [batch, unit].
    position
        Position of the winner in its sequence as the model reads it [batch, unit].
    place
        Number of the winner's token in the corpus [batch, unit]. Batches overlap: few places may
        stand behind many wins.
    first_wins
        Batches whose largest activation of all stands at position 0, whether or not position 0
        was left out [unit].
    sink_wins
        Batches won by a position with an unusually long residual stream [unit].
    n_tokens, n_batches, batch, length
        Tokens of the corpus; each batch read `batch` sequences of `length` of them.
    n_short_documents, n_short_tokens
        Documents with fewer than `length` tokens, and their tokens: no sequence lies in them.
    sinks
        Positions where the residual stream is far longer than usual.
    """

    units: Int[np.ndarray, " unit"]
    names: tuple[str, ...]
    value: Float[np.ndarray, "batch unit"]
    token_id: Int[np.ndarray, "batch unit"]
    position: Int[np.ndarray, "batch unit"]
    place: Int[np.ndarray, "batch unit"]
    first_wins: Int[np.ndarray, " unit"]
    sink_wins: Int[np.ndarray, " unit"]
    n_tokens: int
    n_batches: int
    batch: int
    length: int
    n_short_documents: int
    n_short_tokens: int
    sinks: Sinks
    settings: dict[str, Any]
    tokenizer: Any = field(repr=False)

    @property
    def top_share(self) -> Float[np.ndarray, " unit"]:
        """Share of batches won by the commonest winner, for each unit."""
        most = [np.unique(ids, return_counts=True)[1].max() for ids in self.token_id.T]
        return np.array(most) / self.n_batches

    @property
    def n_places(self) -> Int[np.ndarray, " unit"]:
        """Different places of the corpus among the winners, for each unit."""
        return np.array([len(np.unique(places)) for places in self.place.T])

    @property
    def coverage(self) -> float:
        """Share of what can be drawn that one batch would read if its sequences did not overlap.

        Near 1, the same place wins every batch, and the share of a token means nothing. Documents
        shorter than a sequence are never drawn and do not count.
        """
        return self.batch * self.length / (self.n_tokens - self.n_short_tokens)

    def counts(self, unit: int) -> pd.DataFrame:
        """Winning tokens of one unit, the commonest first.

        Columns: token_id, token (text), n_batches, share (of all batches), n_places (different
        places in the corpus), mean_value, mean_position.
        """
        column = np.flatnonzero(self.units == unit)
        if not len(column):
            raise InputError(
                f"unit {unit} was not read: this result has {len(self.units)} units, "
                f"{self.names[0]} to {self.names[-1]}."
            )
        at = int(column[0])
        wins = pd.DataFrame(
            {
                name: getattr(self, name)[:, at]
                for name in ("token_id", "value", "position", "place")
            }
        )
        table = wins.groupby("token_id", as_index=False).agg(
            n_batches=("place", "size"),
            n_places=("place", "nunique"),
            mean_value=("value", "mean"),
            mean_position=("position", "mean"),
        )
        table.insert(1, "token", [self.tokenizer.decode([i]) for i in table["token_id"]])
        table.insert(3, "share", table["n_batches"] / self.n_batches)
        order = ["n_batches", "token_id"]
        return table.sort_values(order, ascending=[False, True], ignore_index=True)


def batch_winners(
    model: Model,
    text: Text,
    *,
    site: str,
    layer: int,
    units: Iterable[int] | int | None = None,
    n_batches: int = 1000,
    batch: int = 32,
    length: int = 256,
    skip_first: bool = True,
    exclude_sinks: bool = False,
    sink_factor: float = SINK_RATIO,
    bos: bool = False,
    seed: int = 0,
    progress: bool = False,
) -> Winners:
    """The arg-max token of every batch of sequences drawn at random offsets, as in lesson L03.

    A sequence lies inside one document. The sequences of all batches are kept (4 bytes a token, 33
    MB at the course's sizes), the corpus is not.

    Parameters
    ----------
    model
        Of `load_model`, or a model in memory (`wrap_model`).
    text
        Where batches are drawn from.
    site, layer, units
        Where to read, as in `top_contexts`; all units cost no more than one.
    skip_first
        Leave position 0 of every sequence out. How often it would win is counted either way.
    exclude_sinks, sink_factor
        Leave out positions whose residual stream is `sink_factor` median norms or longer;
        they are counted and reported either way.
    bos
        Put the BOS token before every sequence. It is position 0 then, and never a winner.
    n_batches
        Batches, at random offsets.
    batch
        Sequences in a batch.
    length
        Tokens in a sequence.
    seed
        Of the offsets.
    progress
        A bar on standard error.

    Raises
    ------
    InputError
        A place the model lacks, a corpus shorter than one batch or one sequence.
    """
    at_least(1, n_batches=n_batches)
    within(1, MOST_WINDOWS, batch=batch)
    flag("progress", progress)
    at_least(0, seed=seed)
    model = check_model(model)
    place = make_place(
        model, site=site, layer=layer, units=units, length=length, bos=bos,
        skip_first=skip_first, exclude_sinks=exclude_sinks, sink_factor=sink_factor,
    )  # fmt: skip
    if n_batches * batch * length > MOST_TOKENS:
        raise InputError(
            f"n_batches x batch x length is {n_batches * batch * length:,} tokens, which are held "
            f"at once: at most {MOST_TOKENS:,}; lower n_batches."
        )
    stream = TokenStream.count(text, model.tokenizer)
    first = _draw_offsets(stream, n_batches, batch, length, seed)
    sequences = stream.cut(first, length, stream.document_of(first))
    sinks = SinkCount(place, sequences)
    shape = (n_batches, len(place.units))
    value, cell = np.empty(shape, np.float32), np.empty(shape, np.int64)
    first_wins, sink_wins = np.zeros(shape[1], np.int64), np.zeros(shape[1], np.int64)
    for number in tqdm(range(n_batches), desc="batches", disable=not progress):
        windows = list(sequences[number * batch : (number + 1) * batch])
        tokens, counted = place.tokens(windows), place.counted(windows)
        values, norm = place.read(tokens)
        is_sink = sinks.find(tokens, norm, counted)
        eligible, _ = place.eligible(counted, is_sink)
        if not eligible.any():
            raise InputError(
                "every position of a batch is an attention sink: raise sink_factor "
                f"({sink_factor}) or keep sinks."
            )
        first_wins += values.flatten(0, 1).argmax(0).cpu().numpy() % tokens.shape[1] == 0
        candidates = at(values, eligible)
        best = candidates.argmax(0)
        value[number] = candidates.gather(0, best[None])[0].cpu().numpy()
        cell[number] = np.flatnonzero(eligible)[best.cpu().numpy()]
        sink_wins += is_sink.reshape(-1)[cell[number]]
    offset = int(bos)
    is_short = (stream.lengths > 0) & (stream.lengths < length)
    row, position = np.divmod(cell, length + offset)
    row += np.arange(n_batches)[:, None] * batch
    return Winners(
        units=place.units,
        names=place.names,
        value=value,
        token_id=sequences[row, position - offset],
        position=position,
        place=first[row] + position - offset,
        first_wins=first_wins,
        sink_wins=sink_wins,
        n_tokens=stream.n_tokens,
        n_batches=n_batches,
        batch=batch,
        length=length,
        n_short_documents=int(is_short.sum()),
        n_short_tokens=int(stream.lengths[is_short].sum()),
        sinks=sinks.result(),
        settings={
            "skip_first": skip_first, "bos": bos, "seed": seed,
            "text": text.name, "text_sha256": text.sha256, "model": model.provenance,
        },
        tokenizer=model.tokenizer,
    )  # fmt: skip


def _draw_offsets(
    stream: TokenStream, n_batches: int, batch: int, length: int, seed: int
) -> NDArray[np.int64]:
    """Token numbers at which sequences start, each place that holds a whole one equally likely."""
    name, n_needed = stream.text.name, batch * length
    n_starts = np.maximum(stream.lengths - length + 1, 0)
    ends = np.cumsum(n_starts)
    if not ends[-1]:
        raise InputError(
            f"no document of text {name!r} has {length} tokens (the longest has "
            f"{stream.lengths.max()}): lower length, or give longer documents."
        )
    n_drawable = int(stream.lengths[n_starts > 0].sum())
    if n_drawable < n_needed:
        raise InputError(
            f"text {name!r} has {n_drawable} tokens in documents of {length} or more, one batch of "
            f"{batch} x {length} takes {n_needed}: lower batch or length, or give a longer text."
        )
    drawn = np.random.default_rng(seed).integers(0, ends[-1], n_batches * batch)
    document = np.searchsorted(ends, drawn, side="right")
    first: NDArray[np.int64] = stream.starts[document] + drawn - (ends - n_starts)[document]
    return first
