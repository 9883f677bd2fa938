"""Units: which test decides, every unit's row in the table, and what single units show of texts."""

from lens_probes.units.functions import Linear as Linear
from lens_probes.units.functions import linear as linear

__all__ = ["Linear", "linear"]
