"""Which single units of a language model are tuned to which property of a token?

Names are imported when they are first used, so that `import lens_probes` costs nothing and the
command line can answer `--help` without loading torch.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lens_probes import maximize, residual, stats, testing, units
    from lens_probes._sweep import sweep
    from lens_probes._sweep_activations import sweep_activations
    from lens_probes.ablation import CausalCard, ablate
    from lens_probes.activations.collect import Activations, collect
    from lens_probes.atlases import Atlas, atlas
    from lens_probes.errors import InputError
    from lens_probes.examples.examples import Examples
    from lens_probes.model.dictionary import load_sae
    from lens_probes.model.load import LensModel, load_model
    from lens_probes.model.wrap import wrap_model
    from lens_probes.probes import (
        CategoryProbe,
        ContextProbe,
        GrammarProbe,
        LabelledProbe,
        NegationProbe,
        Probe,
        ProperNounProbe,
        TextProbe,
        TokenLengthProbe,
    )
    from lens_probes.replication.replicate import replicate
    from lens_probes.result.compare import compare
    from lens_probes.result.concat import concat
    from lens_probes.screening import Screen, SmallestSet, screen, smallest_set
    from lens_probes.sites import SITES, Site
    from lens_probes.sweep_result import SweepResult
    from lens_probes.texts.load import Document, Text, load_text
    from lens_probes.units.paint import paint

    __version__: str

_WHERE = {
    "Activations": "activations.collect",
    "Atlas": "atlases",
    "CategoryProbe": "probes",
    "CausalCard": "ablation",
    "ContextProbe": "probes",
    "Document": "texts.load",
    "Examples": "examples.examples",
    "GrammarProbe": "probes",
    "InputError": "errors",
    "LabelledProbe": "probes",
    "LensModel": "model.load",
    "NegationProbe": "probes",
    "Probe": "probes",
    "ProperNounProbe": "probes",
    "SITES": "sites",
    "Screen": "screening",
    "Site": "sites",
    "SmallestSet": "screening",
    "SweepResult": "sweep_result",
    "Text": "texts.load",
    "TextProbe": "probes",
    "TokenLengthProbe": "probes",
    "ablate": "ablation",
    "atlas": "atlases",
    "collect": "activations.collect",
    "compare": "result.compare",
    "concat": "result.concat",
    "load_model": "model.load",
    "load_sae": "model.dictionary",
    "load_text": "texts.load",
    "maximize": "",
    "paint": "units.paint",
    "replicate": "replication.replicate",
    "residual": "",
    "screen": "screening",
    "smallest_set": "screening",
    "stats": "",
    "testing": "",
    "sweep": "_sweep",
    "sweep_activations": "_sweep_activations",
    "units": "",
    "wrap_model": "model.wrap",
}

__all__ = [
    "SITES",
    "Activations",
    "Atlas",
    "CategoryProbe",
    "CausalCard",
    "ContextProbe",
    "Document",
    "Examples",
    "GrammarProbe",
    "InputError",
    "LabelledProbe",
    "LensModel",
    "NegationProbe",
    "Probe",
    "ProperNounProbe",
    "Screen",
    "Site",
    "SmallestSet",
    "SweepResult",
    "Text",
    "TextProbe",
    "TokenLengthProbe",
    "ablate",
    "atlas",
    "collect",
    "compare",
    "concat",
    "load_model",
    "load_sae",
    "load_text",
    "maximize",
    "paint",
    "replicate",
    "residual",
    "screen",
    "smallest_set",
    "stats",
    "sweep",
    "sweep_activations",
    "testing",
    "units",
    "wrap_model",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return version("lens-probes")
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = _WHERE[name]
    if not module:
        return import_module(f"lens_probes.{name}")
    value = getattr(import_module(f"lens_probes.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
