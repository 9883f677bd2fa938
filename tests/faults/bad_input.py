"""Requests that cannot be met, as data: option -> values that the command must refuse.

Each is put into a request that is otherwise sound. `{here}` is a folder with the files that
`write_files` makes. Where it matters, what the one line must say stands beside the value.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tiny_gguf import write_tiny_gguf

Values = Sequence[str | tuple[str, str]]

NOT_WHOLE = ("", "x", "1.5", "2.0", "nan", "1e3", "--", "0x10", "½")
NOT_COUNTS = (*NOT_WHOLE, "-1", "0")

OF_A_SWEEP: dict[str, Values] = {
    "--sites": (
        "", ",", "mlp_pre,", "MLP_PRE", "mlp_pre;k", "k,nothing", ("mlp", "unknown site 'mlp'"),
        ("mlp_pre_linear", "this model has no site 'mlp_pre_linear'"),
    ),
    "--layers": (
        "", "-", "a", "3-1", "-1", "1,,2", "0.5", "99", "0-99", "0-999999999999", "9" * 30, "all,1",
        "1 2",
        ("1-", "not layers: '1-'"), ("0,7", "no layer 7: this model has layers 0 to 2"),
    ),
    "--preset": ("", "RIGOROUS", "1", ("cours", 'Did you mean "course"')),
    "--alpha": (
        "", "x", "0", "1", "-0.1", "nan", "inf", "5%",
        ("1.5", "alpha must lie between 0 and 1; got 1.5"),
    ),
    "--method": (
        "", "bonferoni", "fdr", ("max_t", "course preset counts tokens, without max_t"),
    ),
    "--scope": ("", "block", "Layer"),
    "--permutations": (
        *NOT_COUNTS, "9" * 30, ("1.7", "--permutations takes a whole number, not '1.7'"),
    ),
    "--batch-size": (*NOT_COUNTS, ("-7", "batch_size must be 1 or more; got -7")),
    "--max-per-class": (*NOT_COUNTS, ("1", "max_per_class must be 2 or more")),
    "--max-words": NOT_COUNTS,
    "--min-per-word": NOT_COUNTS,
    "--chunk": (*NOT_WHOLE, "-1", "0"),
    "--before": (*NOT_WHOLE, "-1", "1000000", "9" * 30),
    "--after": (*NOT_WHOLE, "-1"),
    "--context": ("", "sentences", "Window"),
    "--balance": ("", "words"),
    "--read": ("", "second"),
    "--words": ("", "extendet", "{here}/none.toml"),
    "--seed": (*NOT_WHOLE, "-1"),
    "--device": ("", "gpu", "cpu cpu", ("cuda:99", "cannot use device 'cuda:99'")),
    "--dtype": ("", "fp32", "int8", "float"),
    "--processing": ("", "all", "None"),
    "--model": (
        "", "{here}/nothing", ("none.gguf", "no GGUF file none.gguf"),
        ("{here}/empty.gguf", "is not a GGUF file"), ("{here}/fake.gguf", "is not a GGUF file"),
        ("{here}/cut.gguf", "cut short"), "{here}/text.gguf", "{here}/good.txt",
        ("no/such-model", "cannot load model 'no/such-model'"), "{here}/cut-model",
        "{here}/not-json", "{here}/pickle-model", "{here}/no-config",
    ),
    "--text": (
        "", ("nowhere.txt", "no text 'nowhere.txt'"), ("{here}/empty.txt", "is empty"),
        ("{here}/binary.txt", "is not UTF-8 text"), ("{here}/latin1.txt", "is not UTF-8 text"),
        ("{here}/short.txt", "fewer than 90 tokens"), "{here}/zeros.txt",
        ("{here}/no-targets.txt", "0 usable targets"), "{here}/nothing", "gutenberg:x", "hf:",
    ),
    "--out": (
        ("{here}/taken", "already holds files"), ("{here}/empty.txt", "is a file"),
        ("/proc/nowhere/out", "cannot write to output folder"), "{here}/empty.txt/below",
        "{here}/" + "long" * 100,
    ),
    "--store": ("{here}/empty.txt", "{here}/empty.txt/below", "/proc/nowhere/store"),
    "--executor": ("", "ray", ("processes", "--executor processes needs --store")),
    "--workers": NOT_COUNTS,
    "--minutes": NOT_COUNTS,
    "--scheduler": (("tcp://127.0.0.1:1", "--scheduler goes with --executor dask or slurm"),),
}  # fmt: skip

# No user has this home, no file system a name of this length; nor is the second one shown whole.
NO_PATHS = ("~nouser/x", "long" * 75)
WITH_A_PATH = (
    "sweep category --model={model} --words={path}", "sweep labelled {path}",
    "sites --model={path}", "report {path}",
    "verify {path}", "replicate {path} --seed 1", "replicate {here}/none --seed 1 --store={path}",
    "ablate {path}", "heatmap {path}", "maximize --site q --layer 0 --unit 0 --out={path}",
    "maximize --site q --layer 0 --unit 0 --model={path}", "residual --out={path}",
    "residual --model={path}", "reproduce L01 --out={path}", "reproduce L01 --scripts={path}",
)  # fmt: skip

# Contrasts in a TOML file: two lists of words and what they are read in.
BAD_CONTRASTS: dict[str, tuple[str, str]] = {
    "empty": ("", "must have a table [words]"),
    "not-toml": ("words = [", "is not TOML"),
    "one-class": ("[words]\na = ['can']", "two lists"),
    "three": ("[words]\na = ['x']\nb = ['y']\nc = ['z']", "two lists"),
    "no-lists": ("[words]\na = 1\nb = 2", "must be a list of words"),
    "empty-list": ("[words]\na = []\nb = ['will']", "must be a list of words"),
    "both": ("[words]\na = ['can']\nb = ['Can']", "is in both classes"),
    "two-words": ("[words]\na = ['can not']\nb = ['will']", "not a word"),
    "no-word": ("[words]\na = ['']\nb = ['will']", "not a word"),
    "key": ("colour = 1\n[words]\na = ['x']\nb = ['y']", "unknown key"),
    "frame": ("frames = ['so it is']\n[words]\na = ['x']\nb = ['y']", "must hold {word} once"),
    "name": ("name = 3\n[words]\na = ['x']\nb = ['y']", "must be text in quotes"),
    "sentences": ("sentences = 3\n[words]\na = ['x']\nb = ['y']", "must be a list of sentences"),
    "nested": ("[words.a]\nb = ['x']\n[words.c]\nd = ['y']", "must be a list of words"),
}

OTHER_COMMANDS = (
    "swep", "sweep nothing", "sweep negation --nothing 1", "sweep negation --layers",
    "sweep negation extra", "sweep category --words nothing --out {here}/c --quiet",
    "sweep category --sentences odd", "sweep token-length --length 1.5",
    "sweep token-length --n-sequences 1.5", "sweep context --change tone",
    "sweep context --n-tokens 1.5", "sweep grammar --tagger best",
    "sweep labelled", "sweep labelled {here}/nothing", "sweep labelled {here}/good.txt",
    "sweep labelled {here}/good.txt --read all", "sweep labelled --before 1.5 x.csv",
    "report", "report {here}/nothing", "report {here}/taken", "report {here}/empty.txt",
    "report {here}/false-result", "verify", "verify {here}/nothing", "verify {here}/none",
    "verify {here}/good.txt", "replicate", "replicate {here}/nothing --seed 1",
    "replicate {here}/false-result --seed 1", "replicate {here}/nothing", "audit --seeds 0",
    "audit --seeds x", "audit --seeds 1.5", "sites --model {here}", "sites --model {here}/good.txt",
    "maximize --site q --layer 0", "maximize --site q --layer 1.5 --unit 0",
    "maximize --site queue --layer 0 --unit 0", "residual --site queue", "residual --layer x",
    "reproduce L99", "reproduce --scale huge",
)  # fmt: skip

# Nearly all fail before anything heavy is imported, so each can have a process of its own.
THROUGH_THE_COMMAND = (
    "--sites=mlp", "--layers=1-", "--preset=cours", "--permutations=1.7", "--batch-size=0",
    "--max-per-class=1.5", "--seed=1.5", "--dtype=fp32", "--workers=0", "--executor=processes",
    "--scheduler=tcp://127.0.0.1:1", "--out={here}/taken",
    "swep", "sweep negation --nothing 1", "report", "audit --seeds 1.5", "residual --layer x",
    "verify", "--text={here}/latin1.txt", "--model={here}/pickle-model",
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One request: a name, the whole command line, and what the one line must say."""

    name: str
    arguments: tuple[str, ...]
    says: str = ""


