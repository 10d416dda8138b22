"""The page in a real Chromium: what a point, a row and a playlist tell of a track, and how near others are."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import tone, write_audio
from library import COUNT, point_at, ring
from pages import (
    Made,
    click_track,
    colour_by,
    coloured,
    draw_vectors,
    grid,
    listed,
    make_page,
    open_page,
    pixels,
    write_layout,
)
from selenium.webdriver.common.keys import Keys

pytestmark = pytest.mark.slow

NAMES = [f"Ordner {track}/ein Stück, Nr. {track}.wav" for track in range(12)]


@pytest.fixture(scope="module")
def foreign(tmp_path_factory) -> Made:
    """A page whose table has headings of its own; half of the tracks have no title there."""
    root = tmp_path_factory.mktemp("foreign")
    for name in NAMES:
        write_audio(root / "music" / name, tone(0.2, 300, rate_hz=8000), 8000)
    table = {
        "Werk": [f"Werk {track}" if track % 2 else "-" for track in range(12)],
        "Wer": [f"Wer {track}" if track % 3 else "" for track in range(12)],
        "Art": ["laut" if track < 6 else "leise" for track in range(12)],
    }
    places = write_layout(root / "places.csv", NAMES, grid(12, 4))
    flags = ["--layout", str(places), "--title-column", "Werk", "--artist-column", "Wer"]
    return make_page(root, NAMES, draw_vectors(table["Art"]), table, *flags)


def test_columns_of_other_names_are_title_and_artist_in_tooltip_row_heading_and_playlist(browser, foreign):
    open_page(browser, foreign)
    titles = [f"Werk {track}" if track % 2 else f"ein Stück, Nr. {track}" for track in range(12)]
    artists = [f"Wer {track}" if track % 3 else "" for track in range(12)]
    browser.choose_text("#colour", "Art")
    for track in (1, 2, 3, 6):
        browser.hover(*pixels(browser, foreign)[track])
        told = "".join(filter(None, [titles[track], artists[track], f"Art: {foreign.table['Art'][track]}"]))
        browser.wait_text("#tooltip", told)
    browser.click("#search")
    browser.keys("ordner", Keys.TAB)
    browser.wait("return !document.getElementById('list').hidden")
    assert browser.texts("#list .title") == titles
    assert browser.texts("#list small") == [
        " · ".join(filter(None, pair)) for pair in zip(artists, foreign.table["Art"], strict=True)
    ]
    browser.click("#list li:nth-child(2) .plain")
    browser.wait_text("#track-title", titles[1])
    assert browser.text("#track-artist") == artists[1]
    browser.click("#list-m3u8")
    lines = browser.downloaded("tracks.m3u8").decode("utf-8").splitlines()
    full = [f"{artist} - {title}" if artist else title for artist, title in zip(artists, titles, strict=True)]
    assert [line.removeprefix("#EXTINF:-1,") for line in lines if line.startswith("#EXTINF")] == full


def test_the_tooltip_and_the_rows_tell_of_the_column_that_is_coloured(shelf, library):
    click_track(shelf, library, 40)
    for column in ("place", "plays", "added"):
        colour_by(shelf, column)
        near = library.neighbours(40)
        values = [library.table[column][track].replace("n/a", "") for track in near]
        artists = [library.table["artist"][track] for track in near]
        told = [" · ".join(filter(None, pair)) for pair in zip(artists, values, strict=True)]
        assert shelf.texts("#neighbours small") == [each for each in told if each]
        point_at(shelf, library, 17)
        assert shelf.texts("#tooltip span") == [
            library.table["artist"][17],
            f"{column}: {library.table[column][17]}",
        ]
    shelf.hover(2, 760)
    shelf.wait("return document.getElementById('tooltip').hidden")


def test_the_point_under_the_mouse_and_that_of_a_row_have_a_ring(shelf, library):
    point_at(shelf, library, 31)
    np.testing.assert_allclose(ring(shelf, ".pointed"), pixels(shelf, library)[31], atol=1)
    click_track(shelf, library, 30)
    row = shelf.find("#neighbours li:nth-child(5)").rect
    shelf.hover(row["x"] + 60, row["y"] + 10)
    fifth = library.neighbours(30)[4]
    shelf.wait(
        """const box = document.querySelector('#overlay .pointed')?.getBoundingClientRect(), [x, y] = arguments[0];
        return box && Math.hypot(box.left + box.width / 2 - x, box.top + box.height / 2 - y) < 1.5""",
        pixels(shelf, library)[fifth].tolist(),
    )
    shelf.hover(2, 760)
    shelf.wait("return !document.querySelector('#overlay .pointed')")


def test_a_distance_is_a_bar_and_its_colours_begin_at_the_nearest(shelf, library):
    click_track(shelf, library, 30)
    bars = shelf.run("""return [...document.querySelectorAll('#neighbours .near')].map((bar) =>
        [bar.firstChild.getBoundingClientRect().width, bar.getBoundingClientRect().width, bar.ariaLabel])""")
    widths = [width for width, *_ in bars]
    assert len(bars) == 20 and widths == sorted(widths, reverse=True) and widths[0] > widths[-1]
    assert all(0 <= width <= whole for width, whole, _ in bars)
    assert all(f"distance {d:.3f}" in label for d, (_, _, label) in zip(
        library.distances(30)[library.neighbours(30)], bars, strict=True))  # fmt: skip
    assert not any(character.isdigit() for text in shelf.texts("#neighbours .near") for character in text)
    with shelf.redraw():
        shelf.click("#by-distance")
    nearest = library.neighbours(30)[0]
    colours = coloured(shelf, library)
    first = next(colour for colour, tracks in colours.items() if nearest in tracks)
    assert 30 in colours[first] and len(colours) > COUNT // 3  # the whole range is used
    end = shelf.run("return getComputedStyle(document.querySelector('#legend .bar')).backgroundImage")
    assert f"rgb({', '.join(map(str, first))})" in end
    assert listed(shelf, "#neighbours") == library.neighbours(30)
