"""Photograph the reports wide, narrow and dark: python tests/browser/screenshots.py FOLDER.

One picture a section, so that they can be looked at in full size.
"""

import sys
from pathlib import Path

import chromium
import pages
from playwright.sync_api import sync_playwright

VIEWS = {"wide": (1280, False), "narrow": (390, False), "dark": (1280, True)}


def main(folder):
    """Write FOLDER/KIND-VIEW-SECTION.png."""
    folder.mkdir(parents=True, exist_ok=True)
    reports = pages.write_all(folder)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium.find_chromium(), args=["--no-sandbox"]
        )
        for kind, (path, _) in reports.items():
            for view, (width, dark) in VIEWS.items():
                with chromium.opened(browser, path, width=width, dark=dark) as seen:
                    card = seen.page.locator("details.card").nth(1)
                    card.locator("summary").first.click()
                    seen.page.wait_for_timeout(800)
                    for section in seen.page.locator("main > section").all():
                        name = section.get_attribute("aria-labelledby")
                        # A figure is drawn when it comes near, and a jump passes it by.
                        for plot in section.locator(".plot:visible").all():
                            plot.scroll_into_view_if_needed()
                            plot.locator(".main-svg").first.wait_for()
                        section.screenshot(path=folder / f"{kind}-{view}-{name}.png")
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