def cases(here: Path, model: Path) -> Iterator[Case]:
    """Every option with every value it must refuse, and commands that are wrong as a whole."""
    sound = {
        "--model": str(model), "--text": str(here / "good.txt"), "--words": "course",
        "--sites": "mlp_pre", "--layers": "0", "--max-per-class": "5", "--preset": "course",
    }  # fmt: skip
    for option, values in OF_A_SWEEP.items():
        for given in values:
            value, says = (given, "") if isinstance(given, str) else given
            own = {"--out": str(here / f"out{option}")}  # some run at the same time
            changed = sound | own | {option: value.format(here=here)}
            # With "=", so that a value that starts with a dash is one.
            line = [f"{name}={setting}" for name, setting in changed.items()]
            yield Case(f"{option}={value}", ("sweep", "negation", *line, "--quiet"), says)
    for name, (_, says) in BAD_CONTRASTS.items():
        line = [f"--words={here / name}.toml", f"--model={model}", f"--out={here / 'out'}"]
        yield Case(f"{name}.toml", ("sweep", "category", *line, "--quiet"), says)
    for path in NO_PATHS:
        for option in ("--model", "--text", "--out", "--store", "--logs"):
            changed = sound | {"--out": str(here / f"out{option}"), option: path}
            line = [f"{name}={setting}" for name, setting in changed.items()]
            says = "is no path"
            yield Case(f"{option}={path}", ("sweep", "negation", *line, "--quiet"), says)
        for command in WITH_A_PATH:
            filled = command.format(here=here, model=model, path=path)
            yield Case(filled, tuple(filled.split()))
    for command in OTHER_COMMANDS:
        yield Case(command, tuple(command.format(here=here).split()))


