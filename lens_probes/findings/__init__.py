"""The course's claims: as data, measured by the scripts of `experiments/`, decided by rules."""

from lens_probes.findings.claim import Claim, Condition, Measured, Value, Verdict, decide
from lens_probes.findings.claims import CLAIMS, LESSONS
from lens_probes.findings.reproduce import lesson_ids, run_lessons, run_script
from lens_probes.findings.script import script_main
from lens_probes.findings.setting import Doubt, Lesson, Outcome, Setting

__all__ = [
    "CLAIMS",
    "LESSONS",
    "Claim",
    "Condition",
    "Doubt",
    "Lesson",
    "Measured",
    "Outcome",
    "Setting",
    "Value",
    "Verdict",
    "decide",
    "lesson_ids",
    "run_lessons",
    "run_script",
    "script_main",
]
