"""The page in a real Firefox, drawn without WebGL, which headless Firefox rarely has: what everybody does on it."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import numpy as np
import pytest
from browser import file_address
from firefox import Firefox, firefox
from pages import (
    ARTEFACTS,
    GENRES,
    SILENT,
    TRACKS,
    Made,
    click_track,
    coloured,
    entries,
    lasso_around,
    legend_entry,
    listed,
    open_page,
    path_of,
    pixels,
    points,
    rgb,
    sound,
    view,
    wait_sounding,
)
from selenium.webdriver.common.keys import Keys

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def window(tmp_path_factory) -> Iterator[Firefox]:
    with firefox(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture
def page(window, collection) -> Iterator[Firefox]:
    """The collection's page, just opened, and muted; in the end all was silent and nothing foreign was asked for."""
    window.show()
    open_page(window, collection)
    mute(window)
    yield window
    window.check()


def mute(page: Firefox) -> None:
    """Where there is no sound device, as in the build, Firefox plays only what is not to be heard without an error."""
    if not page.run("return document.getElementById('audio').muted"):
        page.keys("m")


def assert_painted(page: Firefox, made: Made) -> None:
    """Every point is drawn, and in the middle of each lies its colour."""
    left, top, *_ = page.box("#map")
    middles = (pixels(page, made) - [left, top]).round().tolist()
    painted = page.run(
        """const paper = document.querySelector('#map canvas.points').getContext('2d');
        return arguments[0].map(([x, y]) => [...paper.getImageData(x, y, 1, 1).data])""",
        middles,
    )
    drawn = points(page, made)
    assert sorted(track for track, *_ in drawn) == [*range(len(made.names))]
    for track, colour, _ in drawn:
        np.testing.assert_allclose(painted[track][:3], colour, atol=3)


def test_what_a_page_says_and_asks_for_is_heard(window, tmp_path):
    """Or nothing would follow from a silence. Of files that are read Firefox does not tell."""
    (tmp_path / "loud.html").write_text(
        "<!doctype html><script>console.debug('said'); throw Error('thrown')</script><img src=https://sound.invalid/a>"
    )
    window.open(file_address(tmp_path / "loud.html"), tmp_path, wait="document.images.length")
    assert window.messages() == ["debug said", "error Error: thrown"]
    assert window.requests() == ["https://sound.invalid/a"]


def test_a_page_opens_from_a_file_and_draws_every_point_by_hand(page, collection):
    assert page.drawn() == TRACKS
    assert page.text("h1") == "A collection" and page.text("#count") == "40 tracks"
    assert page.text("#notice") == "This browser has no WebGL; the map is drawn without it."
    assert page.run("return document.getElementById('failure').hidden")
    assert_painted(page, collection)


def test_a_click_plays_and_describes_and_back_returns(page, collection):
    for track in (3, 21):
        click_track(page, collection, track)
        wait_sounding(page)
        assert sound(page) == path_of(collection, track)
        assert page.text("#track-file") == collection.names[track]
        assert listed(page, "#neighbours") == collection.neighbours(track)
        assert page.text("#trouble") == ""
    page.screenshot(ARTEFACTS / "firefox-light.png")
    page.back()
    page.wait_text("#track-title", collection.titles()[3])
    wait_sounding(page)
    assert sound(page) == path_of(collection, 3)


def test_a_machine_without_a_sound_device_is_no_broken_file(page, collection):
    """Found in Firefox, which calls it an error and plays on: the queue was rushed through, each file "breaks off"."""
    page.keys("m")
    click_track(page, collection, 9)
    wait_sounding(page)
    page.run("document.getElementById('audio').currentTime = 9.8")
    after = collection.titles()[collection.neighbours(9)[0]]
    page.wait_text("#track-title", after)
    wait_sounding(page)
    page.keys(" ")
    page.wait("return document.getElementById('audio').paused")
    at = page.run("return document.getElementById('audio').currentTime")
    page.keys(" ")
    page.wait("return document.getElementById('audio').currentTime > arguments[0]", at)
    assert page.text("#track-title") == after
    assert page.text("#trouble") in ("", "The browser finds no device to play sound on.")
    page.keys("m")


