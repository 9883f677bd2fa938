"""A store in half precision: its numbers are the rounded ones, its key is its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import lens_probes as lp
from lens_probes.activations.shard_file import in_dtype
from lens_probes.activations.store import MANIFEST
from lens_probes.result.verify import verify

pytestmark = pytest.mark.model
BOUNDS = {"float16": 2.0**-11, "bfloat16": 2.0**-8}


def examples(n: int = 40) -> lp.Examples:
    """Windows of six tokens."""
    rng = np.random.default_rng(0)
    label = np.arange(n) % 2
    tokens = rng.integers(5, 90, (n, 6))
    tokens[:, -1] = np.where(label == 1, 11, 17)
    words = [f"w{i % 10}{label[i]}" for i in range(n)]
    return lp.Examples.from_tokens(tokens, position=-1, label=label, word=words)


@pytest.mark.parametrize("stored", ["float16", "bfloat16"])
def test_numbers_are_rounded_once_and_take_half_the_disk(
    tiny_model: lp.LensModel, tmp_path: Path, stored: Any
) -> None:
    options: dict[str, Any] = {"sites": ["mlp_pre", "k"], "store": tmp_path}
    exact = lp.collect(tiny_model, examples(), **options)
    half = lp.collect(tiny_model, examples(), **options, store_dtype=stored)
    again = lp.collect(tiny_model, examples(), **options, store_dtype=stored)
    kind = {"float16": torch.float16, "bfloat16": torch.bfloat16}[stored]
    for key in exact:
        known = torch.from_numpy(np.array(exact[key])).to(kind).float().numpy()
        np.testing.assert_array_equal(half[key], known)
        np.testing.assert_array_equal(again[key], known)
        assert half[key].dtype == np.float32
        large = np.abs(exact[key]) > 1e-4
        apart = np.abs(half[key] - exact[key])[large] / np.abs(exact[key])[large]
        assert 0 < apart.max() <= BOUNDS[stored]
    folders = sorted(path.parent for path in tmp_path.rglob(MANIFEST))
    assert len(folders) == 2
    sizes = sorted(sum(f.stat().st_size for f in p.glob("0*.safetensors")) for p in folders)
    assert sizes[0] < 0.6 * sizes[1]
    assert all(not one.problems for one in verify(tmp_path))


def test_a_model_in_half_precision_loses_nothing(
    tiny_folders: dict[str, Path], tmp_path: Path
) -> None:
    model = lp.load_model(tiny_folders["llama"], dtype="bfloat16")
    given: dict[str, Any] = {"sites": ["mlp_pre"], "untrained": False, "n_permutations": 50}
    whole = lp.sweep(model, examples(), **given)
    kept = lp.sweep(model, examples(), **given, store=tmp_path, store_dtype="model")
    assert whole.units.equals(kept.units)
    assert '"stored": "bfloat16"' in next(tmp_path.rglob(MANIFEST)).read_text()


@pytest.mark.parametrize(("stored", "bound"), [("float16", 2e-3), ("bfloat16", 1.5e-2)])
def test_statistics_are_those_of_float32_within_what_is_said(
    tiny_model: lp.LensModel, tmp_path: Path, stored: Any, bound: float
) -> None:
    given: dict[str, Any] = {"sites": ["mlp_pre"], "untrained": False, "n_permutations": 50}
    whole = lp.sweep(tiny_model, examples(), **given)
    half = lp.sweep(tiny_model, examples(), **given, store=tmp_path, store_dtype=stored)
    g, other = whole.units["hedges_g"], half.units["hedges_g"]
    assert 0 < (g - other).abs().max() <= bound * max(1.0, g.abs().max())
    assert (whole.units["auc"] - half.units["auc"]).abs().max() <= bound + 2 / 20**2  # ties


def test_a_number_beyond_float16_is_refused_in_one_line() -> None:
    values = np.array([[1.0, -70_000.0]], np.float32)
    with pytest.raises(lp.InputError, match=r"-7e\+04, is beyond float16") as error:
        in_dtype(values, "float16", "site k, layer 0")
    assert "\n" not in str(error.value)
    np.testing.assert_array_equal(
        in_dtype(np.array([[np.inf]], np.float32), "float16", ""), [[np.inf]]
    )


def test_a_type_without_a_store_or_unknown_is_refused(tiny_model: lp.LensModel) -> None:
    for options, why in (
        ({"store_dtype": "float16"}, "give a store"),
        ({"store": "x", "store_dtype": "int8"}, "store_dtype"),
    ):
        with pytest.raises(lp.InputError, match=why) as error:
            lp.collect(tiny_model, examples(), sites=["k"], **options)  # type: ignore[arg-type]
        assert "\n" not in str(error.value)
