"""The whole path: what is planted is found first, a shuffle finds nothing, results come back."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import lens_probes as lp
from lens_probes.model.load import LensModel
from lens_probes.report.words.summary import summary
from lens_probes.storage.folders import check_output_folder
from lens_probes.units.decision import preset_decision
from lens_probes.units.significance import decide

PLANTED = 77
NO_EXAMPLES = lp.Examples.from_tokens([[1]], 0, [0])


@pytest.fixture(scope="module")
def examples() -> lp.Examples:
    """240 windows; class 1 ends in a token of the upper half, every token once."""
    rng = np.random.default_rng(0)
    last = rng.permutation(np.arange(20, 380))[:240]
    tokens = rng.integers(1, 400, (240, 12))
    tokens[:, -1] = last
    return lp.Examples.from_tokens(
        tokens,
        -1,
        last >= 200,
        [f"w{int(t >= 200)}-{t % 12}" for t in last],
        [f"s{i % 17}" for i in range(240)],
    )


@pytest.fixture(scope="module")
def ten_words() -> lp.Examples:
    """Windows that end in one of five tokens of a class: words differ much, classes do not."""
    tokens = np.random.default_rng(1).integers(1, 400, (60, 12))
    tokens[:, -1] = 50 + np.arange(60) % 10
    return lp.Examples.from_tokens(tokens, -1, np.arange(60) % 2, [f"w{i % 10}" for i in range(60)])


@pytest.fixture(scope="module")
def planted(tiny_folders: dict[str, Path], examples: lp.Examples) -> LensModel:
    """A tiny GPT-2 in which one MLP unit of layer 1 reads the direction between the classes."""
    model = lp.load_model(tiny_folders["gpt2"])
    seen = lp.collect(model, examples, sites=["resid_mid"], layers=[1])[1, "resid_mid"]
    x = seen - seen.mean(1, keepdims=True)
    x = x / x.std(1, keepdims=True)
    centred = np.c_[x, np.ones(len(x))]
    weights = np.linalg.lstsq(centred, examples.label * 2.0 - 1.0, rcond=None)[0]
    norm, c_fc = (
        model.tl.original_model.transformer.h[1].get_submodule(name)
        for name in ("ln_2", "mlp.c_fc")
    )
    parameters = dict(c_fc.named_parameters())
    with torch.no_grad():
        gain = dict(norm.named_parameters())
        scale = next(v for k, v in gain.items() if k.endswith("weight"))
        shift = next(v for k, v in gain.items() if k.endswith("bias"))
        column = torch.from_numpy(weights[:-1]).float() / scale
        next(v for k, v in parameters.items() if k.endswith("weight"))[:, PLANTED] = column
        next(v for k, v in parameters.items() if k.endswith("bias"))[PLANTED] = -shift @ column
    return model


@pytest.mark.model
def test_planted_unit_comes_first_and_a_shuffle_finds_nothing(
    planted: LensModel, examples: lp.Examples
) -> None:
    for preset in ("rigorous", "course"):
        result = lp.sweep(planted, examples, sites=["mlp_pre", "q", "v"], preset=preset)
        best = result.top(1).iloc[0]
        assert best["name"] == f"L1.mlp_pre.{PLANTED}"
        assert best["direction"] == 1
        assert best["significant"] or (preset, best["status"]) == ("course", "separated")
        rng = np.random.default_rng(3)
        shuffled = replace(examples, label=rng.permutation(examples.label), word=None)
        null = lp.sweep(planted, shuffled, sites=["mlp_pre", "q", "v"], preset=preset)
        assert null.units["significant"].sum() <= 1


@pytest.mark.model
def test_rigorous_answer_sets_words_beside_tokens(
    planted: LensModel, examples: lp.Examples
) -> None:
    result = lp.sweep(planted, examples, sites=["mlp_pre", "q"])
    best = result.top(1).iloc[0]
    assert best["p_corrected"] == pytest.approx(1 / 1001)
    assert best["auc_heldout"] > 0.65
    assert best["auc_heldout_passage"] > 0.65
    assert best["log10_word_p"] < -5
    said = " ".join(summary(result))
    assert "Test: max-T permutation of groups, alpha 0.05." in said
    assert "Counting tokens it would be" in said
    assert "Independent groups of words: 12 v 12." in said
    assert "With untrained weights: 0 units." in said
    g, low, high = (result.units[f"g_group{end}"].to_numpy() for end in ("", "_low", "_high"))
    shrunk = lp.stats.shrink(g, (high - low) / 3.92)
    np.testing.assert_array_equal(result.units["g_group_shrunk"], shrunk.shrunk)
    np.testing.assert_array_equal(result.units["g_group_shrunk_high"], shrunk.shrunk_high)
    assert 0 < abs(best["g_group_shrunk"]) < abs(best["g_group"])
    layer = result.layers.set_index(["layer", "site"]).loc[(1, "mlp_pre")]
    assert layer["best_unit_auc_heldout"] > 0.65
    assert layer["best_unit_refound"] in (0.2, 0.4, 0.6, 0.8, 1.0)
    nested = result.validation["nested_best"]
    assert [name.split(".")[0] for name in nested["chosen_unit"]].count("L1") >= 3
    assert nested["chosen_array"].count([1, "mlp_pre"]) >= 3
    assert 0.6 < nested["unit"]["auc"] <= nested["unit"]["high"] <= 1
    assert layer["selectivity"] > 0.05
    assert layer["mean_accuracy_significant_positive_heldout"] > 0.6
    assert (result.layers["untrained_share_significant"] < 0.02).all()
    tokens, words = (result.validation["nulls"][kind] for kind in ("tokens", "words"))
    assert tokens["unit"] == pytest.approx(0.05, abs=0.02)
    assert words["nominal"] == 0.05
    assert "12 and 12 groups, 1000 are sampled" in result.validation["resolution"]


@pytest.mark.model
def test_word_identity_is_not_a_category(tiny_model: LensModel, ten_words: lp.Examples) -> None:
    """Ten random words in two classes: tokens make it look like tuning, words do not."""
    more = lp.Examples.from_tokens(
        np.tile(ten_words.tokens, (3, 1)), -1, np.tile(ten_words.label, 3),
        np.tile(ten_words.word, 3),
    )  # fmt: skip
    result = lp.sweep(tiny_model, more, sites=["mlp_pre", "q"], untrained=False)
    assert result.units["significant"].mean() < 0.01
    assert result.layers["share_significant_token_level"].max() > 0.1
    assert result.validation["nulls"]["words"]["family"] > 0.5
    assert result.validation["nulls"]["tokens"]["family"] < 0.15


@pytest.mark.model
def test_without_words_the_result_says_why(tiny_model: LensModel, examples: lp.Examples) -> None:
    result = lp.sweep(
        tiny_model, replace(examples, word=None), sites=["q"], layers=0, untrained=False
    )
    assert result.units[["word_t", "word_p", "icc", "effective_n"]].isna().all(axis=None)
    assert "no word types were given" in result.validation["notes"][0]
    assert result.provenance["decision"]["level"] == "token"
    assert result.validation["held_out_by"] == "passage"
    np.testing.assert_array_equal(result.units["auc_heldout"], result.units["auc_heldout_passage"])


@pytest.mark.model
@pytest.mark.parametrize(
    ("word", "why"),
    [
        ([f"w{i // 2}" for i in range(60)], "60 examples of groups with both classes are set"),
        ([f"w{i % 3}" for i in range(60)], "0 v 0 replication groups have 1 example or more"),
        ([f"w{i % 2}" for i in range(60)], "1 v 1 replication groups have 1 example or more"),
        ([f"w{i % 10 // 4 * 2 + i % 2}" for i in range(60)], "the smallest p is"),
        (None, "no word types were given"),
    ],
)
def test_where_words_cannot_decide_tokens_do_and_the_result_says_why(
    tiny_model: LensModel, ten_words: lp.Examples, word: list[str] | None, why: str
) -> None:
    given = lp.Examples.from_tokens(ten_words.tokens, -1, ten_words.label, word)
    result = lp.sweep(tiny_model, given, sites=["q"], layers=0, untrained=False)
    decision = result.provenance["decision"]
    assert (decision["level"], decision["p_column"], decision["method"]) == (
        "token", "score_p", "holm",
    )  # fmt: skip
    assert why in decision["why"]
    assert why in result.validation["resolution"]
    said = "no word types were given" if word is None else "which cannot decide"
    assert said in summary(result)[-1]
    assert result.units["t"].notna().all()
    with pytest.raises(lp.InputError, match="Or decide with level token"):
        lp.sweep(tiny_model, given, sites=["q"], layers=0, method="max_t")


@pytest.mark.model
def test_smallest_and_oddest_requests_still_give_a_table(tiny_folders: dict[str, Path]) -> None:
    model = lp.load_model(tiny_folders["gpt2"])
    rng = np.random.default_rng(0)
    four = lp.Examples.from_tokens(rng.integers(1, 400, (4, 3)), -1, [0, 1, 0, 1])
    assert lp.sweep(model, four, sites=["q"], layers=np.int64(1)).units["t"].notna().all()
    long = lp.Examples.from_tokens(rng.integers(1, 400, (8, 200)), 5, np.arange(8) % 2)
    result = lp.sweep(model, long, sites=["q"], layers=0)
    assert max(len(painting.pieces) for painting in result.paintings) == 128
    with torch.no_grad():
        c_fc = model.tl.original_model.transformer.h[0].get_submodule("mlp.c_fc")
        for parameter in c_fc.parameters():
            parameter.zero_()
    words = [f"w{i % 10}" for i in range(80)]
    dead = lp.Examples.from_tokens(rng.integers(1, 400, (80, 3)), -1, np.arange(80) % 2, words)
    result = lp.sweep(model, dead, sites=["mlp_pre"], layers=0)
    assert (result.units["status"] == "constant").all()
    assert not result.units["significant"].any()
    assert "all are constant" in " ".join(summary(result))


@pytest.mark.model
def test_units_table_has_the_named_columns(tiny_model: LensModel, examples: lp.Examples) -> None:
    units = lp.sweep(tiny_model, examples, sites=["mlp_pre", "k"], layers=[0, 2]).units
    assert len(units) == 2 * (128 + 32)
    named = """layer site unit name n0 n1 mean0 mean1 sd0 sd1 n_distinct direction t t_dof t_p
        log10_t_p welch_t welch_dof welch_p log10_welch_p hedges_g g_low g_high intercept beta
        beta_se beta_std wald_z wald_p log10_wald_p lrt_p log10_lrt_p score_p log10_score_p
        accuracy balanced_accuracy auc auc_se accuracy_heldout auc_heldout
        accuracy_heldout_passage auc_heldout_passage word_t word_p log10_word_p icc effective_n
        firth_p log10_firth_p p_corrected log10_p_corrected significant status"""
    for column in named.split():
        assert column in units, column
    x = lp.collect(tiny_model, examples, sites=["k"], layers=[2])[2, "k"]
    row = units[units["name"] == "L2.k.h3.5"].iloc[0]
    assert row["mean1"] == pytest.approx(x[examples.label == 1, 3 * 8 + 5].mean(dtype=float))


@pytest.mark.model
def test_layers_table_counts_what_units_say(tiny_model: LensModel, ten_words: lp.Examples) -> None:
    result = lp.sweep(tiny_model, ten_words, sites=["mlp_pre", "q"], method="bh", level="token")
    for row in result.layers.itertuples():
        group = result.units[(result.units.layer == row.layer) & (result.units.site == row.site)]
        significant = group[group.significant]
        positive = significant[significant.mean1 > significant.mean0]
        assert row.n_units == row.n_tested == len(group)
        assert row.share_significant == len(significant) / len(group)
        assert row.share_significant_positive == len(positive) / len(group)
        if len(positive):
            assert row.mean_accuracy_significant_positive == pytest.approx(positive.accuracy.mean())
        else:
            assert np.isnan(row.mean_accuracy_significant_positive)
    assert 0 < result.layers["n_significant"].sum() < len(result.units)


@pytest.mark.model
def test_a_dead_unit_is_counted_and_left_out_of_the_family(
    tiny_folders: dict[str, Path], examples: lp.Examples
) -> None:
    model = lp.load_model(tiny_folders["gpt2"])
    c_fc = model.tl.original_model.transformer.h[0].get_submodule("mlp.c_fc")
    with torch.no_grad():
        for name, parameter in c_fc.named_parameters():
            parameter[..., 5] = 1.5 if name.endswith("bias") else 0.0
    result = lp.sweep(model, examples, sites=["mlp_pre"], layers=[0])
    dead = result.units.iloc[5]
    assert dead["status"] == "constant"
    assert dead[["t", "beta", "score_p", "p_corrected"]].isna().all()
    assert not dead["significant"]
    assert result.layers.iloc[0]["n_constant"] == 1
    assert result.provenance["decision"]["left_out"] == 1
    assert result.provenance["decision"]["m_largest"] == 127


@pytest.mark.model
def test_nan_names_layer_site_unit_and_example(
    tiny_folders: dict[str, Path], examples: lp.Examples
) -> None:
    model = lp.load_model(tiny_folders["gpt2"])
    c_fc = model.tl.original_model.transformer.h[1].get_submodule("mlp.c_fc")
    with torch.no_grad():
        next(p for n, p in c_fc.named_parameters() if n.endswith("bias"))[9] = float("nan")
    with pytest.raises(lp.InputError, match=r"layer 1, site mlp_pre: .*unit 9.*example 0"):
        lp.sweep(model, examples, sites=["mlp_pre"], layers=[1])


def made_units(p: np.ndarray, status: str = "ok") -> pd.DataFrame:
    sites = np.repeat(["mlp_pre", "q", "k", "v"], 4)
    table = pd.DataFrame({"layer": np.tile([0, 0, 1, 1], 4), "site": sites, "status": status})
    with np.errstate(divide="ignore"):
        return table.assign(
            wald_p=p, log10_wald_p=np.log10(p), score_p=p, log10_score_p=np.log10(p)
        )


@pytest.mark.parametrize(
    ("preset", "scope", "sizes", "families"),
    [
        ("course", None, {2, 6}, 4),  # mlp_pre alone, q + k + v together, in each of two layers
        ("rigorous", "layer", {2}, 8),
        ("rigorous", "site", {4}, 4),
        ("rigorous", None, {16}, 1),
    ],
)
def test_families(preset: str, scope: str | None, sizes: set[int], families: int) -> None:
    units = made_units(np.full(16, 0.001))
    level = None if preset == "course" else "token"
    decision = preset_decision(preset, method="bonferroni", level=level, scope=scope)
    table, said = decide(units, decision, [], NO_EXAMPLES)
    assert set((table["p_corrected"] / 0.001).round().astype(int)) == sizes
    assert said["n_families"] == families
    assert {said["m_smallest"], said["m_largest"]} <= sizes


def test_course_counts_units_without_a_wald_p_as_not_significant() -> None:
    p = np.full(16, 1e-9)
    p[0] = np.nan
    units = made_units(p)
    units.loc[0, "status"] = "separated"
    table, said = decide(units, preset_decision("course"), [], NO_EXAMPLES)
    assert not table["significant"][0]
    assert said["left_out"] == 0
    units.loc[0, "status"] = "constant"
    table, said = decide(units, preset_decision("course"), [], NO_EXAMPLES)
    assert np.isnan(table["p_corrected"][0])
    assert said["left_out"] == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"preset": "rigourous"}, "unknown preset 'rigourous'.*Did you mean 'rigorous'"),
        ({"method": "fdr"}, "unknown method 'fdr': choose from max_t, max_adjusted, bonferroni"),
        ({"method": "max_t", "preset": "course"}, "the course preset counts tokens, without max_t"),
        ({"n_permutations": 0}, "n_permutations must be 1 or more"),
        (
            {"n_permutations": 9, "method": "max_t"},
            "the smallest p is 0.1, but max_t needs 0.05.*level token",
        ),
        ({"scope": "all"}, "unknown scope 'all'"),
        ({"alpha": 0.0}, "alpha must lie between 0 and 1"),
        ({"sites": ["mlp"]}, "unknown site 'mlp'"),
        ({"layers": [99]}, "no layer 99"),
    ],
)
@pytest.mark.model
def test_refusals(
    tiny_model: LensModel, examples: lp.Examples, options: dict[str, object], message: str
) -> None:
    with pytest.raises(lp.InputError, match=message):
        lp.sweep(tiny_model, examples, **options)


@pytest.mark.model
def test_a_class_needs_two_examples(tiny_model: LensModel) -> None:
    one = lp.Examples.from_tokens([[1], [2], [3]], 0, [0, 0, 1], class_names=("a", "b"))
    with pytest.raises(lp.InputError, match="class 'b' has 1 examples: 2 or more are needed"):
        lp.sweep(tiny_model, one)


@pytest.fixture(scope="module")
def result(tiny_models: dict[str, LensModel], ten_words: lp.Examples) -> lp.SweepResult:
    return lp.sweep(
        tiny_models["llama"], ten_words, sites=["mlp_pre", "k"], method="bh", level="token"
    )


@pytest.mark.model
def test_saved_results_come_back(result: lp.SweepResult, tmp_path: Path) -> None:
    folder = result.save(tmp_path / "deep" / "run")
    back = lp.SweepResult.load(folder)
    for name in ("units", "layers", "examples", "evidence"):
        pd.testing.assert_frame_equal(getattr(back, name), getattr(result, name))
    assert back.provenance == json.loads(json.dumps(result.provenance))
    assert back.paintings == result.paintings
    assert len(back.paintings) == 6
    assert [p for p in (tmp_path / "deep").iterdir() if p != folder] == []
    with pytest.raises(lp.InputError, match="already holds a result: name another one"):
        result.save(folder)


@pytest.mark.model
@pytest.mark.parametrize("damage", ["flip", "cut", "lose", "manifest", "none"])
def test_damaged_results_are_noticed(result: lp.SweepResult, tmp_path: Path, damage: str) -> None:
    folder = result.save(tmp_path / "run")
    units = folder / "units.parquet"
    data = bytearray(units.read_bytes())
    if damage == "flip":
        data[len(data) // 2] ^= 1
        units.write_bytes(data)
    elif damage == "cut":
        units.write_bytes(data[:-10])
    elif damage == "lose":
        units.unlink()
    elif damage == "manifest":
        (folder / "result.json").write_text("{}")
    else:
        (folder / "result.json").unlink()
    with pytest.raises(lp.InputError):
        lp.SweepResult.load(folder)


def test_output_folders(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert check_output_folder(tmp_path / "empty") == tmp_path / "empty"
    (tmp_path / "file").write_text("x")
    with pytest.raises(lp.InputError, match="is a file"):
        check_output_folder(tmp_path / "file")
    with pytest.raises(lp.InputError, match="cannot write to output folder"):
        check_output_folder(tmp_path / "file" / "below")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("x")
    with pytest.raises(lp.InputError, match="already holds files"):
        check_output_folder(tmp_path / "full")
    assert (tmp_path / "full" / "x").read_text() == "x"


@pytest.mark.model
def test_same_request_same_result(tiny_model: LensModel, examples: lp.Examples) -> None:
    a, b = (lp.sweep(tiny_model, examples, sites=["mlp_pre", "z"]) for _ in range(2))
    pd.testing.assert_frame_equal(a.units, b.units, check_exact=True)
    assert a.provenance == b.provenance
    assert a.paintings == b.paintings


@pytest.mark.model
def test_paintings_show_the_unit_on_the_tokens(
    tiny_model: LensModel, examples: lp.Examples
) -> None:
    result = lp.sweep(tiny_model, examples, sites=["mlp_pre"])
    best = result.top(1).iloc[0]
    values = lp.collect(tiny_model, examples, sites=["mlp_pre"], layers=int(best["layer"]))
    read = values[int(best["layer"]), "mlp_pre"][:, int(best["unit"])]
    for painting in result.paintings:
        assert painting.unit == best["name"]
        assert painting.target is not None
        assert np.abs(read - painting.values[painting.target]).min() < 1e-4
    windows = [tiny_model.tokenizer.decode(tokens) for tokens in examples.tokens]
    assert all("".join(painting.pieces) in windows for painting in result.paintings)
    with pytest.raises(lp.InputError, match="no unit 128 at mlp_pre"):
        lp.paint(tiny_model, [[1, 2]], layer=0, site="mlp_pre", unit=128)
    with pytest.raises(lp.InputError, match="must be a non-empty row of whole numbers"):
        lp.paint(tiny_model, [[]], layer=0, site="mlp_pre", unit=1)


@pytest.mark.model
def test_top_and_answer(result: lp.SweepResult) -> None:
    top = result.top(5, site="k", direction=-1)
    assert (top["site"] == "k").all()
    assert (top["direction"] == -1).all()
    assert top["log10_score_p"].is_monotonic_increasing
    for options, message in [({"site": "q"}, "unknown site 'q'"), ({"layer": 9}, "unknown layer")]:
        with pytest.raises(lp.InputError, match=message):
            result.top(**options)
    sentences = summary(result)
    said = " ".join(sentences)
    high = result.layers.loc[result.layers["n_significant"].idxmax()]
    assert f"most in layer {high['layer']} of {high['site']}." in said
    n = int(result.units["significant"].sum())
    assert f"{n:,} of {result.layers['n_tested'].sum():,} tested units" in said
    assert result.top(1)["name"][0] in said
    assert "Verdict" not in said
    assert "count tokens, not the 5 v 5 groups of words" in sentences[-1]
    blind = replace(
        result,
        provenance={
            **result.provenance,
            "examples": {**result.provenance["examples"], "n_groups_per_class": [0, 0]},
        },
    )
    assert "word identity alone" in summary(blind)[-1]


def test_a_name_is_the_function_even_after_its_room_is_imported() -> None:
    import lens_probes.ablation.run
    import lens_probes.replication.replicate

    assert callable(lens_probes.ablate)
    assert callable(lp.replicate)
    assert set(lp.__all__) == set(lp._WHERE)
    assert len(lp.__all__) <= 45
    for name in lp.__all__:
        assert getattr(lp, name) is not None
    with pytest.raises(AttributeError):
        _ = lp.nothing
