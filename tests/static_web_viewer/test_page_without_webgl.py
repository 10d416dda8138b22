"""The page in a real Chromium without WebGL."""

from __future__ import annotations

import pytest
from pages import TRACKS, click_track, coloured, lasso_around, listed, open_page, path_of, sound, wait_sounding

pytestmark = pytest.mark.slow


def test_few_tracks_are_drawn_whole_without_webgl(window_without_webgl, collection):
    browser = window_without_webgl
    browser.show()
    open_page(browser, collection)
    assert browser.drawn() == TRACKS == len(browser.find_all("#map path.point"))
    assert browser.find("#notice").is_displayed()
    assert browser.text("#notice") == "This browser has no WebGL; drawn as SVG."
    click_track(browser, collection, 14)
    wait_sounding(browser)
    assert sound(browser) == path_of(collection, 14)
    browser.keys("l")
    inside = lasso_around(browser, collection, 2, 2)
    browser.wait("return !document.getElementById('list').hidden")
    assert listed(browser) == inside
    browser.check()


def test_of_many_tracks_5000_are_drawn_without_webgl(window_without_webgl, thousands):
    browser = window_without_webgl
    browser.show()
    open_page(browser, thousands)
    assert browser.drawn() == 5000 == len(browser.find_all("#map path.point"))
    assert "5,000 of 6,000 tracks" in browser.text("#notice")
    assert browser.text("#count") == "6,000 tracks"
    browser.keys("/", "folder 3/track")
    with browser.redraw():
        browser.wait("return !document.getElementById('list').hidden")
    wanted = [track for track in range(6000) if track % 7 == 3]
    assert set().union(*coloured(browser, thousands).values()) == set(wanted)  # what is sought is drawn
    browser.check()


def test_a_map_whose_webgl_is_lost_is_drawn_as_svg(page, collection):
    with page.redraw():
        page.run(
            "for (const canvas of document.querySelectorAll('#map canvas')) {"
            "const gl = canvas.getContext('webgl') || canvas.getContext('webgl2');"
            "if (gl) gl.getExtension('WEBGL_lose_context').loseContext(); }"
        )
    assert len(page.find_all("#map path.point")) == TRACKS
    assert "has taken its WebGL away" in page.text("#notice")
    click_track(page, collection, 14)
    page.messages()  # the browser's own, on the context
