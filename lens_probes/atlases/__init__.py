"""What is each unit tuned to? Many properties of tokens, from one reading of a text."""

from lens_probes.atlases.compare import AtlasComparison
from lens_probes.atlases.run import atlas
from lens_probes.atlases.saved import Atlas

__all__ = ["Atlas", "AtlasComparison", "atlas"]
