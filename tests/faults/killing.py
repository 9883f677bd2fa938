"""Runs that are killed, at a chosen event or after a chosen time.

Everything heavy is imported once; each run is a fork, so that hundreds of kills take minutes. An
event is a file opened for writing, moved, made or removed.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link"}


def _changes_a_file(event: str, arguments: tuple[Any, ...]) -> bool:
    if event == "open":
        flags = arguments[2] or 0
        return bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)) and arguments[0] != "/dev/null"
    return event in _CHANGES


def _one_run(plan: dict[str, Any], kill: dict[str, Any], report: int) -> None:
    """In the fork: run to the end or to the kill; the number of events goes to `report`."""
    seen = [0]

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if _changes_a_file(event, arguments):
            seen[0] += 1
            if seen[0] == kill.get("event"):
                os.kill(os.getpid(), signal.SIGKILL)

    module, name = plan["call"].split(":")
    call = getattr(importlib.import_module(module), name)
    sys.addaudithook(watch)
    if "seconds" in kill:
        end = threading.Timer(kill["seconds"], os.kill, (os.getpid(), signal.SIGKILL))
        end.daemon = True
        end.start()
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        code = call(plan["arguments"])
    os.write(report, str(seen[0]).encode())
    os._exit(int(code or 0))


def serve() -> None:
    """The plan in the first line of standard input, then one kill a line; outcomes likewise."""
    plan = json.loads(sys.stdin.readline())
    for where, value in plan["settings"].items():
        module, name = where.split(":")
        setattr(importlib.import_module(module), name, value)
    module = importlib.import_module(plan["call"].split(":")[0])
    getattr(module, "prepare", lambda _: None)(plan["arguments"])
    for line in sys.stdin:
        start = time.perf_counter()
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.close(read)
                _one_run(plan, json.loads(line), write)
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
            "events": int(events or 0),
            "code": os.waitstatus_to_exitcode(status),
            "seconds": time.perf_counter() - start,
        }
        sys.stdout.write(json.dumps(outcome) + "\n")
        sys.stdout.flush()


class Runs:
    """Runs of one call, each in a fork of a process that has everything imported."""

    def __init__(
        self, call: str, arguments: Sequence[str], *, settings: dict[str, Any] | None = None
    ) -> None:
        here = Path(__file__).parent
        paths = [str(here), str(here.parent), os.environ.get("PYTHONPATH", "")]
        one_thread = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "NUMBA")}
        self._server = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, **one_thread, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        )  # fmt: skip
        self._tell({"call": call, "arguments": list(arguments), "settings": settings or {}})

    def __enter__(self) -> Runs:
        return self

    def __exit__(self, *_: object) -> None:
        with self._server:
            self._server.kill()

    def run(self, **kill: float) -> dict[str, Any]:
        """One run, killed before its `event`-th change of a file or after `seconds`, or whole."""
        self._tell(kill)
        assert self._server.stdout is not None
        line = self._server.stdout.readline()
        assert line, "the process that makes the runs has ended: its errors are above"
        outcome: dict[str, Any] = json.loads(line)
        assert outcome["killed"] or outcome["code"] == 0, "its errors are above"
        return outcome

    def _tell(self, what: dict[str, Any]) -> None:
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(what) + "\n")
        self._server.stdin.flush()


if __name__ == "__main__":
    serve()
