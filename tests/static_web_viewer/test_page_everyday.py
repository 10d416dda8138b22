"""The page in a real Chromium: small things of every day, which would annoy if they were otherwise."""

from __future__ import annotations

import pytest
from library import COUNT, KINDS, ground
from pages import click_track, coloured, legend_entry, listed, pixels, view
from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys

pytestmark = pytest.mark.slow


def test_a_click_in_a_list_keeps_the_list_and_where_it_was_scrolled_to(shelf, library):
    shelf.keys("/", "søn", Keys.TAB)
    shelf.wait("return !document.getElementById('list').hidden")
    found = listed(shelf)
    assert len(found) == COUNT
    shelf.run("document.querySelector('#list ol').scrollTop = 700")
    below = """return document.querySelector(arguments[0]).getBoundingClientRect().y
        - document.querySelector('#list ol').getBoundingClientRect().y"""
    visible = shelf.run("""const list = document.querySelector('#list ol');
        const {top, bottom} = list.getBoundingClientRect();
        return [...list.children].filter((row) => row.getBoundingClientRect().top > top + 4
            && row.getBoundingClientRect().bottom < bottom - 4).map((row) => +row.dataset.track)""")
    for track in visible[:2]:
        row = f"#list li[data-track='{track}'] .plain"
        before = shelf.run(below, row)
        shelf.click(row)
        shelf.wait_text("#track-title", library.titles()[track])
        assert listed(shelf) == found
        assert shelf.run("return document.querySelector('#list ol').scrollTop") == 700
        assert shelf.run(below, row) == pytest.approx(before, abs=1)
    colour = shelf.run("return document.querySelector('#list li i').style.background")
    shelf.choose_text("#colour", "place")
    shelf.wait("return document.querySelector('#list li i').style.background !== arguments[0]", colour)
    assert shelf.run("return document.querySelector('#list ol').scrollTop") == 700


def test_columns_beyond_six_are_folded(shelf, library):
    click_track(shelf, library, 20)
    first = shelf.texts("#track-columns dt")
    assert len(first) == 6 and first[:4] == ["genre", "plays", "added", "place"]
    assert not shelf.find("#track-more dt").is_displayed()
    rest = shelf.texts("#track-more dt")
    assert shelf.text("#track-more summary") == f"{len(rest)} more columns" and "cluster" in rest
    shelf.click("#track-more summary")
    assert shelf.find("#track-more dt").is_displayed()
    shelf.keys(Keys.ARROW_RIGHT)
    shelf.wait_text("#track-title", library.titles()[library.neighbours(20)[0]])
    assert shelf.find("#track-more dt").is_displayed()  # who has opened it wants to see it


def test_a_click_on_empty_ground_deselects_and_a_double_one_shows_the_whole_map(shelf, library):
    whole = view(shelf)
    click_track(shelf, library, 20)
    shelf.keys("+")
    shelf.wait("return location.hash.includes('view')")
    place = ground(shelf)
    ActionChains(shelf.driver, duration=0).move_by_offset(*map(round, place)).double_click().perform()
    shelf.wait("return !location.hash.includes('view')")
    assert view(shelf) == pytest.approx(whole)
    assert shelf.text("#track-title") == library.titles()[20] and shelf.find("#track").is_displayed()
    shelf.mouse(ground(shelf))
    shelf.wait("return document.getElementById('track').hidden")
    assert shelf.find_all("#overlay .selected, #overlay .neighbour") == []
    assert shelf.run(
        "const audio = document.getElementById('audio'); return audio.paused && !audio.hasAttribute('src')"
    )
    assert "track" not in shelf.run("return location.hash")
    shelf.driver.back()
    shelf.wait_text("#track-title", library.titles()[20])
    shelf.wait("return !document.getElementById('track').hidden")


def test_a_click_on_empty_ground_leaves_a_list_to_the_next_one(shelf, library):
    shelf.keys("/", "title 3")
    shelf.wait("return !document.getElementById('list').hidden")
    click_track(shelf, library, 12)
    shelf.mouse(ground(shelf))
    shelf.wait("return document.getElementById('track').hidden")
    assert shelf.find("#list").is_displayed()
    shelf.mouse(ground(shelf))
    shelf.wait("return document.getElementById('list').hidden")


def test_a_second_double_click_in_the_legend_and_esc_bring_all_back(shelf, library):
    folk = legend_entry(shelf, "folk")
    for _ in range(2):
        shelf.double_click(folk)
        shelf.wait_drawn(KINDS.count("folk"))
        shelf.double_click(folk)
        shelf.wait_drawn(COUNT)
    shelf.double_click(folk)
    shelf.wait_drawn(KINDS.count("folk"))
    click_track(shelf, library, 50)
    shelf.keys(Keys.ESCAPE)
    shelf.wait_drawn(COUNT)
    assert shelf.find("#track").is_displayed()  # Esc does one thing at a time


def test_enter_in_the_search_takes_the_first_hit(shelf, library):
    shelf.keys("/", "folk/", Keys.ENTER)  # quicker than the search itself
    shelf.wait("return !document.getElementById('track').hidden")
    found = [track for track, kind in enumerate(KINDS) if kind == "folk"]
    assert listed(shelf) == found
    assert shelf.text("#track-title") == library.titles()[found[0]]
    assert set().union(*coloured(shelf, library).values()) == set(found)
    shelf.keys(Keys.ESCAPE)
    shelf.keys("/", "nothing like this", Keys.ENTER)
    shelf.wait_text("#list-title", "0 tracks with “nothing like this”")
    assert shelf.text("#track-title") == library.titles()[found[0]]


def wheel(browser, times: int, delta: int) -> None:
    box = browser.find("#map").rect
    at = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    for _ in range(times):
        browser.command("Input.dispatchMouseEvent", type="mouseWheel", deltaX=0, deltaY=delta, **at)


def test_zoom_is_bounded_and_the_map_cannot_be_dragged_away(shelf, library):
    whole = view(shelf)
    wheel(shelf, 30, 240)
    shelf.wait("return location.hash.includes('view')")
    farthest = view(shelf)
    assert 1.2 < (farthest[1] - farthest[0]) / (whole[1] - whole[0]) < 2.5
    wheel(shelf, 40, -240)
    shelf.wait("return map.seen()[1] - map.seen()[0] < arguments[0]", (whole[1] - whole[0]) / 20)
    closest = view(shelf)
    wheel(shelf, 5, -240)
    assert view(shelf) == closest and closest[1] - closest[0] > 0
    for key in ("0", "-"):
        for way in (1, -1):
            shelf.keys("0")
            shelf.keys(key)
            box = shelf.find("#map").rect
            middle = (box["x"] + box["width"] / 2 + 60, box["y"] + box["height"] / 2 + 40)
            for _ in range(3):
                shelf.mouse(middle, (middle[0] + 270 * way, middle[1] + 270 * way), drag=True)
            seen = shelf.run(
                "return arguments[0].filter(([x, y]) => document.elementFromPoint(x, y)?.closest('#map'))",
                pixels(shelf, library).tolist(),
            )
            assert len(seen) < COUNT and seen, (key, way)