def test_keys_pause_go_on_and_zoom(page, collection):
    click_track(page, collection, 9)
    wait_sounding(page)
    page.keys(" ")
    page.wait("return document.getElementById('audio').paused")
    page.keys(Keys.ARROW_RIGHT)
    page.wait_text("#track-title", collection.titles()[collection.neighbours(9)[0]])
    wait_sounding(page)
    whole = view(page)
    page.keys("+")
    page.wait("return map.seen()[0] > arguments[0]", whole[0])
    page.keys("0", Keys.ESCAPE)
    page.wait("return document.getElementById('track').hidden")
    assert view(page) == pytest.approx(whole)


def test_what_the_mouse_is_on_is_heard_in_place_of_what_plays(page, collection):
    click_track(page, collection, 9)
    wait_sounding(page)
    page.keys("h")
    page.hover(*pixels(page, collection)[20])
    page.wait("return document.getElementById('audio').volume === 0")
    page.keys("h")
    page.wait("return document.getElementById('audio').volume === 1")


def test_a_search_lists_enter_plays_its_first_and_the_list_is_saved(page, collection):
    page.keys("/", "folk")
    page.wait_text("#list-title", "8 tracks with “folk”")
    found = [track for track, genre in enumerate(GENRES) if genre == "folk"]
    assert listed(page) == found
    page.keys(Keys.ENTER)
    page.wait_text("#track-title", collection.titles()[found[0]])
    wait_sounding(page)
    page.click("#list-m3u8")
    assert entries(page.downloaded("tracks.m3u8")) == [path_of(collection, track) for track in found if track != SILENT]


def test_a_click_in_the_legend_hides_and_shows(page, collection):
    page.click(legend_entry(page, "jazz"))
    page.wait_drawn(TRACKS - 12)
    assert page.text("#count") == "28 of 40 tracks"
    assert set.union(*coloured(page, collection).values()) == {i for i, genre in enumerate(GENRES) if genre != "jazz"}
    page.click(legend_entry(page, "jazz"))
    page.wait_drawn(TRACKS)


def test_on_a_phone_nothing_lies_on_the_open_filter(page):
    """Found by what is told where there is no WebGL: it lay on the choice of the column."""
    page.show(375, 740)
    page.click("#filters summary")
    left, top, width, height = page.box(".popover")
    for x in np.linspace(left + 9, left + width - 9, 9):
        for y in np.linspace(top + 9, top + height - 9, 9):
            assert page.run("return !!document.elementFromPoint(...arguments).closest('.popover')", x, y), (x, y)
    page.click("#filter-values label")
    page.wait_drawn(15)


def test_the_wheel_zooms_where_the_mouse_is(page, collection):
    before, (x, y) = view(page), pixels(page, collection)[12]
    page.wheel(x, y, -240)
    page.wait("return location.hash.includes('view')")
    after = view(page)
    assert (before[1] - before[0]) / (after[1] - after[0]) == pytest.approx(np.exp(0.0017 * 240), rel=1e-3)
    np.testing.assert_allclose(pixels(page, collection)[12], (x, y), atol=1)
    click_track(page, collection, 12)


def test_a_lasso_lists_what_lies_in_it_and_a_drag_moves_the_map(page, collection):
    page.keys("l")
    inside = lasso_around(page, collection, 3, 2)
    page.wait_text("#list-title", "6 tracks in the lasso")
    assert listed(page) == inside
    before, (x, y) = view(page), pixels(page, collection)[12] + [14, 14]
    page.mouse((x, y), (x - 40, y + 10), (x - 90, y + 30), drag=True)
    page.wait("return location.hash.includes('view')")
    assert view(page)[0] > before[0] and view(page)[2] > before[2]


def test_a_link_shows_what_its_sender_saw(page, collection):
    open_page(page, collection, f"#track={quote(collection.names[13])}&colour=label:mood&search=folk")
    assert page.text("#track-title") == collection.titles()[13]
    assert sound(page) == path_of(collection, 13)
    assert page.run("const {paused, muted} = document.getElementById('audio'); return paused && muted")
    assert page.run("return document.getElementById('colour').selectedOptions[0].text") == "mood"
    assert page.text("#list-title") == "8 tracks with “folk”"
    page.keys(" ")
    wait_sounding(page)


def test_who_likes_it_dark_gets_it_dark_at_once(page, collection):
    with page.redraw():
        page.show(scheme="dark")
    click_track(page, collection, 21)
    wait_sounding(page)
    assert sum(rgb(page.run("return getComputedStyle(document.body).backgroundColor"))) < 200
    assert_painted(page, collection)
    page.screenshot(ARTEFACTS / "firefox-dark.png")
