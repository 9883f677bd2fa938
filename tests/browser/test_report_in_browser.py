"""The report does what it says: figures drawn, table sorted, nothing asked of a network."""

import re

import pytest
from chromium import open_all, opened, wait_until

from lens_probes.report.ranking import strongest
from lens_probes.report.unit_browser import FIRST_PAGE

SCRIPT = "<script>alert(1)</script>"
PLANTED = "L2.mlp_pre.5"
KINDS = ("classes", "continuous")


def names(page):
    return page.locator("#unit-table tbody th").all_inner_texts()


def status(page):
    return page.locator("#unit-status").inner_text()


def header(page, text):
    return page.locator("#unit-table thead th", has_text=re.compile(f"^{re.escape(text)}$"))


def draw(page, name):
    """Go to a figure and wait until it is there."""
    plot = page.locator(f"[id='{name}']")
    plot.scroll_into_view_if_needed()
    plot.locator(".main-svg").first.wait_for()
    return plot


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (360, True)])
def test_every_figure_is_drawn_without_an_error_or_a_request(browser, reports, kind, width, dark):
    path, _ = reports[kind]
    with opened(browser, path, width=width, dark=dark) as seen:
        plots = seen.page.locator(".plot")
        open_all(seen.page)
        assert plots.count() > 10
        for place in range(plots.count()):
            box = plots.nth(place).locator(".main-svg").first.bounding_box()
            assert box["width"] > 200
            assert box["height"] > 90
        assert seen.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        assert seen.errors == []
        assert seen.dialogs == []
        assert {url.split(":")[0] for url in seen.requests} <= {"file", "data", "blob"}
        assert [url for url in seen.requests if url.startswith("file")] == [path.as_uri()]


@pytest.mark.parametrize("kind", KINDS)
def test_first_page_is_the_one_written_without_javascript(browser, reports, kind):
    path, result = reports[kind]
    rows = "[...document.querySelectorAll('#unit-table tbody tr')].map((r) => r.innerText)"
    with opened(browser, path, javascript=False) as seen:
        page = seen.page
        written = [r.inner_text() for r in page.locator("#unit-table tbody tr").all()]
        assert page.locator("#unit-filter").is_hidden()
        assert page.locator("noscript").count() == 1
    with opened(browser, path) as seen:
        drawn = seen.page.evaluate(rows)
        assert drawn == written
        assert names(seen.page) == list(strongest(result.units, FIRST_PAGE)["name"])


def test_sorting_by_a_column_goes_both_ways_with_missing_values_last(opened_report, result):
    page, units = opened_report.page, result.units
    button = header(page, "AUC ± se").locator("button")
    button.click()
    assert header(page, "AUC ± se").get_attribute("aria-sort") == "descending"
    by_name = units.set_index("name")["auc"]
    assert by_name[names(page)].tolist() == units["auc"].nlargest(25).tolist()
    button.click()
    assert header(page, "AUC ± se").get_attribute("aria-sort") == "ascending"
    assert by_name[names(page)].tolist() == units["auc"].nsmallest(25).tolist()
    assert page.locator("[aria-sort]").count() == 1
    page.get_by_role("button", name="Last", exact=True).click()
    assert by_name[names(page)].isna().all()


def test_names_sort_by_their_numbers(opened_report, result):
    page = opened_report.page
    header(page, "unit").locator("button").click()
    expected = result.units.sort_values(["layer", "site", "unit"])["name"][:25]
    assert names(page) == list(expected)


def test_filters_keep_what_the_table_has(opened_report, result):
    page, units = opened_report.page, result.units
    page.locator("[name=layer]").select_option("2")
    page.locator("[name=site]").select_option("mlp_pre")
    page.get_by_label("significant only").check()
    kept = units[(units["layer"] == 2) & (units["site"] == "mlp_pre") & units["significant"]]
    assert 0 < len(kept) < 25
    assert set(names(page)) == set(kept["name"])
    assert status(page) == f"Units 1 to {len(kept)} of {len(kept)} that match, of {len(units):,}"
    page.get_by_role("button", name="Reset", exact=True).click()
    every = f"Units 1 to 25 of {len(units):,}"
    wait_until(page, f"document.querySelector('#unit-status').textContent === '{every}'")
    page.get_by_label("Unit contains").fill("l3.Q.")
    assert len(names(page)) == 25
    assert all(name.startswith("L3.q.") for name in names(page))
    page.locator("[name=side]").select_option("-1")
    of_site = (units["layer"] == 3) & (units["site"] == "q")
    n = int((of_site & (units["direction"] < 0)).sum())
    assert f" of {n} that match" in status(page)
    page.get_by_label("Unit contains").fill("nothing has this name")
    assert status(page) == f"No unit of the {len(units):,} matches."
    assert names(page) == []
    page.get_by_role("button", name="Reset", exact=True).click()
    page.locator("[name=status]").select_option("separated")
    assert set(names(page)) == set(units.loc[units["status"] == "separated", "name"])


