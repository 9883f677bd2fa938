"""Prints how many faults were made."""

from __future__ import annotations

from typing import Any

from counts import counts


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if counts:
        said = "; ".join(f"{what}: {n}" for what, n in counts.items())
        terminalreporter.write_line(f"faults made: {said}")
