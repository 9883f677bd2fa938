"""Arg-max tokens of batches, position 0 and sinks: brute force and planted units."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import byte_level_tokenizer, save_tiny
from transformers import AutoModelForCausalLM

import lens_probes as lp
from lens_probes.maximize import reading
from lens_probes.maximize.corpus import TokenStream
from lens_probes.maximize.sampling import top_contexts
from lens_probes.maximize.winners import _draw_offsets, batch_winners
from lens_probes.model.load import LensModel
from lens_probes.texts.load import Document

pytestmark = pytest.mark.model
TOKENIZER = byte_level_tokenizer()
CANDIDATES = [" go", " river", " road", " never", " can", " will", " dark", " they", " see", " is"]
WORDS = [word for word in CANDIDATES if len(TOKENIZER(word)["input_ids"]) == 1]
LIKED = " nobody"
LIKES_TOKEN, LIKES_FIRST = 7, 9


def random_text(*lengths: int, rare: float = 0.02) -> lp.Text:
    rng = np.random.default_rng(0)
    share = [(1 - rare) / len(WORDS)] * len(WORDS)
    bodies = ["".join(rng.choice([*WORDS, LIKED], n, p=[*share, rare])) for n in lengths]
    documents = tuple(Document(f"d{i}", f"s{i}", body) for i, body in enumerate(bodies))
    return lp.Text("random", documents, "a test")


TEXT = random_text(600, 20, 300)


def plant(folder: Path, *, long_position: int) -> LensModel:
    """A model whose unit 7 is driven by one token, unit 9 by one position, with a long stream."""
    save_tiny("gpt2", folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    (liked,) = TOKENIZER(LIKED)["input_ids"]
    token_way, position_way = torch.linalg.qr(torch.randn(32, 2))[0].T
    with torch.no_grad():
        model.transformer.wte.weight[liked] += 8 * token_way
        model.transformer.wpe.weight[long_position] += 300 * position_way
        c_fc = model.transformer.h[0].mlp.c_fc
        for unit, way in [(LIKES_TOKEN, token_way), (LIKES_FIRST, position_way)]:
            c_fc.weight[:, unit] = 5 * way / model.transformer.h[0].ln_2.weight
            c_fc.bias[unit] = 0
    model.save_pretrained(folder)
    return lp.load_model(folder)


@pytest.fixture(scope="module")
def sink_at_0(tmp_path_factory: pytest.TempPathFactory) -> LensModel:
    torch.manual_seed(1)
    return plant(tmp_path_factory.mktemp("sink0"), long_position=0)


@pytest.fixture(scope="module")
def sink_at_1(tmp_path_factory: pytest.TempPathFactory) -> LensModel:
    torch.manual_seed(1)
    return plant(tmp_path_factory.mktemp("sink1"), long_position=1)


@pytest.mark.parametrize("bos", [False, True])
@pytest.mark.parametrize("skip_first", [False, True])
def test_winners_equal_brute_force(
    skip_first: bool,
    bos: bool,
    tiny_model: LensModel,
    tiny_folders: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    batches: list[np.ndarray] = []
    read = reading.Place.read
    monkeypatch.setattr(
        reading.Place, "read", lambda self, tokens: (batches.append(tokens), read(self, tokens))[1]
    )
    got = batch_winners(
        tiny_model, TEXT, site="mlp_pre", layer=1, n_batches=6, batch=4, length=30,
        skip_first=skip_first, bos=bos, seed=2,
    )  # fmt: skip
    raw = AutoModelForCausalLM.from_pretrained(tiny_folders["gpt2"]).eval()
    caught: list[torch.Tensor] = []
    raw.transformer.h[1].mlp.c_fc.register_forward_hook(lambda *a: caught.append(a[2]))
    ids = [TOKENIZER(d.text)["input_ids"] for d in TEXT.documents]
    corpus = np.concatenate([np.array(i, dtype=int) for i in ids])
    batches = [tokens for tokens in batches if len(tokens) == 4]
    assert len(batches) == 6
    first_wins = np.zeros(128, int)
    for number, tokens in enumerate(batches):
        assert tokens.shape == (4, 30 + bos)
        with torch.inference_mode():
            raw(torch.from_numpy(tokens))
        values = caught.pop().numpy()
        first_wins += values.reshape(-1, 128).argmax(0) % (30 + bos) == 0
        if skip_first or bos:
            values[:, 0] = -np.inf
        flat = values.reshape(-1, 128)
        np.testing.assert_allclose(got.value[number], flat.max(0), atol=1e-5)
        row, position = np.divmod(flat.argmax(0), 30 + bos)
        np.testing.assert_array_equal(got.position[number], position)
        np.testing.assert_array_equal(got.token_id[number], tokens[row, position])
        np.testing.assert_array_equal(got.token_id[number], corpus[got.place[number]])
    np.testing.assert_array_equal(got.first_wins, first_wins)
    # Whole sequences inside documents 0 and 2; document 1 is too short for any.
    ends = np.cumsum([len(i) for i in ids])
    start = got.place - (got.position - bos)
    document = np.searchsorted(ends, start, side="right")
    assert set(np.unique(document)) == {0, 2}
    np.testing.assert_array_equal(np.searchsorted(ends, start + 29, side="right"), document)
    assert (got.n_short_documents, got.n_short_tokens) == (1, len(ids[1]))
    assert got.coverage == 4 * 30 / (len(ids[0]) + len(ids[2]))


def test_offsets_are_uniform_over_whole_sequences() -> None:
    stream = TokenStream.count(random_text(40, 5, 20), TOKENIZER)
    first = _draw_offsets(stream, 2000, 5, 8, seed=0)
    starts = [*range(33), *range(45, 58)]  # 5 tokens hold no sequence of 8
    found, n = np.unique(first, return_counts=True)
    assert found.tolist() == starts
    expected = 10_000 / len(starts)
    # Chi-square with 45 degrees of freedom: beyond 96 once in 100,000 seeds.
    assert ((n - expected) ** 2 / expected).sum() < 96
    np.testing.assert_array_equal(first, _draw_offsets(stream, 2000, 5, 8, seed=0))
    assert (first != _draw_offsets(stream, 2000, 5, 8, seed=1)).any()


def test_a_unit_that_likes_one_token_is_found(sink_at_0: LensModel) -> None:
    options = {"site": "mlp_pre", "layer": 0}
    winners = batch_winners(sink_at_0, TEXT, n_batches=30, batch=4, length=64, **options)
    table = winners.counts(LIKES_TOKEN)
    assert table["token"][0] == LIKED
    assert table["share"][0] > 0.9
    assert 1 < table["n_places"][0] <= table["n_batches"][0]
    assert table["n_batches"].sum() == 30
    assert winners.top_share[LIKES_TOKEN] == table["share"][0]
    assert winners.n_places[LIKES_TOKEN] == table["n_places"].sum()
    assert winners.top_share[LIKES_TOKEN] > np.quantile(winners.top_share, 0.9)
    top = top_contexts(sink_at_0, TEXT, k=10, length=64, **options)
    assert top.top_token_share[LIKES_TOKEN] == 1
    assert {c.token for c in top.contexts(LIKES_TOKEN, kinds=["top"])} == {LIKED}
    assert LIKED not in {c.token for c in top.contexts(LIKES_TOKEN, kinds=["bottom"])}
    assert np.median(top.top_token_share) < 1


def test_position_0_wins_unless_it_is_left_out(sink_at_0: LensModel) -> None:
    options = {"site": "mlp_pre", "layer": 0, "units": [LIKES_FIRST], "sink_factor": 20.0}
    kept, skipped = (
        batch_winners(sink_at_0, TEXT, n_batches=8, batch=2, length=32, skip_first=skip, **options)
        for skip in (False, True)
    )
    assert (kept.position == 0).all()
    assert (skipped.position > 0).all()
    assert kept.first_wins.tolist() == skipped.first_wins.tolist() == [8]
    assert kept.sink_wins.tolist() == [8]
    assert skipped.sink_wins.tolist() == [0]
    for result in (kept, skipped):
        assert result.sinks.by_position == {0: 16}
        assert result.sinks.n == sum(result.sinks.by_token.values()) == 16
        assert result.sinks.n_read == 8 * 2 * 32
    top = top_contexts(sink_at_0, TEXT, length=32, k=10, skip_first=False, **options)
    assert {c.position for c in top.contexts(LIKES_FIRST, kinds=["top"])} == {0}
    top = top_contexts(sink_at_0, TEXT, length=32, k=10, **options)
    assert 0 not in top.places.position
    assert top.left_out == {"position 0": top.sinks.n, "attention sinks": 0}


def test_a_sink_elsewhere_is_reported_and_left_out_if_asked(sink_at_1: LensModel) -> None:
    options = {
        "site": "mlp_pre",
        "layer": 0,
        "units": [LIKES_FIRST],
        "length": 32,
        "sink_factor": 20.0,
    }
    kept, left_out = (
        batch_winners(sink_at_1, TEXT, n_batches=8, batch=2, exclude_sinks=exclude, **options)
        for exclude in (False, True)
    )
    assert (kept.position == 1).all()
    assert (left_out.position > 1).all()
    assert kept.sinks.by_position == left_out.sinks.by_position == {1: 16}
    assert (kept.sinks.excluded, left_out.sinks.excluded) == (False, True)
    assert kept.sinks.stream == "L0.resid_mid"
    top = top_contexts(sink_at_1, TEXT, k=5, exclude_sinks=True, **options)
    assert 1 not in top.places.position
    assert top.left_out["attention sinks"] == top.sinks.n == top.sinks.by_position[1]
    assert top.n_counted == top.n_tokens - sum(top.left_out.values())
    assert top_contexts(sink_at_1, TEXT, k=5, **options).left_out["attention sinks"] == 0


def test_refusals(tiny_model: LensModel) -> None:
    where = {"site": "mlp_pre", "layer": 0}
    short = random_text(20)
    with pytest.raises(
        lp.InputError, match=r"has 20 tokens in .* one batch of 4 x 16 takes 64: lower"
    ):
        batch_winners(tiny_model, short, batch=4, length=16, **where)
    with pytest.raises(lp.InputError, match="has 20 tokens in documents of 16 or more"):
        batch_winners(tiny_model, random_text(20, *[10] * 20), batch=4, length=16, **where)
    scattered = random_text(*[10] * 20)
    with pytest.raises(lp.InputError, match=r"no document .* has 16 tokens \(the longest has 1"):
        batch_winners(tiny_model, scattered, batch=4, length=16, **where)
    with pytest.raises(lp.InputError, match="has 10 tokens that can be ranked, 20 are needed"):
        top_contexts(tiny_model, random_text(10), length=64, **where)
    with pytest.raises(lp.InputError, match="has 19 tokens that can be ranked, 20 are needed"):
        top_contexts(tiny_model, short, length=64, **where)
    for options, message in [
        ({"length": 256}, "length must be 2 to 128 tokens in this model; got 256"),
        ({"length": 128, "bos": True}, "length must be 2 to 127 tokens in this model with a BOS"),
        ({"units": [128]}, "no unit 128 at mlp_pre: this model has 0 to 127"),
        ({"units": []}, "units must be one or more different units"),
        ({"units": [1, 1]}, "units must be one or more different units"),
        ({"sink_factor": 1.0}, "sink_factor must be more than 1 median norm; got 1.0"),
        ({"batch": 0}, "batch must be 1 or more; got 0"),
        ({"site": "mlp"}, "unknown site 'mlp'"),
        ({"layer": 3}, "no layer 3: this model has layers 0 to 2"),
    ]:
        for function in (top_contexts, batch_winners):
            with pytest.raises(lp.InputError, match=message):
                function(tiny_model, TEXT, **{"length": 32, **where, **options})
    for options, message in [
        ({"k": 0}, "k must be 1 or more; got 0"),
        ({"overlap": 32}, "overlap must be less than length, 32; got 32"),
        ({"overlap": -1}, "overlap must be 0 or more; got -1"),
        ({"n_windows": 0}, "n_windows must be 1 or more; got 0"),
        ({"quantiles": (0.5, 2.0)}, "quantiles must be one or more numbers from 0 to 1"),
        ({"n_sampled": 5}, "n_sampled must be 20 or more; got 5"),
        ({"seed": -1}, "seed must be 0 or more; got -1"),
        ({"k": 2.5}, r"k must be a whole number; got 2\.5"),
        ({"length": 32.0}, r"length must be a whole number; got 32\.0"),
        ({"units": "a"}, "unit must be a whole number; got 'a'"),
        ({"units": [1.5]}, r"unit must be a whole number; got 1\.5"),
    ]:
        with pytest.raises(lp.InputError, match=message):
            top_contexts(tiny_model, TEXT, **{"length": 32, **where, **options})
    with pytest.raises(lp.InputError, match="seed must be 0 or more; got -1"):
        batch_winners(tiny_model, TEXT, units=1, n_batches=1, length=8, seed=-1, **where)
    with pytest.raises(lp.InputError, match="unit 3 was not read: this result has 1 units"):
        batch_winners(tiny_model, TEXT, units=1, n_batches=1, length=8, **where).counts(3)


def test_units_may_be_numpy_numbers(tiny_model: LensModel) -> None:
    found = top_contexts(
        tiny_model, TEXT, site="mlp_pre", layer=0, units=np.int64(3), k=2, length=32
    )
    assert found.names == ("L0.mlp_pre.3",)
    assert len(found.table(np.int64(3))) == len(found.table())


def test_a_batch_of_sinks_only_is_refused(sink_at_1: LensModel) -> None:
    with pytest.raises(lp.InputError, match="every position of a batch is an attention sink"):
        batch_winners(
            sink_at_1, TEXT, site="mlp_pre", layer=0, n_batches=2, batch=1, length=2,
            exclude_sinks=True, sink_factor=1.0001,
        )  # fmt: skip


def test_values_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    """Those at positions that loading reads refuse the model, those beyond are found when read."""
    save_tiny("gpt2", tmp_path)
    raw = AutoModelForCausalLM.from_pretrained(tmp_path)
    with torch.no_grad():
        raw.transformer.wpe.weight[20, 3] = float("nan")
    raw.save_pretrained(tmp_path)
    model = lp.load_model(tmp_path)
    assert len(top_contexts(model, TEXT, site="mlp_pre", layer=0, length=16).table(0))
    with pytest.raises(lp.InputError, match=r"not finite in .*float32: load the model"):
        top_contexts(model, TEXT, site="mlp_pre", layer=0, length=32)
    with torch.no_grad():
        raw.transformer.h[0].mlp.c_fc.bias[3] = float("nan")
    raw.save_pretrained(tmp_path)
    with pytest.raises(lp.InputError, match=r"in torch\.float32 its logits are not finite; its we"):
        lp.load_model(tmp_path)
    with pytest.raises(lp.InputError, match=r"float16 its logits are not finite; load it with dt"):
        lp.load_model(tmp_path, dtype="float16")
