"""The player, hover to hear and the strips in a real Chromium, beside a list that stands for the page."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, unquote

import numpy as np
import pytest
from browser import Browser, chromium, file_address, served
from conftest import tone, write_audio
from PIL import Image
from selenium.webdriver.common.keys import Keys

from utils import ROOT

pytestmark = pytest.mark.slow

VIEWER = ROOT / "static_web_viewer" / "viewer"
HOSTILE = "<img src=x onerror=hacked=1>, “it's”\n&amp;"
LONG, SHORT, MUTE, GONE, LAST, ALONE = range(6)  # the tracks; ALONE comes neither before nor after any
TRACKS = [  # title, artist, file, seconds
    ("A long one", HOSTILE, "a long #1?.wav", 12.0),
    (HOSTILE, "", "short, søng.wav", 0.5),
    ("Mute", "", None, 0),
    ("Gone", "", "gone.wav", 0),
    ("The last", "Someone", "last.wav", 9.0),
    ("Alone", "", "alone.wav", 0.5),
]
STRIPS = "strips0.png"

HARNESS = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A collection</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'self' file:; style-src 'self' file:;
  img-src 'self' file: data: blob:; media-src 'self' file:">
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">
<link rel="stylesheet" href="viewer/style.css"><link rel="stylesheet" href="harness.css">
<script defer src="harness.js"></script><script defer src="viewer/store.js"></script>
<script defer src="viewer/strip.js"></script><script defer src="viewer/player.js"></script>
<script defer src="viewer/preview.js"></script><script defer src="main.js"></script></head><body>
<p id="told" role="status"></p><p id="remark" hidden></p><p id="failure" hidden></p><main></main>
<aside id="panel">
  <section id="player" aria-labelledby="track-title" hidden>
    <audio id="audio" preload="none"></audio>
    <h2 id="track-title" dir="auto" tabindex="-1"></h2><p id="track-artist" dir="auto"></p>
    <div id="transport">
      <div id="seek"><div id="strip"></div>
        <input id="position" type="range" min="0" max="1000" value="0" aria-label="Position"></div>
      <div class="buttons">
        <button type="button" id="previous" aria-label="Previous"><svg viewBox="0 0 20 20"><path class="solid"
          d="M16 4l-9 6 9 6zM4 4h2v12H4z"/></svg></button>
        <button type="button" id="play" aria-label="Play"><svg class="at-rest" viewBox="0 0 20 20"><path class="solid"
          d="M5 3l12 7-12 7z"/></svg><svg class="at-play" viewBox="0 0 20 20"><path class="solid"
          d="M5 3h4v14H5zM11 3h4v14h-4z"/></svg></button>
        <button type="button" id="next" aria-label="Next"><svg viewBox="0 0 20 20"><path class="solid"
          d="M4 4l9 6-9 6zM14 4h2v12h-2z"/></svg></button>
        <span class="time"><span id="elapsed"></span> / <span id="length"></span></span>
        <button type="button" id="hear" aria-label="Hover to hear" aria-pressed="false"><svg viewBox="0 0 20 20"><path
          d="M4 12v-2a6 6 0 0 1 12 0v2M4 12h3v5H5a1 1 0 0 1-1-1zM16 12h-3v5h2a1 1 0 0 0 1-1z"/></svg></button>
        <span class="volume"><button type="button" id="mute" aria-label="Mute"><svg viewBox="0 0 20 20"><path
          class="solid" d="M3 8v4h3l4 4V4L6 8z"/><path class="waves" d="M13 7c2 2 2 4 0 6M15 5c3 3 3 7 0 10"/></svg>
          </button><input id="volume" type="range" min="0" max="100" value="100" aria-label="Volume"></span>
      </div>
      <p id="trouble" role="alert" hidden></p>
    </div>
  </section>
  <section><ol class="tracks"></ol></section>
</aside></body></html>"""

