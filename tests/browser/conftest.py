"""A browser and the reports that are opened in it, once for all tests."""

import pytest
from chromium import find_chromium, missing, opened


@pytest.fixture(scope="session")
def browser():
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        missing("Playwright is not installed")
    path = find_chromium()
    if path is None:
        missing("no Chromium or Chrome found")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def reports(tmp_path_factory):
    """Reports of two kinds of sweep, and the results they were made from."""
    import pages

    return pages.write_all(tmp_path_factory.mktemp("pages"))


@pytest.fixture(scope="session")
def result(reports):
    return reports["classes"][1]


@pytest.fixture
def opened_report(browser, reports):
    with opened(browser, reports["classes"][0]) as seen:
        yield seen