def test_pages_follow_each_other_and_hold_every_unit_once(opened_report, result):
    page = opened_report.page
    page.locator("[name=size]").select_option("500")
    found = names(page)
    following = page.get_by_role("button", name="Next")
    while following.is_enabled():
        following.click()
        found += names(page)
    assert sorted(found) == sorted(result.units["name"])
    assert following.is_disabled()
    assert page.evaluate("document.activeElement.textContent") in ("Previous", "First")


def test_the_keyboard_reaches_and_works_everything(opened_report):
    page = opened_report.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.url.endswith("#answer")
    page.get_by_label("Unit contains").focus()
    page.keyboard.type("L2.")
    for _ in range(4):
        page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.name") == "significant"
    page.keyboard.press("Space")
    assert page.get_by_label("significant only").is_checked()
    button = header(page, "t").locator("button")
    button.focus()
    page.keyboard.press("Enter")
    assert header(page, "t").get_attribute("aria-sort") == "descending"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    summary = page.locator(f"[id='card-{PLANTED}'] > summary")
    summary.focus()
    page.keyboard.press("Enter")
    wait_until(page, f"document.getElementById('card-{PLANTED}').open")


def test_every_link_leads_somewhere(opened_report):
    page = opened_report.page
    for link in page.locator("nav a").all():
        target = link.get_attribute("href")[1:]
        link.click()
        wait_until(
            page,
            "(id) => Math.abs(document.getElementById(id).getBoundingClientRect().top) < 900",
            target,
        )
    link = page.locator(f"#unit-table a[href='#card-{PLANTED}']")
    link.click()
    card = page.locator(f"[id='card-{PLANTED}']")
    wait_until(page, f"document.getElementById('card-{PLANTED}').open")
    card.locator(".plot .main-svg").first.wait_for()
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"


def test_an_address_that_ends_in_a_card_opens_it(browser, reports):
    with opened(browser, reports["classes"][0]) as seen:
        page = seen.page
        page.goto(reports["classes"][0].as_uri() + f"#card-{PLANTED}")
        page.reload()
        wait_until(page, f"document.getElementById('card-{PLANTED}').open")


def test_hostile_and_right_to_left_text_is_shown_as_text(opened_report):
    page = opened_report.page
    open_all(page)
    text = page.evaluate("document.body.innerText")
    assert text.count(SCRIPT) >= 2
    assert "שלום" in text
    scripts = page.evaluate("[...document.scripts].map((s) => s.textContent)")
    assert not any(script.strip() == "alert(1)" for script in scripts)
    assert opened_report.dialogs == []
    tokens = page.locator(".lens-heatmap .token", has_text=SCRIPT).first
    assert tokens.inner_text() == SCRIPT
    box = page.locator(".lens-heatmap .token").filter(has_text="שלום").first.bounding_box()
    assert box["width"] > 5


def test_values_of_tokens_are_on_hover_and_in_a_table(opened_report):
    page = opened_report.page
    token = page.locator(".lens-heatmap .token").first
    assert re.match(r"60\.0 \(token 0\)", token.get_attribute("title"))
    page.locator(".lens-heatmap summary").first.click()
    assert "60.0" in page.locator(".lens-heatmap .values").first.inner_text()


def test_figures_are_drawn_when_they_are_come_near(opened_report):
    page = opened_report.page
    there = "document.querySelectorAll('.plot .main-svg').length"
    wait_until(page, "document.readyState === 'complete'")
    before = page.evaluate(there)
    assert page.locator("#words .main-svg").count() == 0
    draw(page, "words")
    assert page.evaluate(there) > before
    folded = page.locator("details.card").first
    assert folded.locator(".main-svg").count() == 0
    folded.locator("summary").first.click()
    folded.locator(".main-svg").first.wait_for()


def test_hovering_over_a_figure_shows_its_numbers(opened_report):
    page = opened_report.page
    plot = draw(page, "best-auc")
    plot.hover()
    label = page.locator("#best-auc .hoverlayer .hovertext")
    label.first.wait_for()
    assert "AUC" in label.first.text_content()


def test_figures_follow_the_theme_when_it_changes(opened_report):
    page = opened_report.page
    draw(page, "share")
    ink = "getComputedStyle(document.querySelector('#share .xtitle')).fill"
    light = page.evaluate(ink)
    page.emulate_media(color_scheme="dark")
    wait_until(page, f"{ink} !== '{light}'")
