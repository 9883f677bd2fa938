"""`lens-probes`: the command line.

Results go to standard output, progress and log lines to standard error. A mistake in the request is
one line and exit code 2. Heavy imports wait until a command runs.
"""

from __future__ import annotations

import shlex
import sys

from cyclopts import App, CycloptsError, Parameter

from lens_probes.cli import facts, runs
from lens_probes.cli.ablate import ablate
from lens_probes.cli.atlas import atlas
from lens_probes.cli.config import with_config
from lens_probes.cli.cores import share_cores
from lens_probes.cli.heatmap import heatmap
from lens_probes.cli.maximize import maximize
from lens_probes.cli.new import new_app
from lens_probes.cli.options import parse_layers, strictly
from lens_probes.cli.paper import paper
from lens_probes.cli.plan import plan
from lens_probes.cli.replicate import replicate
from lens_probes.cli.reproduce import reproduce
from lens_probes.cli.residual import residual
from lens_probes.cli.screen import screen
from lens_probes.cli.smallest_set import smallest_set
from lens_probes.cli.sweep import command_line, sweep_app
from lens_probes.errors import InputError, one_line

__all__ = ["app", "main", "parse_layers"]

app = App(
    name="lens-probes",
    help="Which units of a language model are tuned to which property of a token, and how surely?"
    "\n\n`--config FILE.toml` gives any command its options by the same names.",
    version_flags=["--version"],
    default_parameter=Parameter(converter=strictly),
)
app.command(sweep_app)
app.command(ablate)
app.command(atlas)
app.command(heatmap)
app.command(maximize)
app.command(new_app)
app.command(paper)
app.command(plan)
app.command(replicate)
app.command(residual)
app.command(screen)
app.command(smallest_set)
for command in (
    runs.export,
    runs.report,
    runs.verify,
    facts.audit,
    facts.models,
    facts.sites,
    facts.texts,
):
    app.command(command)
app.command(reproduce)
app.register_install_completion_command(help="Complete commands and options in this shell.")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    share_cores()
    try:
        given = with_config(sys.argv[1:] if arguments is None else arguments)
        # How much is printed is no part of the request: the same command shows what is there.
        asked = (token for token in given if token not in ("--verbose", "--json"))
        command_line.set(shlex.join(["lens-probes", *asked]))
        code = app(given, exit_on_error=False, print_error=False, result_action="return_value")
    except (InputError, CycloptsError) as error:
        print(f"lens-probes: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except MemoryError as error:
        said = f"out of memory ({one_line(error)}): ask for less, or use a larger machine."
        print(f"lens-probes: {said}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lens-probes: stopped.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 141
    return code if isinstance(code, int) else 0
