"""Does the model use them? A causal screen of every unit, and the map tuned x used."""

from lens_probes.screening import compare as _compare  # noqa: F401  (lp.compare takes screens)
from lens_probes.screening.run import screen
from lens_probes.screening.saved import Screen
from lens_probes.screening.saved_set import SmallestSet
from lens_probes.screening.sets import smallest_set

__all__ = ["Screen", "SmallestSet", "screen", "smallest_set"]
