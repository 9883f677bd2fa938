"""What is asked of `ablate`, checked against the sweep before anything is loaded or run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lens_probes.ablation.design import Design, check_top
from lens_probes.errors import InputError, shown, unknown, whole
from lens_probes.examples.examples import Examples
from lens_probes.model.load import LensModel
from lens_probes.result.result import SweepData
from lens_probes.sites import check_layers, check_sites


@dataclass(frozen=True)
class Places:
    """Layers and sites whose units are ablated."""

    sites: tuple[str, ...]
    layers: tuple[int, ...]

    def options(self, design: Design) -> dict[str, Any]:
        """All that was asked, as a card keeps it."""
        return asdict(design) | {"sites": list(self.sites), "layers": list(self.layers)}


def places_of_sweep(
    result: SweepData,
    sites: Iterable[str] | None,
    layers: Iterable[int] | int | None,
    top: int,
) -> Places:
    """Sites and layers of a sweep: those asked for, or all.

    Raises
    ------
    InputError
        A sweep of a continuous label, a site or layer that is not in it, too few units.
    """
    if "r_p" in result.units:
        name = result.provenance["examples"].get("value_name") or "value"
        raise InputError(
            f"this is a sweep of a continuous label ({name}), and a causal card compares two "
            "classes: give a sweep of a probe with two classes."
        )
    said = result.provenance
    names = sites.split(",") if isinstance(sites, str) else sites
    if names is not None and not isinstance(names, Iterable):
        raise InputError(f"sites must be names; got {shown(sites)}.")
    if len(classes := said["examples"]["class_names"]) > 2:
        raise InputError(
            f"this is a sweep of {len(classes)} classes, and a causal card compares two: give a "
            "sweep of two of them (class_names, or classes=)."
        )
    asked = tuple(dict.fromkeys(map(str, said["sites"] if names is None else names)))
    for site in asked:
        if site not in said["sites"]:
            raise unknown("site of this sweep", site, said["sites"])
        if site in said.get("own_sites", ()):
            raise InputError(
                f"site {site!r} is a hook or a function of your own: its units can be read, not "
                "written at; ablate those of another site."
            )
    wanted = said["layers"] if layers is None else layers
    given = wanted if isinstance(wanted, Iterable) else [wanted]
    places = Places(asked, tuple(sorted({whole("a layer", layer) for layer in given})))
    n_tested = result.layers.set_index(["layer", "site"])["n_tested"]
    for layer in places.layers:
        for site in asked:
            if (layer, site) not in n_tested.index:
                swept = ", ".join(map(str, said["layers"]))
                raise InputError(f"layer {layer} is not in the sweep: it has layers {swept}.")
            check_top(top, int(n_tested[layer, site]), f"layer {layer}, site {site}: ")
    return places


def places_of_model(
    model: LensModel,
    examples: Examples,
    result: SweepData | None,
    sites: Iterable[str] | None,
    layers: Iterable[int] | int | None,
    top: int,
) -> Places:
    """Sites and layers asked for, by default the sweep's; an error where it is one of others."""
    if result is not None:
        said = result.provenance
        if said["examples"]["sha256"] != examples.digest:
            raise InputError(
                "the result is a sweep of other examples: give the probe or examples it was made "
                "with, or leave the result out."
            )
        swept = result.recorded_model
        if swept["weights_sha256"] != model.weights_digest:
            raise InputError(
                f"the result is a sweep of another model ({swept['source']}): load that one, or "
                "leave the result out."
            )
        asked = places_of_sweep(result, sites, layers, top)
        sites, layers = asked.sites, asked.layers
    places = Places(
        check_sites(("mlp_pre",) if sites is None else sites, model.shapes),
        check_layers(layers, model.n_layers),
    )
    model.check_writable(places.sites)
    return places


def check_texts(words: tuple[Sequence[str], Sequence[str]] | None, prefixes: Sequence[str]) -> None:
    """Words of both classes, and texts before them, as steering needs them.

    Raises
    ------
    InputError
        Anything but two lists of words, or a list of texts none of which is empty.
    """
    if not _are_texts(prefixes):
        raise InputError(
            f"prefixes must be a list of texts, none of them empty; got {shown(prefixes)}."
        )
    pair = words is None or (isinstance(words, list | tuple) and len(words) == 2)
    if not pair or not all(_are_texts(of_class) for of_class in words or ()):
        raise InputError(
            f"words must be two lists, the words of class 0 and of class 1; got {shown(words)}."
        )


def _are_texts(given: object) -> bool:
    if isinstance(given, str) or not isinstance(given, Iterable):
        return False
    texts = list(given)
    return bool(texts) and all(isinstance(text, str) and text.strip() for text in texts)
