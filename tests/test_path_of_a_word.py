"""How many files one word visits, from its text to its row of the units table, and to the page."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_models import PROSE

import lens_probes

PACKAGE = Path(lens_probes.__file__).parent
# Today's counts. They only go down: 35 and 22 are aimed at.
MOST = {"course": (70, 37), "rigorous": (103, 37)}

TRACED = """
import json, sys, threading
from pathlib import Path
import lens_probes as lp

model, text, preset, package, out = sys.argv[1:]
model = lp.load_model(model)
entered, known = set(), set()

def enter(frame, event, _):
    name = frame.f_code.co_filename
    if event == "call" and name not in known and frame.f_code.co_name != "<module>":
        known.add(name)
        file = Path(name)
        if file.suffix == ".py" and file.is_relative_to(package):
            entered.add(file.relative_to(package).as_posix())

def swept():
    probe = lp.NegationProbe(lp.load_text(text), max_per_class=40)
    return lp.sweep(
        model, probe, sites=["mlp_pre"], preset=preset, untrained=False, n_permutations=99
    )

swept().write_report(Path(out))
threading.setprofile(enter)
sys.setprofile(enter)
result = swept()
assert len(result.units) == 3 * 128
to_row = sorted(entered)
result.write_report(Path(out))
sys.setprofile(None)
print(json.dumps([to_row, sorted(entered.difference(to_row))]))
"""


def files_entered(
    preset: str, model: Path, folder: Path, package: Path = PACKAGE
) -> tuple[list[str], list[str]]:
    """Files of the package of which a function is entered: by a sweep of a text, then by its page.

    The model is loaded before. The sweep is all of `lp.load_text`, the probe and `lp.sweep`; the
    page is `write_report`, without the files that the sweep has entered. All of it runs once before
    it is counted, so that importing a file does not enter it. Compiled code and templates are no
    files here. Counted in this way the path was 58 and 26 files in the course preset, and 85 and 26
    in the rigorous one, before the package had rooms.
    """
    text = folder / "prose.txt"
    text.write_text(PROSE * 60)
    command = [sys.executable, "-c", TRACED, str(model), str(text), preset, str(package)]
    done = subprocess.run(
        [*command, str(folder / "report.html")],
        capture_output=True, text=True, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"},
        cwd=package.parent,
    )  # fmt: skip
    to_row, to_page = json.loads(done.stdout.splitlines()[-1])
    return to_row, to_page


@pytest.mark.model
@pytest.mark.parametrize("preset", ["course", "rigorous"])
def test_a_word_visits_no_more_files_than_it_did(
    preset: str, tiny_folders: dict[str, Path], tmp_path: Path
) -> None:
    to_row, to_page = files_entered(preset, tiny_folders["gpt2"], tmp_path)
    assert {"texts/load.py", "activations/collect.py", "units/table.py"} <= set(to_row)
    assert "report/html.py" in to_page
    most_to_row, most_to_page = MOST[preset]
    assert len(to_row) <= most_to_row, to_row
    assert len(to_page) <= most_to_page, to_page
