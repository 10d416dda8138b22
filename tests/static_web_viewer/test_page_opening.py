"""The page in a real Chromium: it opens from a file and from a server."""

from __future__ import annotations

import os
from urllib.parse import unquote_to_bytes, urlsplit

import pytest
from browser import served
from pages import TRACKS, click_track, open_page, path_of, points, record_what_plays

pytestmark = pytest.mark.slow


def test_a_page_opens_from_a_file_and_says_what_it_shows(page, collection):
    assert page.drawn() == TRACKS
    assert page.driver.title == page.text("h1") == "A collection"
    assert page.text("#count") == "40 tracks"
    assert not page.find("#failure").is_displayed() and not page.find("#notice").is_displayed()
    assert page.find("canvas.points").is_displayed() and sorted(track for track, *_ in points(page, collection)) == [
        *range(TRACKS)
    ]
    requested = page.requests()
    assert len(requested) > 10 and all(url.startswith("file:///") for url in requested)
    about = " ".join(page.texts("#about li"))
    assert "song vectors of save 1" in about
    assert os.fspath(collection.folder.parent) not in about  # a page is published, and whose disk it was is private


def test_a_moved_page_works_on_a_server_and_plays_what_it_has_with_it(browser, moved):
    with served(moved.folder.parent) as address:
        browser.open(f"{address}moved%20%231/", f"{address}moved%20%231/")
        assert browser.drawn() == TRACKS
        record_what_plays(browser)
        click_track(browser, moved, 3)
        browser.wait("return window.played.length")
        assert browser.run("return window.played[0]") == f"{address}moved%20%231/audio/tone%203.wav"
        browser.run("document.getElementById('audio').pause()")
        requested = browser.requests()
        assert requested and all(url.startswith(address) for url in requested)
        browser.check()
        browser.driver.get("about:blank")


def test_after_a_track_the_next_of_its_neighbours_plays(browser, moved):
    open_page(browser, moved)
    record_what_plays(browser)
    click_track(browser, moved, 5)
    browser.wait("return window.played.length >= 4")
    played = [unquote_to_bytes(urlsplit(url).path) for url in browser.run("return window.played")]
    assert played[:4] == [path_of(moved, track) for track in [5, *moved.neighbours(5)[:3]]]
