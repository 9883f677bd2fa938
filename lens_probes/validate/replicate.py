"""Replication: does what a sweep found hold for new sentences, words, passages, texts?"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool
from numpy.typing import NDArray

from lens_probes import stats
from lens_probes.activations import Activations, check_work, collect
from lens_probes.adjustment import Adjustment
from lens_probes.decision import (
    Decision,
    course_p,
    pairs_of_words,
    preset_decision,
    resolve,
)
from lens_probes.errors import InputError, at_least, given_as
from lens_probes.examples import Examples
from lens_probes.model import LensModel, check_model, load_model
from lens_probes.probes.base import NO_CORPUS, Probe, examples_of
from lens_probes.replication_groups import seen_groups
from lens_probes.result import SweepResult
from lens_probes.significance import decide
from lens_probes.unit_table import covariates_of, in_turn, unit_tables
from lens_probes.validate.replication import KINDS, LINES, Replication


def replicate(
    result: SweepResult,
    again: Probe | Examples,
    *,
    model: LensModel | None = None,
    n_permutations: int = 1000,
    batch_size: int | None = None,
    progress: bool = False,
    store: str | Path | None = None,
    executor: Executor | None = None,
) -> Replication:
    """Test the units of a sweep on further examples of the same contrast.

    Windows that the first sweep has read are left out and counted. The lines are not exclusive:
    an example may have a new word in a new passage of a new text. The second test decides as the
    first did (same preset, method, family and alpha), on its examples alone.

    Parameters
    ----------
    model
        The model of the first sweep; None loads it again by its source.
    store, executor
        Folder that keeps activations, so that a stopped replication goes on where it was, and who
        computes them; see `collect`.

    Raises
    ------
    InputError
        Another model, other classes, or no new example.
    """
    given_as("result", result, SweepResult, "a SweepResult")
    check_work(batch_size, progress, store, executor)
    at_least(1, n_permutations=n_permutations)
    given_as("again", again, Probe | Examples, "a Probe or Examples")
    if model is not None:
        check_model(model)
    model = _same_model(result, model)
    examples = examples_of(model, again)
    first = result.provenance["examples"]
    if list(examples.class_names) != list(first["class_names"]):
        raise InputError(
            f"the first sweep has the classes {' and '.join(first['class_names'])}, these examples "
            f"{' and '.join(examples.class_names)}: replicate the same contrast."
        )
    if (examples.value is None) != ("r_p" not in result.units):
        raise InputError("one of the two has a continuous label and the other has classes.")
    _same_classes(result, examples)
    seen = np.isin(examples.windows.astype(str), result.examples["window"].astype(str))
    if examples.pair is not None and pairs_of_words(examples):
        seen = np.isin(examples.pair, examples.pair[seen])
    if seen.all():
        raise InputError(
            f"all {len(examples)} examples were read by the first sweep: give another text or seed."
        )
    examples = examples.select(~seen)
    sites, layers = result.provenance["sites"], result.provenance["layers"]
    read = collect(
        model,
        examples,
        sites=sites,
        layers=layers,
        batch_size=batch_size,
        progress=progress,
        store=store,
        executor=executor,
    )
    lines, whole = [], None
    for kind, rows, note in _kinds(result, examples):
        line, units = _line(result, read, examples, rows, n_permutations, model.tokenizer)
        said = "; ".join(filter(None, (note, line["note"])))
        lines.append(line | {"kind": kind, "note": said})
        whole = units if kind == KINDS[0] else whole
    return Replication(
        pd.DataFrame(lines)[list(LINES)],
        _side_by_side(result, whole),
        {
            "first": {"examples": dict(first), "decision": result.provenance["decision"]},
            "second": {
                "origin": dict(examples.origin),
                "counts": dict(examples.counts)
                | {"left out: read by the first sweep": int(seen.sum())},
                "sha256": examples.digest,
            },
            "model": model.provenance,
        },
    )


def _same_classes(result: SweepResult, examples: Examples) -> None:
    """An error where a word has changed sides: its effect would come back with the other sign."""
    if examples.word is None or examples.value is not None:
        return
    known = result.examples.dropna(subset="word").groupby("word")["label"].agg(set)
    for word, label in zip(examples.word, examples.label.tolist(), strict=True):
        if word in known.index and label not in known[word]:
            names = result.provenance["examples"]["class_names"]
            raise InputError(
                f"word {word!r} is {names[label]} here and was {names[1 - label]} in the first "
                "sweep: replicate the same contrast."
            )


def _whole_pairs(examples: Examples) -> Examples:
    """Examples without their pairs, if a pair has lost a side."""
    if examples.pair is None:
        return examples
    sides = [sorted(examples.pair[examples.label == label]) for label in (0, 1)]
    return examples if sides[0] == sides[1] else replace(examples, pair=None)


def _same_model(result: SweepResult, model: LensModel | None) -> LensModel:
    said = result.provenance["model"]
    if model is None:
        model = load_model(said["source"], dtype=said["dtype"], processing=said["processing"])
    now = model.provenance
    if now["weights_sha256"] != said["weights_sha256"]:
        raise InputError(
            f"model {model.source!r} has other weights than the model of the first sweep "
            f"({said['source']!r}): load that one."
        )
    # Other versions of the libraries may name further settings of the same model.
    comparable = said.get("versions") == now["versions"] and "config_sha256" in said
    if comparable and now["config_sha256"] != said["config_sha256"]:
        raise InputError(
            f"model {model.source!r} has the weights of the model of the first sweep, and other "
            f"settings (of positions or norms?) than {said['source']!r}: load that one."
        )
    return model


def _asked(result: SweepResult, examples: Examples, n_permutations: int) -> Decision:
    said = result.provenance["decision"]
    return preset_decision(
        said["preset"],
        alpha=said["alpha"],
        method=said["method"],
        level="token" if said["preset"] == "rigorous" and said["level"] == "token" else None,
        scope=said["scope"],
        n_permutations=n_permutations,
        seed=said["seed"],
        course_p=course_p(examples),
    )


def _kinds(
    result: SweepResult, examples: Examples
) -> list[tuple[str, Bool[np.ndarray, " example"], str]]:
    """Rows of each kind of newness, with the reason where there can be none."""
    every = np.ones(len(examples), dtype=bool)
    nothing = np.zeros(len(examples), dtype=bool)
    kinds = [(KINDS[0], every, "")]
    known = seen_groups(examples, result.examples)
    if known is None:
        kinds += [(kind, nothing, "no word types are known") for kind in KINDS[1:3]]
    else:
        kinds += [(KINDS[1], known, ""), (KINDS[2], ~known, "")]
    sources = sorted(map(str, set(result.examples["source"].dropna())))
    if examples.source is None or not sources:
        kinds.append((KINDS[3], nothing, "no sources are known"))
    else:
        kinds.append((KINDS[3], ~np.isin(examples.source.astype(str), sources), ""))
    texts = [
        origin.get("text", {}).get("sha256") if isinstance(origin.get("text"), Mapping) else None
        for origin in (result.provenance["examples"]["origin"], examples.origin)
    ]
    made = [
        isinstance(origin.get("text"), Mapping) and origin["text"].get("from") in NO_CORPUS
        for origin in (result.provenance["examples"]["origin"], examples.origin)
    ]
    if None in texts or texts[0] == texts[1] or all(made):
        why = "no text is known" if None in texts else "the same text"
        kinds.append((KINDS[4], nothing, "made sentences, no corpus" if all(made) else why))
    else:
        kinds.append((KINDS[4], every, ""))
    return kinds


def _line(
    result: SweepResult,
    read: Activations,
    examples: Examples,
    rows: Bool[np.ndarray, " example"],
    n_permutations: int,
    tokenizer: Any,
) -> tuple[dict[str, Any], pd.DataFrame | None]:
    chosen = _whole_pairs(examples.select(np.flatnonzero(rows))) if rows.any() else None
    n0, n1 = (int(np.sum(rows & (examples.label == label))) for label in (0, 1))
    line: dict[str, Any] = dict.fromkeys(LINES, np.nan)
    line |= {"n": f"{n0} v {n1}", "n_words": _words(examples, rows), "level": "", "note": ""}
    if chosen is None or min(n0, n1) < 2:
        return line | {"note": "2 examples of each class or more are needed"}, None
    if chosen.value is not None and len(set(chosen.value.tolist())) < 2:
        return line | {"note": "all values are the same"}, None
    part = read.some(rows)
    decision, _ = resolve(_asked(result, chosen, n_permutations), chosen)
    covariates = covariates_of(chosen, tokenizer)
    least = None if decision.level == "token" else decision.min_per_group
    table = unit_tables(part, chosen, covariates, None, least)
    given = Adjustment.of(chosen, tokenizer) if decision.method == "max_adjusted" else None
    units, _ = decide(table, decision, in_turn(part), chosen, given)
    return line | _compare(result, units) | {"level": decision.level, "note": decision.why}, units


def _compare(result: SweepResult, units: pd.DataFrame) -> dict[str, Any]:
    first = result.units
    effect, score = ("r", "r") if "r" in first else ("hedges_g", "auc")
    agreement = stats.concordance(
        first[effect].to_numpy(float), first["significant"], units[effect].to_numpy(float),
        units["significant"],
    )  # fmt: skip
    oriented = _oriented(first["direction"].to_numpy(float), units[score].to_numpy(float), score)
    significant = first["significant"].to_numpy(bool) & np.isfinite(oriented)
    best = first[result.rank_column].argmin() if first[result.rank_column].notna().any() else None
    return {
        "units_compared": agreement.n_units,
        "n_significant1": agreement.n_significant1,
        "n_significant2": agreement.n_significant2,
        "sign_agreement": agreement.sign_agreement,
        "share_significant_again": agreement.significant_again,
        "auc_heldout": float(oriented[significant].mean()) if significant.any() else np.nan,
        "best_auc_heldout": np.nan if best is None else float(oriented[int(best)]),
        "effect_correlation": agreement.pearson_r,
        "concordance": agreement.concordance,
    }


def _oriented(
    direction: NDArray[np.float64], values: NDArray[np.float64], score: str
) -> NDArray[np.float64]:
    """AUC or r of the second examples, in the direction that the first gave."""
    turned = -values if score == "r" else 1 - values
    return np.where(direction < 0, turned, values)


def _words(examples: Examples, rows: Bool[np.ndarray, " example"]) -> str:
    if examples.word is None:
        return ""
    counts = (len(set(examples.word[rows & (examples.label == label)])) for label in (0, 1))
    return " v ".join(map(str, counts))


def _side_by_side(result: SweepResult, second: pd.DataFrame | None) -> pd.DataFrame:
    first = result.units
    column = "r" if "r" in first else "t"
    if second is None:
        second = first.assign(**{column: np.nan, "significant": False})
    one, two = first["significant"].to_numpy(bool), second["significant"].to_numpy(bool)
    return pd.DataFrame(
        {
            **{name: first[name] for name in ("name", "layer", "site", "unit")},
            "t1": first[column],
            "t2": second[column].to_numpy(float),
            "significant1": one,
            "significant2": two,
            "group": np.select([one & two, one, two], ["both", "first", "second"], "none"),
        }
    )
