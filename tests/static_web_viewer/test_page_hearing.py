"""The page in a real Chromium: hover to hear, the system's player, other tabs, the volume; the strip to seek in."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import unquote_to_bytes, urlsplit

import pytest
from browser import Browser
from library import SECONDS, assert_current, ground, point_at
from pages import click_track, legend_entry, open_page, path_of, sound, wait_sounding
from selenium.webdriver.common.keys import Keys

pytestmark = pytest.mark.slow


@pytest.fixture
def voices(shelf) -> Browser:
    """The library's page, which writes down what a preview makes."""
    shelf.run("""window.voices = [];
        window.Audio = class extends Audio { constructor() { super(); window.voices.push(this); } };""")
    return shelf


HEARD = """return window.voices.filter((each) => !each.paused && each.volume > 0.9).map((each) => each.src)"""


def heard(browser: Browser) -> list[bytes]:
    return [unquote_to_bytes(urlsplit(url).path) for url in browser.run(HEARD)]


def test_what_is_pointed_at_is_heard_until_a_click_takes_over(voices, library):
    point_at(voices, library, 2)
    assert voices.run("return window.voices.length") == 0  # it is off
    voices.keys("h")
    assert voices.find("#hear").get_attribute("aria-pressed") == "true"
    assert voices.text("#told") == "Hover to hear is on"
    click_track(voices, library, 30)
    wait_sounding(voices)
    point_at(voices, library, 2)
    voices.wait(HEARD.replace("each.src)", "each.src)[0]"))
    assert heard(voices) == [path_of(library, 2)]
    assert voices.run("return window.voices[0].currentTime") >= SECONDS / 3
    voices.wait("return document.getElementById('audio').volume < 0.05")  # it plays on, and steps back
    assert_current(voices, library, 30)
    point_at(voices, library, 35)
    voices.wait(HEARD.replace("=> each.src)", "=> each.src)[0]?.includes('35')"))
    voices.hover(*ground(voices))
    voices.wait("return document.getElementById('audio').volume > 0.95")
    assert heard(voices) == []
    point_at(voices, library, 50)
    voices.wait(HEARD.replace("each.src)", "each.src)[0]"))
    click_track(voices, library, 50)
    voices.wait("return window.voices.every((each) => each.paused)")
    wait_sounding(voices)
    assert_current(voices, library, 50)
    voices.keys("h")
    assert voices.find("#hear").get_attribute("aria-pressed") == "false"
    point_at(voices, library, 2)
    assert voices.run("return window.voices.every((each) => each.paused)")


def test_a_row_is_heard_too(voices, library):
    voices.click("#hear")
    voices.keys("/", "folk/", Keys.TAB)
    voices.wait("return !document.getElementById('list').hidden")
    row = voices.find("#list li:nth-child(2)").rect
    voices.hover(row["x"] + 80, row["y"] + 12)
    voices.wait(HEARD.replace("each.src)", "each.src)[0]"))
    track = voices.run("return +document.querySelector('#list li:nth-child(2)').dataset.track")
    assert heard(voices) == [path_of(library, track)]


def test_the_systems_player_follows_and_another_tab_falls_silent(shelf, library):
    click_track(shelf, library, 9)
    wait_sounding(shelf)
    shelf.keys(Keys.ARROW_RIGHT)
    shelf.wait_text("#track-title", library.titles()[library.neighbours(9)[0]])
    wait_sounding(shelf)
    told = shelf.run("const {title, artist, album} = navigator.mediaSession.metadata; return [title, artist, album]")
    track = library.neighbours(9)[0]
    assert told == [library.titles()[track], library.table["artist"][track], "The library"]
    assert shelf.run("return navigator.mediaSession.playbackState") == "playing"
    first = shelf.driver.current_window_handle
    shelf.driver.switch_to.new_window("tab")
    try:
        shelf.show()
        open_page(shelf, library)
        click_track(shelf, library, 40)
        wait_sounding(shelf)
        shelf.driver.switch_to.window(first)
        shelf.wait("return document.getElementById('audio').paused")
        assert_current(shelf, library, track)
        assert shelf.find("#play").get_attribute("aria-label") == "Play"
        shelf.driver.switch_to.window(shelf.driver.window_handles[-1])
        shelf.check()
    finally:
        shelf.driver.close()
        shelf.driver.switch_to.window(first)


