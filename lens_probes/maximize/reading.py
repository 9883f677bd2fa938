"""One forward pass over a batch of windows: a site at every position, and which positions count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray

from lens_probes.arrays import LARGEST, in_order
from lens_probes.errors import InputError, at_least, flag, number, whole
from lens_probes.model.load import LensModel
from lens_probes.residual.sinks import is_sink
from lens_probes.sites import SITES, check_layers, check_sites, unit_name

T = TypeVar("T")

MOST_WINDOWS = 65_536  # in one pass
REFERENCE_TOKENS = 1024
_RESIDUAL = ("resid_pre", "resid_mid", "resid_post")
_MLP = ("mlp_pre", "mlp_pre_linear", "mlp_post", "mlp_out")


class _AllReadError(Exception):
    """Ends a forward pass as soon as everything wanted was read; never leaves this file."""


@dataclass(frozen=True)
class Place:
    """A layer and site of a model, how windows go through it, and which positions count.

    Attributes
    ----------
    stream
        The residual stream whose norm shows attention sinks: the site itself, or what it reads.
    bos
        Id of the BOS token put before every window (it never counts itself), or None.
    skip_first
        Leave position 0 of every window out: the model has no context there.
    exclude_sinks, sink_factor
        Leave out positions where the norm of the stream is `sink_factor` medians or more.
    """

    model: LensModel
    layer: int
    site: str
    units: Int[np.ndarray, " unit"]
    stream: str
    bos: int | None
    skip_first: bool
    exclude_sinks: bool
    sink_factor: float

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the units."""
        shape = self.model.shapes[self.site]
        return tuple(unit_name(self.layer, self.site, u, shape) for u in self.units.tolist())

    def tokens(self, windows: Sequence[NDArray[np.int32]]) -> Int[np.ndarray, "window position"]:
        """Windows in rows, BOS before them, the shorter ones filled up on the right.

        A causal model does not see what follows, so the filling changes nothing before it.
        """
        prefix = 0 if self.bos is None else 1
        out = np.zeros((len(windows), prefix + max(map(len, windows))), dtype=np.int64)
        out[:, :prefix] = self.bos or 0
        for row, ids in zip(out, windows, strict=True):
            row[prefix : prefix + len(ids)] = ids
            row[prefix + len(ids) :] = ids[-1]
        return out

    def counted(
        self, windows: Sequence[NDArray[np.int32]], n_seen: Sequence[int] | None = None
    ) -> Bool[np.ndarray, "window position"]:
        """Positions of `tokens(windows)` that hold a token of a text not seen before."""
        prefix = 0 if self.bos is None else 1
        position = np.arange(prefix + max(map(len, windows))) - prefix
        ends = np.array([len(ids) for ids in windows])
        starts = np.zeros(len(windows)) if n_seen is None else np.array(n_seen)
        counted: NDArray[np.bool_] = position >= starts[:, None]
        return counted & (position < ends[:, None])

    def eligible(
        self,
        counted: Bool[np.ndarray, "window position"],
        is_sink: Bool[np.ndarray, "window position"],
    ) -> tuple[Bool[np.ndarray, "window position"], dict[str, int]]:
        """Positions that are ranked, and how many that count are not, by reason."""
        left = counted.copy()
        if self.skip_first:
            left[:, 0] = False
        n_later = int(left.sum())
        if self.exclude_sinks:
            left &= ~is_sink
        return left, {
            "position 0": int(counted.sum()) - n_later,
            "attention sinks": n_later - int(left.sum()),
        }

    def read(
        self, tokens: Int[np.ndarray, "window position"]
    ) -> tuple[torch.Tensor, Float[np.ndarray, "window position"]]:
        """Activations [window, position, unit] of the units, and the norm of the stream.

        Raises
        ------
        InputError
            An activation that is not a number.
        """
        batch = torch.from_numpy(tokens).to(self.model.device)
        found = _read(self.model, batch, self.layer, (self.stream, self.site))
        norm = torch.linalg.vector_norm(found[self.stream], dim=-1)
        values = found[self.site]
        if len(self.units) < values.shape[-1]:
            values = values[..., torch.from_numpy(self.units).to(values.device)]
        if not torch.isfinite(values).all():
            raise InputError(
                f"layer {self.layer}, site {self.site} holds values that are not finite in "
                f"{self.model.dtype}: load the model with dtype='float32'."
            )
        return values, norm.cpu().numpy()


@dataclass(frozen=True)
class Sinks:
    """Positions whose residual stream is far longer than usual, most often attention sinks.

    `stream` names the norm that was measured, `median_norm` its median over the first 1,024 tokens
    without position 0; a sink has `factor` medians or more. `by_position` counts them by
    position as the model sees it, `by_token` by token id; `n` of `n_read` positions in all.
    The two tell sinks at the start from common tokens, whose stream is long in some early layers.
    """

    stream: str
    median_norm: float
    factor: float
    excluded: bool
    n: int
    n_read: int
    by_position: Mapping[int, int]
    by_token: Mapping[int, int]


def at(
    values: torch.Tensor, where: Bool[np.ndarray, "window position"]
) -> Float[torch.Tensor, "token unit"]:
    """Rows of values [window, position, unit], window by window."""
    rows = torch.from_numpy(np.flatnonzero(where)).to(values.device)
    return values.flatten(0, 1)[rows]


