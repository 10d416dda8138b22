"""The page in a real Chromium: what is written on the map."""

from __future__ import annotations

import numpy as np
import pytest
from browser import Browser
from library import KINDS
from pages import Made, draw_vectors, legend_entry, make_page, open_page, pixels, write_layout
from selenium.webdriver.common.keys import Keys

pytestmark = pytest.mark.slow

HOSTILE = ["<img src=x onerror=hacked=1>", "</text><script>hacked=1</script>", "__proto__", "שיר \u202e gnp", "& \"'"]


@pytest.fixture(scope="module")
def crowded(tmp_path_factory) -> Made:
    """40 kinds that lie side by side: not every name has room."""
    root = tmp_path_factory.mktemp("crowded")
    kinds = [f"a rather long name {kind:02}" for kind in range(40 - len(HOSTILE))] + HOSTILE
    values = [kind for kind in kinds for _ in range(15)]
    draws = np.random.default_rng(0)
    places = np.array([divmod(kind, 8) for kind in range(40) for _ in range(15)]) + draws.normal(0, 0.1, (600, 2))
    names = [f"{track}.wav" for track in range(600)]
    flags = ["--layout", str(write_layout(root / "places.csv", names, places)), "--audio", "none"]
    return make_page(root, names, draw_vectors(values), {"kind": values}, *flags)


def written(browser: Browser) -> dict[str, list[list[float]]]:
    """Return value -> boxes of its names in the window: left, top, right, bottom."""
    found: dict[str, list[list[float]]] = {}
    for text, box in browser.run("""return [...document.querySelectorAll('#names .name')].map((each) => {
            const {left, top, right, bottom} = each.getBoundingClientRect();
            return [each.textContent, [left, top, right, bottom]]; })"""):
        found.setdefault(text, []).append(box)
    return found


def is_name(text: str, value: str) -> bool:
    """Whether a value is written so; a long one is cut off."""
    return text == value or (text.endswith("…") and value.startswith(text[:-1]))


def assert_written_well(browser: Browser, made: Made, values: list[str]) -> None:
    """Each name stands at a track of its value; none lies on another, on legend, heading, tools, or beside the map."""
    names = [(text, np.array(box)) for text, boxes in written(browser).items() for box in boxes]
    others = browser.run("""return [...document.querySelectorAll('#legend, #head .controls, #head h1, #tools')].map(
        (each) => { const {left, top, right, bottom} = each.getBoundingClientRect();
        return [left, top, right, bottom]; })""")
    stage = browser.run("""const {left, top, right, bottom} = document.getElementById('stage').getBoundingClientRect();
        return [left, top, right, bottom]""")
    places = pixels(browser, made)
    for place, (text, box) in enumerate(names):
        own = places[[track for track, value in enumerate(values) if is_name(text, value)]]
        assert (np.abs(own - (box[:2] + box[2:]) / 2) <= (box[2:] - box[:2]) / 2 + [4, 24]).all(axis=1).any(), text
        for other in [*others, *(each for _, each in names[place + 1 :])]:
            assert box[0] >= other[2] or other[0] >= box[2] or box[1] >= other[3] or other[1] >= box[3], text
        assert (box[:2] >= np.array(stage[:2]) - 3).all() and (box[2:] <= np.array(stage[2:]) + 3).all()


def test_names_lie_on_tracks_of_their_value_and_one_that_is_hidden_has_none(shelf, library):
    shelf.wait("return document.querySelectorAll('#names .name').length >= 3")
    assert set(written(shelf)) == {"rock", "jazz", "folk"}
    assert_written_well(shelf, library, KINDS)
    shelf.click(legend_entry(shelf, "jazz"))
    shelf.wait("return ![...document.querySelectorAll('#names .name')].some((each) => each.textContent === 'jazz')")
    assert set(written(shelf)) <= {"rock", "folk"}
    shelf.click(legend_entry(shelf, "jazz"))
    shelf.wait("return document.querySelectorAll('#names .name').length >= 3")


def test_more_names_come_as_one_looks_closer_and_hostile_ones_are_only_names(browser, crowded):
    open_page(browser, crowded)
    values = crowded.table["kind"]
    browser.wait("return document.querySelectorAll('#names .name').length > 5")
    assert_written_well(browser, crowded, values)
    whole = sum(map(len, written(browser).values()))
    for _ in range(3):
        browser.keys("+")
    browser.wait("return location.hash.includes('view')")
    inside = browser.run("""const [left, right, bottom, top] = map.seen(), {x, y} = map.drawn();
        return Array.from(x, (_, i) => x[i] > left && x[i] < right && y[i] > bottom && y[i] < top)""")
    seen = {value for value, there in zip(values, inside, strict=True) if there}
    browser.wait("return document.querySelectorAll('#names .name').length > 1")
    assert_written_well(browser, crowded, values)
    assert len(written(browser)) / len(seen) > whole / 40
    browser.keys("0")
    browser.click("#filters summary")
    for value in HOSTILE:
        place = browser.texts("#filter-values label > span").index(value)
        browser.click(f"#filter-values label:nth-child({place + 1}) input")
    browser.keys(Keys.ESCAPE)
    browser.wait_drawn(15 * len(HOSTILE))
    browser.wait("return document.querySelectorAll('#names .name').length === arguments[0]", len(HOSTILE))
    for text in written(browser):
        assert any(is_name(text, value) for value in HOSTILE)
    assert_written_well(browser, crowded, values)
    assert browser.run("return document.querySelectorAll('img, #names *:not(text)').length") == 0
    legend, head = browser.find("#legend").rect, browser.find("#head").rect
    assert legend["y"] >= head["y"] + head["height"]  # however many chips there are
