"""Every number that a report on maximisation or on the residual stream says is that of a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import caption_claims
import maximize_claims
import numpy as np
import pytest
import residual_claims
from tiny_models import PROSE

import lens_probes as lp
from lens_probes import residual
from lens_probes.drawing.page import Finding
from lens_probes.maximize import (
    batch_winners,
    maximize,
    maximize_tokens,
    reproducibility,
    top_contexts,
)
from lens_probes.model.load import LensModel
from lens_probes.report import maximize_findings, residual_figures, residual_findings
from lens_probes.texts.load import Document
from lens_probes.units.paint import token_texts

pytestmark = pytest.mark.model
PLACE = {"site": "mlp_pre", "layer": 1, "unit": 7}
AT = {"site": "mlp_pre", "layer": 1, "units": 7}
LENGTH = 40
TEXT = lp.Text(
    "prose", (Document("d", "s", PROSE * 20), Document("e", "s", "We can go there.")), "a test"
)


def all_held(
    findings: list[Finding],
    claims: Mapping[str, Callable[[Finding, caption_claims.Named], list[float]]],
    fixed: tuple[str, ...] = (),
) -> None:
    """Hold every number of the answers, titles and captions; every claim is made by one."""
    said = set()
    for finding in findings:
        metas = [figure.layout.meta for figure in finding.figures.values()]
        lines = [*finding.answer, *(meta[part] for meta in metas for part in ("title", "caption"))]
        for sentence in caption_claims.numbered(lines, fixed):
            said.add(caption_claims.held(sentence, finding, claims))
    assert set(claims) - said == set(), "sentences that no report says"


def test_of_free_embeddings(tiny_model: LensModel) -> None:
    settings = {"n_tokens": 2, "steps": 30, "learning_rate": 0.02}
    found = reproducibility(tiny_model, **PLACE, n_restarts=3, n_null=9, **settings)
    run = found.maximized
    rising = np.linspace(0, 1e4, len(run.path))[:, None, None]
    fast = replace(run, neighbours_path=run.neighbours_path + rising)
    slow = replace(run, neighbours_path=run.neighbours_path - rising)
    alone = replace(run, neighbours=(), neighbours_path=run.neighbours_path[..., :0])
    one = maximize(tiny_model, **PLACE, n_starts=1, **settings)
    findings = [
        maximize_findings.by_gradient(tiny_model, run, found),
        *(maximize_findings.by_gradient(tiny_model, r, None) for r in (fast, slow, alone, one)),
    ]
    all_held(findings, maximize_claims.GRADIENT)


def test_of_text_that_was_searched_for(tiny_model: LensModel) -> None:
    found = maximize_tokens(tiny_model, **PLACE, n_tokens=3, steps=2, n_candidates=20)
    free = maximize(tiny_model, **PLACE, n_tokens=3, steps=10)
    real = top_contexts(tiny_model, TEXT, **AT, k=5, length=LENGTH)
    unit = PLACE["unit"]
    beside = maximize_findings.over_tokens(tiny_model, found, free, real, unit)
    findings = [
        maximize_findings.over_tokens(tiny_model, found, None, None, unit),
        replace(beside, numbers=beside.numbers | {"n_counted": real.n_counted}),
    ]
    all_held(findings, maximize_claims.TOKENS)


def test_of_a_corpus(tiny_model: LensModel) -> None:
    found = top_contexts(tiny_model, TEXT, **AT, k=5, length=LENGTH)
    winners = batch_winners(tiny_model, TEXT, **AT, n_batches=12, batch=3, length=LENGTH)
    findings = []
    for batch in (3, found.n_tokens // LENGTH):
        given = replace(winners, batch=batch)
        finding = maximize_findings.in_a_corpus(tiny_model, found, given, PLACE["unit"])
        behind = sum(n for place, n in found.sinks.by_position.items() if place)
        settings = {
            "batch": batch,
            "n_documents": len(TEXT.documents),
            "n_sampled": found.n_sampled,
            "sinks_behind_first": behind,
            "sink_factor": found.sinks.factor,
        }
        findings.append(replace(finding, recorded=finding.recorded | settings))
    all_held(findings, maximize_claims.SAMPLE)


def measured(
    model: LensModel, prompt: str, ratio: float, monkeypatch: pytest.MonkeyPatch
) -> Finding:
    """The report on a prompt where a sink is a stream of `ratio` medians, and what it measured."""
    with monkeypatch.context() as patch:
        states = partial(residual.stream_correlation, sink_ratio=ratio)
        patch.setattr(residual, "stream_correlation", states)
        finding = residual_findings.of_prompt(model, prompt, site="q", layer=1, bos=False, seed=0)
        found = residual.stream_correlation(model, finding.recorded["tokens"])
    tokens = residual.token_correlations(model, finding.recorded["tokens"], 1, "q")
    pieces = token_texts(model.tokenizer, finding.recorded["tokens"])
    extra = {
        "states": found,
        "tokens": tokens,
        "n_units": tokens.activations.shape[1],
        "n_in_word": len(residual_findings.longest_word(pieces)),
    }
    return replace(finding, numbers=finding.numbers | {"measured": extra})


def backwards(finding: Finding, model: LensModel) -> Finding:
    """The same report were the last block the first, and states too short without outliers."""
    ids, found = finding.recorded["tokens"], finding.numbers["measured"]["states"]
    path, n = residual.path_length(model, ids), model.n_layers
    names = ("norm", "step", "attention", "mlp")
    path = replace(path, **{name: getattr(path, name)[::-1] for name in names})
    found = replace(found, r_masked=np.full_like(found.r_masked, np.nan))
    sums = [residual.block_sums(model, ids, layer) for layer in range(n)]
    return replace(
        finding,
        answer=(),
        figures={
            "correlation": residual_figures.state_correlation(found),
            "steps": residual_figures.steps_by_layer(path),
        },
        tables=finding.tables | {"layers": residual_findings._layers(sums, found, path)},
    )


def test_of_the_residual_stream(tiny_model: LensModel, monkeypatch: pytest.MonkeyPatch) -> None:
    prompt = "The bookshelf is dark."
    plain, most = (measured(tiny_model, prompt, ratio, monkeypatch) for ratio in (10.0, 1.01))
    norm = plain.numbers["measured"]["states"].norm
    ratios = np.sort((norm / np.median(norm, axis=(1, 2), keepdims=True)).max(axis=(0, 1)))
    single = measured(tiny_model, prompt, float(ratios[-2:].mean()), monkeypatch)
    cut = measured(tiny_model, "我们去河边走路", 10.0, monkeypatch)
    findings = [plain, most, single, cut, backwards(plain, tiny_model)]
    all_held(findings, residual_claims.CLAIMS, residual_claims.FIXED)


def test_a_wrong_number_is_noticed(tiny_model: LensModel) -> None:
    free = maximize(tiny_model, **PLACE, n_tokens=2, steps=5)
    finding = maximize_findings.by_gradient(tiny_model, free, None)
    one = "One point an embedding (2 in 1 starts), the token on hover"
    caption_claims.held(one, finding, maximize_claims.GRADIENT)
    with pytest.raises(AssertionError):
        caption_claims.held(one.replace("2", "3"), finding, maximize_claims.GRADIENT)
