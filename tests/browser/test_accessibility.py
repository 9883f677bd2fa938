"""No violation that axe calls serious or critical, light and dark, wide and narrow."""

import pytest
from chromium import missing, open_all, opened

# Thousands of points hold no text and have no role of their own: their figure speaks for them.
POINTS = {"exclude": [[".scatterlayer"]]}


@pytest.mark.parametrize(
    ("kind", "width", "dark"),
    [("classes", 1280, False), ("classes", 1280, True), ("continuous", 360, False)],
)
def test_no_serious_violation(browser, reports, kind, width, dark):
    try:
        from axe_playwright_python.sync_playwright import Axe
    except ModuleNotFoundError:
        missing("axe is not installed")
    with opened(browser, reports[kind][0], width=width, dark=dark) as seen:
        open_all(seen.page)
        found = Axe().run(seen.page, context=POINTS).response["violations"]
        grave = {
            violation["id"]: [node["html"][:200] for node in violation["nodes"]][:5]
            for violation in found
            if violation["impact"] in ("serious", "critical")
        }
        assert grave == {}
