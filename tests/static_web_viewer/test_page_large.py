"""The page in a real Chromium: 100,000 tracks, and pictures to look at."""

from __future__ import annotations

import os
import time

import numpy as np
import pytest
from browser import Browser
from pages import ARTEFACTS, LARGE_LEAST_SECONDS, click_track, open_page, pixels
from selenium.webdriver.common.keys import Keys

pytestmark = pytest.mark.slow

WIDTHS = [(320, 640), (1024, 768), (1920, 1080)]


def keep_pictures(browser: Browser, what: str) -> None:
    """Keep a picture of each width in each scheme."""
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    for width, height in WIDTHS:
        for scheme in ("light", "dark"):
            with browser.redraw():
                browser.show(width, height, scheme)
            assert browser.run("return document.documentElement.scrollWidth") <= width
            assert browser.driver.save_screenshot(os.fspath(ARTEFACTS / f"{what} {width} {scheme}.png"))


def test_pictures_of_40_tracks(browser, moved):
    browser.show(640, 480, "dark")
    open_page(browser, moved)
    click_track(browser, moved, 5)
    browser.run("document.getElementById('audio').pause()")
    keep_pictures(browser, "40 tracks")


def test_100000_tracks_are_usable(browser, hundred_thousand, capsys):
    seconds, began = {}, time.monotonic()
    browser.open(hundred_thousand.address, hundred_thousand.folder, wait="document.documentElement.dataset.drawn")
    seconds["first draw"] = time.monotonic() - began
    assert browser.drawn() == 100_000
    browser.wait("return document.documentElement.dataset.ready")
    seconds["ready"] = time.monotonic() - began
    places = pixels(browser, hundred_thousand)
    track = 777
    began = time.monotonic()
    browser.mouse(tuple(places[track]))
    browser.wait("return document.querySelector('#neighbours li')")
    seconds["click"] = time.monotonic() - began
    number = int(browser.text("#track-title").removeprefix("track "))
    assert np.hypot(*(places[number] - places[track])) < 6  # it, or one that lies on it
    began = time.monotonic()
    with browser.redraw():
        browser.click("#by-distance")
    seconds["distances"] = time.monotonic() - began
    began = time.monotonic()
    browser.keys("/", "folder 3/", Keys.TAB)
    with browser.redraw():
        browser.wait("return !document.getElementById('list').hidden")
    seconds["search"] = time.monotonic() - began
    assert browser.text("#list-title").startswith(f"{len(range(3, 100_000, 7)):,} tracks with")
    told = ", ".join(f"{what} {value:.1f} s" for what, value in seconds.items())
    with capsys.disabled():
        print(f"\n100,000 tracks: {told}")
    assert max(seconds.values()) < LARGE_LEAST_SECONDS
    browser.keys(Keys.ESCAPE, Keys.ESCAPE)
    browser.show(640, 480, "dark")
    keep_pictures(browser, "100000 tracks")
