"""The page in a real Chromium: what the legend's entries do."""

from __future__ import annotations

import pytest
from pages import GENRES, TRACKS, coloured, legend, legend_entry
from selenium.webdriver.common.keys import Keys

pytestmark = pytest.mark.slow


def test_an_entry_of_the_legend_hides_its_points_and_a_double_click_all_others(page, collection):
    page.click(legend_entry(page, "jazz"))
    page.wait_drawn(TRACKS - 12)
    assert page.find(legend_entry(page, "jazz")).get_attribute("aria-pressed") == "false"
    assert page.text("#count") == "28 of 40 tracks"
    assert set.union(*coloured(page, collection).values()) == {i for i, genre in enumerate(GENRES) if genre != "jazz"}
    page.find(legend_entry(page, "jazz")).send_keys(" ")
    page.wait_drawn(TRACKS)
    page.keys(" ")  # the focus stays on the entry
    page.wait_drawn(TRACKS - 12)
    page.find(legend_entry(page, "jazz")).send_keys(Keys.SHIFT, Keys.ENTER)  # what a double click does
    page.wait_drawn(12)
    page.keys(" ")
    page.wait_drawn(0)
    page.double_click(legend_entry(page, "folk"))
    page.wait_drawn(8)
    assert [*coloured(page, collection).values()] == [{i for i, genre in enumerate(GENRES) if genre == "folk"}]
    page.driver.find_element("xpath", "//*[@id='legend']//button[text()='Show all']").click()
    page.wait_drawn(TRACKS)


def test_with_all_entries_off_the_map_is_empty_and_comes_back(page):
    for label in legend(page):
        page.click(legend_entry(page, label))
    page.wait_drawn(0)
    assert page.text("#count") == "0 of 40 tracks"
    page.click(legend_entry(page, "folk"))
    page.wait_drawn(8)
