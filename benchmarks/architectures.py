"""Which sites each architecture has, how each was tested at load, how far off raw hooks they are.

    python benchmarks/architectures.py docs/models.md

writes the table of the TransformerLens that runs it into the page (once on each line: 3.9, 4.x).
Every model is a tiny random one of `tests/architectures.py`, saved to a folder and loaded.
"""

from __future__ import annotations

import datetime
import importlib
import importlib.metadata
import re
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "model")]

import numpy as np  # noqa: E402
from architectures import ARCHITECTURES, OTHERS, save  # noqa: E402
from transformers.utils import logging  # noqa: E402

import lens_probes as lp  # noqa: E402

raw = importlib.import_module("test_architectures")  # hooks on raw models, as the tests have them


def row(name: str, folder: Path) -> str:
    """One line of the table."""
    save(name, folder)
    try:
        model = lp.load_model(folder)
    except lp.InputError as error:
        said = re.sub(r"model /\S+ ", "", str(error)).replace("|", "/")
        return f"| {name} | refused: {said[:110].rpartition(' ')[0]} ... | | |"
    seen = raw.raw_sites(raw.raw_model(folder), ARCHITECTURES[name])
    examples = lp.Examples.from_tokens(raw.IDS.numpy(), -1, [0, 1])
    found = lp.collect(model, examples, sites=list(model.shapes))
    off = max(
        float(np.abs(values - seen[key][:, -1].numpy()).max() / np.abs(values).max())
        for key, values in found.arrays.items()
    )
    proved = [site for site, how in model.proof.items() if how == "proved"]
    others = [
        f"{site} ({model.shapes.places.get(site, how)})"
        for site, how in model.proof.items()
        if how != "proved"
    ]
    return f"| {name} | {', '.join(proved)} | {', '.join(others)} | {off:.0e} |"


def table() -> tuple[str, str]:
    """The line of TransformerLens (3 or 4), and its table."""
    versions = {
        name: importlib.metadata.version(name)
        for name in ("transformer-lens", "transformers", "torch")
    }
    rows = []
    for name in (*ARCHITECTURES, *OTHERS):
        with tempfile.TemporaryDirectory() as folder:
            rows.append(row(name, Path(folder)))
    said = ", ".join(f"{name} {version}" for name, version in versions.items())
    head = (
        f"{said}; {datetime.date.today().isoformat()}\n\n"
        "| architecture | proved | equal to a hook (where) | off raw hooks by |\n"
        "|---|---|---|---|\n"
    )
    return versions["transformer-lens"].partition(".")[0], head + "\n".join(rows) + "\n"


def main() -> None:
    """Write the table into the page, between its marks."""
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    page = Path(sys.argv[1])
    line, made = table()
    begin, end = f"<!-- architectures {line} -->\n", f"<!-- end of architectures {line} -->\n"
    before, _, rest = page.read_text().partition(begin)
    _, _, after = rest.partition(end)
    page.write_text(before + begin + made + end + after)


if __name__ == "__main__":
    main()
