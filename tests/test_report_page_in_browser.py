"""The page of jaxcam.report.page in a real browser: clicks, keys and the pointer do what they should."""

import re

import pytest

from jaxcam.report.page import save_page
from tests.chromium import Chromium, find_chromium
from tests.made_pages import EVERYTHING, NASTY

SHOWN = "[...document.querySelectorAll('.card')].filter(card => card.checkVisibility()).length"
ROWS = "[...document.querySelector('.classes').tBodies[0].rows].map(row => row.cells[0].textContent)"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    program = find_chromium()
    if program is None:
        pytest.skip("no Chromium: install Debian's package chromium")
    folder = tmp_path_factory.mktemp("browser")
    save_page(folder / "report.html", **EVERYTHING)
    with Chromium(program, folder / "profile") as browser:
        browser.page = folder / "report.html"
        yield browser


def outcome(name):
    return f'.outcomes button[data-outcome="{name}"]'


def test_a_click_on_a_filter_shows_its_cards(browser):
    browser.open(browser.page)
    assert browser.value(SHOWN) == 6
    seen = []
    for name in ("right", "right class, wrong box", "wrong class, right box", "wrong", ""):
        browser.click(outcome(name))
        pressed = browser.value("document.querySelector('.outcomes [aria-pressed=true]').dataset.outcome")
        seen.append((pressed, browser.value(SHOWN), browser.value("document.querySelector('.count').textContent")))
    counts = {"right": 3, "right class, wrong box": 1, "wrong class, right box": 1, "wrong": 1, "": 6}
    assert seen == [(name, count, f"{count} of 6 images") for name, count in counts.items()]


def test_filters_work_together_and_from_the_keyboard(browser):
    browser.open(browser.page)
    browser.value("document.querySelector('select').focus()")
    for _ in range(3):  # past the nasty name and "bee"
        browser.press("ArrowDown", 40)
    assert browser.value("document.querySelector('select').value") == "cat"
    assert browser.value(SHOWN) == 3
    browser.click(outcome("right"))
    assert browser.value(SHOWN) == 2
    browser.click(outcome("wrong"))
    assert browser.value("document.querySelector('.count').textContent") == "0 of 6 images"


def test_headings_sort_the_classes(browser):
    browser.open(browser.page)
    orders = {}
    for number, name in enumerate(("Class", "Images", "Top-1", "GT-known", "Top-1 Loc"), start=1):
        for turn in ("first", "second"):
            browser.click(f".classes th:nth-child({number}) button")
            orders[name, turn] = browser.value(ROWS)
    assert orders["Class", "first"] == [NASTY, "Ant", "bee", "cat"]
    assert orders["Class", "second"] == ["cat", "bee", "Ant", NASTY]
    assert orders["Images", "first"] == ["bee", "Ant", "cat", NASTY]
    assert orders["Top-1", "first"] == [NASTY, "cat", "bee", "Ant"]
    assert orders["GT-known", "first"] == ["bee", "cat", "Ant", NASTY]  # what was not measured stays last
    assert orders["GT-known", "second"] == ["Ant", "cat", "bee", NASTY]
    assert orders["Top-1 Loc", "second"] == ["Ant", "bee", NASTY, "cat"]
    assert browser.value("document.querySelector('[aria-sort]').getAttribute('aria-sort')") == "ascending"


def test_heat_and_boxes_are_the_readers_choice(browser):
    browser.open(browser.page)
    opacity = "getComputedStyle(document.querySelector('.heat')).opacity"
    assert browser.value(opacity) == "0.4"
    browser.value("document.querySelector('[type=range]').focus()")
    browser.press("Home", 36)
    assert browser.value(opacity) == "0"
    visible = "['found', 'true'].map(kind => document.querySelector(`.box.${kind}`).checkVisibility())"
    assert browser.value(visible) == [True, True]
    browser.click("[data-box=true]")
    assert browser.value(visible) == [True, False]


def test_the_pointer_reads_the_curves(browser):
    browser.open(browser.page)
    browser.value("document.querySelector('.chart').scrollIntoView()")
    frame = browser.value("(b => [b.x, b.y, b.width])(document.querySelector('.chart > svg').getBoundingClientRect())")
    browser.send("Input.dispatchMouseEvent", type="mouseMoved", x=frame[0] + frame[2] * 0.5, y=frame[1] + 50)
    legend = browser.value("[...document.querySelectorAll('.legend span')].map(entry => entry.textContent)")
    value, threshold = map(float, re.fullmatch(r"(.+) % at (.+)", legend[0]).groups())
    assert threshold == pytest.approx(0.5, abs=0.002)  # the pointer stands on a whole pixel
    assert value == pytest.approx(50 - 100 * abs(threshold - 0.3), abs=0.01)
    assert legend[1] == "25.00 % at 0.5"


@pytest.mark.parametrize("width", [360, 1280])
def test_page_fits_its_window_and_runs_no_name(browser, width):
    browser.open(browser.page, width=width)
    assert browser.value("document.documentElement.scrollWidth") <= width
    # The first true box: a quarter into the photo, half as wide.
    place = """(([photo, box]) => [(box.x - photo.x) / photo.width, box.width / photo.width])(
        ['.photo', '.box.true'].map(name => document.querySelector(name).getBoundingClientRect()))"""
    assert browser.value(place) == pytest.approx([0.25, 0.5], abs=0.002)
    assert browser.value("[...document.images].every(image => image.naturalWidth > 0)")
    assert browser.value("window.broken === undefined")
    asked = [event["params"]["request"]["url"] for event in browser.events if "request" in event.get("params", {})]
    assert {url for url in asked if not url.startswith("data:")} == {browser.page.as_uri()}
    assert not [event for event in browser.events if event["method"] in ("Runtime.exceptionThrown", "Log.entryAdded")]
