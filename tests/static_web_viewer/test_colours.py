"""The page's colours: who sees which of them apart, and which point has which."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pytest
from browser import WITHOUT_WEBGL, Browser, chromium, file_address
from colour_vision import VISIONS, ciede2000, contrast, differences, lab, linear

from judging.pictures import LABEL_COLOURS
from utils import ROOT

VIEWER = ROOT / "static_web_viewer" / "viewer"
SCHEMES = ("light", "dark")
FIRST = 10  # colours that everybody can tell apart
LEAST = {"normal": 12, "protanopia": 8, "deuteranopia": 8}  # CIEDE2000
STEPS = 32

# Lab, Lab and the difference between them, of the test data of Sharma, Wu and Dalal 2005
PUBLISHED = [
    ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
    ((50, -1.3802, -84.2814), (50, 0, -82.7485), 1.0000),
    ((50, 0, 0), (50, -1, 2), 2.3669),
    ((50, 2.49, -0.001), (50, -2.49, 0.0009), 7.1792),
    ((50, -0.001, 2.49), (50, 0.0009, -2.49), 4.8045),
    ((50, 2.5, 0), (50, 0, -2.5), 4.3065),
    ((50, 2.5, 0), (73, 25, -18), 27.1492),
    ((50, 2.5, 0), (61, -5, 29), 22.8977),
    ((50, 2.5, 0), (56, -27, -3), 31.9030),
    ((50, 2.5, 0), (58, 24, 15), 19.4535),
    ((63.0109, -31.0961, -5.8663), (62.8187, -29.7946, -4.0864), 1.2630),
    ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
]


def hexes(name: str, scheme: str, file: str = "colours.js") -> list[str]:
    """Return the colours that a constant of the viewer has for a scheme."""
    body = re.search(rf"const {name} = {{(.*?)}};", (VIEWER / file).read_text(encoding="utf-8"), re.DOTALL)[1]
    return re.findall(r"#[0-9a-f]{6}", re.search(rf"{scheme}: (\[.*?\]|\"#\w+\")", body, re.DOTALL)[1])


def ground(scheme: str) -> np.ndarray:
    """Return the ground that the style sheet gives the page, linear (1, 3)."""
    grounds = re.findall(r"--ground: (#\w{6})", (VIEWER / "style.css").read_text(encoding="utf-8"))
    return linear([grounds[SCHEMES.index(scheme)]])


@pytest.mark.parametrize(("first", "second", "difference"), PUBLISHED)
def test_the_difference_is_the_published_one(first, second, difference):
    first, second = np.array(first, float), np.array(second, float)
    assert ciede2000(first, second) == pytest.approx(difference, abs=0.00006)
    assert ciede2000(second, first) == pytest.approx(difference, abs=0.00006)


def test_a_simulated_vision_keeps_greys_and_confuses_red_and_green():
    greys, red_green = linear(["#000000", "#777777", "#ffffff"]), linear(["#c04040", "#6f7a30"])
    for vision in ("protanopia", "deuteranopia"):
        assert ciede2000(lab(greys, vision), lab(greys)).max() < 0.1
        assert differences(red_green, vision).min() < differences(red_green, "normal").min() / 2


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("vision", VISIONS)
def test_the_first_ten_categories_can_be_told_apart_and_from_the_greys(scheme, vision):
    greys = hexes("OTHER", scheme) + hexes("NONE", scheme)
    found = differences(linear(hexes("CATEGORIES", scheme)[:FIRST] + greys), vision)
    assert len(greys) == 2 and found.shape == (FIRST + 2, FIRST + 2)
    assert found[:FIRST].min() >= LEAST[vision]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_twenty_categories_differ_and_stand_out_from_the_ground(scheme):
    greys = hexes("OTHER", scheme) + hexes("NONE", scheme)
    colours = linear(hexes("CATEGORIES", scheme) + greys)
    assert len(colours) == 22
    assert differences(colours, "normal")[:20].min() >= 12
    assert contrast(colours, ground(scheme)).min() >= 3


def mixed(stops: list[str], count: int) -> np.ndarray:
    """Return `count` colours along a gradient, linear (count, 3); gradients are mixed before they are made linear."""
    parts = np.array([[int(stop[i : i + 2], 16) for i in (1, 3, 5)] for stop in stops])
    at = np.linspace(0, len(stops) - 1, count)
    rgb = np.stack([np.interp(at, range(len(stops)), channel) for channel in parts.T], axis=1)
    return linear([f"#{r:02x}{g:02x}{b:02x}" for r, g, b in np.rint(rgb).astype(int)])


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", ["SCALE", "NEAR_TO_FAR"])
def test_equal_steps_along_a_scale_look_equally_large(scheme, name):
    colours = mixed(hexes(name, scheme), STEPS)
    seen = lab(colours)
    steps = ciede2000(seen[:-1], seen[1:])
    assert steps.std() < 0.1 * steps.mean()
    assert steps.min() > 0.75 * steps.mean() and steps.max() < 1.25 * steps.mean()
    brighter = np.diff(seen[:, 0])
    assert (brighter > 0).all() or (brighter < 0).all()
    contrasts = contrast(colours, ground(scheme))
    if name == "SCALE":
        assert contrasts.min() >= 2.99  # no number is lost on the ground
        assert contrasts[-1] > 3 * contrasts[0]
    else:
        assert contrasts[0] > 10 and contrasts[-1] < 2  # the near is loud, the far is quiet


def test_pictures_have_the_first_colours_of_the_light_page():
    assert [colour.lower() for colour in LABEL_COLOURS] == hexes("CATEGORIES", "light")[: len(LABEL_COLOURS)]


# Which point has which colour, in the browser


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    folder = tmp_path_factory.mktemp("colours")
    (folder / "page.html").write_text(
        f'<!doctype html><title>x</title><script src="{file_address(VIEWER / "colours.js")}"></script>'
    )
    with chromium(WITHOUT_WEBGL, folder) as started:
        started.open(file_address(folder / "page.html"), folder, VIEWER, wait="typeof colours === 'object'")
        yield started


BY_COLUMN = """
    const column = {key: 'k', values: arguments[0], codes: Uint16Array.from(arguments[1]), numbers: null};
    if (arguments[3]) column.numbers = Float32Array.from(arguments[3], (each) => each === null ? NaN : each);
    const made = colours.byColumn(column, arguments[2]);
    return {...made, numbers: null, format: null,
        groupOf: [...made.groupOf], packed: [...new Uint8Array(made.packed.buffer)],
        css: [...made.groupOf.keys()].map((i) => colours.of(made, i)),
        texts: (arguments[4] || []).map((each) => made.format(each))};
