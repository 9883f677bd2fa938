"""Contexts and direct effect of the strongest units: against the raw model and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_models import PROSE

import lens_probes as lp
from lens_probes.examples.checks import NO_TOKEN
from lens_probes.model.load import LensModel, load_model
from lens_probes.units.details import CARDS, EACH, choose, from_plain, to_plain
from lens_probes.units.direct_effect import direct_effects

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def examples(tiny_model: LensModel) -> lp.Examples:
    ids = np.array(tiny_model.tokenizer.encode(PROSE * 4))
    n, length = 30, 24
    rng = np.random.default_rng(0)
    starts = rng.integers(0, len(ids) - length, n)
    return lp.Examples.from_tokens(
        ids[starts[:, None] + np.arange(length)],
        12,
        np.arange(n) % 2,
        word=[f"w{i}" for i in range(n)],
        source=[f"s{i % 7}" for i in range(n)],
    )


@pytest.fixture(scope="module")
def result(tiny_model: LensModel, examples: lp.Examples) -> lp.SweepResult:
    return lp.sweep(tiny_model, examples, sites=["mlp_pre", "q"], preset="course")


def test_the_strongest_units_have_contexts(
    result: lp.SweepResult, examples: lp.Examples, tiny_model: LensModel
) -> None:
    best = result.units[result.units["name"].isin(list(result.evidence))]
    best = best.sort_values(result.rank_column).head(CARDS)
    assert list(result.details) == best["name"].tolist()
    name = best["name"].iloc[0]
    of = {k: [c for c in result.details[name].contexts if c.kind == k] for k in KINDS}
    x = result.evidence[name].to_numpy(float)
    assert [c.value for c in of["top"]] == sorted(x, reverse=True)[:EACH]
    assert [c.value for c in of["bottom"]] == sorted(x)[:EACH]
    (i,) = np.flatnonzero(x == of["top"][0].value)
    shown = of["top"][0]
    ids, decode = examples.tokens[i], tiny_model.tokenizer.decode
    assert shown.token == decode(ids[12:13])
    assert shown.before + shown.token + shown.after == decode(ids[: 13 + 8])
    assert shown.source == f"class {i % 2}, s{i % 7}"
    assert len(of["random"]) == len(of["anywhere_random"]) == len(of["anywhere_top"]) == EACH


KINDS = (
    "top", "quantile", "random", "bottom", "counter_example", "anywhere_top", "anywhere_random",
)  # fmt: skip


def test_what_else_drives_a_unit_is_the_highest_of_every_token_but_the_first(
    result: lp.SweepResult, examples: lp.Examples, tiny_model: LensModel
) -> None:
    name, details = next((n, d) for n, d in result.details.items() if ".q." in n)
    row = result.units.set_index("name").loc[name]
    chosen = np.unique(np.linspace(0, 29, 16).astype(int))
    read = lp.paint(tiny_model, [examples.tokens[i] for i in chosen], layer=int(row["layer"]),
                    site="q", unit=int(row["unit"]))  # fmt: skip
    values = np.concatenate([painting.values[1:] for painting in read])
    top = [c.value for c in details.contexts if c.kind == "anywhere_top"]
    np.testing.assert_allclose(top, np.sort(values)[::-1][:EACH], rtol=1e-5)
    assert details.anywhere.startswith(f"{16 * 23} tokens of 16 windows")
    assert details.promoted == ()


def test_direct_effect_is_what_the_raw_model_says(
    tiny_models: dict[str, LensModel], result: lp.SweepResult
) -> None:
    """With the norm's scale held: gain * row / scale * unembedding, minus the mean."""
    rng = torch.Generator().manual_seed(0)
    for name in ("gpt2", "llama", "pythia"):
        model = tiny_models[name]
        residual = torch.randn((40, int(model.cfg.d_model)), generator=rng) + 0.3
        (found,) = direct_effects(model, [(1, 5)], residual, n=5)
        row = model.mlp_output_weights(1)[5]
        gain, rms = _gain(model), name == "llama"
        size = residual.square().mean(1).sqrt() if rms else residual.std(1, unbiased=False)
        out = (row if rms else row - row.mean()) * gain * (1 / size).mean()
        logits = (out @ model.unembedding()).detach()[: len(model.tokenizer)]
        expected = (logits - logits.mean()).sort(descending=True).values
        np.testing.assert_allclose([v for _, v in found.promoted], expected[:5], rtol=2e-3)
        np.testing.assert_allclose(
            [v for _, v in found.suppressed], expected.flip(0)[:5], rtol=2e-3
        )
    details = next(d for n, d in result.details.items() if ".mlp_pre." in n)
    assert len(details.promoted) == len(details.suppressed) == 8
    assert "Direct path only" in details.direct
    assert "mlp_post" in details.direct


