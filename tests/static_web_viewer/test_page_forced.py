"""The page in a real Chromium: colours that the system sets, borders, what is announced, keys that are switched off."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from browser import Browser
from library import WITHOUT, ground
from pages import click_track, colour_by, colour_of_pixel, legend, open_page, pixels, rgb
from selenium.webdriver.common.keys import Keys
from test_page_everybody import GROUND

pytestmark = pytest.mark.slow


def force(browser: Browser, scheme: str) -> None:
    features = {"forced-colors": "active", "prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}
    browser.command(
        "Emulation.setEmulatedMedia", features=[{"name": name, "value": value} for name, value in features.items()]
    )
    browser.wait("return matchMedia('(forced-colors: active)').matches")


CONTROLS = """button, input:not([type=range], [type=checkbox]), .select, #filters > summary"""

EDGES = (
    GROUND
    + """
return [...document.querySelectorAll(arguments[0])].filter((each) => each.checkVisibility() && !each.disabled)
    .filter((each) => each.getBoundingClientRect().width > 1).map((each) => {
    const style = getComputedStyle(each), below = ground(each.parentElement), own = ground(each);
    const told = (colour, on) => contrast(over(numbers(colour), on), on);
    const border = parseFloat(style.borderTopWidth) && style.borderTopStyle !== 'none'
        ? told(style.borderTopColor, below) : 0;
    // A button without a border is told by what stands on it, or by its own ground
    return [each.outerHTML.slice(0, 80), Math.max(border, contrast(own, below)), told(style.color, own),
        each.matches('input, .select, summary')];
})"""
)


def assert_controls_are_seen(browser: Browser) -> None:
    found = browser.run(EDGES, CONTROLS)
    assert len(found) > 30
    assert [html for html, edge, _, is_field in found if is_field and edge < 3] == []
    assert [html for html, edge, text, _ in found if edge < 3 and text < 4.5] == []
    assert [html for html, _, text, _ in found if text < 3] == []


def open_all(browser: Browser, made) -> None:
    click_track(browser, made, 30)
    browser.keys("/", "folk/", Keys.TAB)
    browser.wait("return !document.getElementById('list').hidden")
    browser.click("#filters summary")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_each_control_has_a_border_or_a_sign_of_contrast_three(browser, library, scheme):
    browser.show(scheme=scheme)
    open_page(browser, library)
    open_all(browser, library)
    assert_controls_are_seen(browser)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_forced_colours_leave_swatches_and_show_controls(browser, library, scheme):
    browser.show(scheme=scheme)
    open_page(browser, library)
    before = legend(browser)
    force(browser, scheme)
    assert legend(browser) == before and len({colour for colour, _ in before.values()}) == 4
    open_all(browser, library)
    assert_controls_are_seen(browser)
    rows = browser.run("""return [...document.querySelectorAll('#neighbours li i')].map((each) =>
        getComputedStyle(each).backgroundColor)""")
    assert {rgb(colour) for colour in rows} <= {colour for colour, _ in before.values()}
    bar = browser.run("return getComputedStyle(document.querySelector('#neighbours .near span')).backgroundColor")
    assert rgb(bar) != rgb(browser.run("return getComputedStyle(document.getElementById('panel')).backgroundColor"))
    assert browser.run("return getComputedStyle(document.querySelector('#overlay .selected')).stroke") in (
        "rgb(0, 0, 0)",
        "rgb(255, 255, 255)",
    )
    browser.keys(Keys.ESCAPE)
    colour_by(browser, "plays")
    assert "gradient" in browser.run("return getComputedStyle(document.querySelector('#legend .bar')).backgroundImage")
    box = browser.find("#position").rect
    played, left = (
        colour_of_pixel(browser, box["x"] + share * box["width"], box["y"] + box["height"] - 2)
        for share in (0.002, 0.9)
    )
    panel = colour_of_pixel(browser, box["x"] - 8, box["y"] + 4)
    assert played != panel and left != panel  # the bar is there


def test_selection_playing_and_what_was_found_are_announced(shelf, library):
    assert shelf.run("return document.getElementById('told').getAttribute('role')") == "status"
    click_track(shelf, library, 30)
    shelf.wait_text("#told", f"Playing {library.titles()[30]}")
    shelf.keys(" ")
    shelf.wait_text("#told", "Paused")
    shelf.keys(Keys.ARROW_RIGHT)
    shelf.wait_text("#told", f"Playing {library.titles()[library.neighbours(30)[0]]}")
    shelf.mouse(ground(shelf))
    shelf.wait_text("#told", "No track is selected")
    shelf.mouse(tuple(pixels(shelf, library)[WITHOUT]))
    shelf.wait_text("#track-title", library.titles()[WITHOUT])
    shelf.wait_text("#told", f"{library.titles()[WITHOUT]} is selected")
    shelf.keys("/", "folk/")
    shelf.wait_text("#told", "12 tracks with “folk/”")
    row = "#list li:nth-child(1)"
    assert shelf.find(row).get_attribute("aria-current") is None
    shelf.click(f"{row} .plain")
    shelf.wait("return document.querySelector(arguments[0]).getAttribute('aria-current') === 'true'", row)
    shelf.wait(
        "return document.querySelector(arguments[0] + ' .play').getAttribute('aria-label').startsWith('Pause')", row
    )


@pytest.fixture
def forgetful(shelf) -> Iterator[Browser]:
    yield shelf
    shelf.run("localStorage.clear()")


def test_keys_of_one_letter_can_be_switched_off_and_stay_off(forgetful, library):
    page = forgetful
    for load in (False, True):
        if load:
            open_page(page, library)
        else:
            page.click("#letters input")
        assert not page.find("#letters input").is_selected()
        whole = page.run("return map.seen()")
        page.keys("l", "h", "m", "+", "/")
        pressed = [page.find(css).get_attribute("aria-pressed") for css in ("#lasso", "#hear")]
        assert pressed == ["false", "false"]
        assert page.run("return map.seen()") == whole
        assert page.run("return document.activeElement.id") != "search"
        click_track(page, library, 30)
        page.keys(Keys.ARROW_RIGHT)  # which is no letter
        page.wait_text("#track-title", library.titles()[library.neighbours(30)[0]])
    page.click("#letters input")
    page.keys("l")
    assert page.find("#lasso").get_attribute("aria-pressed") == "true"
