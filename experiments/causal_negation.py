"""Does the model use its negation units? Goes on where lessons 20 to 23 end.

    python experiments/causal_negation.py

The course shows that single MLP units tell "not" and "never" from "can" and "will", and leaves
open whether the model reads them. Here the best units of four layers, chosen on one half of the
examples, are set to their mean on the other half, and so are random units in which as much changes.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from lens_probes.cli.causal_script import causal_script


def main(arguments: Sequence[str] | None = None) -> int:
    """Sweep and ablate; gives the exit code."""
    return causal_script(
        "negation",
        "Does the model use its negation units?",
        ["--words", "extended", "--before", "60", "--after", "10"],
        arguments,
    )


if __name__ == "__main__":
    sys.exit(main())
