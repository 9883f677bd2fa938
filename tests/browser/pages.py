"""The reports that are opened, and photographed: one of two classes, one of a continuous label."""

import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "report"))

import numpy as np
import pandas as pd
from continuous_result import RISES, make_continuous
from synthetic_result import PLANTED, SCRIPT, make_result, with_checks

from lens_probes.report import UnitDetails
from lens_probes.report.html import write_report

LAYERS = tuple(range(6))


@dataclass(frozen=True)
class Context:
    """A token in its text, as a card shows it."""

    kind: str
    value: float
    before: str
    token: str
    after: str
    source: str = "speech <1>"


@dataclass(frozen=True)
class Replication:
    """What a replication holds."""

    units: pd.DataFrame
    lines: pd.DataFrame
    provenance: dict


DETAILS = UnitDetails(
    contexts=(
        Context("top", 8.25, "We shall ", "not", " rest until the work is done, and the people"),
        Context("top", 7.5, "It has ", " never", " been so; " * 12),
        Context("random", 0.5, "He said ", "שלום", " and left."),
        Context("counter_example", -2.0, "This is ", SCRIPT, " text.\n\nAnd"),
        Context("anywhere_top", 9.75, "They had ", " nothing", " to lose but", ""),
        Context("anywhere_random", 0.0, "The ", " river", " is long", ""),
    ),
    anywhere="1,440 tokens of 16 windows of the sweep, without the first token of each",
    direct="Direct path only: what 1 of L2.mlp_post.5 adds to a logit, no later layer counted.",
    promoted=((" not", 0.25), ("\n", 0.2), (" never", 0.125)),
    suppressed=((" yes", -0.3), (" certainly", -0.1)),
    replication=("On new words: the same sign, t = 4.1 (12 v 14 words).",),
    causal=("Without it the loss at the next word rises by 0.012 nats.",),
)


def two_classes(layers=LAYERS, width=150):
    """A rigorous sweep of a few thousand units, with everything a report can show."""
    return with_checks(make_result((150, 170), layers=layers, width=width))


def replication_of(result):
    """A second round in which effects shrink by a fifth."""
    rng = np.random.default_rng(0)
    t1 = result.units["t"].to_numpy(float)
    t2 = 0.8 * t1 + rng.normal(size=len(t1))
    groups = [(np.abs(t1) > 5) & (np.abs(t2) > 5), np.abs(t1) > 5, np.abs(t2) > 5]
    group = np.select(groups, ["both", "first", "second"], "none")
    units = result.units[["name", "layer", "site", "unit"]].assign(t1=t1, t2=t2, group=group)
    lines = {"kind": ["new sentences", "new words"], "n": ["100 v 100", "90 v 90"],
             "n_words": ["12 v 14", "9 v 9"],
             "sign_agreement": [0.9, 0.8], "share_significant_again": [0.7, 0.5],
             "effect_correlation": [0.9, 0.8], "note": ["", "2 words left out"]}  # fmt: skip
    provenance = {"first": {"examples": result.provenance["examples"]}}
    return Replication(units, pd.DataFrame(lines), provenance)


def write_all(folder):
    """Write each report; {name: (path, result)}."""
    folder = Path(folder)
    classes, continuous = two_classes(), make_continuous(400, layers=LAYERS, width=80)
    return {
        "classes": (
            write_report(
                classes,
                folder / "classes.html",
                details={PLANTED: DETAILS},
                replication=replication_of(classes),
            ),
            classes,
        ),
        "continuous": (
            write_report(continuous, folder / "continuous.html", details={RISES: DETAILS}),
            continuous,
        ),
    }
