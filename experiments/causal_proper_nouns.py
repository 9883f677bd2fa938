"""Does the model use its units for proper nouns? Goes on where lesson 19 ends.

    python experiments/causal_proper_nouns.py

The course finds MLP units that are higher at names than at other words, and leaves open whether the
model reads them. Here the best units of four layers, chosen on one half of the examples, are set to
their mean on the other half, and so are random units in which as much changes.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from lens_probes.cli.causal_script import causal_script


def main(arguments: Sequence[str] | None = None) -> int:
    """Sweep and ablate; gives the exit code."""
    return causal_script(
        "proper-noun",
        "Does the model use its units for proper nouns?",
        ["--before", "60", "--after", "10"],
        arguments,
    )


if __name__ == "__main__":
    sys.exit(main())
