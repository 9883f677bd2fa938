"""Tables of one's own: the same examples from tokens, files and frames; targets, labels, groups."""

from __future__ import annotations

from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from public_functions import ODD
from test_requests import answered
from tiny_models import PROSE

import lens_probes as lp
from lens_probes.cli import main
from lens_probes.examples.labels import labels_of
from lens_probes.model.load import LensModel
from lens_probes.probes.again import probe_again
from lens_probes.report.repeat import python_lines
from lens_probes.storage.json_values import to_json_value
from lens_probes.texts.user_table import read_table

pytestmark = pytest.mark.model

FEW = {
    "text": ["We can go.", "They cannot go.", "We will see.", "Nobody will."],
    "label": list("abab"),
}
WORDS = (
    ("can", "will", "may", "could", "do", "go"),
    ("not", "never", "nothing", "cannot", "nobody", "dark"),
)


def windows(n: int) -> pd.DataFrame:
    """Rows of a sentence, the characters of a word in it, and the word's class."""
    rng, rows = np.random.default_rng(0), []
    for i in range(n):
        word = WORDS[i % 2][i // 2 % 6]
        before = " ".join(rng.choice(PROSE.split(), rng.integers(2, 8)))
        after = " ".join(rng.choice(PROSE.split(), 3))
        start = len(before) + 1
        row = {"sentence": f"{before} {word} {after}", "start": start, "end": start + len(word)}
        rows.append(row | {"sense": ("yes", "no")[1 - i % 2]})
    return pd.DataFrame(rows)


class Frame:
    """What another library's data frame can do."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame

    def to_pandas(self) -> pd.DataFrame:
        return self.frame


def read(model: LensModel, examples: lp.Examples) -> list[str]:
    """What stands at the tokens that are read."""
    first = examples.position - examples.spans + 1
    rows = zip(examples.tokens, first, examples.position, strict=True)
    return [model.tokenizer.decode(row[a : b + 1]) for row, a, b in rows]


def test_tokens_files_and_frames_give_one_table(tiny_model: LensModel, tmp_path: Path) -> None:
    frame = windows(600)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    frame.to_json(tmp_path / "rows.jsonl", orient="records", lines=True)
    frame.to_parquet(tmp_path / "rows.parquet")
    names = ("rows.csv", "rows.jsonl", "rows.parquet")
    rows = [frame, Frame(frame), frame.to_dict("list"), frame.to_dict("records")]
    probes = [lp.LabelledProbe(given) for given in [*(tmp_path / name for name in names), *rows]]
    examples = [probe.examples(tiny_model) for probe in probes]
    assert len(examples[0]) == 600
    assert len({one.digest for one in examples}) == 1
    texts = zip(frame["sentence"], frame["start"], frame["end"], strict=True)
    targets = [(text[:start].rstrip(), text[start:end]) for text, start, end in texts]
    ids = [
        [*tiny_model.tokenizer(before)["input_ids"], *tiny_model.tokenizer(f" {word}")["input_ids"]]
        for before, word in targets
    ]
    label = (frame["sense"] == "yes").astype(int)
    own = lp.Examples.from_tokens(ids, -1, label, word=[word for _, word in targets])
    spans = list(zip(frame["start"], frame["end"], strict=True))
    from_texts = lp.Examples.from_texts(tiny_model, frame["sentence"], label, spans)
    tables = [
        lp.sweep(tiny_model, given, layers=1, n_permutations=200, untrained=False)
        for given in (own, from_texts, probes[0], frame_probe(frame))
    ]
    for table in tables[1:]:
        pd.testing.assert_frame_equal(table.units, tables[0].units, check_exact=True)
        pd.testing.assert_frame_equal(table.layers, tables[0].layers, check_exact=True)
    assert tables[0].provenance["decision"]["level"] == "word"


def frame_probe(frame: pd.DataFrame) -> lp.LabelledProbe:
    """Of a frame whose rows are called by something else than their number."""
    return lp.LabelledProbe(frame.set_index(pd.Index([f"r{i}" for i in range(len(frame))])))


def test_a_target_of_several_tokens(tiny_model: LensModel) -> None:
    texts, spans = ["We saw quokkas there.", "We saw zebras there."], [(7, 14), (7, 13)]

    def made(**options: Any) -> lp.Examples:
        return lp.Examples.from_texts(tiny_model, texts * 2, [0, 1, 0, 1], spans * 2, **options)

    last, first, mean, every = (made(read=r) for r in ("last", "first", "mean", "every"))
    np.testing.assert_array_equal(first.position, last.first)
    assert read(tiny_model, mean)[:2] == ["quokkas", "zebras"]
    assert list(mean.word[:2]) == ["quokkas", "zebras"]
    assert "".join(read(tiny_model, every)).count("quokkaszebras") == 2
    assert len(every) == 2 * sum(mean.spans[:2])
    assert (every.spans == 1).all()
    assert set(made(context="word", read="mean").first) == {0}
    assert last.document is not None, "two examples of one text"


def test_what_is_kept_before_a_target(tiny_model: LensModel) -> None:
    text = "It is so. We can go there, and they will see it."
    spans = [
        (text.index("can"), text.index("can") + 3),
        (text.index("will"), text.index("will") + 4),
    ]

    def before(**options: Any) -> list[str]:
        given = lp.Examples.from_texts(tiny_model, [text] * 4, [0, 1] * 2, spans * 2, **options)
        rows = zip(given.tokens[:2], given.position[:2], strict=True)
        return [tiny_model.tokenizer.decode(row[: end + 1]) for row, end in rows]

    assert before() == ["It is so. We can", "It is so. We can go there, and they will"]
    sentence = [one.strip() for one in before(context="sentence")]
    assert sentence == ["We can", "We can go there, and they will"]
    assert before(context="word") == [" can", " will"]
    assert before(context="window", before=2, after=1)[0].endswith(" We can")
    assert before(bos=True)[0].startswith("<|endoftext|>It is")


def test_whole_texts_are_their_own_groups(tiny_model: LensModel) -> None:
    examples = lp.LabelledProbe(FEW).examples(tiny_model)
    assert examples.word is None
    assert read(tiny_model, examples) == ["."] * 4
    assert len(set(examples.group)) == 4
    twice = {"text": FEW["text"] * 2, "label": list("abab") * 2}
    assert len(set(lp.LabelledProbe(twice).examples(tiny_model).group)) == 4
    given = FEW | {"group": [1, 2, 1, 2]}
    assert len(set(lp.LabelledProbe(given).examples(tiny_model).group)) == 2
    assert len(set(lp.LabelledProbe(given, group="").examples(tiny_model).group)) == 4
    mean = lp.LabelledProbe(FEW, read="mean").examples(tiny_model)
    assert read(tiny_model, mean) == FEW["text"]
    every = lp.LabelledProbe(FEW, read="every").examples(tiny_model)
    assert len(every) == mean.spans.sum()
    assert len(set(every.group)) == 4


def test_senses_of_one_word_are_tested_over_texts(tiny_model: LensModel) -> None:
    rows = [
        {"text": f"{PROSE.split('.')[i]} can", "word": "can", "sense": i % 2}
        for i in (0, 1, 2, 4, 5, 6)
    ]
    examples = lp.LabelledProbe(
        [
            {**row, "text": row["text"].replace("can", "may", row["text"].count("can") - 1)}
            for row in rows
        ]
    ).examples(tiny_model)
    assert set(examples.word) == {"can"}
    assert examples.class_names == ("sense 0", "sense 1")
    assert len(set(examples.group)) == len(examples)


def test_numbers_are_a_continuous_label(tiny_model: LensModel) -> None:
    rows = {
        "text": [f"We go {i} {i % 7}." for i in range(12)],
        "score": [i**0.5 for i in range(12)],
    }
    probe = lp.LabelledProbe(rows, label="score")
    examples = probe.examples(tiny_model)
    np.testing.assert_array_equal(examples.value, rows["score"])
    assert probe.question == "Which units follow score?"
    result = lp.sweep(tiny_model, probe, layers=0, untrained=False, n_permutations=50)
    assert result.provenance["decision"]["level"] == "word"
    assert "r" in result.units
    course = lp.sweep(tiny_model, lp.LabelledProbe.course(rows, label="score"), preset="course")
    assert course.provenance["decision"]["p_column"] == "r_p"


def test_two_classes_are_chosen_among_several(tiny_model: LensModel) -> None:
    rows = {"text": FEW["text"] * 2, "class": ["b", "a", "c", "b", "a", "c", "a", "b"]}
    every = lp.LabelledProbe(rows)
    assert every.class_names == ("a", "b", "c")
    assert every.examples(tiny_model).n_per_class == (3, 3, 2)
    lone = rows | {"class": ["b", "a", "c", "b", "a", "b", "a", "b"]}
    with pytest.raises(lp.InputError, match="only 'c': several classes need 2 examples or more"):
        lp.LabelledProbe(lone)
    examples = lp.LabelledProbe(rows, classes=("c", "a")).examples(tiny_model)
    assert examples.class_names == ("c", "a")
    assert examples.n_per_class == (2, 3)
    assert examples.counts["left out: other labels"] == 3
    codes = rows | {"class": [2, 1, 3, 2, 1, 3, 1, 2]}
    assert lp.LabelledProbe(codes, classes=(3, 1)).class_names == ("class 3", "class 1")


def test_files_of_one_word_a_line(tiny_model: LensModel, tmp_path: Path) -> None:
    lines = [
        "-DOCSTART- -X- O",
        "",
        "We PRP X",
        "go VBP V",
        "",
        "They PRP X",
        "see VBP V",
        "it PRP N",
    ]
    (tmp_path / "a.conll").write_text("\n".join(lines) + "\n\n")
    universal = [
        f"{i}\t{word}\t_\t{tag}\t_\t_\t0\troot\t_\t_"
        for i, (word, tag) in enumerate([("We", "X"), ("go", "V")], 1)
    ]
    more = [universal[0].replace("We", "They"), universal[1].replace("go", "see"),
            universal[1].replace("2\tgo", "3\tit").replace("V", "N")]  # fmt: skip
    noise = universal[0].replace("1\t", "1-2\t")
    text = "\n".join(["# text = We go", noise, *universal, "", *more])
    (tmp_path / "a.conllu").write_text(text)
    lists = {"words": [["We", "go"], ["They", "see", "it"]], "tags": [["X", "V"], ["X", "V", "N"]]}
    made = [
        lp.LabelledProbe(rows, classes=("X", "V")).examples(tiny_model)
        for rows in (tmp_path / "a.conll", tmp_path / "a.conllu", lists)
    ]
    assert len({one.digest for one in made}) == 1
    assert list(made[0].word) == ["we", "go", "they", "see"]
    table = read_table(tmp_path / "a.conll")
    assert table.rows == [3, 6]
    (tmp_path / "b.conll").write_text("We X\ngo\n")
    with pytest.raises(lp.InputError, match=r"b.conll, row 2 has 1 columns, not 2"):
        lp.LabelledProbe(tmp_path / "b.conll")
    (tmp_path / "b.conllu").write_text("We\tX\n")
    with pytest.raises(lp.InputError, match=r"row 1 has 2 columns, not 10"):
        lp.LabelledProbe(tmp_path / "b.conllu")
    (tmp_path / "c.conll").write_text("\n\n")
    with pytest.raises(lp.InputError, match=r"no rows|is empty"):
        lp.LabelledProbe(tmp_path / "c.conll")


def test_lists_of_words_and_tags(tiny_model: LensModel, tmp_path: Path) -> None:
    file = tmp_path / "tags.jsonl"
    file.write_text(
        '{"words": ["We", "go", "there", "."], "tags": ["X", "V", "N", "X"], "source": "a"}\n'
        '{"words": ["They", "see", "rivers"], "tags": ["X", "V", "N"], "source": "b"}\n'
    )
    probe = lp.LabelledProbe(file, classes=("N", "V"))
    examples = probe.examples(tiny_model)
    assert list(examples.word) == ["go", "there", "see", "rivers"]
    assert list(examples.label) == [1, 0, 1, 0]
    assert list(examples.source) == ["a", "a", "b", "b"]
    mean = lp.LabelledProbe(file, classes=("N", "V"), read="mean").examples(tiny_model)
    assert [one.strip() for one in read(tiny_model, mean)] == list(examples.word)
    assert len(set(examples.document)) == 2


def test_a_target_is_found_in_its_text(tiny_model: LensModel) -> None:
    rows = {
        "sentence": ["They don\u2019t see.", "Will he? I will not.", "We can, cannot.", "NOT so."],
        "word": ["don't", "will", "can", "not"],
        "label": [0, 1, 0, 1],
    }
    examples = lp.LabelledProbe(rows, read="mean").examples(tiny_model)
    assert [one.strip() for one in read(tiny_model, examples)] == [
        "don\u2019t",
        "will",
        "can",
        "NOT",
    ]
    assert list(examples.word) == ["don't", "will", "can", "not"]
    assert list(lp.LabelledProbe(rows, word="label").examples(tiny_model).word) == list("0101")


def test_pairs_stay_whole(tiny_model: LensModel) -> None:
    rows = FEW | {"pair": ["x", "x", "y", "y"]}
    examples = lp.LabelledProbe(rows).examples(tiny_model)
    assert list(examples.pair) == [0, 0, 1, 1]
    cut = {
        "text": ["We go.", "We see.", "I cannot.", "I can.", "I will.", "I do."],
        "start": [3, 3, 2, 2, 2, 2], "end": [5, 6, 4, 5, 6, 4],
        "label": list("ababab"), "pair": list("112233"),
    }  # fmt: skip
    examples = lp.LabelledProbe(cut).examples(tiny_model)
    assert examples.counts["dropped: its pair was dropped"] == 1
    assert len(examples) == 4


def test_long_texts_are_read_as_far_as_the_model_goes(tiny_model: LensModel) -> None:
    texts = ["We can go. " + PROSE * 4, "We will go. " + PROSE * 4] * 2
    spans = [(3, 6), (3, 7)] * 2
    examples = lp.Examples.from_texts(tiny_model, texts, [0, 1] * 2, spans)
    assert examples.tokens.shape[1] == 128
    with pytest.raises(lp.InputError, match=r"example 0 has .* the model takes 128"):
        lp.Examples.from_texts(tiny_model, texts, [0, 1] * 2)


def test_a_result_says_which_file_and_can_be_made_again(
    tiny_model: LensModel, tmp_path: Path
) -> None:
    file = tmp_path / "rows.csv"
    windows(48).to_csv(file, index=False)
    probe = lp.LabelledProbe(file)
    result = lp.sweep(tiny_model, probe, layers=0, untrained=False, n_permutations=20)
    result = lp.SweepResult.load(result.save(tmp_path / "run"))
    origin = result.provenance["examples"]["origin"]
    assert origin["rows"] == to_json_value(read_table(file).origin)
    assert origin["columns"]["label"] == "sense"
    again = probe_again(origin)
    assert again.examples(tiny_model).digest == result.provenance["examples"]["sha256"]
    lines = python_lines(result).split("\nmodel =")[0]
    names: dict[str, Any] = {}
    exec(lines, names)
    assert names["probe"].examples(tiny_model).digest == again.examples(tiny_model).digest
    other = probe_again(origin, rows=windows(12))
    assert len(other.examples(tiny_model)) == 12
    file.write_text(file.read_text() + "We can go,3,6,yes\n")
    with pytest.raises(lp.InputError, match="not what the first sweep read"):
        probe_again(origin)
    memory = lp.LabelledProbe(windows(12)).examples(tiny_model).origin
    with pytest.raises(lp.InputError, match="were given in memory"):
        probe_again(to_json_value(dict(memory)))


def test_new_rows_replicate_a_sweep(
    tiny_folders: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, rows in (("one", windows(48)), ("two", windows(96)[48:])):
        rows.to_csv(tmp_path / f"{name}.csv")  # with its index, a column without a name
    given = f"--model {tiny_folders['gpt2']} --layers 0 --quiet --no-untrained --permutations 50"
    run, file = str(tmp_path / "run"), str(tmp_path / "one.csv")
    assert main(["sweep", "labelled", file, "--out", run, *given.split()]) == 0
    assert "rows 48; examples 48" in Path(run, "answer.txt").read_text("utf-8")
    capsys.readouterr()
    other = ["--rows", str(tmp_path / "two.csv"), "--quiet", "--permutations", "50"]
    assert main(["replicate", run, *other]) == 0
    assert "24 v 24 examples of 6 v 6 word types" in capsys.readouterr().out
    assert main(["replicate", run, "--text", "x", "--out", str(tmp_path / "no"), "--quiet"]) == 2


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv", b"\xef\xbb\xbftext;label\r\nWe go, too;a\r\n\r\nI go;b\r\n"),
        ("a.tsv", b'text\tlabel\n"We go, too"\ta\n\nI go\tb'),
        ("a.csv", b'text,label\n"We go, too",a\n\nI go,b\n'),
        ("a.ndjson", b'\n{"text": "We go, too", "label": "a"}\n\n{"label": "b", "text": "I go"}'),
    ],
)
def test_ways_to_write_a_table(name: str, data: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    table = read_table(tmp_path / name)
    assert dict(table.columns) == {"text": ["We go, too", "I go"], "label": ["a", "b"]}
    assert list(table.rows) == [2, 4]


def test_labels() -> None:
    def of(*cells: Any, **options: Any) -> Any:
        return labels_of(cells, "y", str, **options)

    assert of("1", "0", "1.0").class_names == ("y 0", "y 1")
    assert of(True, False).class_names == ("False", "True")
    assert of("b", " a ", "b").label.tolist() == [1, 0, 1]
    assert of(5, 7, 9).value.tolist() == [5, 7, 9]
    assert of("x", "z", "y", classes=("z", "x")).rows.tolist() == [0, 1]


SLOW = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
odd = st.sampled_from(sorted(ODD)).map(lambda name: ODD[name]())
_TEXTS = ("texts", "label", "spans", "value", "value_name", "class_names", "word", "group", "pair",
          "source", "context", "before", "after", "bos", "read")  # fmt: skip
_ROWS = ("rows", "text", "label", "target", "start", "end", "word", "group", "pair", "source",
         "classes", "read", "context", "before", "after", "bos")  # fmt: skip


@SLOW
@given(st.sampled_from(_TEXTS), odd, st.booleans())
def test_texts_of_anything(tiny_model: LensModel, name: str, value: Any, each: bool) -> None:
    usual = {"texts": FEW["text"], "label": [0, 1, 0, 1], "spans": [(0, 2), (0, 4), (0, 2), (0, 6)]}
    changed = {**usual, name: [value] * 4 if each else value}
    answered(lambda: lp.Examples.from_texts(tiny_model, **changed))


@SLOW
@given(st.sampled_from(_ROWS), odd)
def test_rows_of_anything(tiny_model: LensModel, name: str, value: Any) -> None:
    answered(lambda: lp.LabelledProbe(**{"rows": FEW, name: value}).examples(tiny_model))


@SLOW
@given(st.sampled_from(["text", "label", "start", "end", "word", "group", "pair", "source"]), odd)
def test_cells_of_anything(tiny_model: LensModel, name: str, value: Any) -> None:
    usual = FEW | {"start": [0] * 4, "end": [2, 4, 2, 6]}
    answered(lambda: lp.LabelledProbe({**usual, name: [value] * 4}).examples(tiny_model))
    mixed = list(usual.get(name, "wxyz"))[:3]
    answered(lambda: lp.LabelledProbe({**usual, name: [*mixed, value]}).examples(tiny_model))


def test_the_options_of_a_table_come_in_their_order() -> None:
    named = ["rows", "text", "label", "target", "start", "end", "word", "group", "read"]
    assert list(signature(lp.LabelledProbe).parameters)[: len(named)] == named