# What the player tells the system is written down on its way; so is each element that a preview makes
BEFORE = """"use strict";
const made = [], missed = [], handlers = {}, heard = [];
window.Audio = class extends window.Audio {
  constructor() {
    super();
    made.push(this);
    this.addEventListener("error", () => missed.push(this.src));
  }
};
const { mediaSession } = navigator, handle = mediaSession.setActionHandler.bind(mediaSession);
mediaSession.setActionHandler = (name, work) => { handlers[name] = work; handle(name, work); };
const given = GIVEN;
const tracks = {
  all: { audio: {} },
  title: (track) => given[track].title,
  artist: (track) => given[track].artist,
  address: (track) => given[track].address,
  strip: (track) => given[track].strip,
};
document.getElementById("audio").addEventListener("playing", ({ target }) => {
  if (heard.at(-1) !== target.src) heard.push(target.src);  // a seek is no other track
});"""

MAIN = """"use strict";
const queue = [0, 1, 2, 3, 4];
function go(track, aloud) {
  document.getElementById("track-title").textContent = tracks.title(track);
  document.getElementById("track-artist").textContent = tracks.artist(track);
  player.open(track, aloud);
}
const at = (by) => (queue.includes(player.current()) ? queue[queue.indexOf(player.current()) + by] : undefined);
player.on.step = (by) => {
  let next = by;
  while (at(next) !== undefined && tracks.address(at(next)) === null) next += by;
  if (at(next) === undefined) return false;
  go(at(next), true);
  return true;
};
player.on.change = () => player.sync({ canNext: at(1) !== undefined, canPrevious: at(-1) !== undefined });
document.getElementById("hear").addEventListener("click", () => preview.set(!preview.isOn()));
for (const track of given.keys()) {
  const item = document.createElement("li"), button = document.createElement("button");
  button.className = "plain";
  button.textContent = tracks.title(track);
  button.addEventListener("click", () => go(track, true));
  item.addEventListener("mouseenter", () => preview.hover(track));
  item.addEventListener("mouseleave", () => preview.hover(-1));
  item.append(...[button, strip.thumbnail(track)].filter(Boolean));
  document.querySelector("ol").append(item);
}
document.documentElement.dataset.ready = "yes";"""

# Two of the tracks lie out of sight at first
STYLE = """#strip { position: absolute; }
.thumbnail { display: block; width: 64px; height: 16px; }
li:nth-of-type(5) { margin-top: 3000px; }"""


