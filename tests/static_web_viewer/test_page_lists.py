"""The page in a real Chromium: searched, filtered, drawn around, saved."""

from __future__ import annotations

import csv
import io
import os

import numpy as np
import pytest
from pages import (
    GENRES,
    SILENT,
    TRACKS,
    click_track,
    coloured,
    entries,
    folded,
    lasso_around,
    listed,
    path_of,
    pixels,
    sound,
    view,
    wait_sounding,
)
from selenium.webdriver.common.keys import Keys

pytestmark = pytest.mark.slow


def test_a_search_finds_every_word_in_names_and_columns(page, collection):
    column = "const {values, codes} = tracks.column('cluster');"
    clusters = page.run(f"{column} return Array.from(codes, (code) => values[code])")
    fields = [*zip(collection.names, *collection.table.values(), clusters, strict=True)]
    for text in ("angstrom 1", "SØNG jazz", "cluster  2", "nothing has this", "mood 07 b/"):
        wanted = [
            track
            for track, row in enumerate(fields)
            if all(any(word in folded(field) for field in row) for word in folded(text).split())
        ]
        page.keys("/", text)
        count = "1 track" if len(wanted) == 1 else f"{len(wanted)} tracks"
        page.wait_text("#list-title", f"{count} with “{text}”")
        assert listed(page) == wanted
        page.wait("return map.drawn().packed.some((colour) => colour >>> 24 < 80)")
        assert set().union(*coloured(page, collection).values()) == set(wanted)
        assert set().union(*coloured(page, collection, faint=True).values()) == {*range(TRACKS)} - {*wanted}
        assert page.drawn() == TRACKS
        assert page.find("#list-m3u8").is_enabled() == bool(wanted)
        with page.redraw():
            page.keys(Keys.ESCAPE)
        assert not page.find("#list").is_displayed() and page.find("#search").get_attribute("value") == ""
        assert coloured(page, collection, faint=True) == {}


def test_a_list_plays_one_track_after_the_other(page, collection):
    page.keys("/", "jazz", Keys.TAB)
    page.wait("return !document.getElementById('list').hidden")
    first, *others = listed(page)
    page.click("#list-play")
    wait_sounding(page)
    assert sound(page) == path_of(collection, first)
    page.click("#next")
    second = min(others, key=lambda track: collection.distances(first)[track])
    page.wait_text("#track-title", collection.titles()[second])
    assert sound(page) == path_of(collection, second)


def test_a_filter_by_values_shows_those_alone_until_it_is_removed(page, collection):
    page.click("#filters summary")
    page.choose_text("#filter-column", "genre")
    boxes = {label.text.split("\n")[0].split(" ")[0]: label for label in page.find_all("#filter-values label")}
    boxes["jazz"].click()
    page.wait_drawn(12)
    boxes["no"].click()
    page.wait_drawn(17)
    assert set().union(*coloured(page, collection).values()) == {
        i for i, genre in enumerate(GENRES) if genre in ("jazz", "")
    }
    assert page.texts("#chips .chip") == ["genre: jazz, no value \N{MULTIPLICATION SIGN}"]
    page.choose_text("#filter-column", "folder")  # a second column: both hold
    page.driver.find_element("xpath", "//*[@id='filter-values']//label[span='A side']").click()
    page.wait_drawn(sum(genre in ("jazz", "") and track % 2 == 0 for track, genre in enumerate(GENRES)))
    page.keys(Keys.ESCAPE)
    assert page.find("#filters").get_attribute("open") is None
    page.click("#chips li:first-child button")
    page.wait_drawn(TRACKS // 2)
    page.click("#chips button")
    page.wait_drawn(TRACKS)
    assert page.find_all("#chips button") == []


def test_a_filter_by_numbers_takes_from_and_to(page, collection):
    numbers = np.array([float(value or "nan") for value in collection.table["energy"]])
    page.click("#filters summary")
    page.choose_text("#filter-column", "energy")
    low, high = page.find_all("#filter-values input")
    low.clear()
    low.send_keys("-20.5", Keys.TAB)
    page.wait_drawn(int((numbers >= -20.5).sum()))
    high.clear()
    high.send_keys("30", Keys.ENTER)
    within = (numbers >= -20.5) & (numbers <= 30)
    page.wait_drawn(int(within.sum()))
    assert 0 < within.sum() < TRACKS
    assert set().union(*coloured(page, collection).values()) == set(np.flatnonzero(within))
    assert page.texts("#chips .chip") == ["energy: -20.5 to 30 \N{MULTIPLICATION SIGN}"]


def test_bounds_that_are_the_columns_own_leave_no_number_out(page, collection):
    numbers = np.array([float(value or "nan") for value in collection.table["energy"]])
    page.click("#filters summary")
    page.choose_text("#filter-column", "energy")
    low, _ = page.find_all("#filter-values input")
    low.clear()
    low.send_keys("0", Keys.TAB)
    page.wait_drawn(int((numbers >= 0).sum()))
    low.clear()
    low.send_keys(Keys.TAB)  # an empty field is no bound
    page.wait_drawn(int(np.isfinite(numbers).sum()))


def test_a_lasso_lists_what_lies_in_it(page, collection):
    for start in ("l", "#lasso"):
        page.keys(start) if start == "l" else page.click(start)
        assert page.find("#lasso").get_attribute("aria-pressed") == "true"
        inside = lasso_around(page, collection, 3, 2)
        page.wait("return !document.getElementById('list').hidden")
        assert page.text("#list-title") == "6 tracks in the lasso"
        assert listed(page) == inside
        page.wait("return map.drawn().packed.some((colour) => colour >>> 24 < 80)")
        assert set().union(*coloured(page, collection).values()) == set(inside)
        assert page.find("#lasso").get_attribute("aria-pressed") == "false"
        click_track(page, collection, 27)  # the map is clicked again, and the list stays
        assert listed(page) == inside
        with page.redraw():
            page.click("#list-close")
        assert not page.find("#list").is_displayed()


def test_a_drag_moves_the_map_and_what_is_clicked_then_is_still_right(page, collection):
    before = view(page)
    x, y = pixels(page, collection)[12] + [14, 14]
    page.mouse((x, y), (x - 40, y + 10), (x - 90, y + 30), drag=True)
    page.wait("return location.hash.includes('view')")
    after = view(page)
    assert after[0] > before[0] and after[2] > before[2]
    click_track(page, collection, 12)
    assert sound(page) == path_of(collection, 12)


def test_a_list_is_saved_as_a_playlist_and_as_a_table(page, collection):
    page.keys("/", "folk", Keys.TAB)
    page.wait("return !document.getElementById('list').hidden")
    members = listed(page)
    assert SILENT in members
    page.click("#list-m3u8")
    playlist = page.downloaded("tracks.m3u8")
    found = entries(playlist)
    assert all(map(os.path.isfile, found))
    assert found == [path_of(collection, track) for track in members if track != SILENT]
    track = next(track for track in members if collection.table["artist"][track])
    assert f"#EXTINF:-1,{collection.table['artist'][track]} - {collection.titles()[track]}\n" in playlist.decode()
    page.click("#list-csv")
    rows = [*csv.DictReader(io.StringIO(page.downloaded("tracks.csv").decode("utf-8"), newline=""))]
    assert [row["filename"] for row in rows] == [collection.names[track] for track in members]
    for name, values in collection.table.items():
        assert [row[name] for row in rows] == [values[track] for track in members]
    np.testing.assert_allclose([[float(row["x"]), float(row["y"])] for row in rows], collection.xy[members], rtol=1e-6)
