"""The page in a real Chromium: a phone under a finger, and a window at 200 percent."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from browser import Browser
from library import WITHOUT, assert_current, tap, touch
from pages import assert_fits, colour_by, open_page, path_of, pixels, sound, view, wait_sounding

pytestmark = pytest.mark.slow

FINGER = 44  # pixels that a finger hits
ZOOMED = [(640, 400), (512, 384)]  # 1280 x 800 and 1024 x 768 at 200 percent


@pytest.fixture
def phone(browser, library) -> Iterator[Browser]:
    browser.show(375, 740)
    browser.command("Emulation.setTouchEmulationEnabled", enabled=True, maxTouchPoints=2)
    try:
        open_page(browser, library)
        yield browser
    finally:
        browser.command("Emulation.setTouchEmulationEnabled", enabled=False)


def tap_element(browser: Browser, css: str) -> None:
    browser.run("document.querySelector(arguments[0]).scrollIntoView({block: 'nearest'})", css)
    box = browser.run("return document.querySelector(arguments[0]).getBoundingClientRect().toJSON()", css)
    tap(browser, box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


def is_open(browser: Browser) -> bool:
    return browser.run("return document.getElementById('sheet').getAttribute('aria-expanded') === 'true'")


def free_share(browser: Browser) -> float:
    """Return which share of the stage is the map's own."""
    return browser.run("""const box = document.getElementById('stage').getBoundingClientRect();
        let [all, free] = [0, 0];
        for (let x = box.left + 2; x < box.right; x += 6) for (let y = box.top + 2; y < box.bottom; y += 6) {
            all++;
            if (document.elementFromPoint(x, y)?.closest('#map')) free++;
        }
        return free / all""")


def assert_fingers_can_hit(browser: Browser) -> None:
    small = browser.run(
        """return [...document.querySelectorAll('button, input, summary, select')]
            .filter((each) => each.checkVisibility({visibilityProperty: true}) && !each.closest('.unseen'))
            .filter((each) => each.getBoundingClientRect().width)
            .map((each) => [each, (each.closest('label') || each).getBoundingClientRect()])
            .filter(([, box]) => box.height < arguments[0] - 0.5 || box.width < arguments[0] - 0.5)
            .map(([each, box]) => `${each.outerHTML.slice(0, 90)} ${box.width} x ${box.height}`)""",
        FINGER,
    )
    assert small == []


def assert_nothing_covers(browser: Browser, css: str) -> None:
    covered = browser.run(
        """const box = document.querySelector(arguments[0]).getBoundingClientRect(), found = [];
        for (let x = box.left + 3; x < box.right - 3; x += 12) for (let y = box.top + 3; y < box.bottom - 3; y += 12)
            if (!document.elementFromPoint(x, y)?.closest(arguments[0])) found.push([x, y]);
        return found""",
        css,
    )
    assert covered == []


def test_a_phone_shows_the_map_first_and_the_panel_is_a_sheet(phone, library):
    assert not is_open(phone)
    panel, stage = phone.find("#panel").rect, phone.find("#stage").rect
    assert stage["height"] > 740 / 2 and panel["y"] >= stage["y"] + stage["height"] - 1
    assert free_share(phone) >= 0.5
    assert not phone.find(".keys").is_displayed() and not phone.find("#letters").is_displayed()
    tap_element(phone, "#sheet")
    phone.wait("return document.getElementById('panel').classList.contains('open')")
    assert is_open(phone) and not phone.find(".keys").is_displayed() and not phone.find("#letters").is_displayed()
    tap_element(phone, "#sheet")
    phone.wait("return !document.getElementById('panel').classList.contains('open')")
    tap_element(phone, "#search")
    assert phone.run("return document.activeElement.id") == "search"
    assert float(phone.run("return getComputedStyle(document.activeElement).fontSize").removesuffix("px")) >= 16
    phone.keys("folk/")
    phone.wait("return !document.getElementById('list').hidden")
    assert is_open(phone)
    assert phone.find("#list li:nth-child(1) .plain").is_displayed()
    assert_fits(phone, 375)


def test_a_tap_plays_and_two_fingers_zoom(phone, library):
    tap(phone, *pixels(phone, library)[30])
    assert_current(phone, library, 30)
    wait_sounding(phone)
    assert not is_open(phone) and phone.find("#play").is_displayed() and phone.find("#track-title").is_displayed()
    tap_element(phone, "#next")
    second = next(track for track in library.neighbours(30) if track != WITHOUT)
    assert_current(phone, library, second)
    x, y = pixels(phone, library)[5]
    before = view(phone)
    touch(phone, "touchStart", (x, y))
    touch(phone, "touchStart", (x, y), (x + 40, y))
    for apart in (55, 70, 80):
        touch(phone, "touchMove", (x, y), (x + apart, y))
    touch(phone, "touchEnd", (x, y))
    touch(phone, "touchEnd")
    phone.wait("return location.hash.includes('view')")
    assert view(phone)[1] - view(phone)[0] == pytest.approx((before[1] - before[0]) / 2, rel=0.03)
    assert sound(phone) == path_of(library, second)


def test_whatever_is_seen_can_be_hit_with_a_finger(phone, library):
    assert_fingers_can_hit(phone)
    tap(phone, *pixels(phone, library)[30])
    phone.wait_text("#track-title", library.titles()[30])
    assert_fingers_can_hit(phone)
    tap_element(phone, "#sheet")
    phone.wait("return document.getElementById('panel').classList.contains('open')")
    assert_fingers_can_hit(phone)
    phone.click("#search")
    phone.keys("o")
    phone.wait("return !document.getElementById('list').hidden")
    assert_fingers_can_hit(phone)
    tap_element(phone, "#list-close")
    phone.wait("return document.getElementById('list').hidden")
    phone.click("#filters summary")
    for column in ("genre", "place", "plays", "added"):
        phone.choose_text("#filter-column", column)
        assert_fingers_can_hit(phone)
        assert_nothing_covers(phone, ".popover")
    phone.click("#filters summary")
    for column in ("place", "plays"):
        colour_by(phone, column)
        assert_fingers_can_hit(phone)


@pytest.mark.parametrize(("width", "height"), ZOOMED)
def test_at_200_percent_nothing_covers_the_map(browser, library, width, height):
    browser.show(width, height)
    open_page(browser, library)
    for column in ("genre", "place", "plays"):
        browser.choose_text("#colour", column)
        browser.wait("return document.querySelector('#legend h2').textContent === arguments[0]", column)
        assert free_share(browser) >= 0.5, column
        stage = browser.find("#stage").rect
        assert stage["height"] >= height / 2, column
        assert_fits(browser, width)
    assert_nothing_covers(browser, "#legend")
    assert_nothing_covers(browser, "#tools")
    browser.mouse(tuple(pixels(browser, library)[30]))
    browser.wait_text("#track-title", library.titles()[30])
    assert free_share(browser) >= 0.5
    assert browser.find("#play").is_displayed()
