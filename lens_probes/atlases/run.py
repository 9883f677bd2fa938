"""atlas(): what is each unit tuned to, of many properties, from one reading of a text."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from lens_probes.activations.collect import check_work
from lens_probes.atlases.designs import PropertyDesign, Rows, design_all
from lens_probes.atlases.heldout import Search, error_rates, search
from lens_probes.atlases.properties import properties_of
from lens_probes.atlases.reading import RowMeans, read_means
from lens_probes.atlases.saved import Atlas
from lens_probes.atlases.tables import design_table, sample_table, token_table
from lens_probes.atlases.tokens import Reading, read_tokens
from lens_probes.atlases.tuning import property_table, shares_beyond, unit_table
from lens_probes.errors import (
    MOST_PERMUTATIONS,
    MOST_SEED,
    InputError,
    alpha_of,
    flag,
    given_as,
    whole,
)
from lens_probes.model.load import LensModel
from lens_probes.model.own_sites import recorded_sites, with_sites
from lens_probes.model.wrap import Model, check_model
from lens_probes.sites import Site, check_layers
from lens_probes.stats.many_labels import ManyLabels, many_labels
from lens_probes.storage.json_values import to_json_value
from lens_probes.texts.load import Text, load_text

METHOD = 1  # grows when the same request gives other numbers
_SAMPLE = 256


def atlas(
    model: Model,
    text: Text | str | Path,
    properties: Any = "shipped",
    *,
    sites: Iterable[str | Site] = ("mlp_pre", "q", "k", "v"),
    layers: Iterable[int] | int | None = None,
    max_tokens: int = 60_000,
    seed: int = 0,
    n_permutations: int = 1000,
    alpha: float = 0.05,
    untrained: bool = True,
    batch_size: int | None = None,
    store: str | Path | None = None,
    progress: bool = False,
) -> Atlas:
    """Test every unit for many properties of tokens, on one reading of a text.

    A property that a word type always has or never is tested over word types, each its mean,
    against others of like frequency, length and form; one that a word has here and not there over
    word types too, each against itself. So frequency, length and identity of words pass for no
    property. p is over all units and properties.

    Parameters
    ----------
    model
        Of `load_model`, or a model of TransformerLens in memory.
    text
        Of `load_text`, or what it takes. Chunks of it are drawn, evenly over documents.
    properties
        `"shipped"`, or a list of: `"shipped"`, names of shipped ones, TOML or Python files,
        functions of `lens_probes.atlases.tokens.Tokens`.
    sites, layers
        As in `lens_probes.sweep`.
    max_tokens
        Tokens that are read, with 90 or more of context before each.
    seed
        Of chunks, halves, relabellings, and the random weights.
    n_permutations, alpha
        Relabellings of each property; level over all units and properties.
    untrained
        The same search in random weights, as a null: a second round of forward passes.
    batch_size
        Chunks in one forward pass; by default about 1,500 tokens' worth.
    store
        Folder that keeps all activations (some 300 kB a token of a small model); None keeps sums.
    progress
        Bars on standard error.

    Raises
    ------
    InputError
        Whatever is wrong with the request, in one line, before the passes where possible.
    """
    model = check_model(model)
    check_work(batch_size, progress, store, None)
    given_as("text", text, Text | str | Path, "a Text, or what load_text takes")
    text = text if isinstance(text, Text) else load_text(text)
    asked = properties_of(properties)
    model, names = with_sites(model, sites)
    wanted = check_layers(layers, model.n_layers)
    options = {
        "sites": list(names),
        "layers": list(wanted),
        "seed": whole("seed", seed, least=0, most=MOST_SEED),
        "max_tokens": whole("max_tokens", max_tokens, least=100, most=10**9),
        "n_permutations": whole("n_permutations", n_permutations, least=1, most=MOST_PERMUTATIONS),
        "alpha": alpha_of(alpha),
        "untrained": flag("untrained", untrained),
    }
    if untrained:
        model.check_reinitialised()
    clock = _Clock()
    with clock.of("tokens and properties"):
        reading = read_tokens(model, text, max_tokens, seed)
        designs, rows = design_all(asked, reading, seed)
    tested = [one for one in designs if one.test is not None]
    if not tested:
        raise InputError(f"no property can be tested in this text: {designs[0].problem}.")
    work = _Work(reading, designs, tested, rows, options, names, wanted, progress, batch_size)
    with clock.of("forward passes"):
        means = work.read(model, store)
    with clock.of("statistics"):
        tests = work.tests(means)
        units = unit_table(means, rows, tested, tests)
    with clock.of("held-out"):
        real = search(means, rows, tested, seed=seed)
        null = search(means, rows, tested, shuffled=True, seed=seed)
    sample = sample_table(means)
    del means  # as large as those of the random weights
    best = real.best.merge(_renamed(null.best, "shuffled"), on=["property", "layer", "site"])
    table = property_table(units, tests, tested, best, alpha)
    bare: Search | None = None
    if untrained:
        table, bare = work.untrained(model, table, tests.threshold, clock)
    units = _with_rules(units, real, null, bare, tested, alpha)
    return Atlas(
        units=units,
        properties=table,
        designs=design_table(designs),
        values=pd.DataFrame(
            tests.value.T.astype(np.float32), columns=[one.property.name for one in tested]
        ),
        sample=sample,
        tokens=token_table(reading, tested, rows),
        provenance=to_json_value(
            {
                "model": model.provenance,
                "text": {
                    "name": text.name, "origin": text.origin, "sha256": text.sha256,
                    "treatment": text.treatment, "n_documents": len(set(reading.tokens.document)),
                    "n_read": int(reading.tokens.read.sum()), "n_examples": len(reading.examples),
                    "before": reading.window.before, "chunk": reading.window.chunk,
                    "prefix": [int(model.tokenizer.bos_token_id)] if reading.window.bos else [],
                    "tokens_sha256": reading.examples.digest,
                },
                "options": options,
                "threshold": tests.threshold,
                "method": METHOD,
                **recorded_sites(model, names),
            },
            "provenance",
        ),
        timings=clock.seconds,
    )  # fmt: skip


class _Clock:
    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def of(self, name: str) -> Any:
        began = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - began


@dataclass(frozen=True)
class _Work:
    """What is done to the model, and the same to its random twin."""

    reading: Reading
    designs: list[PropertyDesign]
    tested: list[PropertyDesign]
    rows: Rows
    options: dict[str, Any]
    sites: tuple[str, ...]
    layers: tuple[int, ...]
    progress: bool
    batch_size: int | None

    def read(self, model: LensModel, store: str | Path | None) -> RowMeans:
        examples = self.reading.examples
        rng = np.random.default_rng(self.options["seed"])
        assert examples.document is not None
        documents = examples.document.astype(str)
        names = np.unique(documents)
        first = rng.permutation(names)[: len(names) // 2]
        return read_means(
            model, examples, self.rows.members, self.rows.inside,
            self.reading.tokens.chunk[self.reading.token], np.isin(documents, first),
            np.unique(np.linspace(0, len(examples) - 1, _SAMPLE).astype(np.int64)),
            sites=self.sites, layers=self.layers, batch_size=self.batch_size, store=store,
            progress=self.progress,
        )  # fmt: skip

    def tests(self, means: RowMeans) -> ManyLabels:
        labels = [one.test for one in self.tested if one.test is not None]
        keys = means.keys
        bar = tqdm(total=len(labels), desc="statistics", unit="property", disable=not self.progress)
        with bar:
            return many_labels(
                lambda index, rows: means.means(keys[index], rows), means.widths, labels,
                n_permutations=self.options["n_permutations"], alpha=self.options["alpha"],
                n_threads=_threads(), seed=self.options["seed"], done=lambda: bar.update(),
            )  # fmt: skip

    def untrained(
        self, model: LensModel, table: pd.DataFrame, threshold: float, clock: _Clock
    ) -> tuple[pd.DataFrame, Search]:
        """The properties' table with what random weights give beyond the same threshold."""
        seed = self.options["seed"]
        with clock.of("forward passes, untrained"):
            means = self.read(model.reinitialised(seed), None)
        with clock.of("held-out, untrained"):
            bare = search(means, self.rows, self.tested, seed=seed)
            shares = shares_beyond(means, self.tested, threshold)
        twin = _renamed(bare.best, "untrained").merge(shares, on=["property", "layer", "site"])
        return table.merge(twin, on=["property", "layer", "site"], how="left"), bare


def _threads() -> int:
    given = os.environ.get("OMP_NUM_THREADS", "")
    return int(given) if given.isdigit() and int(given) > 0 else os.cpu_count() or 1


def _renamed(best: pd.DataFrame, name: str) -> pd.DataFrame:
    return best.rename(columns={"best_auc_heldout": f"{name}_auc_heldout"})


def _with_rules(
    units: pd.DataFrame,
    real: Search,
    null: Search,
    bare: Search | None,
    tested: list[PropertyDesign],
    alpha: float,
) -> pd.DataFrame:
    names = np.array([one.property.name for one in tested] + [""], dtype=object)
    rule, auc = names[real.agreed], real.mean_auc
    q = error_rates(real, null)
    q_bare = np.full(len(units), np.nan) if bare is None else error_rates(real, bare)
    named = (rule != "") & (rule == units["best"].to_numpy()) & (units["p_best"] <= alpha)
    named &= (q <= alpha) & ((bare is None) | (q_bare <= alpha))
    return units.assign(
        rule=rule, auc_heldout=auc, q_shuffled=q, q_untrained=q_bare, named=named.to_numpy(bool)
    )
