"""The page in a real Chromium without WebGL."""

from __future__ import annotations

import io

import numpy as np
import pytest
from browser import Browser
from pages import (
    TRACKS,
    Made,
    click_track,
    coloured,
    lasso_around,
    listed,
    open_page,
    path_of,
    pixels,
    points,
    sound,
    wait_sounding,
)
from PIL import Image

pytestmark = pytest.mark.slow


def test_tracks_are_drawn_and_found_without_webgl(window_without_webgl, collection):
    browser = window_without_webgl
    browser.show()
    open_page(browser, collection)
    assert browser.drawn() == TRACKS
    assert browser.text("#notice") == "This browser has no WebGL; the map is drawn without it."
    assert_pixels(browser, collection)
    click_track(browser, collection, 14)
    wait_sounding(browser)
    assert sound(browser) == path_of(collection, 14)
    browser.keys("l")
    inside = lasso_around(browser, collection, 2, 2)
    browser.wait("return !document.getElementById('list').hidden")
    assert listed(browser) == inside
    browser.check()


def test_all_of_many_tracks_are_drawn_without_webgl(window_without_webgl, thousands):
    browser = window_without_webgl
    browser.show()
    open_page(browser, thousands)
    assert browser.drawn() == 6000
    browser.keys("/", "folder 3/track")
    with browser.redraw():
        browser.wait("return !document.getElementById('list').hidden")
    wanted = {track for track in range(6000) if track % 7 == 3}
    assert set().union(*coloured(browser, thousands).values()) == wanted
    browser.check()


def test_a_map_whose_webgl_is_lost_is_drawn_without_it_until_it_is_back(page, collection):
    assert_pixels(page, collection)
    with page.redraw():
        page.run("""const gl = document.querySelector('canvas.points').getContext('webgl2');
            window.lost = gl.getExtension('WEBGL_lose_context'); lost.loseContext();""")
    assert "has taken its WebGL away" in page.text("#notice")
    assert_pixels(page, collection)
    click_track(page, collection, 14)
    page.hover(2, 760)  # the tooltip goes
    page.run("lost.restoreContext()")
    page.wait("return document.getElementById('notice').hidden")
    assert_pixels(page, collection)
    page.messages()  # the browser's own, on the context


def assert_pixels(browser: Browser, made: Made) -> None:
    """Every track's colour is in the picture, where the track lies and nothing lies over it."""
    picture = np.asarray(Image.open(io.BytesIO(browser.driver.get_screenshot_as_png())).convert("RGB")).astype(int)
    ground = picture[-3, 3]
    places = pixels(browser, made)
    apart = np.hypot(*(places[:, None] - places[None]).transpose(2, 0, 1)) + 1e9 * np.eye(len(places))
    named = browser.run("""return [...document.querySelectorAll('#names text')].map((each) => {
        const {left, right, top, bottom} = each.getBoundingClientRect(); return [left, top, right, bottom]; })""")
    free = browser.run(
        "return arguments[0].map(([x, y]) => Boolean(document.elementFromPoint(x, y)?.closest('#map')))",
        places.tolist(),
    )
    seen = 0
    for track, colour, opacity in points(browser, made):
        x, y = places[track].round().astype(int)
        if (
            not free[track]
            or apart[track].min() < 20
            or any(box[0] - 3 < x < box[2] + 3 and box[1] - 3 < y < box[3] + 3 for box in named)
        ):
            continue
        wanted = np.array(colour) * opacity + ground * (1 - opacity)
        assert np.abs(picture[y, x] - wanted).max() <= 3, (track, picture[y, x], wanted)
        seen += 1
    assert seen > len(places) // 3
