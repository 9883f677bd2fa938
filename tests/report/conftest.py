"""One synthetic result and its report for all tests of this folder."""

import pytest
from html_page import Page
from synthetic_result import make_result

from lens_probes.report import write_report


@pytest.fixture(scope="session")
def result():
    return make_result()


@pytest.fixture(scope="session")
def report(result, tmp_path_factory):
    """Source of the report of `result`."""
    path = write_report(result, tmp_path_factory.mktemp("report") / "report.html")
    return path.read_bytes().decode("utf-8")


@pytest.fixture(scope="session")
def page(report):
    return Page(report)
