"""How many units does it take? Sets of k units of each layer and site, and of the whole sweep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lens_probes import stats
from lens_probes.activations.collect import Activations
from lens_probes.errors import InputError
from lens_probes.examples.examples import Examples
from lens_probes.examples.folds import Folds
from lens_probes.examples.label import TwoClasses
from lens_probes.examples.replication_groups import groups_per_class, mixed_examples
from lens_probes.stats._group_design import LEAST_GROUPS
from lens_probes.stats.sparse_probe import KS, numbers_of_units
from lens_probes.units.table import in_turn

WHOLE_MODEL = (-1, "all")
# Members below half of the threshold's share are not worth a row.
_LISTED = 0.5


@dataclass(frozen=True)
class UnitSets:
    """Held-out scores by number of units, and the units of each set.

    table: a row per layer, site and k; layer -1 and site `all` for the units of all layers and
    sites together. members: units that half or more of the halves of the groups choose.
    """

    table: pd.DataFrame
    members: pd.DataFrame


def sizes_of_sets(sets: Any) -> tuple[int, ...]:
    """Numbers of units that are asked for: True, those of `stats.sparse_probe`; False, none."""
    if isinstance(sets, bool | np.bool_):
        return KS if sets else ()
    return numbers_of_units(sets)


def check_sets(examples: Examples) -> None:
    """Refuse what sets of units cannot be made of.

    Raises
    ------
    InputError
        No two classes, no groups, or too few groups of one class.
    """
    if not isinstance(examples.contrast, TwoClasses):
        raise InputError(
            "sets of units are of two classes, each word in one of them: leave out sets."
        )
    if examples.group is None:
        raise InputError(
            "sets of units hold out whole words, and no word types or groups are known: give word "
            "or group, or leave out sets."
        )
    counts = groups_per_class(examples, ~mixed_examples(examples))
    if min(counts) < LEAST_GROUPS:
        raise InputError(
            f"sets of units need {LEAST_GROUPS} groups of each class, and there are {counts[0]} "
            f"and {counts[1]}: give more words, or leave out sets."
        )


def unit_sets(
    activations: Activations, examples: Examples, k: tuple[int, ...], folds: Folds, *, seed: int
) -> UnitSets:
    """Probes on k units of each layer and site and of all together, by `stats.sparse_probe`.

    Examples of groups with both classes are set aside; folds by word are the sweep's own.
    """
    use = ~mixed_examples(examples)
    assert examples.group is not None
    options: dict[str, Any] = {"groups": examples.group[use], "k": k, "seed": seed}
    if folds.word is not None and use.all():
        options["fold"] = folds.word
    label = examples.label[use]
    tables: list[pd.DataFrame] = []
    members: list[pd.DataFrame] = []
    for key, x in zip(activations, in_turn(activations).rows(use), strict=True):
        _add(tables, members, key, stats.sparse_probe(x, label, **_fitting(options, x.shape[1])))
        names = activations.unit_names(key)
        members[-1].insert(3, "name", [names[unit] for unit in members[-1]["unit"]])
    if len(tables) > 1:
        arrays = in_turn(activations).rows(use)
        every = stats.sparse_probe(arrays, label, **_fitting(options, sum(arrays.widths)))
        _add(tables, members, WHOLE_MODEL, every)
        places = np.cumsum([0, *arrays.widths])
        numbers = members[-1]["unit"].to_numpy()
        which = np.searchsorted(places, numbers, side="right") - 1
        keys = list(activations)
        members[-1]["unit"] = numbers - places[which]
        named = [
            activations.unit_names(keys[array])[unit]
            for array, unit in zip(which, members[-1]["unit"], strict=True)
        ]
        members[-1].insert(3, "name", named)
    return UnitSets(pd.concat(tables, ignore_index=True), pd.concat(members, ignore_index=True))


def with_untrained(sets: UnitSets, untrained: UnitSets) -> UnitSets:
    """Sets with the held-out AUC of as many units of the untrained model beside."""
    beside = untrained.table[["layer", "site", "k", "auc_heldout"]]
    beside = beside.rename(columns={"auc_heldout": "auc_untrained"})
    table = sets.table.merge(beside, on=["layer", "site", "k"], how="left")
    return UnitSets(table, sets.members)


def _fitting(options: dict[str, Any], width: int) -> dict[str, Any]:
    """The options with numbers of units that this many units allow; one at least."""
    return options | {"k": tuple(k for k in options["k"] if k <= width) or (width,)}


def _add(
    tables: list[pd.DataFrame],
    members: list[pd.DataFrame],
    key: tuple[int, str],
    found: stats.SparseProbe,
) -> None:
    layer, site = key
    smallest = np.nan if found.smallest_k is None else float(found.smallest_k)
    tables.append(
        pd.DataFrame(
            {
                "layer": layer,
                "site": site,
                "k": found.k,
                "auc_heldout": found.auc,
                "auc_heldout_low": found.auc_low,
                "auc_heldout_high": found.auc_high,
                "accuracy_heldout": found.accuracy,
                "auc_random": found.random_auc,
                "auc_shuffled": found.shuffled_auc,
                "auc_shuffled_sd": found.shuffled_auc_sd,
                "auc_all_units": found.auc_all,
                "auc_all_units_se": found.auc_all_se,
                "smallest_k": smallest,
                "n_members": int(found.stable.sum()),
                "expected_false_members": found.expected_false,
            }
        )
    )
    listed = np.flatnonzero(found.stability >= _LISTED)
    listed = listed[np.argsort(-found.stability[listed], kind="stable")]
    members.append(
        pd.DataFrame(
            {
                "layer": layer,
                "site": site,
                "unit": listed,
                "stability": found.stability[listed],
                "member": found.stable[listed],
            }
        )
    )
