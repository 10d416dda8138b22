"""The page in a real Chromium: a way from one track to another, and lists that are played by sound."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from browser import Browser
from library import KINDS, WITHOUT, ground, shift_click
from pages import Made, click_track, entries, legend_entry, listed, path_of, pixels
from selenium.webdriver.common.keys import Keys

pytestmark = pytest.mark.slow


def assert_way(browser: Browser, made: Made, first: int, last: int) -> list[int]:
    """A list is a way of small steps, and so it is drawn."""
    browser.wait("return document.getElementById('list-title').textContent.endsWith(arguments[0])",
        f"from {made.titles()[first]} to {made.titles()[last]}")  # fmt: skip
    way = listed(browser)
    assert (way[0], way[-1]) == (first, last) and len(way) > 2 and len(set(way)) == len(way)
    for one, other in itertools.pairwise(way):
        assert other in made.neighbours(one) or one in made.neighbours(other)
    box = browser.find("#map").rect
    drawn = browser.run("return document.getElementById('path').getAttribute('points')").split()
    corners = np.array([[float(number) for number in corner.split(",")] for corner in drawn])
    np.testing.assert_allclose(corners + np.array([box["x"], box["y"]]), pixels(browser, made)[way], atol=1)
    return way


def test_a_shift_click_lists_and_plays_the_way_and_it_is_saved(shelf, library):
    click_track(shelf, library, 3)
    shift_click(shelf, library, 50)
    way = assert_way(shelf, library, 3, 50)
    assert shelf.text("#track-title") == library.titles()[3]
    audible = [track for track in way if track != WITHOUT]
    for track in audible[1:]:
        shelf.keys(Keys.ARROW_RIGHT)
        shelf.wait_text("#track-title", library.titles()[track])
    assert listed(shelf) == way and not shelf.find("#next").is_enabled()
    shelf.click("#list-m3u8")
    assert entries(shelf.downloaded("tracks.m3u8")) == [path_of(library, track) for track in audible]
    shelf.keys("+")
    shelf.wait("return location.hash.includes('view')")
    assert_way(shelf, library, 3, 50)  # it moves with the map
    shelf.keys("0")
    shelf.click("#list-close")
    shelf.wait("return document.getElementById('path').getAttribute('points') === ''")


def test_walk_to_asks_for_a_track_until_esc(shelf, library):
    click_track(shelf, library, 40)
    shelf.click("#walk")
    assert shelf.find("#walk").get_attribute("aria-pressed") == "true"
    assert "the way to it" in shelf.text("#told")
    shelf.click(legend_entry(shelf, "rock"))  # Esc ends the walk first, and then brings these back
    shelf.keys(Keys.ESCAPE)
    assert shelf.find("#walk").get_attribute("aria-pressed") == "false"
    assert shelf.text("#track-title") == library.titles()[40]
    shelf.keys(Keys.ESCAPE)
    shelf.wait_drawn(len(KINDS))
    shelf.click("#walk")
    click_at = tuple(pixels(shelf, library)[6])
    shelf.mouse(click_at)
    assert_way(shelf, library, 40, 6)
    assert shelf.find("#walk").get_attribute("aria-pressed") == "false"
    shelf.click("#walk")
    shelf.click(f"#list li[data-track='{listed(shelf)[1]}'] .plain")  # a row is a track too
    shelf.wait("return document.getElementById('list-title').textContent.includes('from')")
    shelf.click("#walk")
    shelf.mouse(ground(shelf))
    shelf.wait("return document.getElementById('walk').getAttribute('aria-pressed') === 'false'")
    assert shelf.find("#track").is_displayed()


def test_a_way_leads_over_shown_tracks_alone(shelf, library):
    shelf.click(legend_entry(shelf, "jazz"))
    shelf.wait_drawn(len(KINDS) - KINDS.count("jazz"))
    click_track(shelf, library, 1)
    shift_click(shelf, library, 47)
    shelf.wait("return !document.getElementById('list').hidden")
    way = listed(shelf)
    assert (way[0], way[-1]) == (1, 47) and not {KINDS[track] for track in way} & {"jazz"}


def test_play_all_goes_from_each_track_to_the_nearest_of_those_left(shelf, library):
    shelf.keys("/", "title 4", Keys.TAB)
    shelf.wait("return !document.getElementById('list').hidden")
    left = [track for track in listed(shelf) if track != WITHOUT]
    shelf.click("#list-play")
    at = left.pop(0)
    shelf.wait_text("#track-title", library.titles()[at])
    while left:
        exact = library.distances(at)
        shelf.click("#next")
        shelf.wait("return page.state.track !== arguments[0]", at)
        at = shelf.run("return page.state.track")
        assert exact[at] <= min(exact[left]) + 0.02  # 8 bits a number
        left.remove(at)
    assert not shelf.find("#next").is_enabled()
