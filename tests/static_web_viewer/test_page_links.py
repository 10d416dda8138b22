"""The page in a real Chromium: keys, buttons, and links that show what their sender saw."""

from __future__ import annotations

import pytest
from pages import (
    GENRES,
    TRACKS,
    click_track,
    colour_by,
    coloured,
    follow_link,
    legend_entry,
    link_to_what_is_seen,
    open_page,
    path_of,
    sound,
    view,
    wait_sounding,
)
from selenium.webdriver.common.keys import Keys

pytestmark = pytest.mark.slow


def test_the_keys_do_what_the_page_says(page, collection):
    click_track(page, collection, 9)
    wait_sounding(page)
    near = collection.neighbours(9)
    page.keys(" ")
    page.wait("return document.getElementById('audio').paused")
    page.keys(" ")
    wait_sounding(page)
    for key, track in [(Keys.ARROW_RIGHT, near[0]), (Keys.ARROW_DOWN, near[1]), (Keys.ARROW_LEFT, near[0])]:
        page.keys(key)
        page.wait_text("#track-title", collection.titles()[track])
        assert sound(page) == path_of(collection, track)
    page.run("document.activeElement.blur()")
    page.keys("0")
    whole = view(page)
    page.keys("+")
    page.wait("return map.seen()[0] > arguments[0]", whole[0])
    closer = view(page)
    assert (whole[1] - whole[0]) / (closer[1] - closer[0]) == pytest.approx(1.5)
    page.keys("-")
    page.wait("return map.seen()[0] < arguments[0]", closer[0])
    assert view(page) == pytest.approx(whole)
    page.keys("-", "0")
    page.wait("return !location.hash.includes('view')")
    assert view(page) == pytest.approx(whole)
    page.keys("l")
    assert page.find("#lasso").get_attribute("aria-pressed") == "true"
    page.keys(Keys.ESCAPE)
    assert page.find("#lasso").get_attribute("aria-pressed") == "false"
    page.keys("/", "l + 0")  # in a field a key is a letter
    assert page.find("#search").get_attribute("value") == "l + 0"
    assert page.find("#lasso").get_attribute("aria-pressed") == "false"
    page.wait("return !document.getElementById('list').hidden")
    page.keys(Keys.ESCAPE)
    page.wait("return document.getElementById('list').hidden")
    page.keys(Keys.ESCAPE)
    page.wait("return document.getElementById('track').hidden")
    assert page.find_all("#overlay .selected") == []


def test_the_buttons_zoom_and_show_the_whole_map(page):
    whole = view(page)
    page.click("#zoom-in")
    page.wait("return map.seen()[0] > arguments[0]", whole[0])
    page.click("#zoom-out")
    page.click("#zoom-out")
    page.wait("return map.seen()[0] < arguments[0]", whole[0])
    page.click("#reset")
    page.wait("return !location.hash.includes('view')")
    assert view(page) == pytest.approx(whole)


def test_a_link_shows_what_its_sender_saw(page, collection):
    click_track(page, collection, 13)
    colour_by(page, "mood")
    page.click(legend_entry(page, "mood 03"))
    page.wait_drawn(TRACKS - 2)
    page.click("#filters summary")
    page.choose_text("#filter-column", "genre")
    page.driver.find_element("xpath", "//*[@id='filter-values']//label[span='rock']").click()
    expected = sum(genre == "rock" and track % 25 != 3 for track, genre in enumerate(GENRES))
    page.wait_drawn(expected)
    page.click("#zoom-in")
    page.wait("return location.hash.includes('view')")
    link, seen = link_to_what_is_seen(page), view(page)
    drawn = coloured(page, collection)
    first = page.driver.current_window_handle
    page.driver.switch_to.new_window("window")
    try:
        page.show()
        page.open(link, collection.folder, collection.music)
        assert page.drawn() == expected
        assert page.text("#track-title") == page.text("#track-title") == collection.titles()[13]
        assert page.run(
            "const audio = document.getElementById('audio'); return audio.paused && audio.currentTime === 0"
        )
        assert page.run("return document.getElementById('colour').selectedOptions[0].text") == "mood"
        assert page.find(legend_entry(page, "mood 03")).get_attribute("aria-pressed") == "false"
        assert page.texts("#chips .chip") == ["genre: rock \N{MULTIPLICATION SIGN}"]
        assert view(page) == pytest.approx(seen, rel=1e-4)
        assert coloured(page, collection) == drawn
        assert page.driver.current_url == link
        page.check()
    finally:
        page.driver.close()
        page.driver.switch_to.window(first)


def test_a_link_in_an_open_page_replaces_what_was_there(page, collection):
    click_track(page, collection, 13)
    page.click("#zoom-in")
    page.wait("return location.hash.includes('view')")
    with page.redraw():
        follow_link(page, "colour=label:mood")
    assert page.run("return document.getElementById('colour').selectedOptions[0].text") == "mood"
    assert not page.find("#track").is_displayed()
    assert "view" not in page.run("return location.hash") and "track" not in page.run("return location.hash")


WRONG_LINKS = [
    "#filter=null",
    "#filter=%7B%22chosen%22:5,%22hidden%22:7%7D",
    "#filter=%7B%22chosen%22:[[%22label:energy%22,[%22x%22]],[%22label:genre%22,%7B%7D],[%22no%22,%7B%7D],null]%7D",
    "#filter=%7B%22chosen%22:[[%22label:genre%22,%7B%22low%22:1,%22high%22:2%7D]]%7D",
    "#view=1,1,1,1&colour=distance",
    "#view=0,1e300,0,1&track=nobody%3Cimg%20src=x%20onerror=window.hacked=1%3E&colour=__proto__",
    "#%E0%A4%A&&&=;",
]


@pytest.mark.parametrize("first", [*WRONG_LINKS[:1], ""])
def test_a_link_that_is_wrong_leaves_a_page_that_works(browser, collection, first):
    open_page(browser, collection, first)
    for wrong in WRONG_LINKS:
        follow_link(browser, wrong)
        follow_link(browser, "colour=label:mood")
        with browser.redraw():
            follow_link(browser, "colour=label:genre")
        assert not browser.find("#failure").is_displayed(), (wrong, browser.text("#failure"))
        assert (browser.drawn(), browser.text("#count")) == (TRACKS, "40 tracks"), wrong


def test_the_address_says_the_last_of_many_changes_and_the_browser_is_not_asked_too_often(page):
    """Chromium refuses more than 200 addresses in ten seconds: what a part drawn over a histogram asks for soon is."""
    page.run("""for (let step = 0; step < 250; step++) {
        page.change({chosen: new Map([["label:energy", {low: -1e6 - step, high: 1e6}]])});
    }""")
    page.wait("return decodeURIComponent(location.hash).includes('-1000249')")
    page.check()
