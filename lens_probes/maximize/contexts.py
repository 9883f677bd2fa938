"""What every unit of a layer answers to in a corpus: the top k tokens, and what is below them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from lens_probes.errors import InputError, unknown
from lens_probes.examples.checks import NO_TOKEN
from lens_probes.maximize.reading import Sinks, unit_numbers
from lens_probes.units.paint import token_texts

Kind = Literal["top", "bottom", "quantile", "random"]
KINDS: tuple[Kind, ...] = ("top", "bottom", "quantile", "random")


@dataclass(frozen=True)
class Context:
    """One token of the corpus under one unit, with the text around it.

    `rank` is 0 for the first of its kind; `quantile` is that of a quantile example, else None;
    `sds` is the value's distance from the unit's mean over the corpus in standard deviations
    (NaN for a constant unit).
    `token_index` counts from the start of the document, `position` from that of the window as the
    model read it (a BOS token is position 0).
    """

    unit: str
    kind: Kind
    rank: int
    quantile: float | None
    value: float
    sds: float
    document: str
    source: str
    token_index: int
    position: int
    before: str
    token: str
    after: str


@dataclass(frozen=True)
class Found:
    """Some tokens for every unit: values [rank, unit] and rows of `TopContexts.places`."""

    value: Float[np.ndarray, "rank unit"]
    place: Int[np.ndarray, "rank unit"]


@dataclass(frozen=True)
class Places:
    """Tokens of the corpus that some unit refers to: where they stand, and the ids around them.

    `ids` [place, before + 1 + after] holds NO_TOKEN beyond the ends of the document.
    """

    document: Int[np.ndarray, " place"]
    token: Int[np.ndarray, " place"]
    position: Int[np.ndarray, " place"]
    ids: Int[np.ndarray, "place around"]


@dataclass(frozen=True)
class TopContexts:
    """Top, bottom, quantile and random tokens of every unit of one layer and site.

    Attributes
    ----------
    units, names
        Indices and names of the units; the columns of all arrays.
    top, bottom
        The k largest and smallest values, exact, the sooner token first at a tie.
    quantiles, quantile
        Levels, and per level as many tokens around it, rising [level * n, unit]. They are order
        statistics of `n_sampled` tokens drawn at random (all tokens, if no more were read).
    random
        Tokens drawn at random, the same ones for every unit: what a typical value looks like.
    mean, sd
        Of every unit over all tokens that counted [unit].
    n_tokens, n_counted, left_out
        Tokens of the corpus, tokens ranked, and tokens that were not, by reason.
    sinks
        Positions where the residual stream is far longer than usual.
    """

    units: Int[np.ndarray, " unit"]
    names: tuple[str, ...]
    top: Found
    bottom: Found
    quantiles: tuple[float, ...]
    quantile: Found
    random: Found
    mean: Float[np.ndarray, " unit"]
    sd: Float[np.ndarray, " unit"]
    places: Places
    documents: tuple[tuple[str, str], ...] = field(repr=False)
    n_tokens: int
    n_counted: int
    n_sampled: int
    left_out: dict[str, int]
    sinks: Sinks
    settings: dict[str, Any]
    tokenizer: Any = field(repr=False)

    @property
    def top_token_share(self) -> Float[np.ndarray, " unit"]:
        """Share of the top k that are the commonest token among them, for each unit."""
        ids = self.places.ids[self.top.place, self.settings["before"]]
        return np.array([np.unique(of, return_counts=True)[1].max() for of in ids.T]) / len(ids)

    def contexts(
        self,
        unit: int,
        *,
        kinds: Iterable[Kind] = KINDS,
        before: int | None = None,
        after: int | None = None,
    ) -> tuple[Context, ...]:
        """Tokens of one unit with the text around them, kind by kind, best first.

        `before` and `after` are tokens, at most those kept, which is also the default.

        Parameters
        ----------
        unit
            Index of a unit that was asked for.
        kinds
            In which order, and which of them.
        before
            Tokens before each token, at most those kept (None).
        after
            Tokens after it, likewise.

        Raises
        ------
        InputError
            A unit that was not asked for, an unknown kind, more text around than was kept.
        """
        column = np.flatnonzero(self.units == unit)
        if not len(column):
            raise InputError(
                f"unit {unit} was not read: this result has {len(self.units)} units, "
                f"{self.names[0]} to {self.names[-1]}."
            )
        kept = self.settings["before"], self.settings["after"]
        before, after = kept[0] if before is None else before, kept[1] if after is None else after
        if not (0 <= before <= kept[0] and 0 <= after <= kept[1]):
            raise InputError(
                f"{before} tokens before and {after} after were asked for, {kept[0]} and {kept[1]} "
                "were kept: run again with more."
            )
        return tuple(
            self._context(int(column[0]), kind, rank, before, after)
            for kind in kinds
            for rank in range(len(self._of(kind).value))
        )

    def table(self, units: Iterable[int] | int | None = None) -> pd.DataFrame:
        """Contexts of some units (None: all), one row each; columns as in `Context`."""
        given = self.units.tolist() if units is None else units
        wanted = unit_numbers(given)
        return pd.DataFrame([asdict(c) for unit in wanted for c in self.contexts(unit)])

    def _of(self, kind: Kind) -> Found:
        if kind not in KINDS:
            raise unknown("kind", kind, KINDS)
        found: Found = getattr(self, kind)
        return found

    def _context(self, column: int, kind: Kind, rank: int, before: int, after: int) -> Context:
        found, places, middle = self._of(kind), self.places, self.settings["before"]
        place = int(found.place[rank, column])
        value = float(found.value[rank, column])
        ids = places.ids[place, middle - before : middle + after + 1]
        inside = ids != NO_TOKEN
        pieces = token_texts(self.tokenizer, ids[inside].astype(np.int64))
        at = int(inside[:before].sum())
        n_each = len(found.value) // max(1, len(self.quantiles))
        document, source = self.documents[int(places.document[place])]
        spread = float(self.sd[column])
        return Context(
            unit=self.names[column],
            kind=kind,
            rank=rank,
            quantile=self.quantiles[rank // n_each] if kind == "quantile" else None,
            value=value,
            sds=(value - float(self.mean[column])) / spread if spread > 0 else float("nan"),
            document=document,
            source=source,
            token_index=int(places.token[place]),
            position=int(places.position[place]),
            before="".join(pieces[:at]),
            token=pieces[at],
            after="".join(pieces[at + 1 :]),
        )
