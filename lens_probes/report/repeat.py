"""What was recorded with a result, and the lines that repeat it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from lens_probes import probes
from lens_probes.result.result import SweepData


def python_lines(result: SweepData) -> str:
    """Python that repeats the sweep, as far as the provenance says how."""
    provenance = result.provenance
    decision = provenance["decision"]
    lines = [
        "import lens_probes as lp",
        *(_activations_lines() if provenance["model"] is None else _model_lines(provenance)),
        f"    preset={decision['preset']!r},",
        f"    alpha={decision['alpha']!r},",
        f"    method={decision['method']!r},",
        f"    scope={decision['scope']!r},",
        *(f"    {k}={decision[k]!r}," for k in ("n_permutations", "seed") if k in decision),
        *(["    untrained=False,"] if _without_untrained(result) else []),
        *([] if result.sets is None else [f"    sets={tuple(sorted(set(result.sets['k'])))},"]),
        ")",
    ]
    return "\n".join(lines)


def _without_untrained(result: SweepData) -> bool:
    known = "untrained_share_significant" in result.layers
    return not known and result.provenance["model"] is not None


def _activations_lines() -> Iterator[str]:
    yield "# your own activations and labels; their digests are in the provenance"
    yield "result = lp.sweep_activations("
    yield "    activations,"
    yield "    labels,"


def _model_lines(provenance: Mapping[str, Any]) -> Iterator[str]:
    model = provenance["model"]
    yield from _probe_lines(provenance["examples"].get("origin", {}))
    yield (
        f"model = lp.load_model({model.get('source')!r}, dtype={model.get('dtype')!r}, "
        f"processing={model.get('processing')!r})"
    )
    yield "result = lp.sweep("
    yield "    model,"
    yield "    probe,"
    yield f"    sites={list(provenance.get('sites', ()))!r},"
    yield f"    layers={list(provenance.get('layers', ()))!r},"


def _probe_lines(origin: Mapping[str, Any]) -> Iterator[str]:
    kinds = {getattr(k, "name", None): k for k in (getattr(probes, n) for n in probes.__all__)}
    kind = kinds.get(origin["probe"]) if "probe" in origin else None
    if kind is None:
        yield "# your own token ids, read positions and labels; their digest is in the provenance"
        yield "probe = lp.Examples.from_tokens(tokens, position, label, word, source)"
        return
    if isinstance(rows := origin.get("rows"), Mapping):
        origin = {**origin, **origin["columns"], "rows": rows["from"]}
    options = {p: repr(origin[p]) for p in inspect.signature(kind).parameters if p in origin}
    if "words" in options and origin.get("word_set", "custom") != "custom":
        options["words"] = repr(origin["word_set"])
    yield f"from lens_probes.probes import {kind.__name__}"
    yield ""
    if isinstance(text := origin.get("text"), Mapping):
        place = text.get("name") if text.get("name") == "speeches" else text.get("from")
        yield f"text = lp.load_text({place!r})"
        options["text"] = "text"
    yield f"probe = {kind.__name__}("
    yield from (f"    {name}={value}," for name, value in options.items())
    yield ")"
