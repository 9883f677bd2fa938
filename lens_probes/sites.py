"""Sites: the named places in a block whose columns are the units.

Hook names are those of TransformerLens; on a `TransformerBridge` the same names are aliases.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from lens_probes.errors import InputError, given_as, shown, unknown, whole


@dataclass(frozen=True)
class Site:
    """One place in a block. `per_head` sites have units named head by head.

    A site of one's own is a `function` of the units of another one, `base`, at some `layers` or
    all.
    """

    name: str
    hook: str
    per_head: bool
    what: str
    base: str = ""
    function: Callable[[Any], Any] | None = None
    layers: tuple[int, ...] | None = None

    @classmethod
    def from_function(
        cls,
        name: str,
        base: str,
        fn: Callable[[Any], Any],
        *,
        layers: Iterable[int] | int | None = None,
    ) -> Self:
        """Units that are functions of a site's activations: directions, components, features.

        Parameters
        ----------
        name
            What the site is called: letters, digits, - and _.
        base
            The site (`SITES`), or the TransformerLens hook, that is read.
        fn
            Takes a float32 tensor [example, unit] of `base`, on the CPU, and gives [example, new
            unit]; every example by itself. What it is given is averaged before where examples
            are read as a mean. `lens_probes.units.linear` makes one of weights.
        layers
            Layers that it is for; None: all.

        Raises
        ------
        InputError
            A name that is taken or none, a base that is no site, something that cannot be called.

        Examples
        --------
        >>> import lens_probes as lp
        >>> site = lp.Site.from_function("loud", "mlp_pre", lambda x: x.abs())
        >>> site.name
        'loud'
        """
        given_as("the name of a site", name, str, "a text")
        if not _OWN_NAME.fullmatch(name) or name in SITES:
            taken = name in SITES
            raise InputError(
                f"a site of your own cannot be called {shown(name)}: "
                + ("that is one of the model's." if taken else "use letters, digits, - and _.")
            )
        given_as("base", base, str, "the name of a site or of a hook")
        read = hook_site(base) or SITES.get(base)
        if read is None:
            raise unknown("site", base, SITES)
        given_as("fn", fn, Callable, "a function of a tensor [example, unit]")
        given = layers if layers is None or isinstance(layers, Iterable) else [layers]
        at = None if given is None else tuple(sorted({whole("a layer", i, least=0) for i in given}))
        what = f"{function_name(fn)} of {read.name}"
        return cls(name, read.hook, False, what, read.name, fn, at)

    def hook_name(self, layer: int) -> str:
        """TransformerLens name of this site in one layer."""
        return f"blocks.{layer}.{self.hook}"

    def at(self, layer: int) -> bool:
        """Whether it is a site of this layer."""
        return self.layers is None or layer in self.layers

    def random_twin(self, seed: int = 0) -> Site:
        """A site of as many random directions, with the same offsets and non-linearity.

        Raises
        ------
        InputError
            A site whose function does not say how to draw one.
        """
        twin = getattr(self.function, "random_twin", None)
        if twin is None:
            raise InputError(
                f"site {self.name!r} has no random twin: dictionaries (load_sae) and "
                "lens_probes.units.linear have."
            )
        function = twin(whole("seed", seed, least=0))
        what = f"random directions in place of {self.what}"
        return replace(self, name=f"{self.name}_random", function=function, what=what)

    @property
    def recorded(self) -> dict[str, Any]:
        """What a result keeps of a site of one's own."""
        if self.function is None:
            return {"hook": self.hook}
        digest = getattr(self.function, "digest", None)
        alone = "" if digest else "its function is the user's, and is known here by its name alone"
        note = getattr(self.function, "note", alone)
        said = {"base": self.base, "function": function_name(self.function), "sha256": digest}
        return said | {"layers": self.layers, "note": note}