def strip_of(row: int, file: str = STRIPS) -> dict:
    return {"file": file, "row": row, "rows": 4, "width": 256, "height": 24}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A page's folder: each strip is black in a quarter of its time that tells its row."""
    root = tmp_path_factory.mktemp("the page, #1")
    (root / "viewer").symlink_to(VIEWER, target_is_directory=True)
    for number, (_, _, name, seconds) in enumerate(TRACKS):
        if seconds:
            write_audio(root / name, tone(seconds, 200 + 50 * number, rate_hz=8000), 8000)
    grey = np.full((4 * 24, 256), 255, np.uint8)
    for row in range(4):
        grey[24 * row : 24 * (row + 1), 64 * row : 64 * (row + 1)] = 0
    Image.fromarray(grey).save(root / STRIPS)
    Image.fromarray(grey).save(root / "later.png")
    strips = [strip_of(0), strip_of(1), None, strip_of(3), strip_of(2, "later.png"), None]
    given = [
        {"title": title, "artist": artist, "address": name and quote(name), "strip": strip}
        for (title, artist, name, _), strip in zip(TRACKS, strips, strict=True)
    ]
    (root / "index.html").write_text(HARNESS, encoding="utf-8")
    (root / "harness.js").write_text(BEFORE.replace("GIVEN", json.dumps(given)), encoding="utf-8")
    (root / "harness.css").write_text(STYLE, encoding="utf-8")
    (root / "main.js").write_text(MAIN, encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def window(tmp_path_factory) -> Iterator[Browser]:
    with chromium("", tmp_path_factory.mktemp("downloads")) as started:
        yield started


@pytest.fixture
def browser(window, folder) -> Iterator[Browser]:
    """The page, just opened; in the end nothing was said on the console and nothing foreign loaded."""
    window.show(1440, 900)
    open_page(window, folder)
    yield window
    window.check()


def open_page(browser: Browser, folder: Path) -> None:
    browser.open(file_address(folder / "index.html"), folder)


def item(track: int) -> str:
    return f"li:nth-of-type({track + 1})"


def click(browser: Browser, track: int) -> None:
    browser.click(f"{item(track)} button")


def hover(browser: Browser, css: str) -> None:
    box = browser.find(css).rect
    browser.hover(box["x"] + 20, box["y"] + box["height"] / 2)


def name_of(address: str) -> str:
    return unquote(address.rsplit("/", 1)[-1])


def wait_heard(browser: Browser, *numbers: int) -> None:
    """Wait until the player has played these tracks, one after the other, and no other."""
    wanted = [TRACKS[track][2] for track in numbers]
    browser.wait("return heard.length >= arguments[0]", len(wanted))
    assert list(map(name_of, browser.run("return heard"))) == wanted


def audio(browser: Browser, what: str):
    return browser.run(f"return document.getElementById('audio').{what}")


# Playing


def test_a_track_plays_pauses_and_says_so(browser):
    assert not browser.find("#player").is_displayed()
    click(browser, LONG)
    wait_heard(browser, LONG)
    assert browser.find("#play").get_attribute("aria-label") == "Pause"
    assert browser.text("#told") == "Playing A long one"
    browser.wait_text("#length", "0:12")
    assert browser.find("#position").get_attribute("aria-valuetext").endswith(" of 0:12")
    browser.click("#play")
    browser.wait_text("#told", "Paused")
    assert audio(browser, "paused") and browser.find("#play").get_attribute("aria-label") == "Play"
    browser.click("#play")
    browser.wait_text("#told", "Playing A long one")


def test_a_page_that_is_just_opened_shows_its_track_without_a_sound(browser):
    browser.run("go(0, false)")
    assert browser.find("#player").is_displayed() and browser.find("#play").is_enabled()
    assert browser.text("#elapsed") == "0:00" and audio(browser, "paused")
    browser.run("player.open(-1, false)")
    assert not browser.find("#player").is_displayed()


def test_at_a_tracks_end_the_next_one_plays_past_what_cannot_be_heard(window, folder):
    open_page(window, folder)
    click(window, SHORT)
    wait_heard(window, SHORT, LAST)
    trouble = window.text("#trouble")
    assert "Gone" in trouble and "not there" in trouble
    assert window.find("#next").get_attribute("disabled")
    window.keys(Keys.ESCAPE)
    click(window, LONG)
    assert not window.find("#trouble").is_displayed()
    assert all("ERR_FILE_NOT_FOUND" in message for message in window.messages())


def test_the_last_track_ends_quietly(browser):
    click(browser, ALONE)
    browser.wait("return document.getElementById('audio').ended")
    browser.wait("return document.getElementById('play').getAttribute('aria-label') === 'Play'")
    assert browser.text("#told") == "Playing Alone"
    browser.click("#play")
    browser.wait("return !document.getElementById('audio').paused")


def test_what_cannot_be_heard_says_why_and_stays(window, folder):
    open_page(window, folder)
    click(window, MUTE)
    assert window.find("#trouble").is_displayed() and "no audio" in window.text("#trouble")
    assert not window.find("#play").is_enabled() and not window.find("#position").is_enabled()
    click(window, GONE)
    window.wait("return document.getElementById('trouble').textContent.includes('not there')")
    assert window.run("return player.current()") == GONE and window.text("#trouble").startswith("This file")
    assert all("ERR_FILE_NOT_FOUND" in message for message in window.messages())
    click(window, SHORT)
    assert not window.find("#trouble").is_displayed()


def test_previous_is_the_beginning_first_and_then_the_track_before(browser):
    click(browser, LONG)
    wait_heard(browser, LONG)
    browser.click("#next")
    wait_heard(browser, LONG, SHORT)
    browser.click("#previous")
    wait_heard(browser, LONG, SHORT, LONG)
    browser.find("#position").send_keys(Keys.PAGE_UP, Keys.PAGE_UP)  # 3.6 s each in a track of 12 s
    browser.wait("return document.getElementById('audio').currentTime > 7")
    browser.click("#previous")
    browser.wait("return document.getElementById('audio').currentTime < 3")
    assert browser.run("return player.current()") == LONG


# Where in it


def test_a_click_on_the_bar_begins_there_and_keys_move(browser):
    browser.run("go(0, false)")
    box = browser.find("#position").rect
    at = (box["x"] + 0.51 * box["width"], box["y"] + box["height"] / 2)
    hover(browser, "#position")
    browser.wait_text("#length", "0:12")  # whoever reaches for it is told
    browser.hover(*at)
    browser.wait_text("#strip .pointed", "0:06")
    assert browser.find("#strip .pointed").is_displayed()
    browser.mouse(at)
    browser.run("document.getElementById('audio').pause()")
    assert 6 < audio(browser, "currentTime") < 12
    browser.click("#play")
    wait_heard(browser, LONG)
    browser.click("#play")
    before = audio(browser, "currentTime")
    browser.find("#position").send_keys(Keys.ARROW_LEFT)
    assert audio(browser, "currentTime") == pytest.approx(before - 0.6, abs=0.05)  # 5 s where it has more than 100
    share = float(browser.run("return document.getElementById('seek').style.getPropertyValue('--played')"))
    assert share == pytest.approx((before - 0.6) / 12, abs=0.002)
    assert browser.find("#position").get_attribute("aria-valuetext") == f"0:{int(before - 0.6):02} of 0:12"
    hover(browser, "#play")
    assert not browser.find("#strip .pointed").is_displayed()


def test_a_seek_before_anything_is_loaded_begins_there(browser):
    browser.click("#panel")  # without any a page may not play
    browser.run("""go(4, false);
        const position = document.getElementById("position");
        position.value = 500;
        position.dispatchEvent(new Event("input"));""")
    wait_heard(browser, LAST)
    assert audio(browser, "currentTime") >= 4.5


def test_the_volume_is_kept(browser, folder):
    click(browser, LONG)
    browser.find("#volume").send_keys(*[Keys.ARROW_LEFT] * 50)
    assert audio(browser, "volume") == pytest.approx(0.25)
    browser.click("#mute")
    assert audio(browser, "muted") and browser.find("#mute").get_attribute("aria-pressed") == "true"
    open_page(browser, folder)
    assert audio(browser, "muted") and browser.find("#volume").get_attribute("value") == "50"
    click(browser, LONG)
    browser.find("#volume").send_keys(Keys.END)
    assert not audio(browser, "muted") and audio(browser, "volume") == 1
    assert browser.find("#mute").get_attribute("aria-pressed") == "false"


# The system's player, and other tabs


def test_the_systems_player_shows_the_track_and_moves_in_it(browser):
    click(browser, LONG)
    wait_heard(browser, LONG)
    session = "const {metadata, playbackState} = navigator.mediaSession;"
    told = browser.run(f"{session} return [metadata.title, metadata.artist, metadata.album, playbackState]")
    assert told == ["A long one", HOSTILE, "A collection", "playing"]
    browser.run("handlers.seekto({seekTime: 6})")
    assert audio(browser, "currentTime") == pytest.approx(6, abs=0.5)
    browser.run("handlers.seekbackward({seekOffset: 3})")
    assert audio(browser, "currentTime") == pytest.approx(3, abs=0.5)
    browser.run("handlers.pause()")
    browser.wait("return navigator.mediaSession.playbackState === 'paused'")
    assert browser.run("return handlers.previoustrack !== null")
    browser.run("handlers.nexttrack()")
    wait_heard(browser, LONG, SHORT)
    browser.run("go(4, false)")
    assert browser.run("return handlers.nexttrack") is None


@pytest.mark.parametrize("scheme", ["file", "http"])
def test_another_tab_of_the_page_falls_silent(window, folder, scheme):
    with served(folder) as http:
        address = {"file": file_address(folder / "index.html"), "http": http + "index.html"}[scheme]
        window.open(address, folder, http)
        click(window, LONG)
        wait_heard(window, LONG)
        first = window.driver.current_window_handle
        window.driver.switch_to.new_window("tab")
        second = window.driver.current_window_handle
        try:
            window.open(address, folder, http)
            click(window, LAST)
            wait_heard(window, LAST)
            window.driver.switch_to.window(first)
            window.wait("return document.getElementById('audio').paused")
            window.driver.switch_to.window(second)
            assert not audio(window, "paused")
        finally:
            window.driver.switch_to.window(second)
            window.driver.close()
            window.driver.switch_to.window(first)
        window.driver.get("about:blank")


# Hover to hear


def test_what_is_under_the_pointer_sounds_from_its_third_and_the_player_steps_back(browser):
    click(browser, LONG)
    wait_heard(browser, LONG)
    browser.click("#hear")
    assert browser.find("#hear").get_attribute("aria-pressed") == "true"
    browser.run("document.querySelectorAll('li')[4].style.margin = 0")
    hover(browser, item(LAST))
    browser.wait("return made.some((each) => each.src && each.volume === 1)")
    assert audio(browser, "volume") == 0 and not audio(browser, "paused")
    sounding = "const each = made.find((each) => each.src); return "
    assert name_of(browser.run(f"{sounding} each.src")) == "last.wav"
    assert 3 <= browser.run(f"{sounding} each.currentTime") < 9
    hover(browser, item(SHORT))  # it is short: from its beginning, and when it has ended the player comes back
    browser.wait("return made.every((each) => !each.hasAttribute('src'))")
    browser.wait("return document.getElementById('audio').volume === 1")
    hover(browser, item(LAST))
    browser.wait("return made.some((each) => each.src && each.volume === 1)")
    hover(browser, "#track-title")
    browser.wait("return document.getElementById('audio').volume === 1")
    assert browser.run("return made.length === 2 && made.every((each) => !each.hasAttribute('src') && each.paused)")
    assert browser.run("return player.current()") == LONG


def test_a_click_takes_over_what_was_previewed(browser):
    browser.click("#panel")  # without any a page may not play
    browser.run("preview.set(true)")
    hover(browser, item(LONG))
    browser.wait("return made.some((each) => each.src && !each.paused)")
    click(browser, LONG)
    wait_heard(browser, LONG)
    browser.wait("return made.every((each) => !each.hasAttribute('src'))")
    assert audio(browser, "volume") == 1 and not audio(browser, "paused")
    browser.click("#hear")
    assert browser.find("#hear").get_attribute("aria-pressed") == "false"


def test_what_the_pointer_only_passes_is_not_heard_and_leaves_nothing(window, folder):
    """And what is there no more, or has no audio, is silent without a word."""
    open_page(window, folder)
    window.run("preview.set(true)")
    window.run("for (let i = 0; i < 1000; i++) preview.hover(i % 2 ? 0 : 4)")
    assert not window.run("return made.length")
    window.run("preview.hover(-1); preview.hover(3)")
    window.wait("return missed.length === 1")
    window.wait("return made.every((each) => !each.hasAttribute('src'))")
    assert not window.find("#trouble").is_displayed() and window.text("#failure") == ""
    window.run("preview.hover(2); preview.hover(-1)")
    assert window.run("return made.length") == 2
    assert all("ERR_FILE_NOT_FOUND" in message for message in window.messages())


def test_two_elements_are_all_that_many_previews_take(browser):
    browser.click("#panel")
    browser.run("preview.set(true)")
    for number in range(6):
        track = (LONG, LAST)[number % 2]
        browser.run("preview.hover(arguments[0])", track)
        browser.wait(
            "return made.some((each) => !each.paused && decodeURIComponent(each.src).endsWith(arguments[0]))",
            TRACKS[track][2],
        )
    assert browser.run("return made.length") == 2
    browser.run("preview.set(false)")
    browser.wait("return made.every((each) => !each.hasAttribute('src'))")


def test_on_a_touch_screen_it_stays_off(browser):
    browser.command("Emulation.setTouchEmulationEnabled", enabled=True)
    try:
        browser.run("preview.set(true)")
        assert not browser.run("return preview.isOn()")
        assert browser.find("#hear").get_attribute("aria-pressed") == "false"
    finally:
        browser.command("Emulation.setTouchEmulationEnabled", enabled=False)


# The strips


def greys(browser: Browser, element) -> np.ndarray:
    """Return what is seen of an element, by the quarters of its width, (4,)."""
    with Image.open(io.BytesIO(element.screenshot_as_png)) as image:
        pixels = np.asarray(image.convert("L"), float)
    return pixels[:, : pixels.shape[1] // 4 * 4].reshape(len(pixels), 4, -1).mean(axis=(0, 2))


def test_each_track_has_its_own_picture_and_files_are_loaded_when_they_are_seen(browser, folder):
    browser.show(1400, 768)  # a narrow panel has no room for them
    browser.wait("return document.querySelector('.thumbnail').style.backgroundImage")
    for track, row in [(LONG, 0), (SHORT, 1), (GONE, 3)]:
        seen = greys(browser, browser.find(f"{item(track)} .thumbnail"))
        assert seen.argmin() == row and (np.delete(seen, row) > 200).all() and seen[row] < 150
    assert not browser.find_all(f"{item(MUTE)} .thumbnail")
    files = [name_of(url) for url in browser.requests() if url.endswith(".png")]
    assert files == [STRIPS]
    browser.run("document.querySelectorAll('li')[4].scrollIntoView()")
    browser.wait("return document.querySelectorAll('.thumbnail')[3].style.backgroundImage")
    assert greys(browser, browser.find(f"{item(LAST)} .thumbnail")).argmin() == 2


def test_the_bar_has_the_tracks_picture_where_there_is_one(browser):
    for track, place in [(SHORT, 100 / 3), (LONG, 0)]:
        browser.run("go(arguments[0], false)", track)
        browser.wait("return document.querySelector('#seek.pictured')")
        style = "const style = document.querySelector('#strip .picture').style; return parseFloat"
        assert browser.run(f"{style}(style.backgroundPositionY)") == pytest.approx(place, abs=0.01)
        assert STRIPS in unquote(browser.run("return document.querySelector('#strip .picture').style.backgroundImage"))
    browser.run("go(2, false)")
    assert not browser.find_all("#seek.pictured")


def test_a_strip_that_is_gone_leaves_a_plain_bar(window, folder):
    open_page(window, folder)
    window.run("go(0, false)")
    window.wait("return document.querySelector('#seek.pictured')")
    window.run("""given[1].strip.file = "gone.png";
        go(1, false);
        const after = new Image();
        after.onerror = () => { window.tried = true; };
        after.src = "gone too.png";""")
    window.wait("return window.tried")
    assert not window.find_all("#seek.pictured") and window.find("#position").is_displayed()
    assert all("ERR_FILE_NOT_FOUND" in message for message in window.messages())


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_played_part_is_tinted_and_silence_is_the_ground(browser, folder, scheme):
    """The strip is black in its first quarter, and silent in the rest; half of that quarter has been played."""
    browser.show(scheme=scheme)
    browser.run("go(0, false)")
    browser.wait("return document.querySelector('#seek.pictured')")
    browser.run("document.getElementById('seek').style.setProperty('--played', 0.125)")
    ground, accent, quiet = (colour_of(browser, name) for name in ("--panel", "--accent", "--quiet"))
    with Image.open(io.BytesIO(browser.find("#strip").screenshot_as_png)) as image:
        row = np.asarray(image.convert("RGB"), float)[image.height // 2]
    played, coming, silent = (row[int(share * len(row))] for share in (0.06, 0.19, 0.6))
    for seen, wanted in [(played, accent), (coming, quiet), (silent, ground)]:
        np.testing.assert_allclose(seen, wanted, atol=30 if wanted is not ground else 4)


def colour_of(browser: Browser, name: str) -> list[int]:
    """Return a colour of the style sheet, (3,)."""
    text = browser.run("return getComputedStyle(document.documentElement).getPropertyValue(arguments[0])", name).strip()
    return list(bytes.fromhex(text.removeprefix("#")))
