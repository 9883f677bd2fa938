"""What workers are told to die of; imports nothing heavy, since every worker imports it."""

import os
import signal
from pathlib import Path


def die() -> None:
    """As the kernel ends a process that took too much memory."""
    os.kill(os.getpid(), signal.SIGKILL)


def die_once(marker: str) -> int:
    """Die at the first call, return the process id at the next."""
    if not os.path.exists(marker):
        Path(marker).touch()
        die()
    return os.getpid()


def die_or_double(x: int) -> int:
    """Die of 0, double any other number."""
    if x == 0:
        die()
    return 2 * x
