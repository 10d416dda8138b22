"""The legend in a real Chromium, alone: what it says of columns, and what clicks, drags and keys on it ask for."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from browser import WITHOUT_WEBGL, Browser, chromium, file_address
from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys

from utils import ROOT

pytestmark = pytest.mark.slow

VIEWER = ROOT / "static_web_viewer" / "viewer"
SCRIPTS = [*(VIEWER / f"{name}.js" for name in ("colours", "histogram", "legend")), ROOT / "tests" / "legend_page.js"]
POLICY = "default-src 'none'; script-src 'self' file:; style-src 'self' file:"
HOSTILE = '<img src=x onerror="window.hacked=1">'


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    folder = tmp_path_factory.mktemp("legend")
    scripts = "".join(f'<script src="{file_address(path)}"></script>' for path in SCRIPTS)
    (folder / "page.html").write_text(
        f'<!doctype html><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f'<title>x</title><link rel="stylesheet" href="{file_address(VIEWER / "style.css")}">'
        f'<section id="legend" aria-label="Colours"></section>{scripts}'
    )
    with chromium(WITHOUT_WEBGL, folder) as browser:
        browser.show()
        browser.open(file_address(folder / "page.html"), folder, VIEWER, ROOT / "tests")
        yield browser


@pytest.fixture
def page(started: Browser) -> Iterator[Browser]:
    """The legend of three genres: 15 rock, 12 jazz, 8 folk, and 5 tracks without."""
    started.run("""
        const sizes = {rock: 15, jazz: 12, folk: 8, '': 5};
        show({column: columnOf('genre', Object.entries(sizes).flatMap(([genre, size]) => Array(size).fill(genre)))});
        told.length = 0""")
    yield started
    started.check()


def rows(browser: Browser) -> list[tuple[str, str]]:
    """Return name and count of each row."""
    return [*zip(browser.texts("#legend li span"), browser.texts("#legend li small"), strict=True)]


def row(label: str) -> str:
    """Return a selector of the row of a value."""
    return f'#legend li button[title^="{label}\\a "]'


def told(browser: Browser) -> list[list]:
    """Return what the legend has asked for since the last call."""
    return browser.run("return told.splice(0)")


def hidden(browser: Browser) -> set[str]:
    return set(browser.run("return [...state.hidden]"))


def focused(browser: Browser) -> str:
    return browser.run("return document.activeElement.querySelector('span')?.textContent")


def shares(browser: Browser) -> list[float]:
    """Return the width of each row's bar in percent."""
    return browser.run("return [...document.querySelectorAll('#legend b')].map((bar) => parseFloat(bar.style.width))")


def values_of_300(browser: Browser) -> None:
    """Show a column of 300 values: 000 for 301 tracks, 001 for 300, and so on."""
    browser.run("""
        const texts = Array.from({length: 300}, (_, i) => Array(301 - i).fill('Lábel ' + String(i).padStart(3, '0')));
        show({column: columnOf('label', texts.flat())});
        told.length = 0""")


def numbers(browser: Browser) -> None:
    """Show numbers from 0 to 100, one track each; two have none."""
    browser.run("""
        const numbers = [...Array(101).keys(), NaN, NaN];
        show({column: columnOf('energy', numbers.map(String), numbers)});
        told.length = 0""")


# Categories


