"""The page in a real Chromium: windows of other sizes, a phone."""

from __future__ import annotations

import pytest
from pages import assert_each_can_be_hit, assert_fits, click_track, open_page, path_of, sound

pytestmark = pytest.mark.slow


def test_a_click_is_right_after_the_window_changed_its_size(page, collection):
    assert_each_can_be_hit(page, collection)
    for width, height in [(700, 560), (1300, 500)]:
        with page.redraw():
            page.show(width, height)
        assert_each_can_be_hit(page, collection)
        for track in (20, 39):
            click_track(page, collection, track)
            assert sound(page) == path_of(collection, track)


def test_a_phone_shows_everything_within_its_width(browser, collection):
    browser.show(320, 640)
    open_page(browser, collection)
    assert_fits(browser, 320)
    assert_each_can_be_hit(browser, collection)
    with browser.redraw():
        browser.show(320, 480)
    assert_fits(browser, 320)
    assert_each_can_be_hit(browser, collection)
    click_track(browser, collection, 11)
    browser.keys("/", "folk")
    browser.wait("return !document.getElementById('list').hidden")
    browser.click("#filters summary")
    assert_fits(browser, 320)
