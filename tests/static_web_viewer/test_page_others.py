"""The page in a real Chromium, of more tracks than its map shows: search and links find the others."""

from __future__ import annotations

from urllib.parse import quote

import numpy as np
import pytest
from browser import Browser
from conftest import tone, write_audio
from pages import (
    DRAWN,
    SECONDS,
    Made,
    colour_by,
    draw_vectors,
    follow_link,
    listed,
    make_page,
    open_page,
    path_of,
    sound,
    wait_sounding,
)
from selenium.webdriver.common.keys import Keys

pytestmark = pytest.mark.slow

TRACKS, POINTS = 200, 50
KINDS = [f"kind {track % 3}" for track in range(TRACKS)]


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Made:
    root = tmp_path_factory.mktemp("more, than can be shown")
    names = [f"{KINDS[track]}/track {track:03}, søng #1.wav" for track in range(TRACKS)]
    names = sorted(names, key=str.encode)
    kinds = [name.split("/")[0] for name in names]
    for track in range(0, TRACKS, 40):
        write_audio(root / "music" / names[track], tone(SECONDS, 200 + track, rate_hz=8000), 8000)
    titles, years = [f"Piece {track}" for track in range(TRACKS)], [str(1900 + track) for track in range(TRACKS)]
    table = {"genre": kinds, "title": titles, "year": years}
    return make_page(root, names, draw_vectors(kinds), table, "--most-points", str(POINTS), "--clusters", "3")


def drawn_places(browser: Browser) -> dict[int, tuple[float, float]]:
    return {track: (x, y) for track, x, y, _ in browser.run(DRAWN)}


def names_of(browser: Browser, tracks: list[int]) -> list[str]:
    return browser.run("return arguments[0].map((track) => tracks.all.filenames[track])", tracks)


def beside(browser: Browser, made: Made) -> list[int]:
    """Return which tracks of the run are no points of the map."""
    points = browser.run("return tracks.all.filenames.slice(0, tracks.all.drawn)")
    return [track for track, name in enumerate(made.names) if name not in points]


def search(browser: Browser, text: str, title: str) -> list[str]:
    browser.run("document.getElementById('search').value = ''")
    browser.keys("/", text)
    browser.wait_text("#list-title", title)
    return names_of(browser, listed(browser))


def test_the_map_says_how_many_it_shows_and_search_finds_the_others(browser, made):
    open_page(browser, made)
    assert len(drawn_places(browser)) == POINTS
    assert browser.text("#count") == "50 of 200 tracks"
    assert browser.text("#beside") == "50 of 200 tracks are on the map; search finds the others."
    track = beside(browser, made)[7]
    found = search(browser, made.names[track].upper(), f"1 track with “{made.names[track].upper()}”")
    assert found == [made.names[track]]
    places = drawn_places(browser)
    here = browser.run("return tracks.find(arguments[0])", made.names[track])
    np.testing.assert_array_equal(places[here], made.xy[track])
    assert browser.text("#count") == f"{len(places)} of 200 tracks"


def test_a_track_that_was_no_point_is_as_any_other(browser, made):
    open_page(browser, made)
    track = beside(browser, made)[3]
    browser.keys("/", made.names[track], Keys.ENTER)
    browser.wait_text("#track-title", f"Piece {track}")
    browser.wait("return document.querySelectorAll('#neighbours li').length === 20")
    points = set(range(TRACKS)) - set(beside(browser, made))
    nearest = [other for other in np.argsort(made.distances(track)) if other in points][:20]
    near = names_of(browser, listed(browser, "#neighbours"))
    assert len({made.names[other] for other in nearest} & set(near)) >= 18  # by 8 bits
    said = browser.run("return [...document.querySelectorAll('#track dd')].map((each) => each.textContent)")
    assert {made.table["genre"][track], made.table["year"][track]} <= set(said)
    colour_by(browser, "year")
    colour_by(browser, "distance to the current track")
    assert browser.run("return tracks.distancesTo(page.state.track)[page.state.track]") == pytest.approx(0, abs=1e-6)


def test_what_was_found_keeps_its_audio(browser, made):
    open_page(browser, made)
    track = next(track for track in beside(browser, made) if (made.music / made.names[track]).exists())
    browser.keys("/", made.names[track], Keys.ENTER)
    browser.wait_text("#track-title", f"Piece {track}")
    wait_sounding(browser)
    assert sound(browser) == path_of(made, track)


def test_a_link_leads_to_a_track_that_was_no_point(browser, made):
    open_page(browser, made)
    track, other = beside(browser, made)[:2]
    open_page(browser, made, f"#track={quote(made.names[track])}")
    browser.wait_text("#track-title", f"Piece {track}")
    follow_link(browser, f"#track={quote(made.names[other])}")
    browser.wait_text("#track-title", f"Piece {other}")
    follow_link(browser, "#track=nothing")
    browser.wait("return document.getElementById('remark').textContent.includes('nothing')")


def test_a_way_leads_to_a_track_that_was_no_point(browser, made):
    open_page(browser, made)
    track, other = beside(browser, made)[:2]
    browser.keys("/", made.names[track], Keys.ENTER)
    browser.wait_text("#track-title", f"Piece {track}")
    browser.click("#walk")
    browser.keys("/", made.names[other], Keys.ENTER)
    browser.wait("return document.getElementById('list-title').textContent.includes(' from ')")
    way = names_of(browser, listed(browser))
    assert (way[0], way[-1]) == (made.names[track], made.names[other])
