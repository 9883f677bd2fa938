"""What a reader sees before any scrolling: the whole headline, wide and narrow, and no more."""

import pytest
from chromium import opened, wait_until

from lens_probes.report.telling import telling_windows
from lens_probes.report.words.headline import Headline

SIZES = [(1280, 800), (390, 844)]
PARTS = {
    "question": "h1",
    "verdict": "#answer",
    "shares": ".shares",
    "profile": "#share",
    "strongest unit": ".strongest",
    "its examples": ".first .lens-heatmap",
    "caution": ".caution",
}


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("kind", ["classes", "continuous"])
def test_the_headline_is_on_the_first_screen(browser, reports, kind, width, height):
    path, result = reports[kind]
    said = Headline.of(result)
    with opened(browser, path, width=width, height=height) as seen:
        page = seen.page
        wait_until(page, "document.querySelector('#share .main-svg') !== null")
        for part, selector in PARTS.items():
            if part == "its examples" and not telling_windows(result):
                continue
            box = page.locator(selector).first.bounding_box()
            assert box["y"] >= 0, part
            assert box["y"] + box["height"] <= height, part
            assert box["x"] + box["width"] <= width, part
        assert page.locator("h1").inner_text() == said.question
        assert page.locator("#answer").inner_text() == said.verdict
        assert page.locator(".strongest").inner_text() == said.strongest
        assert page.locator(".caution").inner_text() == f"Caution. {said.caution}"
        shown = page.locator(".shares strong").all_inner_texts()
        assert shown == [one.share for one in said.shares]
        assert page.locator(".answer").is_hidden()
        assert page.locator("#share-caption").is_hidden()


def test_lines_of_the_profile_are_named_beside_their_ends(browser, reports):
    path, result = reports["classes"]
    with opened(browser, path) as seen:
        page = seen.page
        wait_until(page, "document.querySelector('#share .main-svg') !== null")
        names = page.locator("#share .annotation-text").all_text_contents()
        bare = [name.strip("●■◆▲ \u00a0") for name in names]
        assert bare == [*dict.fromkeys(result.layers["site"]), "untrained"]
        assert page.locator("#share .legend").count() == 0
        plot, frame = page.locator("#share .bglayer").first, page.locator("#share").bounding_box()
        for label in page.locator("#share .annotation-text").all():
            box = label.bounding_box()
            assert box["x"] >= plot.bounding_box()["x"] + 200
            assert box["x"] + box["width"] <= frame["x"] + frame["width"]
