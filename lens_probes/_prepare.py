"""What a sweep needs before its first forward pass: model, examples, the decision, all checked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lens_probes._request import Design, Request
from lens_probes.checks.hard_negatives import FurtherNegatives, further_negatives
from lens_probes.errors import flag
from lens_probes.examples.examples import Examples
from lens_probes.examples.notes import refuse_padding
from lens_probes.model.load import LensModel
from lens_probes.model.own_sites import with_sites
from lens_probes.model.wrap import Model, check_model
from lens_probes.probes.base import Probe, examples_of
from lens_probes.sites import Site, check_layers


@dataclass(frozen=True)
class Prepared:
    """A sweep that is ready to read: all that could be checked has been.

    `others` is the probe's further negative set; `missing` says where there is none and why.
    """

    model: LensModel
    sites: tuple[str, ...]
    layers: tuple[int, ...]
    design: Design
    others: FurtherNegatives | None
    missing: list[str]
    untrained: bool


def prepare(
    model: Model,
    probe: Probe | Examples,
    request: Request,
    *,
    sites: Iterable[str | Site],
    layers: Iterable[int] | int | None,
    untrained: bool,
) -> Prepared:
    """Check model, sites, layers and examples, in the order in which it is cheap.

    Raises
    ------
    InputError
        Whatever is wrong, in one line.
    """
    model = check_model(model)
    again = flag("untrained", untrained) and request.rigorous
    model, names = with_sites(model, sites)
    wanted = check_layers(layers, model.n_layers)
    if again:
        model.check_reinitialised()
    examples = examples_of(model, probe)
    refuse_padding(examples, model.tokenizer)
    design = request.design(examples)
    others, missing = further_negatives(model, probe) if request.rigorous else (None, [])
    return Prepared(model, tuple(names), tuple(wanted), design, others, missing, again)
