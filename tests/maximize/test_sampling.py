"""Top contexts and batch winners equal a search with the raw model, and find what was planted."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import byte_level_tokenizer
from transformers import AutoModelForCausalLM

import lens_probes as lp
from lens_probes.activations.collect import read_all_positions
from lens_probes.maximize import corpus, reading
from lens_probes.maximize.reading import make_place
from lens_probes.maximize.sampling import TopContexts, top_contexts
from lens_probes.model.load import LensModel
from lens_probes.texts.load import Document

pytestmark = pytest.mark.model
TOKENIZER = byte_level_tokenizer()
WORDS = [
    "go", "river", "road", "said", "never", "can", "will", "dark", "there", "they", "see", "it",
    "that", "nobody", "is", "always",
]  # fmt: skip


def random_text(*lengths: int, seed: int = 0) -> lp.Text:
    rng = np.random.default_rng(seed)
    bodies = [" ".join(rng.choice(WORDS, n)) for n in lengths]
    documents = tuple(Document(f"d{i}", f"s{i}", body) for i, body in enumerate(bodies))
    return lp.Text("random", documents, "a test")


TEXT = random_text(400, 30, 1, 150)


def raw_rows(
    folder: Path, text: lp.Text, layer: int, length: int, *, bos: bool = False
) -> tuple[np.ndarray, list[tuple[int, int, int]]]:
    """MLP pre-activations [token, unit] of raw Hugging Face GPT-2, window by window, and where."""
    raw = AutoModelForCausalLM.from_pretrained(folder).eval()
    caught: list[torch.Tensor] = []
    raw.transformer.h[layer].mlp.c_fc.register_forward_hook(lambda *a: caught.append(a[2][0]))
    values, where = [], []
    for number, document in enumerate(text.documents):
        ids = TOKENIZER(document.text)["input_ids"]
        for start in range(0, len(ids), length):
            window = [0] * bos + ids[start : start + length]
            with torch.inference_mode():
                raw(torch.tensor([window]))
            values.append(caught.pop().numpy()[int(bos) :])
            where += [(number, start + p - bos, p) for p in range(int(bos), len(window))]
    return np.concatenate(values), where


def where_of(result: TopContexts, place: np.ndarray) -> np.ndarray:
    """Document, token and position [..., 3] of some places."""
    p = result.places
    return np.stack([p.document, p.token, p.position], axis=-1)[place]


@pytest.mark.parametrize("bos", [False, True])
@pytest.mark.parametrize("skip_first", [False, True])
def test_top_and_bottom_of_all_units_equal_brute_force(
    skip_first: bool, bos: bool, tiny_models: dict[str, LensModel], tiny_folders: dict[str, Path]
) -> None:
    result = top_contexts(
        tiny_models["gpt2"], TEXT, site="mlp_pre", layer=1, k=15, length=50, batch=3,
        skip_first=skip_first, bos=bos,
    )  # fmt: skip
    values, where = raw_rows(tiny_folders["gpt2"], TEXT, 1, 50, bos=bos)
    assert result.n_tokens == len(where)
    kept = np.array([not skip_first or position > 0 for _, _, position in where])
    values, places = values[kept], np.array(where)[kept]
    assert result.n_counted == len(values)
    assert (~kept).any() == (skip_first and not bos)
    assert result.left_out["position 0"] == (~kept).sum()
    assert len(result.names) == values.shape[1] == 128
    for found, signed in [(result.top, values), (result.bottom, -values)]:
        order = np.argsort(-signed, axis=0, kind="stable")[:15]
        best = np.take_along_axis(values, order, 0)
        np.testing.assert_allclose(found.value, best, atol=1e-5)
        # Values closer than rounding may swap; everything else is the very same token.
        clear = (np.abs(np.diff(np.take_along_axis(signed, np.argsort(-signed, 0)[:16], 0),
                                axis=0)) > 1e-5)  # fmt: skip
        clear[1:] &= clear[:-1].copy()
        assert clear.mean() > 0.9
        same = (where_of(result, found.place) == places[order]).all(-1)
        assert same[clear].all()
    np.testing.assert_allclose(result.mean, values.mean(0), atol=1e-5)
    np.testing.assert_allclose(result.sd, values.std(0), rtol=1e-4)
    # The sample holds all tokens here, so quantile examples are exact order statistics.
    assert result.n_sampled == len(values)
    n = len(values)
    for i, q in enumerate(result.quantiles):
        ranks = np.clip(round(q * (n - 1)) - 1, 0, n - 3) + np.arange(3)
        want = np.sort(values, axis=0)[ranks]
        np.testing.assert_allclose(result.quantile.value[3 * i : 3 * i + 3], want, atol=1e-5)
    index = {tuple(place): i for i, place in enumerate(places.tolist())}
    assert (np.ptp(result.random.place, axis=1) == 0).all()
    rows = [index[tuple(place)] for place in where_of(result, result.random.place[:, 0]).tolist()]
    assert len(set(rows)) == 10
    np.testing.assert_allclose(result.random.value, values[rows], atol=1e-5)


@pytest.mark.parametrize("architecture", ["gpt2", "gpt_neo", "llama", "pythia"])
def test_every_site_is_read_as_collect_reads_it(
    architecture: str, tiny_models: dict[str, LensModel]
) -> None:
    model = tiny_models[architecture]
    tokens = np.random.default_rng(0).integers(0, 400, (3, 20))
    for site in model.shapes:
        for layer in (0, model.n_layers - 1):
            place = make_place(
                model, site=site, layer=layer, units=None, length=20, bos=False, skip_first=True,
                exclude_sinks=False, sink_factor=4.0,
            )  # fmt: skip
            values, norm = place.read(tokens)
            want = read_all_positions(model, tokens, layer, site)
            np.testing.assert_allclose(values.numpy(), want, atol=1e-6 * np.abs(want).max())
            stream = read_all_positions(model, tokens, layer, place.stream)
            np.testing.assert_allclose(norm, np.linalg.norm(stream, axis=-1), rtol=1e-5)


def test_nothing_beyond_the_site_is_run(tiny_model: LensModel) -> None:
    ran: list[str] = []
    handles = [
        module.register_forward_pre_hook(lambda *_, name=name: ran.append(name))
        for name, module in tiny_model.tl.named_modules()
        if name in ("unembed", "ln_final", "blocks.0", "blocks.1", "blocks.2")
    ]
    try:
        top_contexts(tiny_model, TEXT, site="mlp_pre", layer=1, length=64)
    finally:
        for handle in handles:
            handle.remove()
    assert "blocks.1" in ran
    assert set(ran) == {"blocks.0", "blocks.1"}


def test_batch_size_changes_nothing(tiny_model: LensModel) -> None:
    results = [
        top_contexts(tiny_model, TEXT, site="q", layer=2, k=8, length=40, batch=batch, seed=3)
        for batch in (1, 4, 100)
    ]
    for other in results[1:]:
        for kind in ("top", "bottom", "quantile", "random"):
            a, b = getattr(results[0], kind), getattr(other, kind)
            np.testing.assert_allclose(a.value, b.value, atol=1e-5)
            same = where_of(results[0], a.place) == where_of(other, b.place)
            assert same.all(-1).mean() > 0.99
        assert other.sinks.n_read == results[0].sinks.n_read


def test_overlap_counts_each_token_once_with_more_context(tiny_model: LensModel) -> None:
    result = top_contexts(tiny_model, TEXT, site="mlp_pre", layer=0, k=3, length=40, overlap=30)
    assert result.left_out["position 0"] == len(TEXT.documents)
    assert result.n_counted == result.n_tokens - len(TEXT.documents)
    p = result.places
    later = p.token >= 40
    assert (p.position[later] >= 30).all()
    assert later.any()
    np.testing.assert_array_equal(p.position[~later], p.token[~later])


def test_some_windows_drawn_at_random(tiny_model: LensModel) -> None:
    text = random_text(2000, seed=5)
    a, b = (
        top_contexts(tiny_model, text, site="q", layer=0, k=3, length=20, n_windows=12, seed=seed)
        for seed in (0, 1)
    )
    starts = [set((r.places.token - r.places.position).tolist()) for r in (a, b)]
    assert all(11 * 19 < r.n_counted <= 12 * 19 for r in (a, b))  # the last window is shorter
    assert len(starts[0]) <= 12
    assert starts[0] != starts[1]
    assert max(starts[0]) > 1000


def test_contexts_are_pieces_of_the_text(tiny_model: LensModel) -> None:
    result = top_contexts(tiny_model, TEXT, site="q", layer=0, units=[5, 2], k=4, length=64)
    bodies = {d.name: d.text for d in TEXT.documents}
    contexts = result.contexts(5)
    assert len(contexts) == 4 + 4 + 12 + 10
    for c in contexts:
        assert c.before + c.token + c.after in bodies[c.document]
        assert c.source == c.document.replace("d", "s")
        assert len(TOKENIZER(c.before + c.token)["input_ids"]) <= 21
    tops = [c for c in contexts if c.kind == "top"]
    assert [c.rank for c in tops] == [0, 1, 2, 3]
    assert [c.value for c in tops] == sorted((c.value for c in tops), reverse=True)
    assert tops[0].sds == pytest.approx((tops[0].value - result.mean[0]) / result.sd[0])
    assert {c.quantile for c in contexts if c.kind == "quantile"} == {0.5, 0.75, 0.9, 0.99}
    (narrow,) = [c for c in result.contexts(5, before=2, after=0, kinds=["top"]) if c.rank == 0]
    assert tops[0].before.endswith(narrow.before)
    assert narrow.after == ""
    table = result.table()
    assert table.groupby("unit", sort=False).size().to_dict() == {"L0.q.h0.5": 30, "L0.q.h0.2": 30}
    with pytest.raises(lp.InputError, match="unit 3 was not read: this result has 2 units"):
        result.contexts(3)
    with pytest.raises(lp.InputError, match="21 tokens before and 5 after were asked for, 20"):
        result.contexts(5, before=21)
    with pytest.raises(lp.InputError, match=r"unknown kind 'tops'.*Did you mean 'top'"):
        result.contexts(5, kinds=["tops"])  # type: ignore[list-item]


def test_repeated_contexts_count_once_if_asked(tiny_model: LensModel) -> None:
    once = random_text(120, seed=6)
    twice = lp.Text("twice", (*once.documents, *once.documents), "a test")

    def top(text: lp.Text, distinct: int) -> TopContexts:
        return top_contexts(
            tiny_model, text, site="mlp_pre", layer=1, k=6, length=128, distinct=distinct
        )

    single, plain, deduplicated = top(once, 0), top(twice, 0), top(twice, 100)
    np.testing.assert_allclose(plain.top.value[::2], plain.top.value[1::2], atol=1e-5)
    np.testing.assert_allclose(deduplicated.top.value, single.top.value, atol=1e-5)
    with pytest.raises(lp.InputError, match="has fewer than 60 distinct contexts: lower k"):
        top_contexts(tiny_model, twice, site="q", layer=0, k=60, length=64, distinct=1)


def test_memory_does_not_grow_with_the_corpus(
    tiny_model: LensModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One long document, and many short ones: four times the text, the same peak."""
    monkeypatch.setattr(corpus, "SECTION", 300)
    monkeypatch.setattr(reading, "REFERENCE_TOKENS", 64)
    largest: list[int] = []
    read = reading.Place.read
    monkeypatch.setattr(
        reading.Place,
        "read",
        lambda self, tokens: (largest.append(tokens.size), read(self, tokens))[1],
    )

    def peak(text: lp.Text) -> int:
        tracemalloc.start()
        options: dict[str, Any] = {"k": 5, "length": 64, "batch": 8, "n_sampled": 64}
        result = top_contexts(tiny_model, text, site="mlp_pre", layer=0, units=range(8), **options)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert result.places.ids.nbytes <= 8 * (5 + 5 + 12 + 10) * 26 * 4
        return found

    peak(random_text(500))
    for small, large in [((600,), (2400,)), ((15,) * 40, (15,) * 160)]:
        assert peak(random_text(*large)) < 1.25 * peak(random_text(*small))
    assert max(largest) <= 8 * 64


def test_a_negative_layer_counts_from_the_end_and_units_do_not(tiny_model: lp.LensModel) -> None:
    last = 2
    given = {"site": "mlp_pre", "units": [3, 7], "k": 5, "length": 16}
    from_end = top_contexts(tiny_model, TEXT, layer=-1, **given)
    assert from_end.names == top_contexts(tiny_model, TEXT, layer=last, **given).names
    assert from_end.names[0].startswith(f"L{last}.")
    for wrong in ({"layer": -1 - last - 1}, {"layer": last + 1}, {"layer": 0, "units": -1}):
        with pytest.raises(lp.InputError, match=r"no (layer|unit) -?\d+"):
            top_contexts(tiny_model, TEXT, **given | wrong)
