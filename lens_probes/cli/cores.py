"""How the command uses the cores that this process may use; decided before torch is imported."""

from __future__ import annotations

import math
import os
from pathlib import Path

_QUOTAS = (Path("/sys/fs/cgroup/cpu.max"), Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"))


def share_cores() -> None:
    """No more threads than the cores at hand, unless the user chose: `OMP_NUM_THREADS` stays.

    `OMP_WAIT_POLICY` is left as it is: on two idle cores passive waiting made passes 17 % slower.
    """
    cores = _affinity()
    if (quota := _quota()) is not None and quota < cores:
        os.environ.setdefault("OMP_NUM_THREADS", str(quota))


def _affinity() -> int:
    """Cores that the process may run on: all of them where the system does not say."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _quota(files: tuple[Path, Path] = _QUOTAS) -> int | None:
    """Cores' worth of time that a container gives, rounded up; None where it gives all."""
    try:
        if files[0].exists():
            quota, period = files[0].read_text().split()
        else:
            quota = files[1].read_text()
            period = files[1].with_name("cpu.cfs_period_us").read_text()
        cores = math.ceil(int(quota) / int(period))
    except (OSError, ValueError, ZeroDivisionError):  # "max": no bound
        return None
    return cores if cores > 0 else None
