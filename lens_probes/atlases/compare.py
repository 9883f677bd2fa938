"""Two atlases side by side: shares by property and depth, and units matched over the same tokens.

Published checkpoints are now and then copies of one another: two atlases of equal weights are
refused, as all they could show is that the weights are equal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy.typing import NDArray

from lens_probes.atlases.saved import Atlas
from lens_probes.errors import InputError, given_as
from lens_probes.result.compare import compare

_SHARE = ("share_significant", "best_auc_heldout")
_ALPHA = 0.05


@dataclass(frozen=True)
class AtlasComparison:
    """Two atlases, `a` and `b`.

    Attributes
    ----------
    properties
        One row a property, site and layer of either: `depth` (0 to 1), `atlas` ("a" or "b"),
        `share_significant`, `best_auc_heldout`.
    units
        One row a unit of `a`: the unit of `b` of the same site that correlates with it most
        (`match`, `r`, in size), `matched`: beyond what rotated units reach (`error_rate` at most
        0.05), best properties of both and whether they are the same. Empty where the two were not
        read on the same tokens.
    sites
        One row a site: share of units matched, the r from which they are, the median best |r|,
        the same of rotated units, and the share of matched units of the same best property, with
        that of units of `b` drawn at random (`same_best_by_chance`).
    """

    properties: pd.DataFrame
    units: pd.DataFrame
    sites: pd.DataFrame

    def text_lines(self) -> tuple[str, ...]:
        """The comparison in sentences."""
        if self.units.empty:
            return ("The two were read on other tokens: units are not matched.",)
        return tuple(
            f"{row.site}: {row.share_matched:.0%} of the units have a match beyond rotated units "
            f"(|r| {row.threshold:.2f} or more); of these {row.same_best:.0%} are tuned to the "
            f"same property, {row.same_best_by_chance:.0%} by chance."
            for row in self.sites.itertuples()
        )


@compare.register(Atlas)
def compare_atlases(a: Atlas, b: Any) -> AtlasComparison:
    """Compare the atlases of two models, checkpoints or seeds.

    A unit of `a` is matched with the unit of the same site of `b` whose activations correlate with
    its own most, in size, over the tokens that both keep. The same search goes over `b` with its
    units rotated at random inside each layer, which keeps all that a layer says and nothing of its
    single units: the share of best |r| that rotated units reach, over the share that real ones do,
    is the error rate.

    Raises
    ------
    InputError
        Equal weights, activations that are equal, or a `b` that is no atlas.
    """
    given_as("b", b, Atlas, "an Atlas, as a is")
    weights = [one.provenance["model"]["weights_sha256"] for one in (a, b)]
    same_tokens = a.provenance["text"]["tokens_sha256"] == b.provenance["text"]["tokens_sha256"]
    equal = same_tokens and a.sample.shape == b.sample.shape and a.sample.equals(b.sample)
    if weights[0] == weights[1] or equal:
        raise InputError(
            "the two atlases are of equal weights: nothing can be compared (a checkpoint that was "
            "published twice?); give two models."
        )
    properties = pd.concat([_by_depth(a, "a"), _by_depth(b, "b")], ignore_index=True)
    properties = properties.sort_values(["property", "site", "depth", "atlas"], ignore_index=True)
    sites = [s for s in dict.fromkeys(a.units["site"]) if s in set(b.units["site"])]
    if not same_tokens or not sites:
        return AtlasComparison(properties, a.units.iloc[:0], pd.DataFrame())
    rng = np.random.default_rng(0)
    matched = [_matched(a, b, site, rng) for site in sites]
    return AtlasComparison(
        properties,
        pd.concat([units for units, _ in matched], ignore_index=True),
        pd.DataFrame([row for _, row in matched]),
    )


def _by_depth(atlas: Atlas, name: str) -> pd.DataFrame:
    last = max(int(atlas.provenance["model"]["n_layers"]) - 1, 1)
    table = atlas.properties[["property", "site", "layer", *_SHARE]]
    return table.assign(depth=table["layer"] / last, atlas=name)


def _matched(
    a: Atlas, b: Atlas, site: str, rng: np.random.Generator
) -> tuple[pd.DataFrame, dict[str, object]]:
    """Units of one site of `a` with their matches, and what is said of the site."""
    here, there = a.units[a.units["site"] == site], b.units[b.units["site"] == site]
    x, y = _standardised(a, here), _standardised(b, there)
    layers = there["layer"].to_numpy()
    turned = np.concatenate([_turned(y[layers == layer], rng) for layer in dict.fromkeys(layers)])
    r, place = _best(x, y)
    null, _ = _best(x, turned)
    threshold, rate = _threshold(r, null)
    found = r >= threshold
    partner = there.iloc[place]
    same = (here["best"].to_numpy() == partner["best"].to_numpy()) & (here["best"] != "").to_numpy()
    shares = [one["best"].value_counts(normalize=True) for one in (here, there)]
    units = pd.DataFrame({
        "layer": here["layer"].to_numpy(), "site": site, "unit": here["unit"].to_numpy(),
        "name": here["name"].to_numpy(), "match": partner["name"].to_numpy(), "r": r,
        "r_rotated": null, "matched": found, "best_a": here["best"].to_numpy(),
        "best_b": partner["best"].to_numpy(), "same_best": same,
    })  # fmt: skip
    return units, {
        "site": site, "n_units": len(here), "share_matched": found.mean(), "threshold": threshold,
        "error_rate": rate, "median_r": np.median(r), "median_r_rotated": np.median(null),
        "same_best": same[found].mean() if found.any() else np.nan,
        "same_best_by_chance": float(shares[0].mul(shares[1], fill_value=0).sum()),
    }  # fmt: skip


def _standardised(atlas: Atlas, units: pd.DataFrame) -> Float[np.ndarray, "unit token"]:
    """Sampled activations of length 1 about their mean; a constant unit is all zeros."""
    values = atlas.sample.to_numpy()[units.index].astype(np.float32)
    values -= values.mean(axis=1, keepdims=True)
    size = np.linalg.norm(values, axis=1, keepdims=True)
    found: Float[np.ndarray, "unit token"] = values / np.where(size > 0, size, 1)
    return found


def _turned(
    values: Float[np.ndarray, "unit token"], rng: np.random.Generator
) -> Float[np.ndarray, "unit token"]:
    """The units of a layer rotated at random among themselves."""
    q, r = np.linalg.qr(rng.standard_normal((len(values), len(values))).astype(np.float32))
    turned = (q * np.sign(np.diag(r))) @ values
    size = np.linalg.norm(turned, axis=1, keepdims=True)
    found: Float[np.ndarray, "unit token"] = turned / np.where(size > 0, size, 1)
    return found


def _best(
    x: Float[np.ndarray, "unit token"], y: Float[np.ndarray, "unit token"]
) -> tuple[Float[np.ndarray, " unit"], NDArray[np.int64]]:
    """The largest |r| of each unit of x with one of y, and which."""
    r, place = np.empty(len(x)), np.empty(len(x), dtype=np.int64)
    for first in range(0, len(x), 1024):
        part = np.abs(x[first : first + 1024] @ y.T)
        rows = slice(first, first + len(part))
        place[rows] = part.argmax(axis=1)
        r[rows] = part[np.arange(len(part)), place[rows]]
    return r, place


def _threshold(
    real: Float[np.ndarray, " unit"], null: Float[np.ndarray, " unit"]
) -> tuple[float, float]:
    """The smallest |r| from which on at most a twentieth of the matches is what rotation gives."""
    ordered = np.sort(real)
    above = len(real) - np.arange(len(real))
    chance = len(null) - np.searchsorted(np.sort(null), ordered, side="left")
    rate = (1 + chance) / (1 + len(null)) * len(real) / above
    good = np.flatnonzero(rate <= _ALPHA)
    if not len(good):
        return float("inf"), float("nan")
    return float(ordered[good[0]]), float(rate[good[0]])
