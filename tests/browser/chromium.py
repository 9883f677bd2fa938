"""Reports in a real browser: Chromium without a network, driven by Playwright.

Both may be missing (neither is needed to use the library): then these tests are skipped and say so,
unless LENS_PROBES_BROWSER_TESTS is "required", as in `make browser-test`.
"""

import os
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lens_probes.drawing.save_figure import find_browser
from lens_probes.errors import InputError


def find_chromium():
    """Path of the browser that figures are drawn with, or None."""
    try:
        return find_browser()
    except InputError:
        return None


def missing(what):
    """Skip a test that lacks a browser, or fail where one was asked for."""
    reason = f"{what}: `make browser-test` sets up what these tests need"
    if os.environ.get("LENS_PROBES_BROWSER_TESTS") == "required":
        pytest.fail(reason)
    pytest.skip(reason)


# Seconds before a wait is given up; a browser on a busy machine is slow.
PATIENCE = 120


@dataclass
class Opened:
    """A page and what went wrong or was asked for while it was open."""

    page: object
    errors: list = field(default_factory=list)
    requests: list = field(default_factory=list)
    dialogs: list = field(default_factory=list)


@contextmanager
def opened(browser, path, *, width=1280, height=900, dark=False, javascript=True):
    """Open a file in a context of its own, offline, and watch it."""
    context = browser.new_context(
        offline=True,
        viewport={"width": width, "height": height},
        color_scheme="dark" if dark else "light",
        java_script_enabled=javascript,
    )
    context.set_default_timeout(PATIENCE * 1000)
    seen = Opened(context.new_page())
    page = seen.page
    page.on("console", lambda m: m.type in ("error", "warning") and seen.errors.append(m.text))
    page.on("pageerror", lambda error: seen.errors.append(str(error)))
    page.on("request", lambda request: seen.requests.append(request.url))
    page.on("requestfailed", lambda request: seen.errors.append(f"failed: {request.url}"))
    page.on("dialog", lambda dialog: (seen.dialogs.append(dialog.message), dialog.dismiss()))
    page.goto(Path(path).as_uri())
    try:
        yield seen
    finally:
        context.close()


def wait_until(page, expression, argument=None, *, seconds=PATIENCE):
    """Wait until an expression holds. (Playwright's own wait evaluates text, which the page's
    security policy forbids: as it should.)"""
    end = time.monotonic() + seconds
    while not page.evaluate(expression, argument):
        assert time.monotonic() < end, f"still not so after {seconds} s: {expression}"
        page.wait_for_timeout(30)


def open_all(page):
    """Unfold every folded part and draw every figure, as for printing."""
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    wait_until(
        page,
        "[...document.querySelectorAll('.plot')].every((p) => p.querySelector('.main-svg'))",
    )
