"""Requests that cannot be met, as data: option -> values that the command must refuse.

Each is put into a sweep that is otherwise sound. `{here}` is a folder with the files that
`write_files` makes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

NUMBERS = ("", "x", "1.5", "-1", "nan", "1e3", "--", "9" * 30)

REFUSED: dict[str, tuple[str, ...]] = {
    "--sites": ("", ",", "mlp", "mlp_pre,", "MLP_PRE", "mlp_pre;k", "k,nothing", "mlp_pre_linear"),
    "--layers": ("", "-", "1-", "a", "3-1", "-1", "1,,2", "0.5", "99", "0-99", "all,1", "1 2"),
    "--preset": ("", "cours", "RIGOROUS", "1"),
    "--alpha": ("", "x", "0", "1", "-0.1", "1.5", "nan", "inf", "5%"),
    "--method": ("", "bonferoni", "fdr"),
    "--scope": ("", "block", "Layer"),
    "--permutations": (*(v for v in NUMBERS if v != "9" * 30), "0"),
    "--batch-size": (*(v for v in NUMBERS if v != "9" * 30), "0"),
    "--max-per-class": (*(v for v in NUMBERS if v != "9" * 30), "0", "1"),
    "--before": ("", "x", "-1", "1.5", "1000000"),
    "--after": ("", "x", "-1", "1.5", "1000000"),
    "--context": ("", "sentences", "Window"),
    "--balance": ("", "words"),
    "--words": ("", "{here}/none.toml"),
    "--device": ("", "gpu", "cuda:99", "cpu cpu"),
    "--dtype": ("", "fp32", "int8", "float"),
    "--processing": ("", "all", "None"),
    "--model": (
        "", "{here}", "{here}/none.gguf", "{here}/empty.gguf", "{here}/text.gguf",
        "{here}/cut-model", "{here}/not-json", "{here}/pickle-model",
    ),
    "--text": (
        "", "{here}/none.txt", "{here}/empty.txt", "{here}/binary.txt", "{here}/latin1.txt",
        "{here}/short.txt", "{here}/no-targets.txt", "{here}/nothing", "gutenberg:x",
    ),
    "--out": ("{here}/taken", "{here}/empty.txt", "{here}/empty.txt/below", "/proc/none/out"),
    "--seed": ("", "x", "1.5"),
}  # fmt: skip

# Of every kind one goes through the real command, in a process of its own.
THROUGH_THE_COMMAND = tuple((option, values[-1]) for option, values in REFUSED.items())


@dataclass(frozen=True)
class Case:
    """One request: a name and the whole command line."""

    name: str
    arguments: tuple[str, ...]


def cases(here: Path, model: Path) -> Iterator[Case]:
    """Every option with every value it must refuse, and commands that are wrong as a whole."""
    sound = {
        "--model": str(model), "--text": str(here / "good.txt"), "--words": "course",
        "--sites": "mlp_pre", "--layers": "0", "--max-per-class": "5", "--preset": "course",
    }  # fmt: skip
    for option, values in REFUSED.items():
        for value in values:
            # A folder each: one that is taken for good may not hide the next.
            own = {"--out": str(here / f"out{option}{values.index(value)}")}
            changed = sound | own | {option: value.format(here=here)}
            # With "=", so that a value that starts with a dash is one.
            given = [f"{name}={setting}" for name, setting in changed.items()]
            yield Case(f"{option}={value}", ("sweep", "negation", *given, "--quiet"))
    for line in (
        "swep", "sweep nothing", "sweep negation --nothing 1", "sweep negation --layers",
        "report", f"report {here}/nothing", f"report {here}/taken", f"report {here}/empty.txt",
        "audit --seeds 0", "audit --seeds x", f"sites --model {here}",
    ):  # fmt: skip
        yield Case(line.replace(str(here), "{here}"), tuple(line.split()))


def write_files(here: Path, model: Path, prose: str) -> None:
    """The files that the requests name: sound ones, damaged ones, ones of another kind."""
    (here / "good.txt").write_text(prose * 20)
    (here / "empty.txt").write_text("")
    (here / "binary.txt").write_bytes(bytes(range(256)) * 8)
    (here / "latin1.txt").write_bytes(("café " * 500).encode("latin-1"))
    (here / "short.txt").write_text("I can not.")
    (here / "no-targets.txt").write_text("Red and blue. " * 200)
    (here / "nothing").mkdir()
    (here / "taken").mkdir()
    (here / "taken" / "mine").write_text("do not touch")
    (here / "empty.gguf").write_bytes(b"")
    (here / "text.gguf").write_text("GGUF, or so it says")
    names = {"cut-model": "model.safetensors", "not-json": "config.json", "pickle-model": ""}
    for name, damaged in names.items():
        (here / name).mkdir()
        for file in model.iterdir():
            data = file.read_bytes()
            if file.name == damaged:
                data = data[: len(data) // 2]
            (here / name / file.name).write_bytes(data)
    # Weights as a pickle that would write a file if anyone ran it.
    folder = here / "pickle-model"
    (folder / "model.safetensors").unlink()
    run = f"cos\nsystem\n(S'touch {here}/was-run'\ntR."
    (folder / "pytorch_model.bin").write_bytes(run.encode())
