"""Two atlases: units matched over the same tokens, against rotated ones; equal weights refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import lens_probes as lp
from lens_probes.errors import InputError

N_UNITS, N_TOKENS = 90, 200


def made(seed: int, base: np.ndarray, noise: float, *, tokens: str = "t") -> lp.Atlas:
    """An atlas of units that are those of `base` [unit, token] in another order, with noise."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(base))
    x = base[order] + noise * rng.standard_normal(base.shape)
    x = np.round(127 * x / np.abs(x).max(axis=1, keepdims=True)).astype(np.int8)
    best = np.array([f"p{unit % 9}" for unit in order])
    units = pd.DataFrame({
        "layer": np.repeat([0, 1, 2], N_UNITS // 3), "site": "mlp_pre",
        "unit": np.arange(N_UNITS), "name": [f"{seed}.{unit}" for unit in range(N_UNITS)],
        "best": best, "true": order,
    })  # fmt: skip
    properties = pd.DataFrame({
        "property": ["p0", "p0"], "layer": [0, 2], "site": "mlp_pre",
        "share_significant": [0.1, 0.2], "best_auc_heldout": [0.6, 0.7],
    })  # fmt: skip
    said = {
        "model": {"weights_sha256": f"w{seed}", "n_layers": 3},
        "text": {"tokens_sha256": tokens}, "options": {"alpha": 0.05, "untrained": False},
    }  # fmt: skip
    sample = pd.DataFrame(x, columns=[f"{i}" for i in range(N_TOKENS)])
    none = pd.DataFrame()
    return lp.Atlas(units, properties, none, none, sample, none, said)


@pytest.fixture
def base() -> np.ndarray:
    return np.random.default_rng(5).standard_normal((N_UNITS, N_TOKENS))


def test_the_same_units_in_another_order_are_found(base: np.ndarray) -> None:
    a, b = made(1, base, 0.3), made(2, base, 0.3)
    found = lp.compare(a, b)
    true = dict(zip(b.units["name"], b.units["true"], strict=True))
    right = found.units["match"].map(true).to_numpy() == a.units["true"].to_numpy()
    assert right.all()
    row = found.sites.iloc[0]
    assert row["share_matched"] == 1
    assert row["error_rate"] <= 0.05
    assert row["median_r"] > 0.8 > 0.5 > row["median_r_rotated"]
    assert row["same_best"] == 1
    assert row["same_best_by_chance"] < 0.2
    assert set(found.properties["atlas"]) == {"a", "b"}
    assert set(found.properties["depth"]) == {0, 1}
    assert "100% of the units have a match" in found.text_lines()[0]


def test_units_of_nothing_in_common_are_not_matched(base: np.ndarray) -> None:
    other = np.random.default_rng(6).standard_normal(base.shape)
    found = lp.compare(made(1, base, 0), made(2, other, 0))
    assert found.sites["share_matched"].iloc[0] <= 0.05


def test_a_rotated_layer_is_no_match_of_units(base: np.ndarray) -> None:
    rng = np.random.default_rng(7)
    turned = np.concatenate([
        np.linalg.qr(rng.standard_normal((30, 30)))[0] @ base[k : k + 30] for k in (0, 30, 60)
    ])  # fmt: skip
    found = lp.compare(made(1, base, 0), made(2, turned, 0))
    assert found.sites["share_matched"].iloc[0] <= 0.1


def test_equal_weights_are_refused(base: np.ndarray) -> None:
    a = made(1, base, 0)
    with pytest.raises(InputError, match="equal weights"):
        lp.compare(a, a)
    renamed = replace(a, provenance={**a.provenance, "model": {"weights_sha256": "x"}})
    with pytest.raises(InputError, match="equal weights"):
        lp.compare(a, renamed)
    with pytest.raises(InputError, match="b must be an Atlas"):
        lp.compare(a, 3)


def test_other_tokens_give_shares_alone(base: np.ndarray) -> None:
    found = lp.compare(made(1, base, 0), made(2, base, 0.1, tokens="u"))
    assert found.units.empty
    assert len(found.properties) == 4
    assert "other tokens" in found.text_lines()[0]
