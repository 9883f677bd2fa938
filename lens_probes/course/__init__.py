"""The course's claims: as data, measured by the scripts of `experiments/`, decided by rules.

Names are imported when they are first used: the command line looks lessons up without torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lens_probes.course import depths, doubts
    from lens_probes.course.claim import Claim, Condition, Lesson, Measured, Side, Value
    from lens_probes.course.claims import CLAIMS, LESSONS
    from lens_probes.course.data import Data
    from lens_probes.course.measure import Found, Numbers, OverGroups
    from lens_probes.course.outcome import Verdict, decide
    from lens_probes.course.reproduce import run_lessons, run_script
    from lens_probes.course.script import script_main
    from lens_probes.course.setting import Doubt, Outcome, Setting

_WHERE = {
    **dict.fromkeys(("Claim", "Condition", "Lesson", "Measured", "Side", "Value"), "claim"),
    **dict.fromkeys(("CLAIMS", "LESSONS"), "claims"),
    "Data": "data",
    **dict.fromkeys(("Found", "Numbers", "OverGroups"), "measure"),
    **dict.fromkeys(("run_lessons", "run_script"), "reproduce"),
    **dict.fromkeys(("Doubt", "Outcome", "Setting"), "setting"),
    **dict.fromkeys(("Verdict", "decide"), "outcome"),
    "script_main": "script",
}

__all__ = [
    "CLAIMS",
    "LESSONS",
    "Claim",
    "Condition",
    "Data",
    "Doubt",
    "Found",
    "Lesson",
    "Measured",
    "Numbers",
    "Outcome",
    "OverGroups",
    "Setting",
    "Side",
    "Value",
    "Verdict",
    "decide",
    "depths",
    "doubts",
    "run_lessons",
    "run_script",
    "script_main",
]


def __getattr__(name: str) -> Any:
    if name in ("depths", "doubts"):
        return import_module(f"lens_probes.course.{name}")
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"lens_probes.course.{_WHERE[name]}"), name)
