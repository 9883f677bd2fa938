"""The smallest folders of every kind that the package saves; no model is run for them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from lens_probes.ablation.card import CausalCard
from lens_probes.activations.shard_folder import FORMAT as STORE_FORMAT
from lens_probes.activations.shard_folder import MANIFEST, ShardFolder, key_of
from lens_probes.course import Doubt, Lesson, Measured, Outcome, Value
from lens_probes.course.record import write_record
from lens_probes.drawing.page import FORMAT, NUMBERS, PAGE
from lens_probes.drawing.token_activations import TokenActivations
from lens_probes.replication.replication import Replication
from lens_probes.screening.saved import Screen
from lens_probes.storage.folders import write_folder
from lens_probes.storage.integrity import seal, write_atomic
from lens_probes.sweep_result import SweepResult
from lens_probes.units.details import TokenContext, UnitDetails

MODEL = {
    "source": "tiny", "class": "HookedTransformer", "weights_sha256": "ab" * 32,
    "config_sha256": "ac" * 32, "processing": "none", "dtype": "float32", "device": "cpu",
    "n_layers": 2, "d_model": 8, "bos_token": None, "versions": {"torch": "2.13.0"},
}  # fmt: skip
EXAMPLES = {
    "class_names": ["a", "b"], "n_per_class": [2, 2], "n_words_per_class": [1, 1], "n_sources": 1,
    "n_read_tokens_per_class": [1, 1], "n_groups_per_class": [1, 1], "set_aside": {},
    "by_source": [{"source": "s", "n0": 2, "n1": 2, "n_types0": 1, "n_types1": 1}],
    "tokens_up_to_target": [3, 3], "sha256": "cd" * 32, "counts": {"drawn": 4},
    "value_name": None, "tokens_computed": 12,
    "origin": {
        "probe": "negation", "before": 9, "text": {"name": "t", "from": "t", "sha256": "ef" * 32},
    },
}  # fmt: skip
DECISION = {
    "preset": "course", "p_column": "wald_p", "method": "bonferroni", "scope": "layer",
    "alpha": 0.05, "level": "token", "n_permutations": 9, "min_per_group": 5, "seed": 0, "why": "",
    "n_set_aside": 0, "families": [0],
    "n_families": 1, "m_smallest": 2, "m_largest": 2, "left_out": 0,
}  # fmt: skip
NULL = {"nominal": 0.05, "unit": None, "family": 0.1, "n": 9}
DETAILS = UnitDetails(
    contexts=(TokenContext("top", 0.5, "be", "fore", "after", "s"),), promoted=(("a", 0.5),),
    suppressed=(("b", -0.5),), replication=("r",), causal=("c",),
)  # fmt: skip


def small_result() -> SweepResult:
    table = pd.DataFrame({"name": ["L0.q.0"]})
    return SweepResult(
        units=table, layers=table, examples=table, evidence=table,
        provenance={
            "model": MODEL, "examples": EXAMPLES, "layers": [0], "sites": ["q"],
            "decision": DECISION,
        },
        validation={"resolution": "r", "notes": [], "nulls": {"tokens": NULL}},
        paintings=(TokenActivations("L0.q.0", ("a", "b"), (0.5, 1.0), "title", 1),),
        details={"L0.q.0": DETAILS},
        timings={"statistics": 0.5},
    )  # fmt: skip


def small_card() -> CausalCard:
    table = pd.DataFrame({"name": ["L0.q.0"]})
    return CausalCard(
        "undecided", "few", sets=table, units=table, doses=table, nulls=table, steering=table,
        provenance={
            "model": MODEL, "sweep": None, "notes": ["a note"], "method": 3,
            "examples": {
                "sha256": "cd" * 32, "class_names": ["a", "b"], "n_chosen": 4, "n_left_out": 0,
                "n_measured": [2, 2], "n_passages_measured": 2, "apart": ["passage"],
            },
            "options": {
                "top": 2, "kind": "mean", "positions": "read", "n_nulls": 19, "n_windows": 4,
                "after": 2, "alpha": 0.05, "seed": 0, "sites": ["q"], "layers": [0],
            },
        },
        timings={"ablations": 0.5},
    )  # fmt: skip


def small_screen() -> Screen:
    table = pd.DataFrame({"name": ["L0.q.0"], "layer": 0, "site": "q"})
    counts = {"sha256": "cd" * 32, "class_names": ["a", "b"], "n_screened": [2, 2], "n_blocks": 2,
              "n_exact_windows": 2, "origin": {}}  # fmt: skip
    options = {"sites": ["q"], "layers": [0], "metric": "kl", "positions": "read", "seed": 0,
               "n_windows": 4, "n_exact": 20, "n_exact_windows": 2, "n_draws": 2, "after": 2,
               "alpha": 0.05, "untrained": False}  # fmt: skip
    missed = {"threshold": 0.1, "n_above": 1, "seen": 0, "at_most": 3.0, "n_exact": 20}
    calibrated = table.assign(n_site=20, rank_correlation=0.99, median_ratio=1.0, valid=True)
    return Screen(
        units=table.assign(used="undecided", log10_p=-1.0, effect=0.1),
        calibration=calibrated.assign(layers="0-0"), null=table, map=table[:0],
        provenance={
            "model": MODEL, "examples": counts, "sweep": None, "options": options, "method": 1,
            "way": "packed", "missed": missed, "floor": 1e-12,
        },
        timings={"gradients": 0.5},
    )  # fmt: skip


def small_replication() -> Replication:
    table = pd.DataFrame({"name": ["L0.q.0"]})
    second = {"origin": EXAMPLES["origin"], "counts": {"drawn": 4}, "sha256": "cd" * 32}
    first = {"examples": EXAMPLES, "decision": DECISION}
    return Replication(
        lines=table, units=table,
        provenance={"first": first, "second": second, "model": MODEL, "command": "replicate"},
    )  # fmt: skip


def save_small_store(root: Path) -> Path:
    """A store of one key with one shard; the manifest's path."""
    made_from = {
        "class": "tiny", "format": STORE_FORMAT, "plan_sha256": "ab" * 32, "arrays": ["0.q"],
    }  # fmt: skip
    folder = ShardFolder(root / key_of(made_from), "ab" * 32)
    folder.path.mkdir(parents=True)
    digest = folder.add(0, np.arange(2), {(0, "q"): np.zeros((2, 3), np.float32)})
    manifest = folder.path / MANIFEST
    write_atomic(manifest, seal({"made_from": made_from, "shards": {"0": digest}}))
    return manifest


def save_small_finding(folder: Path) -> Path:
    """What `maximize` and `residual` keep."""

    def fill(work: Path) -> None:
        said = {
            "format": FORMAT, "command": "lens-probes maximize",
            "made_from": {"model": MODEL, "text_sha256": None}, "answer": ["one.", "two."],
            "listing": ["a line"], "recorded": {"n": 3}, "numbers": {"r": [0.5, None]},
        }  # fmt: skip
        (work / NUMBERS).write_text(json.dumps(said, indent=1, allow_nan=False))
        (work / PAGE).write_text("a page")

    return write_folder(folder, fill)


def save_small_record(folder: Path) -> Path:
    """What `reproduce` keeps of a lesson."""
    measured = Measured("L22.b", "course", {"early": Value(0.5), "late": Value(0.25)}, "n", "how")
    outcome = Outcome((measured,), {}, (Doubt("about", "evidence"),), ("a line",))
    lesson = Lesson("L22", "Title", "gpt2-large", ())
    write_record(folder, lesson, "k", outcome, model="bundled", sizes=["n 3"], seconds=1.5)
    return folder / "L22.json"
