"""Does the model use these units? Ablation against matched random units, and steering."""

from lens_probes.ablate.ablation import ablate
from lens_probes.ablate.card import CausalCard
from lens_probes.ablate.steering import steer

__all__ = ["CausalCard", "ablate", "steer"]