def test_each_group_has_a_row_with_its_colour_its_count_and_its_share(page):
    assert page.text("#legend h2") == "genre"
    assert rows(page) == [("rock", "15"), ("jazz", "12"), ("folk", "8"), ("no value", "5")]
    colours = page.run("return state.colouring.groups.map((group) => group.colour)")
    dots = page.run("return [...document.querySelectorAll('#legend li i')].map((dot) => dot.style.background)")
    assert [[int(part) for part in re.findall(r"\d+", dot)] for dot in dots] == [
        [int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in colours
    ]
    assert shares(page) == pytest.approx([100, 80, 53.33, 33.33], abs=0.01)
    assert not page.find("#legend input").is_displayed() and not page.find("#legend .brush").is_displayed()


def test_an_open_list_is_counted_beside_all(page):
    page.run("change({marked: Uint8Array.from({length: 40}, (_, i) => i >= 13 && i < 21)})")
    assert rows(page) == [("rock", "2 of 15"), ("jazz", "6 of 12"), ("folk", "0 of 8"), ("no value", "0 of 5")]
    assert shares(page) == pytest.approx([33.33, 100, 0, 0], abs=0.01)


def test_counts_are_those_that_the_filters_leave(page):
    page.run("""
        const {colouring, column} = state, some = Uint8Array.from({length: 40}, (_, i) => i < 20);
        const nothing = {marked: null, hidden: new Set(), range: null};
        legend.render({colouring, column, title: 'genre', shown: some, filtered: some, ...nothing})""")
    assert rows(page) == [("rock", "15"), ("jazz", "5"), ("folk", "0"), ("no value", "0")]


def test_a_click_hides_and_a_second_shows(page):
    page.click(row("jazz"))
    assert told(page) == [["toggle", "=jazz"]]
    assert page.find(row("jazz")).get_attribute("aria-pressed") == "false"
    assert shares(page)[1] == 0 and rows(page)[1] == ("jazz", "12")
    page.click(row("folk"))  # of another row, so no double click
    page.click(row("jazz"))
    assert hidden(page) == {"=folk"} and page.find(row("jazz")).get_attribute("aria-pressed") == "true"


def test_a_double_click_leaves_one_and_a_second_brings_all_back(page):
    page.double_click(row("jazz"))
    assert hidden(page) == {"=rock", "=folk", "none"}
    page.click(row("folk"))  # what a double click did is changed by single ones
    assert hidden(page) == {"=rock", "none"}
    page.double_click(row("jazz"))
    assert hidden(page) == {"=rock", "=folk", "none"}
    page.click("#legend h2 button")  # somewhere else, so that the next click is a first one
    page.click("#legend h2 button")
    page.double_click(row("jazz"))
    assert hidden(page) == set() and told(page)[-1] == ["all"]


def test_with_shift_a_click_does_what_a_double_click_does(page):
    def click(label: str) -> None:
        chain = ActionChains(page.driver, duration=0).key_down(Keys.SHIFT)
        chain.click(page.find(row(label))).key_up(Keys.SHIFT).perform()

    click("folk")
    assert hidden(page) == {"=rock", "=jazz", "none"}
    click("rock")
    assert hidden(page) == {"=jazz", "=folk", "none"}
    page.run("document.activeElement.blur()")
    click("rock")
    assert hidden(page) == set()


def test_show_all_is_there_where_something_is_hidden_and_moves_nothing(page):
    before = page.find(row("rock")).rect
    assert not page.find("#legend header > button").is_displayed()
    page.click(row("rock"))
    assert page.find(row("rock")).rect == before
    page.click("#legend header > button")
    assert hidden(page) == set() and told(page)[-1] == ["all"]


def test_by_keyboard_the_focus_stays_on_the_row(page):
    page.run("arguments[0].focus()", page.find(row("jazz")))
    page.keys(Keys.SPACE)
    assert hidden(page) == {"=jazz"} and focused(page) == "jazz"
    page.keys(Keys.ENTER)
    assert hidden(page) == set() and focused(page) == "jazz"
    page.keys(Keys.TAB, Keys.SPACE)
    assert hidden(page) == {"=folk"} and focused(page) == "folk"


def test_the_rows_of_another_column_replace_those_of_the_one_before(page):
    page.click(row("jazz"))
    page.run("show({column: columnOf('mood', ['calm', 'calm', 'jazz'])})")
    assert rows(page) == [("calm", "2"), ("jazz", "1")] and page.text("#legend h2") == "mood"
    assert page.find(row("jazz")).get_attribute("aria-pressed") == "true"


def test_the_legend_folds_to_its_heading(page):
    page.click("#legend h2 button")
    assert page.find("#legend h2 button").get_attribute("aria-expanded") == "false"
    assert page.find("#legend").get_attribute("class").split().count("folded") == 1 and told(page) == [["fold"]]
    page.click("#legend h2 button")
    assert page.find("#legend h2 button").get_attribute("aria-expanded") == "true"


def test_hostile_names_are_text(page):
    page.run("show({column: columnOf(arguments[0], [arguments[0], 'a\\nb'])})", HOSTILE)
    assert {name for name, _ in rows(page)} == {HOSTILE, "a\nb"} and page.text("#legend h2") == HOSTILE
    values_of_300(page)
    page.run("show({column: columnOf('label', [...Array(30).keys()].map((i) => i + arguments[0]))})", HOSTILE)
    page.find("#legend input").send_keys("29<img")
    assert rows(page) == [(f"29{HOSTILE}", "1")]
    page.click("#legend li button")
    assert page.run("return state.promoted") == [f"29{HOSTILE}"]


# More values than colours


def test_a_value_without_a_colour_is_found_and_given_one(page):
    values_of_300(page)
    assert len(rows(page)) == 20 and rows(page)[-1][0] == "other (281)"
    assert page.find("#legend input").get_attribute("placeholder") == "Find one of 300 values"
    page.find("#legend input").send_keys("label 25")
    assert rows(page) == [(f"Lábel 25{i}", str(51 - i)) for i in range(10)]
    assert page.find(row("Lábel 257")).get_attribute("aria-pressed") is None
    page.click(row("Lábel 257"))
    assert told(page) == [["promote", "Lábel 257"]]
    assert rows(page)[0] == ("Lábel 257", "44") and page.find(row("Lábel 257")).get_attribute("aria-pressed") == "true"
    page.run("arguments[0].focus()", page.find(row("Lábel 259")))
    page.keys(Keys.ENTER)  # by keyboard too: the focus goes with the row
    assert focused(page) == "Lábel 259" and page.run("return state.promoted") == ["Lábel 257", "Lábel 259"]
    page.find("#legend input").send_keys(Keys.ESCAPE)
    assert page.find("#legend input").get_attribute("value") == ""
    names = [name for name, _ in rows(page)]
    assert len(names) == 20 and {"Lábel 257", "Lábel 259", "Lábel 000"} < set(names) and "Lábel 018" not in names


def test_a_double_click_on_a_value_without_a_colour_only_gives_it_one(page):
    values_of_300(page)
    page.find("#legend input").send_keys("25")
    page.double_click(row("Lábel 259"))
    assert told(page) == [["promote", "Lábel 259"]] and hidden(page) == set()


def test_enter_takes_the_first_and_long_answers_are_cut(page):
    values_of_300(page)
    page.find("#legend input").send_keys("label")
    assert len(rows(page)) == 19 + 30  # those that have a colour come first
    assert page.text("#legend .note") == "and 251 more"
    page.find("#legend input").send_keys(" 2", Keys.ENTER)
    assert told(page) == [["promote", "Lábel 200"]]
    page.find("#legend input").send_keys("xyz")
    assert rows(page) == [] and page.text("#legend .note") == "No value has this in it."
    page.run("show({column: columnOf('genre', ['rock'])})")
    assert rows(page) == [("rock", "1")] and not page.find("#legend .note").is_displayed()


def test_what_is_scrolled_stays_so(page):
    values_of_300(page)
    page.run("document.querySelector('#legend ul').style.cssText = 'height: 100px; overflow: auto'")
    page.run("document.querySelector('#legend ul').scrollTop = 120")
    page.run("change({hidden: new Set(['=Lábel 003'])})")
    assert page.run("return document.querySelector('#legend ul').scrollTop") == 120
    page.run("document.querySelector('#legend ul').removeAttribute('style')")


# Scales


def brush(browser: Browser, *shares_: float) -> None:
    """Drag over the histogram, from one share of its width to the next; a single one is clicked."""
    box = browser.find("#legend svg").rect
    points = [(box["x"] + share * box["width"], box["y"] + box["height"] / 2) for share in shares_]
    browser.mouse(*points, drag=len(points) > 1)


def height(browser: Browser, css: str) -> list[float]:
    """Return the height of each bar of a path."""
    return browser.run(
        "return [...document.querySelector(arguments[0]).getAttribute('d').matchAll(/v-([\\d.]+)/g)].map((m) => +m[1])",
        css,
    )


def test_numbers_have_a_histogram_with_its_ends(page):
    numbers(page)
    assert page.texts("#legend .ends span") == ["1", "", "99"]
    assert not page.find("#legend ul").is_displayed() and page.find("#legend .none").text.split() == [
        "no",
        "value",
        "2",
    ]
    drawn = height(page, "#legend .faint")
    assert len(drawn) == 40 and drawn == height(page, "#legend .faint + path")
    assert drawn[0] == drawn[-1] == max(drawn) == 100  # what lies beyond an end is counted there


def test_the_selection_stands_in_the_histogram_of_all(page):
    numbers(page)
    page.run("change({marked: Uint8Array.from({length: 103}, (_, i) => i > 40 && i < 44)})")
    assert len(height(page, "#legend .faint")) == 40
    assert 1 <= len(height(page, "#legend .faint + path")) <= 3


def test_a_drag_over_the_histogram_filters_and_a_click_clears(page):
    numbers(page)
    brush(page, 0.25, 0.4, 0.75)
    page.wait("return state.range && state.range.high > 70")
    low, high = page.run("return [state.range.low, state.range.high]")
    assert (low, high) == (pytest.approx(1 + 0.25 * 98, abs=1), pytest.approx(1 + 0.75 * 98, abs=1))
    assert page.text("#legend .ends span:nth-child(2)") == f"{low:.0f} to {high:.0f}"
    assert len(height(page, "#legend .faint")) == 40 and 18 < len(height(page, "#legend .faint + path")) < 23
    brush(page, 0.9, 0.75)  # from right to left, and a new one
    page.wait("return state.range.low > 70")
    brush(page, 0.5)
    page.wait("return state.range === null")
    assert not page.find("#legend header > button").is_displayed()


def test_a_drag_to_the_end_takes_in_what_lies_beyond_the_scale(page):
    numbers(page)
    brush(page, 0.5, 0.7, 1.1)
    page.wait("return state.range && state.range.high === 100")
    page.click("#legend header > button")
    assert page.run("return state.range") is None
    brush(page, 0.5, 0.3, -0.01)
    page.wait("return state.range && state.range.low === 0")


def test_the_handles_have_the_keyboard(page):
    numbers(page)
    low, high = page.find_all("#legend input[type=range]")
    assert [each.accessible_name for each in (low, high)] == ["energy, from", "energy, to"]
    low.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    page.wait("return state.range && state.range.low > 1.9")
    assert page.run("return [state.range.low, state.range.high]") == [pytest.approx(1.98), 100]
    assert low.get_attribute("aria-valuetext") == "2"
    high.send_keys(Keys.HOME)  # not past the other
    page.wait("return state.range.high < 3")
    assert page.run("return state.range.high > state.range.low")
    high.send_keys(Keys.END)
    low.send_keys(Keys.HOME)
    page.wait("return state.range === null")


def test_dates_are_written_as_dates(page):
    page.run("""
        const days = [...Array(100).keys()].map((i) => 19000 + i);
        show({column: columnOf('recorded', days.map(String), days, true)})""")
    assert page.texts("#legend .ends span") == ["2022-01-09", "", "2022-04-16"]
    page.run("change({range: {low: 19010, high: 19020}})")
    assert page.text("#legend .ends span:nth-child(2)") == "2022-01-18 to 2022-01-28"


def test_distances_say_which_end_is_near_and_are_no_filter(page):
    page.run("show({distances: Float32Array.from({length: 200}, (_, i) => i / 100), track: 0}); told.length = 0")
    assert page.texts("#legend .ends span") == ["0.01 near", "", "1.97 far"]
    assert page.text("#legend h2") == "Distance to a track"
    assert not any(handle.is_displayed() for handle in page.find_all("#legend input"))
    brush(page, 0.2, 0.5, 0.8)
    assert page.run("return new Promise((resolve) => setTimeout(() => resolve(told.length), 100))") == 0


def test_a_column_of_one_number_has_a_legend(page):
    page.run("show({column: columnOf('tempo', ['7', '7'], [7, 7])})")
    assert page.texts("#legend .ends span") == ["7", "", "7"]
    brush(page, 0.2, 0.5, 0.8)
