"""The page in a real Chromium: what plays is what everything on it tells of, and filters bind all of it."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from library import KINDS, WITHOUT, assert_current, neighbours_shown
from pages import (
    click_track,
    coloured,
    follow_link,
    lasso_around,
    legend,
    legend_entry,
    listed,
    sound,
    wait_sounding,
)
from selenium.webdriver.common.keys import Keys

pytestmark = pytest.mark.slow


def test_however_a_track_becomes_the_current_one_everything_tells_of_it(shelf, library):
    click_track(shelf, library, 30)
    assert_current(shelf, library, 30)
    near = [track for track in library.neighbours(30) if track != WITHOUT]
    shelf.keys(Keys.ARROW_RIGHT)
    assert_current(shelf, library, near[0])
    shelf.click("#next")
    assert_current(shelf, library, near[1])
    shelf.run("document.getElementById('audio').currentTime = 0")  # after three seconds it would begin again
    shelf.click("#previous")
    assert_current(shelf, library, near[0])
    shelf.driver.back()
    assert_current(shelf, library, near[1])
    shelf.driver.back()
    assert_current(shelf, library, near[0])
    shelf.driver.back()
    assert_current(shelf, library, 30)
    shelf.driver.forward()
    assert_current(shelf, library, near[0])
    follow_link(shelf, f"track={quote(library.names[50])}")
    assert_current(shelf, library, 50)
    third = neighbours_shown(shelf)[2]
    shelf.click("#neighbours li:nth-child(3) .plain")
    assert_current(shelf, library, third)
    shelf.keys(Keys.ARROW_LEFT)  # before it came what was more alike
    assert_current(shelf, library, library.neighbours(50)[1])


def test_at_the_end_of_a_track_the_next_is_the_current_one(shelf, library):
    click_track(shelf, library, 5)
    wait_sounding(shelf)
    shelf.click("#walk")
    shelf.run("document.getElementById('position').focus()")
    shelf.keys(Keys.END)
    second = next(track for track in library.neighbours(5) if track != WITHOUT)
    assert_current(shelf, library, second)
    assert shelf.find("#walk").get_attribute("aria-pressed") == "true"  # the answer is still to come
    wait_sounding(shelf)
    shelf.wait("return document.querySelector('#told').textContent === arguments[0]",
        f"Playing {library.titles()[second]}")  # fmt: skip
    shelf.driver.back()
    assert_current(shelf, library, 5)


def test_filters_bind_rings_arrows_queue_legend_and_neighbours(shelf, library):
    jazz = [track for track, kind in enumerate(KINDS) if kind == "jazz"]
    click_track(shelf, library, 2)  # of another kind, which is hidden then
    shelf.click("#filters summary")
    shelf.choose_text("#filter-column", "genre")
    shelf.driver.find_element("xpath", "//*[@id='filter-values']//label[span='jazz']").click()
    shelf.wait_drawn(len(jazz))
    shelf.keys(Keys.ESCAPE)
    assert_current(shelf, library, 2, jazz)
    counts = {label: count for label, (_, count) in legend(shelf).items()}
    assert counts["jazz"] == len(jazz) and sum(counts.values()) == len(jazz)
    nearest = neighbours_shown(shelf)[0]
    assert shelf.find("#next").is_enabled()
    shelf.keys(Keys.ARROW_RIGHT)
    assert_current(shelf, library, nearest, jazz)
    heard = [nearest]
    while shelf.find("#next").is_enabled():
        shelf.keys(Keys.ARROW_RIGHT)
        heard.append(shelf.run("return page.state.track"))
    assert set(heard) <= set(jazz) and len(heard) > 10
    click_track(shelf, library, jazz[0])
    assert_current(shelf, library, jazz[0], jazz)


def test_arrows_pass_over_what_a_legend_hides_and_a_list_is_only_what_is_shown(shelf, library):
    shelf.keys("/", "title 1")
    shelf.wait("return !document.getElementById('list').hidden")
    found = listed(shelf)
    shelf.keys(Keys.ENTER)
    shelf.wait_text("#track-title", library.titles()[found[0]])
    shelf.run("document.activeElement.blur()")
    rock = [track for track in found if KINDS[track] == "rock"]
    with shelf.redraw():
        shelf.click(legend_entry(shelf, "rock"))
    left = [track for track in found if track not in rock]
    assert rock and left and listed(shelf) == left
    assert shelf.text("#list-title") == f"{len(left)} tracks with “title 1”"
    shelf.keys(Keys.ARROW_RIGHT)
    shelf.wait_text("#track-title", library.titles()[left[0]])
    assert set().union(*coloured(shelf, library).values()) == set(left)
    with shelf.redraw():
        shelf.keys(Keys.ESCAPE)
    assert listed(shelf) == found


def test_back_keeps_a_lists_tracks_and_a_link_closes_it(page, collection):
    page.keys("l")
    inside = lasso_around(page, collection, 3, 2)
    page.wait("return !document.getElementById('list').hidden")
    for track in (inside[3], inside[1]):
        page.click(f"#list li[data-track='{track}'] .plain")
        page.wait_text("#track-title", collection.titles()[track])
    page.driver.back()
    page.wait_text("#track-title", collection.titles()[inside[3]])
    assert listed(page) == inside
    page.keys(Keys.ARROW_RIGHT)
    page.wait_text("#track-title", collection.titles()[inside[4]])
    follow_link(page, f"track={quote(collection.names[30])}")
    page.wait_text("#track-title", collection.titles()[30])
    assert not page.find("#list").is_displayed()
    assert sound(page)