def write_files(here: Path, model: Path, prose: str) -> None:
    """The files that the requests name: sound ones, damaged ones, ones of another kind."""
    (here / "good.txt").write_text(prose * 20)
    (here / "empty.txt").write_text("")
    (here / "binary.txt").write_bytes(bytes(range(256)) * 8)
    (here / "zeros.txt").write_bytes(bytes(99))
    (here / "latin1.txt").write_bytes(("café " * 500).encode("latin-1"))
    (here / "short.txt").write_text("I can not.")
    (here / "no-targets.txt").write_text("Red and blue. " * 200)
    for name, (text, _) in BAD_CONTRASTS.items():
        (here / f"{name}.toml").write_text(text)
    for name, file in (("nothing", ""), ("taken", "mine"), ("false-result", "result.json")):
        (here / name).mkdir()
        if file:
            (here / name / file).write_text("{}")
    whole = write_tiny_gguf(here / "whole.gguf").read_bytes()
    (here / "cut.gguf").write_bytes(whole[: len(whole) // 2])
    (here / "empty.gguf").write_bytes(b"")
    (here / "fake.gguf").write_bytes(b"hello")
    (here / "text.gguf").write_text("GGUF, or so it says")
    damaged = {
        "cut-model": "model.safetensors", "not-json": "config.json", "pickle-model": "",
        "no-config": "",
    }  # fmt: skip
    for name, cut in damaged.items():
        (here / name).mkdir()
        for file_ in model.iterdir():
            data = file_.read_bytes()
            if file_.name == cut:
                data = data[: len(data) // 2]
            (here / name / file_.name).write_bytes(data)
    (here / "no-config" / "config.json").unlink()
    # Weights as a pickle that would write a file if anyone ran it.
    folder = here / "pickle-model"
    (folder / "model.safetensors").unlink()
    run = f"cos\nsystem\n(S'touch {here}/was-run'\ntR."
    (folder / "pytorch_model.bin").write_bytes(run.encode())
