"""`lens-probes new probe NAME`: a file to begin with."""

from __future__ import annotations

import keyword
import re
from importlib import resources
from pathlib import Path

from cyclopts import App

from lens_probes.errors import InputError
from lens_probes.storage.paths import output_path

new_app = App(name="new", help="Write a file to begin with.")


@new_app.command
def probe(name: str, /, *, out: Path = Path()) -> None:
    """Write a probe of your own, and its test, that run as they are.

    Parameters
    ----------
    name
        What the probe is called, in small letters: modal-verb.
    out
        Folder to write into. [default: this one]
    """
    module = name.replace("-", "_")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", module) or keyword.iskeyword(module):
        raise InputError(
            f"a probe's name is small letters, digits and hyphens, as modal-verb; got {name!r}."
        )
    folder = output_path(out)
    kind = "".join(part.title() for part in module.split("_")) + "Probe"
    for template, target in (("probe.py", f"{module}.py"), ("test_probe.py", f"test_{module}.py")):
        source = resources.files("lens_probes.data").joinpath(f"{template}.txt").read_text("utf-8")
        text = source.replace("MODULE", module).replace("NAME", module.replace("_", "-"))
        place = folder / target
        if place.exists():
            raise InputError(f"{place} is there already: name another probe.")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text.replace("KIND", kind), "utf-8")
        print(place)