"""


def by_values(browser: Browser, values: list[str], codes: list[int], promoted: tuple[str, ...] = ()) -> dict:
    return browser.run(BY_COLUMN, values, codes, promoted, None, None)


def bytes_of(colour: str) -> list[int]:
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)] + [255]


@pytest.mark.slow
@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_category_has_the_colour_of_its_place_in_the_alphabet(browser, scheme):
    browser.show(scheme=scheme)
    palette = hexes("CATEGORIES", scheme)
    made = by_values(browser, ["rock", "folk", "jazz", ""], [0, 3, 1, 2, 0])
    assert [(each["key"], each["label"], each["size"]) for each in made["groups"]] == [
        ("=rock", "rock", 2),
        ("=folk", "folk", 1),
        ("=jazz", "jazz", 1),
        ("none", "no value", 1),
    ]
    assert [each["colour"] for each in made["groups"]] == [palette[2], palette[0], palette[1], *hexes("NONE", scheme)]
    assert made["groupOf"] == [0, 3, 1, 2, 0]
    expected = [bytes_of(made["groups"][group]["colour"]) for group in made["groupOf"]]
    assert np.reshape(made["packed"], (-1, 4)).tolist() == expected
    assert made["css"] == [f"rgb({r}, {g}, {b})" for r, g, b, _ in expected]


@pytest.mark.slow
def test_a_promoted_value_takes_the_colour_of_the_least_frequent_and_the_others_keep_theirs(browser):
    values = [f"v{i:02d}" for i in range(30)]

    def colour_of(*promoted: str) -> dict[str, str]:
        return {g["key"]: g["colour"] for g in by_values(browser, values, list(range(30)), promoted)["groups"]}

    plain = colour_of()
    assert [*plain] == [*(f"=v{i:02d}" for i in range(19)), "other"] and len(set(plain.values())) == 20
    once = colour_of("v25")
    assert once == {**{key: plain[key] for key in plain if key != "=v18"}, "=v25": plain["=v18"]}
    twice = colour_of("v25", "v28")
    assert twice["=v28"] == plain["=v17"] and twice["=v25"] == plain["=v18"]
    # What has lost its colour can have one again; what has one, what is nothing and what is not there change nothing
    assert colour_of("v25", "v18")["=v18"] == plain["=v17"]
    assert colour_of("v00", "", "no such value") == plain
    assert len(colour_of(*values)) == 20


@pytest.mark.slow
def test_twenty_values_have_a_colour_each_and_of_100_000_most_are_other(browser):
    values = [f"v{i:02d}" for i in range(20)]
    assert len(by_values(browser, [*values, ""], [0, 20])["groups"]) == 21
    sizes = browser.run("""
        const values = Array.from({length: 100000}, (_, i) => 'v' + i);
        const made = colours.byColumn({key: 'k', values, codes: Uint32Array.from(values.keys()), numbers: null});
        return made.groups.map((group) => [group.label, group.size])""")
    assert len(sizes) == 20 and sizes[-1] == ["other (99,981)", 99981]


@pytest.mark.slow
def test_numbers_have_a_shade_between_their_first_and_last_percentile(browser):
    browser.show(scheme="light")
    numbers = [None, *np.linspace(0, 100, 101).tolist(), 1e6]
    made = browser.run(BY_COLUMN, [""], [0] * len(numbers), (), numbers, [3.14159, 50, 0])
    assert (made["low"], made["high"], made["texts"]) == (1, 100, ["3", "50", "0"])
    seen = np.reshape(made["packed"], (-1, 4))
    assert seen[0].tolist() == bytes_of(*hexes("NONE", "light")) and made["groupOf"][:2] == [1, 0]
    assert seen[1].tolist() == seen[2].tolist() == bytes_of(hexes("SCALE", "light")[0])
    assert seen[-1].tolist() == seen[-2].tolist() == bytes_of(hexes("SCALE", "light")[-1])
    assert len(np.unique(seen[2:101], axis=0)) == 99  # a colour a number, no steps
    assert [each["size"] for each in made["groups"]] == [len(numbers) - 1, 1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("numbers", "texts"),
    [
        ([0.1, 0.9], ["0.12", "0.5"]),
        ([1955, 2024], ["1955", "2024"]),
        ([0.0001, 0.0009], ["0.00051", "-0.00051"]),
        ([10000, 90000], ["12,346", "-12,346"]),
        ([7, 7], ["7", "0"]),
    ],
)
def test_numbers_are_written_as_their_range_asks(browser, numbers, texts):
    asked = {0.1: [0.1234, 0.5], 1955: [1955, 2024], 0.0001: [0.00051, -0.00051], 10000: [12345.6, -12345.6]}
    made = browser.run(BY_COLUMN, [""], [0] * len(numbers), (), numbers, asked.get(numbers[0], [7, -0.001]))
    assert made["texts"] == texts


@pytest.mark.slow
def test_dates_are_written_as_dates(browser):
    assert browser.run("""
        const numbers = Float32Array.from([-1, 0, 19782]);
        const made = colours.byColumn({key: 'k', values: [''], codes: new Uint8Array(3), numbers, dates: true});
        return [...numbers].map(made.format)""") == ["1969-12-31", "1970-01-01", "2024-02-29"]


@pytest.mark.slow
def test_distances_begin_at_the_nearest_other_track_and_use_the_whole_scale(browser):
    browser.show(scheme="dark")
    rng = np.random.default_rng(0)
    distances = np.concatenate([[0.0], np.clip(rng.normal(0.9, 0.1, 999), 0.4, 1.4)])
    made = browser.run(
        """const made = colours.byDistance(Float32Array.from(arguments[0]), 0);
        const packed = [...new Uint8Array(made.packed.buffer)];
        return {low: made.low, high: made.high, rank: [...made.rank], packed};""",
        distances.tolist(),
    )
    assert made["low"] == pytest.approx(distances[1:].min(), abs=1e-6)
    assert made["high"] == pytest.approx(np.percentile(distances[1:], 99), abs=0.01)
    assert np.argsort(made["rank"]).tolist() == np.argsort(-distances, kind="stable").tolist()  # the near on top
    seen = np.reshape(made["packed"], (-1, 4))
    near, far = (bytes_of(hexes("NEAR_TO_FAR", "dark")[end]) for end in (0, -1))
    assert seen[0].tolist() == seen[distances[1:].argmin() + 1].tolist() == near
    assert seen[distances.argmax()].tolist() == far


@pytest.mark.slow
def test_distances_of_few_or_equal_tracks_have_a_scale_too(browser):
    for distances in ([0], [0, 0], [0, 0.5], [-0.002, -0.001, 0.3]):
        low, high, count = browser.run(
            """const made = colours.byDistance(Float32Array.from(arguments[0]), 0);
            return [made.low, made.high, made.packed.filter((each) => each).length]""",
            distances,
        )
        assert 0 <= low <= high and count == len(distances)
