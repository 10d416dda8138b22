"""The page in a real Chromium: what lies over the map covers no point and no text, and what is empty says so."""

from __future__ import annotations

import numpy as np
import pytest
from pages import click_track, colour_by, open_page, pixels

pytestmark = pytest.mark.slow

BOXES = """return [...document.querySelectorAll(arguments[0])].map((each) => each.getBoundingClientRect())
    .filter((each) => each.width).map(({left, top, right, bottom}) => [left, top, right, bottom])"""
OVER = "#head .name, #head .controls, #chips, #legend, #tools"


def boxes(browser, css: str) -> np.ndarray:
    return np.array(browser.run(BOXES, css)).reshape(-1, 4)


def overlaps(one: np.ndarray, others: np.ndarray) -> np.ndarray:
    return (one[0] < others[:, 2]) & (others[:, 0] < one[2]) & (one[1] < others[:, 3]) & (others[:, 1] < one[3])


@pytest.mark.parametrize("size", [(1920, 1080), (1400, 900), (900, 700), (375, 740)])
def test_the_whole_map_is_large_and_no_point_lies_under_anything(page, collection, size):
    page.show(*size)
    page.wait("return innerWidth === arguments[0]", size[0])
    for column in ("mood", "energy", "genre"):  # legends of three heights
        colour_by(page, column)
        places = pixels(page, collection)
        (stage,) = boxes(page, "#stage")
        assert ((places > stage[:2]) & (places < stage[2:])).all()
        for left, top, right, bottom in boxes(page, OVER):
            x, y = places.T
            assert not ((x > left) & (x < right) & (y > top) & (y < bottom)).any(), (column, left, top)
        legend, tools, controls = (boxes(page, css)[0] for css in ("#legend", "#tools", "#head .controls"))
        upper = max(stage[1], controls[3])
        beside = np.array([tools[0] - stage[0], legend[1] - upper]), np.array([tools[0] - legend[2], stage[3] - upper])
        extent = np.ptp(places, axis=0)
        assert max((extent / free).max() for free in beside if free.min() > 50) > 0.6


def test_where_few_tracks_are_seen_their_titles_stand_beside_them(page, collection):
    titles = collection.titles()
    written = page.texts("#names .title")
    assert len(written) > 10 and set(written) <= set(titles)
    found = boxes(page, "#names text")
    assert not any(overlaps(box, found[:place]).any() for place, box in enumerate(found))
    click_track(page, collection, 20)
    page.wait_text("#names .current", titles[20])
    place, box = pixels(page, collection)[20], boxes(page, "#names .current")[0]
    assert np.abs(np.clip(place, box[:2], box[2:]) - place).max() < 20  # it is beside its point
    page.keys("/", "folk")
    page.wait("return !document.getElementById('list').hidden")
    folk = {title for title, genre in zip(titles, collection.table["genre"], strict=True) if genre == "folk"}
    page.wait("return document.querySelectorAll('#names .title').length <= 9")
    assert set(page.texts("#names .title")) <= folk | {titles[20]}


def test_of_thousands_only_the_current_track_has_its_title(browser, thousands):
    open_page(browser, thousands)
    assert browser.texts("#names .title") == []
    browser.run("map.on.pick(7, {})")
    browser.wait("return document.querySelectorAll('#names .title.current').length === 1")
    assert len(browser.texts("#names .title")) == 1


def test_a_page_without_audio_does_not_speak_of_hearing(browser, thousands):
    open_page(browser, thousands)
    assert not any(each.is_displayed() for each in browser.find_all(".heard"))
    browser.run("map.on.pick(7, {})")
    assert browser.find("#track-title").is_displayed() and not browser.find("#trouble").is_displayed()


def test_what_is_empty_says_so(page):
    page.keys("/", "no such words")
    page.wait_text("#list-title", "0 tracks with “no such words”")
    assert not page.find("#list-csv").is_displayed()
    said = "return getComputedStyle(document.querySelector('#list ol'), '::before').content"
    assert "Try other words" in page.run(said)
    assert not page.find("#nothing").is_displayed()
    for entry in page.find_all("#legend li button"):
        entry.click()
    page.wait_drawn(0)
    assert page.find("#nothing").is_displayed()
