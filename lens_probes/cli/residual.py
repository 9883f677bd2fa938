"""`lens-probes residual`: what every block adds to the tokens of a prompt."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from lens_probes.cli.finding_folder import find
from lens_probes.cli.options import ModelOptions, check_at_least, log_lines
from lens_probes.errors import InputError, unknown
from lens_probes.sites import SITES

if TYPE_CHECKING:
    from lens_probes.drawing.page import Finding
    from lens_probes.model.load import LensModel
    from lens_probes.texts.load import Text

PROMPT = "The dentist left the toothpaste and the mouthwash on the bookshelf beside the mirror."


def residual(
    *,
    prompt: str = PROMPT,
    site: str = "q",
    layer: int | None = None,
    bos: bool = False,
    seed: int = 0,
    out: Annotated[Path | None, Parameter(show_default=False)] = None,
    model: ModelOptions | None = None,
) -> None:
    """What each block adds to the residual stream of a prompt, and who sees whom in a word.

    Parameters
    ----------
    prompt
        The text to run.
    site
        Of the token x token correlations: see `lens-probes sites`.
    layer
        Of the token x token correlations. [default: the middle one]
    bos
        Put the BOS token first.
    seed
        Of the replacements that show who sees whom.
    out
        Folder for page and numbers, absent or empty. [default: runs/residual]
    """
    model = model or ModelOptions()
    log_lines(model.quiet)
    if site not in SITES:
        raise unknown("site", site, SITES)
    check_at_least(0, seed=seed)
    if not prompt.strip():
        raise InputError("the prompt is empty: give some words.")

    def make(loaded: LensModel, _: Text | None) -> Finding:
        from lens_probes.report.residual_findings import of_prompt

        return of_prompt(loaded, prompt, site=site, layer=layer, bos=bos, seed=seed)

    find(out or Path("runs") / "residual", model, make)
