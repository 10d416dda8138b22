"""The page in a real Chromium: names, order and contrasts for everybody."""

from __future__ import annotations

from collections import Counter

import pytest
from browser import Browser
from pages import MOST_CATEGORIES, SILENT, click_track, colour_by, pixels
from selenium.webdriver.common.keys import Keys

pytestmark = pytest.mark.slow

NAMED_ROLES = [
    "button",
    "checkbox",
    "combobox",
    "searchbox",
    "slider",
    "spinbutton",
    "textbox",
    "link",
    "DisclosureTriangle",
]


def test_whatever_can_be_used_has_a_name(page, collection):
    click_track(page, collection, 9)
    page.keys("/", "folk", Keys.TAB)
    page.wait("return !document.getElementById('list').hidden")
    page.click("#filters summary")
    roles = Counter()
    for column in ("genre", "energy", "title"):
        page.choose_text("#filter-column", column)
        for node in page.command("Accessibility.getFullAXTree")["nodes"]:
            role = node.get("role", {}).get("value")
            if role in NAMED_ROLES and not node["ignored"]:
                roles[role] += 1
                assert node["name"]["value"].strip(), node
    assert roles.keys() >= {"button", "checkbox", "combobox", "searchbox", "slider", "spinbutton"}


def test_the_tab_key_reaches_everything_in_the_order_of_reading(page, collection):
    click_track(page, collection, 9)
    page.keys("/", "folk")
    page.wait("return !document.getElementById('list').hidden")
    page.run("document.querySelector('.skip').focus()")
    reached = []
    for _ in range(120):
        page.keys(Keys.TAB)
        where = page.run("""const at = document.activeElement;
            const part = at.closest('#legend, #list, #neighbours, #chips') || at.closest('[id]');
            return at === document.body ? '' : part.id""")
        if where == "":
            break
        if where not in reached:
            reached.append(where)
    wanted = [
        "search",
        "colour",
        "filters",
        "zoom-in",
        "zoom-out",
        "reset",
        "lasso",
        "hear",
        "legend",
        "play",
        "list",
        "neighbours",
    ]
    assert [where for where in reached if where in wanted] == wanted


GROUND = """
const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
const numbers = (colour) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].map((each) => each / 255);
};
const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
const ground = (element) => {
    if (!element) return [1, 1, 1, 1];
    const own = numbers(getComputedStyle(element).backgroundColor);
    return own[3] === 1 ? own : over(own, ground(element.parentElement));
};
const light = (colour) => {
    const linear = (channel) => channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4;
    const [r, g, b] = colour.slice(0, 3).map(linear);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const contrast = (a, b) => {
    const [x, y] = [light(a), light(b)];
    return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
};
"""


TEXTS = """h1 #count .select #search #filters>summary #colour #filter-column .popover~span .boxes~span .boxes~small
#chips~button #legend~li~span #legend~li~small #elapsed #trouble #track-title #track-artist #track-file
#track-columns~dt #track-columns~dd #track-citation h3 #by-distance #neighbours~.title
#neighbours~small
#list~.title #list~small #legend~h2 .current~.plain #list-title .actions~button footer~summary
#about~li #lasso #play #next #tooltip~span #tooltip~strong #notices~p"""


def test_texts_and_the_legend_can_be_told_from_their_ground(page, collection):
    page.hover(*pixels(page, collection)[9])
    page.wait("return !document.getElementById('tooltip').hidden")
    click_track(page, collection, SILENT)
    page.keys("/", "folk", Keys.TAB)
    page.wait("return !document.getElementById('list').hidden")
    colour_by(page, "mood")
    page.click("#filters summary")
    page.choose_text("#filter-column", "genre")
    page.driver.find_element("xpath", "//*[@id='filter-values']//label[span='folk']").click()
    page.wait_drawn(8)
    assert_contrasts(page)
    with page.redraw():
        page.show(scheme="dark")
    assert_contrasts(page)


def assert_contrasts(browser: Browser) -> None:
    found = browser.run(
        GROUND
        + """return arguments[0].map((css) => [css, [...document.querySelectorAll(css)].map((each) => {
            const own = ground(each);
            return contrast(over(numbers(getComputedStyle(each).color), own), own);
        })])""",
        [css.replace("~", " ") for css in TEXTS.split()],
    )
    assert [css for css, contrasts in found if not contrasts] == []
    assert {css: min(contrasts) for css, contrasts in found if min(contrasts) < 4.5} == {}
    swatches = browser.run(
        GROUND
        + """return [...document.querySelectorAll('#legend li i')].map((each) =>
            getComputedStyle(each).backgroundColor).map((colour) =>
                [colour, contrast(numbers(colour), ground(document.body))])"""
    )
    assert len(swatches) == MOST_CATEGORIES
    assert {colour: ratio for colour, ratio in swatches if ratio < 3} == {}
    placeholder = browser.run(
        GROUND
        + """const field = document.getElementById('search');
        return contrast(numbers(getComputedStyle(field, '::placeholder').color), ground(field))"""
    )
    assert placeholder >= 4.5
