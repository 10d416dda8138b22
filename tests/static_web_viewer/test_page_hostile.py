"""The page in a real Chromium: names and tables that strangers made."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator

import pytest
from browser import Browser
from conftest import tone, write_audio
from pages import (
    Made,
    assert_fits,
    colour_by,
    coloured,
    draw_vectors,
    entries,
    grid,
    legend,
    legend_entry,
    link_to_what_is_seen,
    listed,
    make_page,
    open_page,
    path_of,
    pixels,
    sound,
    wait_sounding,
    write_layout,
)
from selenium.webdriver.common.keys import Keys

pytestmark = pytest.mark.slow

RUN = "window.hacked=1"


HOSTILE = [
    f"x</script><script>{RUN}</script>",
    f"<img src=x onerror={RUN}>",
    f"<svg onload={RUN}>",
    f"\"' onmouseover={RUN} x='&lt;&amp;`${{{RUN}}}`",
    f"line{chr(0x2028)}and{chr(0x2029)}paragraph",
    f"javascript:{RUN}",
    r"back\slash\u003cimg src=x\u003e \x41 C:\new",
    "bell \x07 escape \x1b[31m delete \x7f",
    "long " + "m" * 240,
    "שיר \u202e gnp.exe عربي",
    "🎷 👩‍🚀 e\u0301 ﷽",
    "__proto__",
    "constructor",
    "toString",
    "%2e%2e%2f 50% #1? ${7*7} {{7*7}}",
    " spaces ",
    r"caf\xe9",
    os.fsdecode(b"caf\xe9"),
]


TITLE = (
    f"</title></h1><script>{RUN}</script>\"'&amp;<img src=x onerror={RUN}> "
    "$title viewer/main.js data/map.js \u2028 \\u0041"
)


def shown(text: str) -> str:
    """A text as the page has it: bytes that are no UTF-8 are named."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def cell(text: str) -> str:
    """A field of a label table as it is read: on one line, without space around it."""
    return " ".join(shown(text).split())


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> Made:
    root = tmp_path_factory.mktemp("hostile")
    names = [f"{name}.wav" for name in HOSTILE]
    sample = write_audio(root / "sample.wav", tone(2.0, 300, rate_hz=8000), 8000).read_bytes()
    for name in names:
        path = root / "music" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(sample)
    turned = [HOSTILE[i:] + HOSTILE[:i] for i in range(len(HOSTILE))]
    table = {"title": [*HOSTILE[:-2], "", ""], "artist": turned[1], "citation": turned[2]}
    told_apart = HOSTILE[:-1]  # without the name that is shown as another is
    headings = [heading for heading in told_apart if heading.strip() == heading]
    table |= {
        heading: [told_apart[(track + place) % len(told_apart)] for track in range(len(names))]
        for place, heading in enumerate(headings)
    }
    places = write_layout(root / "places.csv", names, grid(len(names), 6))
    flags = ["--layout", str(places), "--title", TITLE, "--clusters", "3"]
    return make_page(root, names, draw_vectors([*map(len, names)]), table, *flags)


@pytest.fixture
def hostile_page(browser, hostile) -> Iterator[Browser]:
    open_page(browser, hostile)
    yield browser
    assert browser.run("return document.querySelectorAll('img, iframe, object, embed, body script').length") == 0


def open_everything(browser: Browser) -> None:
    """List all tracks, as a search that finds each does."""
    browser.keys("/", "wav", Keys.TAB)
    browser.wait("return !document.getElementById('list').hidden")


def test_hostile_texts_are_shown_to_the_character(hostile_page, hostile):
    page, count = hostile_page, len(HOSTILE)
    assert page.text("h1") == TITLE
    assert page.driver.title.split() == TITLE.split()
    names = [*hostile.table]
    assert page.texts("#colour option")[: len(names)] == names
    open_everything(page)
    assert listed(page) == [*range(count)]
    for track in range(count):
        page.click(f"#list li:nth-child({track + 1}) .plain")
        told = page.run("""const text = (css) => document.querySelector(css).textContent;
            return [text('#track-title'), text('#track-file'), text('#track-artist'),
                text('#track-citation'),
                [...document.querySelectorAll('#track dl > *')].map((each) => each.textContent)]""")
        title = cell(hostile.table["title"][track]) or shown(HOSTILE[track])
        row = [(name, cell(hostile.table[name][track])) for name in names[3:]]
        known = [title, f"{shown(HOSTILE[track])}.wav", *(cell(hostile.table[c][track]) for c in names[1:3])]
        assert told[:4] == known
        assert told[4][: 2 * len(row)] == [text for pair in row for text in pair]


def test_every_hostile_file_plays_and_is_saved(hostile_page, hostile):
    page = hostile_page
    open_everything(page)
    for track in range(len(HOSTILE)):
        page.click(f"#list li:nth-child({track + 1}) .play")
        wait_sounding(page)
        assert sound(page) == path_of(hostile, track)
    page.click("#list-m3u8")
    found = entries(page.downloaded("tracks.m3u8"))
    assert found == [path_of(hostile, track) for track in range(len(HOSTILE))]
    assert all(map(os.path.isfile, found))
    page.click("#list-csv")
    rows = [*csv.reader(io.StringIO(page.downloaded("tracks.csv").decode("utf-8"), newline=""))]
    assert [row[0] for row in rows] == ["filename", *(f"{shown(name)}.wav" for name in HOSTILE)]
    assert rows[0][3 : 3 + len(hostile.table)] == [*hostile.table]


def test_hostile_columns_are_coloured_and_filtered_and_linked(hostile_page, hostile):
    page, texts = hostile_page, [*map(cell, HOSTILE[:-1])]
    for heading in ("__proto__", "constructor", HOSTILE[0], HOSTILE[1], "toString"):
        colour_by(page, heading)
        assert sorted(legend(page)) == sorted(texts)
        for value, (_, count) in legend(page).items():
            if value in ("__proto__", HOSTILE[1]):
                before = page.drawn()
                page.click(legend_entry(page, value))
                page.wait_drawn(before - count)
    page.click("#filters summary")
    page.choose_text("#filter-column", heading)
    values = page.texts("#filter-values label > span")
    assert sorted(values) == sorted(texts)
    for value in ("__proto__", "constructor", HOSTILE[0]):
        page.click(f"#filter-values label:nth-child({values.index(value) + 1}) input")
    wanted = {t for t, value in enumerate(hostile.table[heading]) if value in ("constructor", HOSTILE[0])}
    page.wait_drawn(len(wanted))
    seen = coloured(page, hostile)
    assert set().union(*seen.values()) == wanted
    page.open(link_to_what_is_seen(page), hostile.folder, hostile.music)
    assert page.drawn() == len(wanted)
    assert coloured(page, hostile) == seen


def test_hostile_texts_fit_a_phone(hostile_page, hostile):
    with hostile_page.redraw():
        hostile_page.show(320, 640)
    assert_fits(hostile_page, 320)
    open_everything(hostile_page)
    for track in (0, 8, 9):
        hostile_page.click(f"#list li:nth-child({track + 1}) .plain")
        assert_fits(hostile_page, 320)
    hostile_page.hover(*pixels(hostile_page, hostile)[8])
    assert_fits(hostile_page, 320)
