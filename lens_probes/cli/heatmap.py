"""`lens-probes heatmap`: any text under any unit of a saved sweep's model."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from lens_probes.cli.options import ModelOptions, check_at_least, load, log_lines
from lens_probes.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lens_probes.model.load import LensModel
    from lens_probes.sweep_result import SweepResult
    from lens_probes.texts.load import Text

PASSAGE = 512


def heatmap(
    run: Path,
    *,
    text: str,
    unit: str = "top",
    layer: int | None = None,
    site: str | None = None,
    tokens: int = 2000,
    scale: Literal["minmax", "symmetric", "robust"] | None = None,
    device: str = "auto",
    quiet: bool = False,
    out: Annotated[Path | None, Parameter(show_default=False)] = None,
) -> None:
    """Paint a text with the activation of one unit, token by token.

    Parameters
    ----------
    run
        Folder of a result; its model is loaded.
    text
        What to paint: a file, or see `lens-probes texts`.
    unit
        `top`: the strongest of the sweep (at that layer and site, where they are given); an index
        at a layer and site; or a name such as L13.mlp_pre.2022.
    layer, site
        Where the unit is.
    tokens
        Tokens to paint, from the start of the text, at most.
    scale
        `symmetric`: zero in the middle; `robust`: without the extremes. [default: what fits]
    device
        auto, cpu, cuda, ...
    quiet
        No progress and log lines.
    out
        An HTML page to write. [default: the text is printed, with colours in a terminal]
    """
    log_lines(quiet)
    check_at_least(1, tokens=tokens)
    from lens_probes.storage.paths import check_report_path

    page = None if out is None else check_report_path(out)
    from lens_probes.sweep_result import SweepResult
    from lens_probes.texts.load import load_text

    result = SweepResult.load(run)
    name = _strongest(result, layer, site) if unit == "top" else _named(unit, layer, site)
    given = load_text(text)
    said = result.recorded_model
    model = load(
        ModelOptions(said["source"], device, said["dtype"], said["processing"], quiet=quiet)
    )
    if model.tokenizer is None:
        raise InputError("this model has no tokenizer: there is no text to paint with it.")
    from lens_probes.drawing.heatmap_page import heatmap_page
    from lens_probes.drawing.text_heatmap import TextHeatmap
    from lens_probes.model.own_sites import with_sites
    from lens_probes.sites import SITES, hook_site, parse_unit_name
    from lens_probes.storage.integrity import write_page
    from lens_probes.units.paint import paint

    hooks = [site for site in result.provenance["sites"] if site in SITES or hook_site(site)]
    model, _ = with_sites(model, hooks or ["resid_pre"])
    layer, site, index = parse_unit_name(name, model.shapes)
    passages, titles, left_out = _passages(model, given, tokens)
    painted = paint(model, passages, layer=layer, site=site, unit=index, titles=titles)
    shown = TextHeatmap(painted, scale)
    note = f"{left_out:,} more characters are not shown: ask for more --tokens." if left_out else ""
    if page is not None:
        print(write_page(page, heatmap_page(shown, note=note)))
    else:
        print(shown.text(colour=sys.stdout.isatty()), end="")
        if note:
            print(note)


def _strongest(result: SweepResult, layer: int | None, site: str | None) -> str:
    top = result.top(1, layer=layer, site=site)
    if top.empty:
        raise InputError("no unit could be tested there: name one with --unit.")
    return str(top["name"].iloc[0])


def _named(unit: str, layer: int | None, site: str | None) -> str:
    if not unit.isdecimal():
        if layer is not None or site is not None:
            raise InputError(f"--unit {unit} names its layer and site: leave those out.")
        return unit
    if layer is None or site is None:
        raise InputError(f"--unit {unit} is an index: say --layer and --site too, or --unit top.")
    return f"L{layer}.{site}.{unit}"


def _passages(
    model: LensModel, text: Text, n_tokens: int
) -> tuple[list[NDArray[np.int64]], list[str], int]:
    """Ids of passages, their titles, and how many characters of the text are in none."""
    import numpy as np

    longest = min(PASSAGE, int(model.cfg.n_ctx))
    passages: list[NDArray[np.int64]] = []
    titles: list[str] = []
    left, left_out = n_tokens, 0
    for document in text.documents:
        # No token is longer than this many characters on average: enough, and never all of a book.
        head = document.text[: 30 * left]
        ids = np.asarray(model.tokenizer.encode(head, add_special_tokens=False), np.int64)[:left]
        for start in range(0, len(ids), longest):
            passages.append(ids[start : start + longest])
            titles.append(f"{document.name}, from token {start:,}" if start else document.name)
        shown = len(model.tokenizer.decode(ids, clean_up_tokenization_spaces=False))
        left_out += max(0, len(document.text) - shown)
        left -= len(ids)
    if not passages:
        raise InputError(f"text {text.name!r} has no tokens to paint.")
    return passages, titles, left_out