def _gain(model: LensModel) -> torch.Tensor:
    """Weight of the final norm, read off: the difference of two outputs whose bias is the same."""
    x = torch.randn((1, int(model.cfg.d_model)), generator=torch.Generator().manual_seed(1)) * 100
    up, down = model.final_norm(x), model.final_norm(-x)
    normed = x / x.square().mean().sqrt()
    if model.cfg.normalization_type.startswith("LN"):
        normed = (x - x.mean()) / x.std(unbiased=False)
    return ((up - down) / (2 * normed))[0].detach()


def test_a_unit_that_promotes_a_token_is_seen_to(tiny_folders: dict) -> None:
    """Before: not among the first. After its row is turned towards the token: the first."""
    model = load_model(tiny_folders["llama"])
    residual = torch.randn((20, int(model.cfg.d_model)), generator=torch.Generator().manual_seed(0))
    token = 77
    name = model.tokenizer.decode([token])
    (before,) = direct_effects(model, [(2, 3)], residual)
    assert name != before.promoted[0][0]
    model.mlp_output_weights(2)[3] = 5 * model.unembedding()[:, token]
    (after,) = direct_effects(model, [(2, 3)], residual)
    assert after.promoted[0][0] == name
    assert after.promoted[0][1] > 2 * after.promoted[1][1]
    assert after.promoted[0][1] > 2 * after.others > 0
    assert before.promoted[0][1] < 2 * before.others


def test_counter_examples_are_on_the_wrong_side() -> None:
    x = np.array([0.0, 0.1, 9.0, 0.2, 10.0, 10.1, 10.2, 1.0])
    label = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    assert [i for kind, i in choose(x, label, 1.0) if kind == "counter_example"] == [7, 2]
    assert [i for kind, i in choose(-x, label, -1.0) if kind == "counter_example"] == [7, 2]


def test_details_come_back_with_the_result(result: lp.SweepResult, tmp_path) -> None:
    assert from_plain(to_plain(result.details)) == dict(result.details)
    loaded = lp.SweepResult.load(result.save(tmp_path / "run"))
    assert dict(loaded.details) == dict(result.details)
    first, again = (r.write_report(tmp_path / f"{i}.html") for i, r in enumerate((result, loaded)))
    assert first.read_bytes() == again.read_bytes()
    assert "Examples in their text" in first.read_text("utf-8")


def test_short_windows_and_odd_tokens(tiny_model: LensModel) -> None:
    """Lone words: nothing else to read. Windows of unequal length end where they end."""
    words = np.arange(10, 50)[:, None]
    lone = lp.Examples.from_tokens(words, 0, np.arange(40) % 2)
    details = lp.sweep(tiny_model, lone, sites=["mlp_pre"], preset="course", layers=[1]).details
    shown = next(iter(details.values()))
    assert shown.anywhere == ""
    assert {c.kind for c in shown.contexts} <= {k for k in KINDS if not k.startswith("anywhere")}
    assert all(c.before == c.after == "" for c in shown.contexts)
    rows = [list(range(10, 10 + 8 + i % 5)) for i in range(40)]
    uneven = lp.Examples.from_tokens(rows, -1, np.arange(40) // 5 % 2)
    assert (uneven.tokens == NO_TOKEN).any()
    details = lp.sweep(tiny_model, uneven, sites=["mlp_pre"], preset="course", layers=[1]).details
    assert next(iter(details.values())).contexts[0].after == ""