def function_name(fn: Callable[[Any], Any]) -> str:
    """What a function is called, or its class."""
    return str(getattr(fn, "__name__", None) or type(fn).__name__)


def hook_site(name: str) -> Site | None:
    """The site at a TransformerLens hook, by the hook's name; None for what is no such name.

    `hook_mlp_in`, `blocks.hook_mlp_in` and `blocks.{layer}.hook_mlp_in` are the same; a hook of
    `SITES` is that site. Whether it goes by head is known once it has been read.

    Raises
    ------
    InputError
        A hook of one layer, or of none.
    """
    short = name.removeprefix("blocks.").removeprefix("{layer}.")
    if not _HOOK.fullmatch(short):
        return None
    first, _, rest = short.partition(".")
    if first.isdigit():
        raise InputError(f"{name} is a hook of one layer: give {rest!r}, and layers={first}.")
    named = [site for site in SITES.values() if site.hook == short]
    return named[0] if named else Site(short, short, False, f"TransformerLens hook {short}")


@dataclass(frozen=True)
class SiteShape:
    """Axes of a site in one model: heads (None where there are none) and width of each."""

    heads: int | None
    d: int

    @property
    def n_units(self) -> int:
        """Units in one layer; a unit's index is `head * d + i` at per-head sites."""
        return self.d * (self.heads or 1)


class SiteShapes(dict[str, SiteShape]):
    """The sites of a model, and what was found of them when it was loaded.

    Attributes
    ----------
    left_out
        Of others that it seems to have: why they are none.
    proof
        Of each: `"proved"` by identities of the pass, `"equal to a hook"` on the Hugging Face
        model, or `"unproved"`.
    places
        Where the Hugging Face model has it: a module's path in a block, and a side.
    """

    def __init__(self, *shapes: Mapping[str, SiteShape]) -> None:
        super().__init__(*shapes)
        self.left_out: dict[str, str] = {}
        self.proof: dict[str, str] = {}
        self.places: dict[str, str] = {}
        for given in shapes:
            if isinstance(given, SiteShapes):
                self.left_out |= given.left_out
                self.proof |= given.proof
                self.places |= given.places


SITES: Mapping[str, Site] = {
    site.name: site
    for site in (
        Site("resid_pre", "hook_resid_pre", False, "residual stream before the block"),
        Site("resid_mid", "hook_resid_mid", False, "residual stream between attention and MLP"),
        Site("resid_post", "hook_resid_post", False, "residual stream after the block"),
        Site("mlp_pre", "mlp.hook_pre", False, "MLP before its non-linearity (the gate if gated)"),
        Site("mlp_pre_linear", "mlp.hook_pre_linear", False, "linear half of a gated MLP"),
        Site("mlp_post", "mlp.hook_post", False, "MLP after its non-linearity"),
        Site("mlp_out", "hook_mlp_out", False, "what the MLP adds to the residual stream"),
        Site("q", "attn.hook_q", True, "queries, before norm, clipping, rotary step"),
        Site("k", "attn.hook_k", True, "keys, as the queries (key/value heads)"),
        Site("v", "attn.hook_v", True, "values (key/value heads)"),
        Site("z", "attn.hook_z", True, "attention output of each head, before W_O"),
        Site("attn_out", "hook_attn_out", False, "what attention adds to the residual stream"),
    )
}

_OWN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,59}")
_HOOK = re.compile(r"(?:\w+\.)*hook_\w+")
_UNIT = re.compile(r"L(?P<layer>\d+)\.(?P<site>[\w.-]+?)(?:\.h(?P<head>\d+))?\.(?P<unit>\d+)")


def unit_name(layer: int, site: str, unit: int, shape: SiteShape) -> str:
    """Name of a unit: `L13.mlp_pre.2022`, or `L3.q.h5.17` at a per-head site."""
    if shape.heads is None:
        return f"L{layer}.{site}.{unit}"
    head, i = divmod(unit, shape.d)
    return f"L{layer}.{site}.h{head}.{i}"