class SinkCount:
    """Counts sinks batch by batch."""

    def __init__(self, place: Place, windows: Iterable[NDArray[np.int32]]) -> None:
        """`windows` give the median norm: as many as make 1,024 tokens are read, one by one."""
        norms: list[NDArray[np.float32]] = []
        for ids in windows:
            norms.append(place.read(place.tokens([ids]))[1][0])
            if sum(map(len, norms)) >= REFERENCE_TOKENS:
                break
        later = np.concatenate([norm[1:] for norm in norms])
        self._place = place
        self._median = float(np.median(later if len(later) else np.concatenate(norms)))
        self._positions: Counter[int] = Counter()
        self._tokens: Counter[int] = Counter()
        self._n_read = 0

    def find(
        self,
        tokens: Int[np.ndarray, "window position"],
        norm: Float[np.ndarray, "window position"],
        counted: Bool[np.ndarray, "window position"],
    ) -> Bool[np.ndarray, "window position"]:
        """Which positions are sinks; those that count are added up."""
        found = is_sink(norm, self._median, self._place.sink_factor)
        rows, columns = np.nonzero(found & counted)
        self._positions.update(columns.tolist())
        self._tokens.update(tokens[rows, columns].tolist())
        self._n_read += int(counted.sum())
        return found

    def result(self) -> Sinks:
        """What was found so far, the most frequent first."""
        place = self._place
        return Sinks(
            f"L{place.layer}.{place.stream}", self._median, place.sink_factor, place.exclude_sinks,
            self._positions.total(), self._n_read,
            dict(self._positions.most_common()), dict(self._tokens.most_common()),
        )  # fmt: skip


def make_place(
    model: LensModel,
    *,
    site: str,
    layer: int,
    units: int | Iterable[int] | None,
    length: int,
    bos: bool,
    skip_first: bool,
    exclude_sinks: bool,
    sink_factor: float,
) -> Place:
    """Check what is asked for, and put it together."""
    (site,) = check_sites([site], model.shapes)
    (layer,) = check_layers(whole("layer", layer), model.n_layers)
    for name, value in {
        "bos": bos,
        "skip_first": skip_first,
        "exclude_sinks": exclude_sinks,
    }.items():
        flag(name, value)
    n_units, n_ctx = model.shapes[site].n_units, int(model.cfg.n_ctx)
    wanted = list(range(n_units)) if units is None else unit_numbers(units)
    for unit in wanted:
        if not 0 <= unit < n_units:
            raise InputError(f"no unit {unit} at {site}: this model has 0 to {n_units - 1}.")
    if not wanted or len(set(wanted)) < len(wanted):
        raise InputError("units must be one or more different units; give None for all of them.")
    at_least(2, length=length)
    if not 2 <= length <= n_ctx - bos:
        raise InputError(
            f"length must be 2 to {n_ctx - bos} tokens in this model"
            f"{' with a BOS token' if bos else ''}; got {length}."
        )
    if not number("sink_factor", sink_factor, least=-LARGEST, most=LARGEST) > 1:
        raise InputError(f"sink_factor must be more than 1 median norm; got {sink_factor}.")
    bos_id: int | None = getattr(model.tokenizer, "bos_token_id", None)
    if bos and bos_id is None:
        raise InputError("this tokenizer has no BOS token: leave bos out.")
    return Place(
        model, layer, site, np.array(wanted, dtype=np.int64), _stream(site, model),
        bos_id if bos else None, skip_first, exclude_sinks, sink_factor,
    )  # fmt: skip


def unit_numbers(units: int | Iterable[int]) -> list[int]:
    """Units given as one number or several, as a list; InputError for anything else."""
    one = not isinstance(units, Iterable) or getattr(units, "ndim", 1) == 0
    one = one or isinstance(units, str)
    given = [units] if one else in_order("units", units)
    return [whole("unit", unit) for unit in given]


def in_batches(windows: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of `size`, the last one shorter."""
    batch: list[T] = []
    for window in windows:
        batch.append(window)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _stream(site: str, model: LensModel) -> str:
    if site in _RESIDUAL:
        return site
    return "resid_mid" if site in _MLP and "resid_mid" in model.shapes else "resid_pre"


def _read(
    model: LensModel, batch: torch.Tensor, layer: int, sites: Iterable[str]
) -> dict[str, torch.Tensor]:
    """Sites of one layer at every position [window, position, unit]; nothing later is computed."""
    hooks = {SITES[site].hook_name(layer): site for site in sites}
    found: dict[str, torch.Tensor] = {}

    def keep(tensor: torch.Tensor, hook: object, *, site: str) -> None:
        # Metal has no 64-bit integers to rank by: its values go to the CPU.
        home = "cpu" if tensor.device.type == "mps" else tensor.device
        found[site] = tensor.detach().flatten(2).float().to(home)
        if len(found) == len(hooks):
            raise _AllReadError

    calls = [(name, partial(keep, site=site)) for name, site in hooks.items()]
    try:
        with model.computing(gradients=False):
            model.run_with_hooks(batch, return_type=None, fwd_hooks=calls)
    except _AllReadError:
        pass
    for site in sites:
        want = (*batch.shape, model.shapes[site].n_units)
        got = tuple(found[site].shape) if site in found else None
        if got != want:
            raise RuntimeError(f"{SITES[site].hook_name(layer)}: wanted {want}, read {got}")
    return found
