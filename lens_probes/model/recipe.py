"""A model so described that another process can load it, and check that it is the same."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lens_probes.errors import InputError
from lens_probes.model.options import Processing

# What a model is called that nobody can load again, and its processing.
IN_MEMORY = "in memory: "
AS_GIVEN: Processing = "as given"
_UNTRAINED = re.compile(r"(?P<source>.*) \(untrained, seed (?P<seed>-?\d+)\)", re.DOTALL)


def untrained(source: str, seed: int) -> str:
    """The source of a model with random weights, made like the one of another source."""
    return f"{source} (untrained, seed {seed})"


def source_and_seed(source: str) -> tuple[str, int | None]:
    """The two parts of what `untrained` names; no seed for a model as it was trained."""
    parts = _UNTRAINED.fullmatch(source)
    return (parts["source"], int(parts["seed"])) if parts else (source, None)


@dataclass(frozen=True)
class ModelRecipe:
    """What is loaded, how, and the digests that tell whether the same came out."""

    source: str
    device: str
    dtype: str
    processing: Processing
    seed: int | None
    matmul_precision: str
    weights_sha256: str
    config_sha256: str

    def check(self, weights_sha256: str, config_sha256: str) -> None:
        """An error where what was loaded is not what was described."""
        for what, found, said in [
            ("weights", weights_sha256, self.weights_sha256),
            ("settings", config_sha256, self.config_sha256),
        ]:
            if found != said:
                raise InputError(
                    f"a worker that loads {self.source!r} gets other {what} than "
                    "are in use here: save the model as it is to a folder and load it from there, "
                    "or use no workers."
                )