@pytest.fixture
def forgetful(shelf) -> Iterator[Browser]:
    yield shelf
    shelf.run("localStorage.clear()")


def test_the_volume_is_kept(forgetful, library):
    click_track(forgetful, library, 9)
    forgetful.run("document.getElementById('volume').focus()")
    forgetful.keys(Keys.HOME, *[Keys.ARROW_RIGHT] * 30)
    forgetful.keys("m")
    loud = forgetful.run("return document.getElementById('audio').volume")
    assert 0 < loud < 0.5 and forgetful.find("#mute").get_attribute("aria-pressed") == "true"
    open_page(forgetful, library)
    assert forgetful.run("return document.getElementById('volume').value") == "30"
    assert forgetful.run("const {volume, muted} = document.getElementById('audio'); return [volume, muted]") == [
        pytest.approx(loud),
        True,
    ]
    click_track(forgetful, library, 9)
    forgetful.click("#mute")
    assert forgetful.run("return document.getElementById('audio').muted") is False


def test_the_strip_is_the_tracks_picture_and_one_seeks_in_it(shelf, library):
    shelf.show(1400, 900)  # a narrow panel has no room for thumbnails
    click_track(shelf, library, 20)
    wait_sounding(shelf)
    shelf.wait("return document.getElementById('seek').classList.contains('pictured')")
    place = shelf.run("const {file, row, rows} = tracks.strip(page.state.track); return [file, row, rows]")
    style = shelf.run("""const {backgroundImage, backgroundSize, backgroundPosition} =
        getComputedStyle(document.querySelector('#strip .picture'));
        return [backgroundImage, backgroundSize, backgroundPosition]""")
    assert place[0] in style[0] and place[1:] == [20, len(library.names)]
    assert style[1:] == ["100% 6000%", f"0px {100 * 20 / 59:.4f}%"]
    box = shelf.find("#position").rect
    assert box["height"] >= 40
    shelf.mouse((box["x"] + 0.75 * box["width"], box["y"] + box["height"] / 2))
    shelf.wait("const audio = document.getElementById('audio'); return audio.currentTime > 0.74 * audio.duration")
    shelf.run("document.getElementById('audio').pause()")
    shelf.run("document.getElementById('position').focus()")
    before = shelf.run("return document.getElementById('audio').currentTime")
    shelf.keys(Keys.ARROW_LEFT)
    shelf.wait("return document.getElementById('audio').currentTime < arguments[0]", before - 0.1)
    assert shelf.text("#track-title") == library.titles()[20]  # an arrow in the bar is the bar's
    shelf.wait("return getComputedStyle(document.querySelector('#neighbours .thumbnail')).backgroundImage !== 'none'")
    drawn = shelf.run("""return [...document.querySelectorAll('#neighbours li')].map((row) =>
        [+row.dataset.track, parseFloat(row.querySelector('.thumbnail').style.backgroundPosition.split(' ')[1])])""")
    assert [track for track, _ in drawn] == library.neighbours(20)
    assert all(at == pytest.approx(100 * track / 59, abs=0.01) for track, at in drawn)
    with shelf.redraw():
        shelf.click(legend_entry(shelf, "rock"))


def test_without_strips_the_bar_is_plain_and_rows_have_no_picture(page, collection):
    click_track(page, collection, 9)
    wait_sounding(page)
    assert page.find_all(".thumbnail") == [] and "pictured" not in page.find("#seek").get_attribute("class")
    box = page.find("#position").rect
    page.mouse((box["x"] + 0.5 * box["width"], box["y"] + box["height"] / 2))
    page.wait("const audio = document.getElementById('audio'); return audio.currentTime > 0.49 * audio.duration")
    assert sound(page) == path_of(collection, 9)
