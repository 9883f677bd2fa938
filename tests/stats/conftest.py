"""Shared data for the statistics tests."""

import numpy as np
import pytest
from hypothesis import settings

settings.register_profile("stats", deadline=None, max_examples=25, derandomize=True)
settings.load_profile("stats")


@pytest.fixture(scope="session")
def planted():
    """120 examples of 60 units: 0-19 without an effect, the rest shifted by 0.1 to 2 sd."""
    rng = np.random.default_rng(7)
    y = (rng.random(120) < 0.4).astype(int)
    effect = np.concatenate([np.zeros(20), np.linspace(0.1, 2.0, 40)])
    x = rng.normal(size=(120, 60)) + y[:, None] * effect
    return x, y
