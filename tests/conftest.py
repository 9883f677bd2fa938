"""Fixtures of all tests: tiny models loaded from folders, offline."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
if "PYTEST_XDIST_WORKER" in os.environ:  # as many processes as cores: threads would only wait
    for library in ("OMP", "MKL", "OPENBLAS"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")

import pytest
from tiny_models import CONFIGS, PROSE, save_tiny

from lens_probes.model.load import LensModel, load_model


@pytest.fixture(autouse=True)
def own_log_level() -> Iterator[None]:
    """The command sets the package's level for its process: the next test must not see that."""
    log = logging.getLogger("lens_probes")
    level = log.level
    yield
    log.setLevel(level)


@pytest.fixture(scope="session")
def tiny_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    return {name: save_tiny(name, root / name) for name in CONFIGS}


@pytest.fixture(scope="session")
def tiny_models(tiny_folders: dict[str, Path]) -> dict[str, LensModel]:
    return {name: load_model(folder) for name, folder in tiny_folders.items()}


@pytest.fixture(scope="session")
def tiny_model(tiny_models: dict[str, LensModel]) -> LensModel:
    return tiny_models["gpt2"]


@pytest.fixture
def prose_file(tmp_path: Path) -> Path:
    path = tmp_path / "prose.txt"
    path.write_text(PROSE * 20)
    return path


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """How many faults were made: what tests have recorded as a property."""
    reports = terminalreporter.stats.get("passed", [])
    counts = {what: n for report in reports for what, n in report.user_properties}
    if counts:
        said = "; ".join(f"{what}: {n}" for what, n in counts.items())
        terminalreporter.write_line(f"faults made: {said}")
