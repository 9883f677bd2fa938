"""Does the model use these units? Ablation against matched random units, and steering."""

from lens_probes.ablation.card import CausalCard
from lens_probes.ablation.run import ablate
from lens_probes.ablation.steering import steer

__all__ = ["CausalCard", "ablate", "steer"]
