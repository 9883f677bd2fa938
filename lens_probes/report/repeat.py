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
    model, decision = provenance["model"], provenance["decision"]
    lines = [
        "import lens_probes as lp",
        *_probe_lines(provenance["examples"].get("origin", {})),
        f"model = lp.load_model({model.get('source')!r}, dtype={model.get('dtype')!r}, "
        f"processing={model.get('processing')!r})",
        "result = lp.sweep(",
        "    model,",
        "    probe,",
        f"    sites={list(provenance.get('sites', ()))!r},",
        f"    layers={list(provenance.get('layers', ()))!r},",
        f"    preset={decision['preset']!r},",
        f"    alpha={decision['alpha']!r},",
        f"    method={decision['method']!r},",
        f"    scope={decision['scope']!r},",
        *(f"    {k}={decision[k]!r}," for k in ("n_permutations", "seed") if k in decision),
        *(["    untrained=False,"] if "untrained_share_significant" not in result.layers else []),
        ")",
    ]
    return "\n".join(lines)


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
