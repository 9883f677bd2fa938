"""The probe of a saved result once more, with something changed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from lens_probes.errors import InputError
from lens_probes.probes.base import Probe
from lens_probes.probes.category import CategoryProbe
from lens_probes.probes.context import ContextProbe
from lens_probes.probes.grammar import GrammarProbe
from lens_probes.probes.negation import NegationProbe
from lens_probes.probes.proper_noun import ProperNounProbe
from lens_probes.probes.token_length import TokenLengthProbe
from lens_probes.texts import load_text

PROBES: Mapping[str, type[Probe]] = {
    kind.name: kind
    for kind in (
        GrammarProbe, ProperNounProbe, NegationProbe, CategoryProbe, TokenLengthProbe, ContextProbe,
    )
}  # fmt: skip


def probe_again(origin: Mapping[str, Any], **changes: Any) -> Probe:
    """The probe that a result's examples came from, with other options (text, words, seed, ...).

    Raises
    ------
    InputError
        The examples came from no probe of this package, or it has no such option.
    """
    kind = PROBES.get(str(origin.get("probe")))
    if kind is None:
        raise InputError(
            f"the examples of this result come from {origin.get('probe', 'given tokens')!r}, which "
            "is no probe of this package: call replicate() with examples of your own."
        )
    names = [part.name for part in dataclasses.fields(kind)]  # type: ignore[arg-type]
    for name in changes:
        if name not in names:
            raise InputError(f"the {kind.name} probe has no option {name!r}.")
    options = {name: origin[name] for name in names if name in origin}
    if origin.get("word_set", "custom") != "custom":
        options["words"] = origin["word_set"]
    if isinstance(text := options.get("text"), Mapping):
        options["text"] = None
        if "text" not in changes and text["from"] not in (
            "word list",
            "sentences given with the words",
        ):
            place = text["name"] if text["name"] == "speeches" else text["from"]
            options["text"] = load_text(place)
    return kind(**options | changes)
