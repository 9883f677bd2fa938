"""Install a wheel into a fresh environment and use it there: python try_wheel.py FOLDER_OF_WHEEL.

Dependencies are those of the environment that runs this, read by path: a few seconds, no network.
Whatever the package needs and the wheel lacks (templates, word lists) fails here.
"""

import os
import subprocess
import sys
import sysconfig
import tempfile
import venv
from pathlib import Path

COMMANDS = [
    "--version",
    "--help",
    "sites",
    "plan sweep category --layers 0 --no-untrained --quiet --out run",
    "sweep category --layers 0 --no-untrained --quiet --out run",
    "verify run",
    "paper run --figures none",
    "heatmap run --layer 0 --site mlp_pre --unit top --quiet --text words.txt",
    "new probe modal-verb",
]


def main(folder):
    """Every command in an empty folder, with the wheel's code alone."""
    (wheel,) = Path(folder).resolve().glob("lens_probes-*.whl")
    with tempfile.TemporaryDirectory() as place:
        work = Path(place) / "work"
        work.mkdir()
        (work / "words.txt").write_text("The chair stood near the table.\n")
        fresh = Path(place) / "venv"
        venv.create(fresh, with_pip=False)
        python = fresh / "bin" / "python"
        run = [sys.executable, "-m", "pip", "--python", str(python), "install", "-qq", "--no-deps"]
        alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        subprocess.run([*run, str(wheel)], check=True, env=alone, cwd=work)
        (site,) = fresh.glob("lib/python*/site-packages")
        # A path alone: the editable install of this repository is not carried over.
        (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
        where = "import lens_probes, pathlib; print(pathlib.Path(lens_probes.__file__).parents[1])"
        found = subprocess.run(
            [python, "-c", where], cwd=work, env=alone, capture_output=True, text=True, check=True
        )
        assert Path(found.stdout.strip()).samefile(site), found.stdout
        for command in COMMANDS:
            done = subprocess.run(
                [python, "-m", "lens_probes", *command.split()],
                cwd=work, env=alone, capture_output=True, text=True,
            )  # fmt: skip
            if done.returncode:
                sys.exit(f"lens-probes {command}: exit code {done.returncode}\n{done.stderr}")
            said = (done.stdout.splitlines() or ["written"])[0][:80]
            sys.stdout.write(f"lens-probes {command}: {said}\n")


if __name__ == "__main__":
    main(sys.argv[1])
