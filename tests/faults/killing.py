"""Runs of the command that are killed, at a chosen event or after a chosen time.

Most are forks of a process that has everything imported, so that hundreds of kills take minutes;
some are the command as a user starts it. An event is a file opened for writing, moved, made or
removed.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link"}
_ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "NUMBA", "OPENBLAS")}


_SECONDS = re.compile(rb"<caption id=.timings-caption.>.*?</table>", re.DOTALL)
_SEAL = re.compile(rb"<!-- sha256 [0-9a-f]{64} -->\n\Z")


def state(root: Path) -> dict[str, bytes]:
    """Every file and folder below, less recorded times and the digests over them."""
    found = {}
    for path in root.rglob("*"):
        data = path.read_bytes() if path.is_file() else b"a folder"
        if path.name in ("result.json", "causal.json") or re.fullmatch(r"L\d\d\.json", path.name):
            said = json.loads(data)
            times = [said.pop(name) for name in ("timings", "seconds") if name in said]
            assert times, f"{path} has no times"
            said.pop("sha256", None)
            data = json.dumps(said).encode()
        elif path.name == "sha256sums.txt":
            digests = (line.partition("  ") for line in data.decode().splitlines())
            times_in = ("causal.json", "report.html")
            data = "".join(f"{'' if n in times_in else d} {n}" for d, _, n in digests if n).encode()
        elif path.suffix == ".html":
            data = _SEAL.sub(b"", _SECONDS.sub(b"", data))
        found[path.relative_to(root).as_posix()] = data
    return found


@dataclass(frozen=True)
class Outcome:
    """How a run ended: killed or with an exit code, after how many events and seconds."""

    killed: bool
    code: int
    events: int
    seconds: float


def _changes_a_file(event: str, arguments: tuple[Any, ...]) -> bool:
    if event == "open":
        flags = arguments[2] or 0
        return bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)) and arguments[0] != "/dev/null"
    return event in _CHANGES


def _one_run(arguments: list[str], kill: dict[str, Any], report: int) -> None:
    """In the fork: run to the end or to the kill; the number of events goes to `report`."""
    seen = [0]

    def watch(event: str, given: tuple[Any, ...]) -> None:
        if _changes_a_file(event, given):
            seen[0] += 1
            if seen[0] == kill.get("event"):
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    if "seconds" in kill:
        end = threading.Timer(kill["seconds"], os.kill, (os.getpid(), signal.SIGKILL))
        end.daemon = True
        end.start()
    code = _command(arguments)
    os.write(report, str(seen[0]).encode())
    os._exit(code)


def _command(arguments: list[str]) -> int:
    from lens_probes.cli import main

    out = os.dup(1)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    code = main(arguments)
    sys.stdout.flush()
    os.dup2(out, 1)
    return code


def serve() -> None:
    """A command that warms up, then one kill and command a line; outcomes likewise."""
    assert _command(json.loads(sys.stdin.readline())) == 0
    for line in sys.stdin:
        request = json.loads(line)
        start = time.perf_counter()
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.close(read)
                _one_run(request["arguments"], request["kill"], write)
            except BaseException as error:
                sys.stderr.write(f"{type(error).__name__}: {error}\n")
                sys.stderr.flush()
            os._exit(99)
        os.close(write)
        _, status = os.waitpid(child, 0)
        with os.fdopen(read) as pipe:
            events = pipe.read()
        outcome = {
            "killed": os.WIFSIGNALED(status),
            "code": os.waitstatus_to_exitcode(status),
            "events": int(events or 0),
            "seconds": time.perf_counter() - start,
        }
        sys.stdout.write(json.dumps(outcome) + "\n")
        sys.stdout.flush()


class Runs:
    """Runs of the command, each in a fork of a process that has done `warm_up` already."""

    def __init__(self, warm_up: Sequence[str]) -> None:
        self._server = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=os.environ | _ONE_THREAD,
        )  # fmt: skip
        self._tell(list(warm_up))

    def __enter__(self) -> Runs:
        return self

    def __exit__(self, *_: object) -> None:
        with self._server:
            self._server.kill()

    def run(self, arguments: Sequence[str], **kill: float) -> Outcome:
        """One run, killed before its `event`-th change of a file or after `seconds`, or whole."""
        self._tell({"arguments": list(arguments), "kill": kill})
        assert self._server.stdout is not None
        line = self._server.stdout.readline()
        assert line, "the process that makes the runs has ended: its errors are above"
        outcome = Outcome(**json.loads(line))
        assert outcome.killed or outcome.code == 0, "its errors are above"
        return outcome

    def _tell(self, what: Any) -> None:
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(what) + "\n")
        self._server.stdin.flush()


def run_command(arguments: Sequence[str], *, begun: Path, seconds: float) -> Outcome:
    """The command as a user starts it, killed `seconds` after the path `begun` is there."""
    start = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-m", "lens_probes.cli", *arguments],
        stdout=subprocess.DEVNULL,
        env=os.environ | _ONE_THREAD,
    ) as run:
        while not begun.exists() and run.poll() is None:
            time.sleep(0.01)
        try:
            run.wait(seconds)
        except subprocess.TimeoutExpired:
            run.kill()
    assert run.returncode in (0, -signal.SIGKILL), "its errors are above"
    return Outcome(run.returncode != 0, run.returncode, 0, time.perf_counter() - start)


if __name__ == "__main__":
    serve()
