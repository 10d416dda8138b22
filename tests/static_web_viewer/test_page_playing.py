"""The page in a real Chromium: a track is clicked, heard, and what comes after it."""

from __future__ import annotations

import shutil
from urllib.parse import quote

import numpy as np
import pytest
from pages import (
    GENRES,
    SILENT,
    Made,
    astuple_rest,
    click_track,
    listed,
    open_page,
    path_of,
    pixels,
    sound,
    view,
    wait_sounding,
)
from selenium.webdriver.common.keys import Keys

pytestmark = pytest.mark.slow


def test_a_click_on_a_point_plays_it_and_shows_what_is_known_of_it(page, collection):
    for track in (0, 21):
        artist = collection.table["artist"][track]
        page.hover(*pixels(page, collection)[track])
        page.wait_text("#tooltip", f"{collection.titles()[track]}{artist}genre: {GENRES[track]}")
        click_track(page, collection, track)
        wait_sounding(page)
        assert sound(page) == path_of(collection, track)
        assert page.text("#track-title") == collection.titles()[track]
        assert page.text("#track-file") == collection.names[track]
        assert page.text("#track-artist") == artist
        assert page.text("#track-citation") == "Synthesised for a test, CC0"
        told = dict(zip(page.texts("#track-columns dt"), page.texts("#track-columns dd"), strict=True))
        wanted = {name: collection.table[name][track] for name in ("genre", "energy", "mood")}
        assert {name: told.get(name, "") for name in wanted} == wanted
        assert told["folder"] == f"{'AB'[track % 2]} side" and told["cluster"]
        assert len(page.find_all("#overlay .selected")) == len(page.find_all("#overlay .playing")) == 1
        ring = page.run("""const ring = document.querySelector('#overlay .selected').getBoundingClientRect();
            return [ring.left + ring.width / 2, ring.top + ring.height / 2]""")
        np.testing.assert_allclose(ring, pixels(page, collection)[track], atol=1)


def test_the_neighbours_are_the_exact_ones(page, collection):
    for track in (2, 38):
        click_track(page, collection, track)
        near = collection.neighbours(track)
        assert listed(page, "#neighbours") == near
        bars = page.run(
            "return [...document.querySelectorAll('#neighbours .near')].map((bar) => +bar.dataset.distance)"
        )
        np.testing.assert_allclose(bars, collection.distances(track)[near], atol=1e-5)
        assert page.texts("#neighbours .title") == [collection.titles()[other] for other in near]
        assert page.texts("#neighbours small") == [
            " · ".join(filter(None, [collection.table["artist"][other], GENRES[other]]))
            for other in near
            if collection.table["artist"][other] or GENRES[other]
        ]


def test_a_neighbour_becomes_the_current_track_by_its_button_and_by_its_title(page, collection):
    click_track(page, collection, 4)
    for css in ("li:nth-child(2) .play", "li:nth-child(1) .plain"):
        (track,) = listed(page, f"#neighbours:has({css})")[1 if "2" in css else 0 :][:1]
        page.click(f"#neighbours {css}")
        page.wait_text("#track-title", collection.titles()[track])
        wait_sounding(page)
        assert sound(page) == path_of(collection, track)
        assert listed(page, "#neighbours") == collection.neighbours(track)
        assert len(page.find_all("#overlay .selected.playing")) == 1


def test_back_is_the_trail_of_what_was_heard(page, collection):
    for track in (3, 21, 30):
        click_track(page, collection, track)
    page.keys(Keys.ARROW_RIGHT)
    page.wait_text("#track-title", collection.titles()[collection.neighbours(30)[0]])
    for track in (30, 21, 3):
        page.driver.back()
        page.wait_text("#track-title", collection.titles()[track])
        wait_sounding(page)
        assert sound(page) == path_of(collection, track)
        assert listed(page, "#neighbours") == collection.neighbours(track)
    page.driver.forward()
    page.wait_text("#track-title", collection.titles()[21])


def test_a_track_without_audio_says_so_and_does_not_seem_to_play(page, collection):
    click_track(page, collection, SILENT)
    assert page.find("#trouble").is_displayed() and "no audio" in page.text("#trouble")
    assert sound(page) is None
    page.keys(" ")
    assert page.run("return document.getElementById('audio').paused")
    click_track(page, collection, 1)
    wait_sounding(page)
    assert not page.find("#trouble").is_displayed()


def test_the_keys_are_the_maps_again_after_a_click_on_it(page, collection):
    """Found by choosing a colour, clicking a point and pressing an arrow: the colour changed, not the track."""
    page.click("#colour")
    page.choose_text("#colour", "mood")
    click_track(page, collection, 9)
    wait_sounding(page)
    page.keys(Keys.ARROW_RIGHT)
    page.wait_text("#track-title", collection.titles()[collection.neighbours(9)[0]])
    assert page.run("return document.getElementById('colour').selectedOptions[0].text") == "mood"
    page.keys("/", "folk")
    page.wait("return !document.getElementById('list').hidden")
    click_track(page, collection, 12)
    page.keys(" ")
    page.wait("return document.getElementById('audio').paused")
    assert page.find("#search").get_attribute("value") == "folk"


def test_a_file_that_is_gone_is_told(browser, moved, tmp_path):
    copied = Made(*[shutil.copytree(moved.folder, tmp_path / "page"), tmp_path / "page/audio"], *astuple_rest(moved))
    (copied.music / copied.names[7]).unlink()
    open_page(browser, copied)
    click_track(browser, copied, 7)
    browser.wait("return !document.getElementById('trouble').hidden")
    assert "not there" in browser.text("#trouble")
    assert all("ERR_FILE_NOT_FOUND" in message for message in browser.messages())


def test_a_link_makes_a_track_ready_with_what_comes_after_it(browser, collection):
    track = 13
    open_page(browser, collection, f"#track={quote(collection.names[track])}")
    assert sound(browser) == path_of(collection, track)
    second = collection.neighbours(track)[0]
    browser.click("#next")
    browser.wait_text("#track-title", collection.titles()[second])


def test_play_all_plays_the_list_also_where_its_first_track_plays_already(page, collection):
    page.keys("/", "folk")
    page.wait("return !document.getElementById('list').hidden")
    first, *others = listed(page)
    second = min(others, key=lambda track: collection.distances(first)[track])  # by sound, not by name
    page.click(f"#list li[data-track='{first}'] .plain")
    page.wait_text("#track-title", collection.titles()[first])
    page.click("#list-play")
    page.wait("return !document.getElementById('audio').paused")
    page.click("#next")
    page.wait_text("#track-title", collection.titles()[second])


def test_two_fingers_zoom_and_play_nothing(page, collection):
    page.command("Emulation.setTouchEmulationEnabled", enabled=True, maxTouchPoints=2)
    x, y = pixels(page, collection)[5]
    before = view(page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        found = [{"x": float(x), "y": float(y), "id": finger} for finger, (x, y) in enumerate(points)]
        page.command("Input.dispatchTouchEvent", type=kind, touchPoints=found)

    try:
        touch("touchStart", (x, y))
        touch("touchStart", (x, y), (x + 60, y))
        for apart in (80, 100, 120):
            touch("touchMove", (x, y), (x + apart, y))
        touch("touchEnd", (x, y))
        touch("touchEnd")
        page.wait("return location.hash.includes('view')")
    finally:
        page.command("Emulation.setTouchEmulationEnabled", enabled=False)
    assert view(page)[1] - view(page)[0] == pytest.approx((before[1] - before[0]) / 2, rel=0.02)
    assert not page.find("#track").is_displayed() and sound(page) is None
