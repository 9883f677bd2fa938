"""The probe of a saved result once more, with something changed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from lens_probes.errors import InputError
from lens_probes.probes.base import NO_CORPUS, Probe
from lens_probes.probes.category import CategoryProbe
from lens_probes.probes.context import ContextProbe
from lens_probes.probes.grammar import GrammarProbe
from lens_probes.probes.labelled import LabelledProbe
from lens_probes.probes.negation import NegationProbe
from lens_probes.probes.proper_noun import ProperNounProbe
from lens_probes.probes.token_length import TokenLengthProbe
from lens_probes.texts.load import SPEECHES, Text, load_text
from lens_probes.texts.user_table import IN_MEMORY, read_table

PROBES: Mapping[str, type[Probe]] = {
    kind.name: kind
    for kind in (
        GrammarProbe, ProperNounProbe, NegationProbe, CategoryProbe, TokenLengthProbe, ContextProbe,
        LabelledProbe,
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
    left = set(origin.get("by_default", ()))
    options = {name: origin[name] for name in names if name in origin and name not in left}
    if "balance" in origin:  # results from before sources were balanced do not name it
        options |= {"balance_sources": False} if "balance_sources" not in origin else {}
    if origin.get("word_set", "custom") != "custom":
        options["words"] = origin["word_set"]
    if isinstance(rows := options.get("rows"), Mapping):
        options |= origin["columns"]
        if "rows" not in changes:
            options["rows"] = _same_rows(rows)
    if isinstance(text := options.get("text"), Mapping):
        options["text"] = None
        if "text" not in changes and text["from"] not in NO_CORPUS:
            options["text"] = _same_text(text)
    return kind(**options | changes)


def _same_rows(said: Mapping[str, Any]) -> str:
    """The file that a result's rows came from; an error if it is another one by now."""
    place = str(said["from"])
    if place == IN_MEMORY:
        raise InputError("the rows of this result were given in memory: give them again as rows=.")
    if read_table(place).sha256 != said["sha256"]:
        raise InputError(
            f"rows {place!r} are not what the first sweep read (the file has changed): give the "
            "rows to use."
        )
    return place


def _same_text(said: Mapping[str, Any]) -> Text:
    """The text of a result once more; an error if it is another one by now."""
    place = SPEECHES if said["name"] == SPEECHES else said["from"]
    text = load_text(place)
    if text.sha256 != said["sha256"]:
        raise InputError(
            f"text {place!r} is not what the first sweep read (it has changed, or was loaded with "
            "other options): give the text to use."
        )
    return text