def parse_unit_name(name: str, shapes: Mapping[str, SiteShape]) -> tuple[int, str, int]:
    """Layer, site and unit index of a unit's name; the inverse of `unit_name`."""
    found = _UNIT.fullmatch(name)
    if found is None:
        raise InputError(f"not a unit's name: {name!r}. Write L13.mlp_pre.2022 or L3.q.h5.17.")
    site = found["site"]
    if site not in shapes:
        raise unknown("site", site, shapes)
    shape, unit, head = shapes[site], int(found["unit"]), found["head"]
    if (head is None) != (shape.heads is None):
        form = f"L3.{site}.17" if shape.heads is None else f"L3.{site}.h5.17"
        raise InputError(f"unit {name!r}: units of {site} are named like {form}.")
    if unit >= shape.d or (head is not None and int(head) >= (shape.heads or 1)):
        heads = "" if shape.heads is None else f"heads 0 to {shape.heads - 1}, "
        raise InputError(f"no unit {name!r}: {site} has {heads}units 0 to {shape.d - 1}.")
    return int(found["layer"]), site, unit + (int(head) * shape.d if head else 0)


def listed_sites(sites: Any, available: Iterable[str]) -> list[Any]:
    """Sites as a list: names in a text or in any collection, or a site of one's own."""
    if isinstance(sites, Site):
        return [sites]
    if isinstance(sites, str):
        sites = sites.split(",")
    many = isinstance(sites, Iterable) and getattr(sites, "ndim", 1) == 1
    if not many or isinstance(sites, bytes | Mapping):
        raise InputError(f"sites must be names from {', '.join(available)}; got {shown(sites)}.")
    given = [site.strip() if isinstance(site, str) else site for site in sites]
    if not given:
        raise InputError(f"no site given: choose from {', '.join(available)}.")
    return given


def check_sites(sites: Iterable[str | Site], available: Mapping[str, SiteShape]) -> tuple[str, ...]:
    """Site names in the order asked, each once; a clear error for one the model lacks.

    Sites of one's own are available in `sweep` and `collect`, which have read their shapes.
    """
    given = [one.name if isinstance(one, Site) else one for one in listed_sites(sites, available)]
    for site in given:
        given_as("a site", site, str, "a name")
    names = tuple(dict.fromkeys(given))
    for name in names:
        if name not in SITES and name not in available:
            own = [one for one in listed_sites(sites, available) if isinstance(one, Site)]
            if own or _HOOK.fullmatch(name):
                raise InputError(
                    f"{name} is no site that can be written at or searched: hooks and sites of "
                    f"your own are read by sweep and collect alone, since a unit of a function has "
                    f"no place in the model where it could be set; here there are "
                    f"{', '.join(available)}."
                )
            raise unknown("site", name, SITES)
        if name not in available:
            why = getattr(available, "left_out", {}).get(name)
            raise InputError(
                f"this model has no site {name!r}{f' ({why})' if why else ''}: it has "
                f"{', '.join(available)}."
            )
    return names


def check_layers(layers: Iterable[int] | int | None, n_layers: int) -> tuple[int, ...]:
    """Layer indices, sorted, each once; None is all, negative ones count from the end."""
    if layers is None:
        return tuple(range(n_layers))
    try:
        given = list(layers) if isinstance(layers, Iterable) else [layers]
        wanted = [whole("a layer", layer) for layer in given]
    except (TypeError, InputError) as error:
        raise InputError(f"layers must be whole numbers; got {shown(layers)}.") from error
    if not wanted:
        raise InputError(f"no layer given: this model has layers 0 to {n_layers - 1}.")
    for layer in wanted:
        if not -n_layers <= layer < n_layers:
            raise InputError(f"no layer {layer}: this model has layers 0 to {n_layers - 1}.")
    return tuple(sorted({layer % n_layers for layer in wanted}))
