"""The command takes no more cores than there are for it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lens_probes.cli import cores


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("OMP_WAIT_POLICY", "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    return monkeypatch


def test_threads_are_bounded_by_what_a_container_gives(fresh: pytest.MonkeyPatch) -> None:
    fresh.setattr(cores, "_affinity", lambda: 8)
    fresh.setattr(cores, "_quota", lambda: 3)
    cores.share_cores()
    assert os.environ["OMP_NUM_THREADS"] == "3"
    assert "OMP_WAIT_POLICY" not in os.environ


@pytest.mark.parametrize("quota", [None, 8, 64])
def test_without_a_bound_torch_decides(fresh: pytest.MonkeyPatch, quota: int | None) -> None:
    fresh.setattr(cores, "_affinity", lambda: 8)
    fresh.setattr(cores, "_quota", lambda: quota)
    cores.share_cores()
    assert "OMP_NUM_THREADS" not in os.environ


def test_what_the_user_chose_stays(fresh: pytest.MonkeyPatch) -> None:
    fresh.setenv("OMP_WAIT_POLICY", "ACTIVE")
    fresh.setenv("OMP_NUM_THREADS", "7")
    fresh.setattr(cores, "_quota", lambda: 1)
    cores.share_cores()
    assert (os.environ["OMP_WAIT_POLICY"], os.environ["OMP_NUM_THREADS"]) == ("ACTIVE", "7")


@pytest.mark.parametrize(
    ("said", "want"),
    [
        ("max 100000", None),
        ("150000 100000", 2),
        ("50000 100000", 1),
        ("broken", None),
        (None, None),
    ],
)
def test_the_quota_of_a_control_group(tmp_path: Path, said: str | None, want: int | None) -> None:
    new, old = tmp_path / "cpu.max", tmp_path / "cpu.cfs_quota_us"
    if said is not None:
        new.write_text(said)
    assert cores._quota((new, old)) == want
    old.write_text("-1")
    (tmp_path / "cpu.cfs_period_us").write_text("100000")
    assert cores._quota((new, old)) == want
    if said is None:
        old.write_text("250000")
        assert cores._quota((new, old)) == 3
