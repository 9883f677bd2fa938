"""Replication: does what a sweep found hold for new sentences, words, passages, texts?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import Executor
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool

from lens_probes.activations.collect import check_work, collect
from lens_probes.activations.shard_file import StoreDtype
from lens_probes.errors import InputError, at_least, given_as
from lens_probes.examples.examples import Examples
from lens_probes.examples.replication_groups import seen_groups
from lens_probes.model.load import LensModel, load_model
from lens_probes.model.wrap import Model, check_model
from lens_probes.probes.base import NO_CORPUS, Probe, examples_of
from lens_probes.replication.lines import line_of
from lens_probes.replication.replication import KINDS, LINES, Replication
from lens_probes.result.result import SweepData
from lens_probes.sites import Site
from lens_probes.stages import Stages
from lens_probes.storage.json_values import to_json_value


def replicate(
    result: SweepData,
    again: Probe | Examples,
    *,
    model: Model | None = None,
    sites: Iterable[Site] = (),
    n_permutations: int = 1000,
    batch_size: int | None = None,
    progress: bool = False,
    store: str | Path | None = None,
    store_dtype: StoreDtype = "float32",
    executor: Executor | None = None,
) -> Replication:
    """Test the units of a sweep on further examples of the same contrast.

    Windows that the first sweep has read are left out and counted. The lines are not exclusive:
    an example may have a new word in a new passage of a new text. The second test decides as the
    first did (same preset, method, family and alpha), on its examples alone.

    Parameters
    ----------
    result
        The first sweep, in memory or loaded.
    again
        A probe that draws new examples, or examples.
    model
        The model of the first sweep; None loads it again by its source.
    sites
        The functions that the first sweep has read (`Site.from_function`), where it has any.
    progress
        A bar on standard error for the forward passes and for the statistics of each line.
    store, store_dtype, executor
        Folder that keeps activations, so that a stopped replication goes on where it was, and who
        computes them; see `collect`.
    n_permutations
        Relabellings behind the null of each line.
    batch_size
        Windows in one forward pass; see `collect`.

    Raises
    ------
    InputError
        Another model, other classes, or no new example.
    """
    given_as("result", result, SweepData, "a SweepResult")
    check_work(batch_size, progress, store, executor, store_dtype)
    at_least(1, n_permutations=n_permutations)
    given_as("again", again, Probe | Examples, "a Probe or Examples")
    if len(classes := result.provenance["examples"]["class_names"]) > 2:
        raise InputError(
            f"the first sweep has {len(classes)} classes, and a replication compares two: sweep "
            "two of them and replicate those."
        )
    model = _same_model(result, None if model is None else check_model(model))
    read_sites = _same_sites(result, sites)
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
    if examples.own_control:
        assert examples.pair is not None
        seen = np.isin(examples.pair, examples.pair[seen])
    if seen.all():
        raise InputError(
            f"all {len(examples)} examples were read by the first sweep: give another text or seed."
        )
    examples = examples.select(~seen)
    layers = result.provenance["layers"]
    stages = Stages(shown=progress)
    read = stages.watched(
        collect(
            model,
            examples,
            sites=read_sites,
            layers=layers,
            batch_size=batch_size,
            progress=progress,
            store=store,
            store_dtype=store_dtype,
            executor=executor,
        )
    )
    lines, whole = [], None
    for kind, rows, note in _kinds(result, examples):
        with stages.stage(f"statistics, {kind}", bar=bool(rows.any())):
            line, units = line_of(result, read, examples, rows, n_permutations, model.tokenizer)
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


def _same_classes(result: SweepData, examples: Examples) -> None:
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


def _same_sites(result: SweepData, given: Iterable[Site]) -> list[str | Site]:
    """The sites of the first sweep; its functions as they are given again."""
    own = {site.name: site for site in given}
    for name, said in result.provenance.get("own_sites", {}).items():
        if "function" in said and name not in own:
            raise InputError(f"the first sweep has a site of your own, {name!r}: give it in sites.")
        now = to_json_value(own[name].recorded) if name in own else said
        if now != said:
            raise InputError(f"site {name!r} is another than that of the first sweep.")
    return [own.get(name, name) for name in result.provenance["sites"]]


def _same_model(result: SweepData, model: LensModel | None) -> LensModel:
    said = result.recorded_model
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


def _kinds(
    result: SweepData, examples: Examples
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


def _side_by_side(result: SweepData, second: pd.DataFrame | None) -> pd.DataFrame:
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
