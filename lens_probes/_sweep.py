"""The main path: examples -> activations -> statistics -> result."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Executor
from functools import partial
from pathlib import Path

from lens_probes._analysis import WithModel, analyse
from lens_probes._prepare import prepare
from lens_probes._request import Request
from lens_probes.activations.collect import check_work, collect
from lens_probes.activations.shard_file import StoreDtype
from lens_probes.examples.examples import Examples
from lens_probes.examples.notes import notes_on
from lens_probes.model.own_sites import recorded_sites
from lens_probes.model.wrap import Model
from lens_probes.probes.base import Probe
from lens_probes.sites import Site
from lens_probes.stages import Stages
from lens_probes.sweep_result import SweepResult
from lens_probes.units.decision import Level, Method, Preset, Scope


def sweep(
    model: Model,
    probe: Probe | Examples,
    *,
    sites: Iterable[str | Site] = ("mlp_pre",),
    layers: Iterable[int] | int | None = None,
    preset: Preset = "rigorous",
    alpha: float = 0.05,
    method: Method | None = None,
    level: Level | None = None,
    scope: Scope | None = None,
    min_per_group: int | None = None,
    n_permutations: int = 1000,
    untrained: bool = True,
    sets: bool | Iterable[int] = False,
    seed: int = 0,
    batch_size: int | None = None,
    progress: bool = False,
    store: str | Path | None = None,
    store_dtype: StoreDtype = "float32",
    executor: Executor | None = None,
) -> SweepResult:
    """Test every unit of some sites and layers for a difference between two classes of tokens.

    Parameters
    ----------
    model
        Of `load_model`, or a `HookedTransformer` or `TransformerBridge` in memory.
    probe
        A probe, or examples of one's own (`Examples.from_tokens`).
    sites, layers
        Names of `lens_probes.sites.SITES`, hooks of TransformerLens, sites of your own (`Site`);
        layer indices, None for all of them.
    preset
        `"rigorous"`: max-T permutation over replication groups (word types, joined where they are
        read at one token) and all units of the sweep, with held-out scores, nulls and controls.
        `"course"`: what the lessons do: Wald test of the logistic regression, Bonferroni within
        one layer and site, nothing else.
    alpha, method, scope
        Level, correction and family (layer, site, model) instead of the preset's. `"max_t"` names
        units with a family-wise error, `"max_adjusted"` too, given speakers, frequency, length and
        date; to count them `"bh"`, `"by"`, or `"hierarchical"` (layers,
        then units) bound the false discovery rate, by each unit's p of the same permutations
        (`pooled_p`; paired t of pairs), `"bonferroni"` and `"holm"` their family-wise error.
    level
        `"word"`: groups count (default of the rigorous preset); `"token"`: examples do. Where
        groups cannot decide (unknown, too few), the rigorous preset falls back to tokens and says
        why; with a method or level="word" asked for, that is an error.
    min_per_group
        Examples that a group needs to count; None: 5 where half of the groups (of a value: 20)
        have them, else 1.
    n_permutations, seed
        Of the permutation test; the seed also draws folds, nulls and the untrained weights.
    untrained
        Repeat the rigorous sweep on untrained weights: a second round of forward passes.
    sets
        True: probes on 1, 2, 4, ... 256 units of each layer and site (`lp.stats.sparse_probe`),
        and the sets that halves of the groups agree on; or numbers of units of your own.
    store, store_dtype, executor
        Folder that keeps activations, so that a stopped sweep goes on where it was, what it keeps
        numbers in, and who computes them; see `collect`.
    progress
        A bar on standard error for each stage: forward passes, statistics, checks, untrained.
    batch_size
        Windows in one forward pass; see `collect`.

    Raises
    ------
    InputError
        Whatever is wrong with the request, in one line, before the forward passes where possible.
    """
    check_work(batch_size, progress, store, executor, store_dtype)
    request = Request(
        preset, alpha, method, level, scope, min_per_group, n_permutations, seed, sets
    )
    stages = Stages(shown=progress)
    with stages.stage("examples", bar=False):
        ready = prepare(model, probe, request, sites=sites, layers=layers, untrained=untrained)
    read = partial(
        collect,
        sites=ready.sites,
        layers=ready.layers,
        batch_size=batch_size,
        progress=progress,
        store=store,
        store_dtype=store_dtype,
        executor=executor,
    )
    examples = ready.design.examples
    with stages.stage("forward passes", bar=False):
        activations = stages.watched(read(ready.model, examples))
    return analyse(
        activations,
        ready.design,
        stages,
        source={"model": ready.model.provenance} | recorded_sites(ready.model, ready.sites),
        notes=[*ready.missing, *notes_on(examples, ready.model.tokenizer)],
        with_model=WithModel(ready.model, read, ready.others, ready.untrained),
    )
