"""A page with everything that a page can have: strips, dates, a long fold of columns, three kinds apart on the map."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from browser import Browser
from conftest import tone, write_audio, write_mels
from pages import Made, draw_vectors, make_page, open_page, path_of, pixels, sound, write_layout
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.common.actions.pointer_input import PointerInput
from selenium.webdriver.common.keys import Keys

KINDS = ["rock"] * 24 + ["jazz"] * 20 + ["folk"] * 12 + [""] * 4
COUNT = len(KINDS)
SECONDS = 8.0
PLACES = 30  # different values of a column: more than there are colours
WITHOUT = 13  # the track that has no audio


@pytest.fixture(scope="session")
def library(tmp_path_factory) -> Made:
    """60 tracks, whose kinds lie apart from each other."""
    root = tmp_path_factory.mktemp("the library")
    names = [f"{kind or 'none'}/{track:02} & søn.wav" for track, kind in enumerate(KINDS)]
    for track, name in enumerate(names):
        if track != WITHOUT:
            write_audio(root / "music" / name, tone(SECONDS, 200 + 10 * track, rate_hz=8000), 8000)
    draws = np.random.default_rng(4)
    table = {
        "genre": KINDS,
        "title": [f"Title {track}" if track % 6 else "" for track in range(COUNT)],
        "artist": [f"Artist {track % 8}" if track % 8 else "" for track in range(COUNT)],
        "citation": [f"Source {track}, CC0" for track in range(COUNT)],
        "plays": ["n/a" if track % 10 == 9 else str(track * track) for track in range(COUNT)],
        "added": [f"20{10 + track % 12}-0{1 + track % 9}-17" for track in range(COUNT)],
        "place": [f"place {min(track, PLACES - 1):02}" for track in draws.permutation(COUNT)],
        **{f"note {number}": [f"note {number} of {track % 3}" for track in range(COUNT)] for number in range(5)},
    }
    flags = ["--layout", str(write_layout(root / "places.csv", names, islands())), "--title", "The library"]
    mels = write_mels(root / "mels", dict.fromkeys(names, 400))
    return make_page(root, names, draw_vectors(KINDS, seed=5), table, *flags, "--mel-folder", str(mels))


def islands() -> np.ndarray:
    """Places by kind, far enough from each other that each can be hit, (tracks, 2)."""
    places, left = [], 0.0
    for kind in dict.fromkeys(KINDS):
        count = KINDS.count(kind)
        columns = int(np.ceil(np.sqrt(count)))
        places += [(left + place % columns, place // columns) for place in range(count)]
        left += columns + 2
    return np.array(places, float) + np.random.default_rng(1).uniform(-0.15, 0.15, (COUNT, 2))


@pytest.fixture
def shelf(browser, library) -> Browser:
    """The library's page, just opened."""
    open_page(browser, library)
    return browser


def titles(made: Made) -> list[str]:
    return made.titles()


def rows_marked(browser: Browser) -> set[int]:
    return set(
        browser.run("return [...document.querySelectorAll('li[aria-current]')].map((row) => +row.dataset.track)")
    )


def neighbours_shown(browser: Browser) -> list[int]:
    return browser.run("return [...document.querySelectorAll('#neighbours li')].map((row) => +row.dataset.track)")


def assert_current(browser: Browser, made: Made, track: int, shown: Iterable[int] | None = None) -> None:
    """Heading, citation, neighbours, ring, sound, address and the system's player tell of one and the same track."""
    browser.wait_text("#track-title", made.titles()[track])
    assert browser.text("#track-file") == made.names[track]
    assert browser.text("#track-citation") == made.table["citation"][track]
    assert browser.text("#track-artist") == made.table["artist"][track]
    assert browser.run("return navigator.mediaSession.metadata.title") == made.titles()[track]
    assert browser.run("return new URLSearchParams(location.hash.slice(1)).get('track')") == made.names[track]
    assert sound(browser) == path_of(made, track)
    assert rows_marked(browser) <= {track}
    assert len(browser.find_all("#overlay .selected")) == 1
    np.testing.assert_allclose(ring(browser, ".selected"), pixels(browser, made)[track], atol=1)
    near, exact = neighbours_shown(browser), made.distances(track)
    others = sorted(set(range(len(made.names)) if shown is None else shown) - {track}, key=exact.__getitem__)[:20]
    assert set(near) <= set(range(len(made.names)) if shown is None else shown) and len(near) == len(others)
    np.testing.assert_allclose(exact[near], exact[others], atol=0.02)  # of some alone by the page's, 8 bits a number
    rings = browser.run("""return [...document.querySelectorAll('#overlay .neighbour')].map((each) => {
        const box = each.getBoundingClientRect(); return [box.left + box.width / 2, box.top + box.height / 2]; })""")
    np.testing.assert_allclose(rings, pixels(browser, made)[near], atol=1)


def ring(browser: Browser, css: str) -> list[float]:
    """Return where the middle of a ring is in the window."""
    return browser.run(
        """const box = document.querySelector('#overlay ' + arguments[0]).getBoundingClientRect();
        return [box.left + box.width / 2, box.top + box.height / 2]""",
        css,
    )


def point_at(browser: Browser, made: Made, track: int) -> tuple[float, float]:
    """Move the mouse onto a track, and wait until the page has seen it."""
    place = tuple(pixels(browser, made)[track])
    browser.hover(*place)
    browser.wait("return document.querySelector('#tooltip:not([hidden]) strong')?.textContent === arguments[0]",
        made.titles()[track])  # fmt: skip
    return place


def shift_click(browser: Browser, made: Made, track: int) -> None:
    point_at(browser, made, track)
    builder = ActionBuilder(browser.driver, mouse=PointerInput("mouse", "mouse"), duration=0)
    builder.key_action.key_down(Keys.SHIFT)
    builder.pointer_action.pause(0)
    builder.pointer_action.click()
    for _ in range(3):
        builder.key_action.pause(0)
    builder.key_action.key_up(Keys.SHIFT)
    builder.perform()


def ground(browser: Browser) -> tuple[float, float]:
    """Return a place of the window where the map is empty, far from every point."""
    return browser.run("""
        const box = document.getElementById('map').getBoundingClientRect(), found = [];
        for (let x = box.left + 20; x < box.right - 20; x += 9)
          for (let y = box.top + 20; y < box.bottom - 20; y += 9)
            if (document.elementFromPoint(x, y)?.closest('#map')) found.push([x, y]);
        const {x, y} = map.drawn(), [left, right, bottom, top] = map.seen();
        const places = Array.from(x, (_, i) => [box.left + box.width * (x[i] - left) / (right - left),
            box.bottom - box.height * (y[i] - bottom) / (top - bottom)]);
        const away = ([px, py]) => Math.min(...places.map(([qx, qy]) => Math.hypot(px - qx, py - qy)));
        return found.map((each) => [away(each), each]).sort((a, b) => b[0] - a[0])[0][1];""")


def touch(browser: Browser, kind: str, *points: tuple[float, float]) -> None:
    found = [{"x": float(x), "y": float(y), "id": finger} for finger, (x, y) in enumerate(points)]
    browser.command("Input.dispatchTouchEvent", type=kind, touchPoints=found)


def tap(browser: Browser, x: float, y: float) -> None:
    touch(browser, "touchStart", (x, y))
    touch(browser, "touchEnd")
