"""The page in a real Chromium: values get a colour of their own, numbers and dates are brushed."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from library import COUNT
from pages import MOST_CATEGORIES, colour_by, coloured, legend, link_to_what_is_seen, open_page
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

pytestmark = pytest.mark.slow


def test_a_value_beyond_twenty_is_promoted_by_the_legends_search(shelf, library):
    colour_by(shelf, "place")
    entries = legend(shelf)
    assert len(entries) == MOST_CATEGORIES
    beyond = sorted(set(library.table["place"]) - set(entries))[-1]
    members = {track for track, value in enumerate(library.table["place"]) if value == beyond}
    field = shelf.find("#legend input[type=search]")
    field.click()
    shelf.keys(beyond)
    shelf.wait("return document.querySelectorAll('#legend li').length === 1")
    assert shelf.texts("#legend li span") == [beyond]
    with shelf.redraw():
        shelf.click("#legend li button")
    shelf.wait("return document.querySelector('#legend li button').hasAttribute('aria-pressed')")
    assert members in coloured(shelf, library).values()
    field.click()
    shelf.keys(Keys.ESCAPE)
    shelf.wait("return document.querySelectorAll('#legend li').length > 1")
    entries = legend(shelf)
    assert len(entries) == MOST_CATEGORIES and entries[beyond][1] == len(members)
    seen = coloured(shelf, library)
    assert seen[entries[beyond][0]] == members
    shelf.open(link_to_what_is_seen(shelf), library.folder, library.music)  # a link tells it
    assert coloured(shelf, library) == seen
    other = sorted(set(library.table["place"]) - set(legend(shelf)))[0]
    shelf.find("#legend input[type=search]").click()
    with shelf.redraw():
        shelf.keys(other, Keys.ENTER)
    shelf.keys(Keys.ESCAPE)
    assert {beyond, other} <= set(legend(shelf))


def brush(browser, low: float, high: float) -> None:
    """Draw over a part of the histogram, in shares of its width."""
    box = browser.find(".brush svg").rect
    at = [(box["x"] + share * box["width"], box["y"] + box["height"] / 2) for share in (low, (low + high) / 2, high)]
    browser.mouse(*at, drag=True)


def chosen(browser, column: str) -> list[str]:
    """Return the bounds that the only chip names."""
    (chip,) = browser.texts("#chips .chip")
    return chip.removeprefix(f"{column}: ").removesuffix(" \N{MULTIPLICATION SIGN}").split(" to ")


def numbers_of(browser, column: str) -> np.ndarray:
    name = "return Array.from(tracks.column('label:' + arguments[0]).numbers, (each) => each === each ? each : null)"
    return np.array([np.nan if number is None else number for number in browser.run(name, column)])


def test_a_part_of_a_numeric_column_is_chosen_with_the_mouse(shelf, library):
    colour_by(shelf, "plays")
    numbers = numbers_of(shelf, "plays")
    wanted = [np.nan if value == "n/a" else float(value) for value in library.table["plays"]]
    np.testing.assert_allclose(numbers, wanted)
    assert shelf.text("#legend .none small") == str(sum(np.isnan(wanted)))
    brush(shelf, 0.2, 0.6)
    shelf.wait("return document.querySelectorAll('#chips .chip').length === 1")
    shelf.wait("return Number(document.documentElement.dataset.drawn) < arguments[0]", COUNT)
    low, high = map(float, chosen(shelf, "plays"))
    scale = [float(text.replace(",", "")) for text in shelf.texts("#legend .ends span")[::2]]
    assert (low - scale[0]) / (scale[1] - scale[0]) == pytest.approx(0.2, abs=0.02)
    assert (high - scale[0]) / (scale[1] - scale[0]) == pytest.approx(0.6, abs=0.02)
    within = {int(track) for track in np.flatnonzero((numbers >= low) & (numbers <= high))}
    shelf.wait_drawn(len(within))
    assert set().union(*coloured(shelf, library).values()) == within and 3 < len(within) < COUNT - 3
    assert shelf.text("#count") == f"{len(within)} of {COUNT} tracks"
    brush(shelf, 0.5, -0.05)  # beyond the end is all that lies there
    shelf.wait("return document.querySelector('#chips .chip').textContent.startsWith('plays: 0 to')")
    box = shelf.find(".brush svg").rect
    shelf.mouse((box["x"] + 50, box["y"] + 20))  # a click is no part
    shelf.wait_drawn(COUNT)
    assert shelf.find_all("#chips .chip") == []
    first = shelf.find(".brush input")
    first.send_keys(Keys.ARROW_RIGHT * 9)
    shelf.wait("return document.querySelectorAll('#chips .chip').length === 1")
    shelf.click("#chips .chip")
    shelf.wait_drawn(COUNT)


def test_dates_are_written_as_dates_wherever_they_are(shelf, library):
    colour_by(shelf, "added")
    days = [date.fromisoformat(value) for value in library.table["added"]]
    first, _, last = shelf.texts("#legend .ends span")
    assert min(days) <= date.fromisoformat(first) < date.fromisoformat(last) <= max(days)
    brush(shelf, 0.3, 0.7)
    shelf.wait("return document.querySelectorAll('#chips .chip').length === 1")
    low, high = map(date.fromisoformat, chosen(shelf, "added"))
    count = int(shelf.text("#count").split()[0])
    assert sum(low < day < high for day in days) <= count <= sum(low <= day <= high for day in days)
    shelf.click("#filters summary")
    shelf.choose_text("#filter-column", "added")
    fields = shelf.driver.find_elements(By.CSS_SELECTOR, "#filter-values input")
    assert [field.get_attribute("type") for field in fields] == ["date", "date"]
    shelf.run("""const [from] = document.querySelectorAll('#filter-values input');
        from.value = '2015-01-01'; from.dispatchEvent(new Event('change'))""")
    shelf.wait("return document.querySelector('#chips .chip').textContent.startsWith('added: 2015-01-01 to')")
    link = link_to_what_is_seen(shelf)
    drawn = int(shelf.text("#count").split()[0])
    open_page(shelf, library)
    assert shelf.drawn() == COUNT
    shelf.open(link, library.folder, library.music)
    assert shelf.drawn() == drawn
