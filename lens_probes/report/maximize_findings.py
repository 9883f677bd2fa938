"""What a maximisation says in sentences, figures and numbers: one `Finding` for each method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lens_probes.drawing.activation_axis import mean_and_range, one_line_text, said, token_said
from lens_probes.drawing.numbers import fixed, percent, whole
from lens_probes.drawing.page import Finding
from lens_probes.report.maximize_figures import (
    activation_path,
    decode_cosines,
    optima_compared,
    path_sentence,
    restarts_against_chance,
)
from lens_probes.report.sampling_figures import (
    context_said,
    context_strip,
    contexts_sentence,
    winner_sentence,
    winner_tokens,
)

if TYPE_CHECKING:
    from lens_probes.maximize import (
        Context,
        Decoded,
        Maximized,
        MaximizedTokens,
        Reproducibility,
        TopContexts,
        Winners,
    )
    from lens_probes.maximize.reading import Sinks
    from lens_probes.model.load import LensModel

SHOWN = 5
AROUND = 80
KIND = "Activation maximisation"


def by_gradient(model: LensModel, run: Maximized, restarts: Reproducibility | None) -> Finding:
    """Of free embeddings, with restarts where there were several."""
    best = int(run.activation.argmax())
    answer = [
        path_sentence(run),
        f"Highest start ({best}) decodes to {_tokens(run.decoded, best)}; "
        f"its random start to {_tokens(run.start_decoded, best)}.",
        f"Nearest tokens lie at cosine {mean_and_range(run.decoded.cosine.ravel())}, those of the "
        f"random starts at {mean_and_range(run.start_decoded.cosine.ravel())}; "
        f"{percent(run.share_start_tokens, 0)} are the start's own token.",
    ]
    figures = {"path": activation_path(run), "cosines": decode_cosines(run)}
    numbers: dict[str, Any] = {
        "unit": run.name,
        "start_activation": run.path[0],
        "activation": run.activation,
        "neighbours": run.neighbours,
        "neighbours_start": run.neighbours_path[0],
        "neighbours_end": run.neighbours_path[-1],
        "share_start_tokens": run.share_start_tokens,
    }
    if restarts is not None:
        answer.append(_restarts(restarts))
        figures["restarts"] = restarts_against_chance(restarts)
        numbers["restarts"] = {
            "n_distinct": restarts.optima.n_distinct,
            "n_decoded": restarts.n_decoded,
            "null_distinct": restarts.null_distinct,
            "embedding_cosine": restarts.optima.embedding_cosine,
            "null_embedding_cosine": [d.embedding_cosine.mean() for d in restarts.null],
            "p_distinct": restarts.p_distinct,
            "p_embedding": restarts.p_embedding,
            "p_decoded": restarts.p_decoded,
        }
    steps, starts = np.indices(run.path.shape)
    return Finding(
        kind=KIND,
        question=f"Which embeddings drive {run.name}?",
        answer=tuple(answer),
        figures=figures,
        numbers=numbers,
        recorded={"method": "gradient", **run.settings, "model": model.provenance},
        tables={
            "path": pd.DataFrame(
                {"step": steps.ravel(), "start": starts.ravel(), "activation": run.path.ravel()}
            ),
            "decoded": pd.concat(
                [_decoded(run.decoded, "optimised"), _decoded(run.start_decoded, "random start")]
            ),
        },
    )


def over_tokens(
    model: LensModel,
    found: MaximizedTokens,
    free: Maximized | None,
    real: TopContexts | None,
    unit: int,
) -> Finding:
    """Of text that was searched for, beside free embeddings and real text."""
    random = found.random_activation
    answer = [
        f"{token_said(found.text[found.best])} drives {found.name} to "
        f"{said(float(found.activation.max()))} (its text tokenised and run anew); the search "
        f"began at {said(float(found.path[0, found.best]))}, the best of "
        f"{found.settings['n_candidates']} random sequences.",
        f"Of {whole(len(random))} random sequences, as much computation as the search took, "
        f"the best ({token_said(found.random_text)}) reaches {said(float(random.max()))}, the "
        f"median {said(float(np.median(random)))}: the search "
        f"{'does better' if found.beats_random else 'does no better'}.",
    ]
    numbers: dict[str, Any] = {
        "unit": found.name,
        "text": found.text,
        "tokens": found.tokens,
        "activation": found.activation,
        "path": found.path,
        "n_evaluations": found.n_evaluations,
        "n_refused": found.n_refused,
        "random_text": found.random_text,
        "random_activation": {
            f"{q:g}": float(np.quantile(random, q)) for q in (0, 0.25, 0.5, 0.75, 0.99, 1)
        },
    }
    if free is not None:
        answer.append(
            f"{free.settings['n_tokens']} free embeddings reach "
            f"{said(float(free.activation.max()))} in {free.settings['steps']} steps: they are "
            "no text."
        )
        numbers["free_embeddings"] = {"activation": free.activation, **free.settings}
    contexts, tables = {}, {}
    if real is not None:
        top = real.contexts(unit, kinds=["top"])
        answer.append(
            f"The highest of {whole(real.n_counted)} tokens of {real.settings['text']} is "
            f"{said(top[0].value)}: {context_said(top[0], AROUND)}"
        )
        contexts, tables = {"top": top[:SHOWN]}, {"contexts": real.table(unit)}
        numbers["real_text"] = [c.value for c in top]
    return Finding(
        kind=KIND,
        question=f"Which text drives {found.name}?",
        answer=tuple(answer),
        figures={"optima": optima_compared(found, free, real)},
        numbers=numbers,
        recorded={"method": "tokens", **found.settings, "model": model.provenance},
        contexts=contexts,
        tables=tables,
    )


def in_a_corpus(model: LensModel, found: TopContexts, winners: Winners, unit: int) -> Finding:
    """Of a corpus: examples at all heights, and which token wins batches."""
    name = found.names[0]
    every = found.contexts(unit)
    by_kind = {kind: [c for c in every if c.kind == kind] for kind in ("top", "random", "bottom")}
    for level in found.quantiles:
        by_kind[f"quantile {level:g}"] = [c for c in every if c.quantile == level]
    order = ["top", *(f"quantile {q:g}" for q in reversed(found.quantiles)), "random", "bottom"]
    shown = {kind: by_kind[kind][:SHOWN] for kind in order}
    left = ", ".join(f"{n:,} at {why}" for why, n in found.left_out.items() if n) or "none"
    answer = [
        f"{contexts_sentence(found, unit, name)}.",
        f"{winner_sentence(winners, unit, name)}.{_too_short(winners)}",
        f"Read: {whole(found.n_tokens)} tokens of {found.settings['text']}, "
        f"{whole(len(found.documents))} document{'s' * (len(found.documents) != 1)}; left out: "
        f"{left}. {_sinks_said(found.sinks)}",
    ]
    return Finding(
        kind=KIND,
        question=f"Which tokens of a text drive {name}?",
        answer=tuple(answer),
        figures={
            "contexts-strip": context_strip(found, unit),
            "winners": winner_tokens(winners, unit),
        },
        numbers={
            "unit": name,
            "n_tokens": found.n_tokens,
            "n_counted": found.n_counted,
            "left_out": found.left_out,
            "mean": found.mean[0],
            "sd": found.sd[0],
            "top": [c.value for c in by_kind["top"]],
            "random": [c.value for c in by_kind["random"]],
            "top_token_share": found.top_token_share[0],
            "winner_share": winners.top_share[0],
            "winner_places": winners.n_places[0],
            "coverage": winners.coverage,
            "short_documents": winners.n_short_documents,
            "short_tokens": winners.n_short_tokens,
            "first_wins": winners.first_wins[0],
            "sink_wins": winners.sink_wins[0],
        },
        recorded={"method": "sample", **found.settings},
        listing=_listing(shown),
        contexts=shown,
        tables={"contexts": found.table(unit), "winners": winners.counts(unit)},
    )


def _sinks_said(sinks: Sinks) -> str:
    """How many positions, beside the first, have an unusually long residual stream."""
    n = sinks.n - sinks.by_position.get(0, 0)
    return (
        f"Of {whole(sinks.n_read)} positions read, {whole(n)} behind position 0 "
        f"{'has' if n == 1 else 'have'} a stream of {sinks.factor:g} median norms or more "
        f"(attention sinks, most often): {'left out' if sinks.excluded else 'kept'}."
    )


def _too_short(winners: Winners) -> str:
    """What batches never draw, or nothing."""
    n = winners.n_short_documents
    if not n:
        return ""
    return (
        f" Batches leave out {whole(n)} document{'s' * (n != 1)} of fewer than {winners.length} "
        f"tokens ({whole(winners.n_short_tokens)} tokens in all)."
    )


def _restarts(found: Reproducibility) -> str:
    low, high = min(found.null_distinct), max(found.null_distinct)
    null = [float(draw.embedding_cosine.mean()) for draw in found.null]
    return (
        f"Restarts: {found.optima.n_distinct} distinct tokens of {found.n_decoded}, random "
        f"embeddings give {low} to {high} (p {fixed(found.p_distinct, 3)}); mean cosine between "
        f"optima {fixed(float(found.optima.embedding_cosine.mean()), 3)}, random "
        f"{fixed(min(null), 3)} to {fixed(max(null), 3)} (p {fixed(found.p_embedding, 3)})."
    )


def _tokens(decoded: Decoded, start: int) -> str:
    names = (
        [token_said(text) for text in decoded.text[start]]
        if decoded.text is not None
        else [f"token {i}" for i in decoded.tokens[start]]
    )
    return ", ".join(
        f"{name} {fixed(float(cosine), 2)}"
        for name, cosine in zip(names, decoded.cosine[start], strict=True)
    )


def _decoded(decoded: Decoded, which: str) -> pd.DataFrame:
    start, place = np.indices(decoded.tokens.shape)
    return pd.DataFrame(
        {
            "embeddings": which,
            "start": start.ravel(),
            "place": place.ravel(),
            "token_id": decoded.tokens.ravel(),
            "token": None if decoded.text is None else [t for row in decoded.text for t in row],
            "cosine": decoded.cosine.ravel(),
        }
    )


def _listing(shown: Mapping[str, Sequence[Context]]) -> tuple[str, ...]:
    """Each kind of context as lines of a terminal."""
    lines = []
    for kind, contexts in shown.items():
        lines.append(f"{kind}:")
        lines += [
            f"  {said(c.value):>9}  {context_said(c, AROUND)}"
            + (f"  ({one_line_text(c.source)})" if c.source else "")
            for c in contexts
        ]
    return tuple(lines)
