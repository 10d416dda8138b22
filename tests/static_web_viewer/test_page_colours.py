"""The page in a real Chromium: every point has the colour that the legend says."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest
from browser import Browser
from pages import (
    GENRES,
    MOST_CATEGORIES,
    STEPS,
    TRACKS,
    Made,
    click_track,
    colour_by,
    coloured,
    legend,
    rgb,
    traces,
)

pytestmark = pytest.mark.slow


def test_each_category_has_the_colour_that_the_legend_says(page, collection):
    entries = legend(page)
    assert {label: count for label, (_, count) in entries.items()} == {"rock": 15, "jazz": 12, "folk": 8, "no value": 5}
    assert [*entries] == ["rock", "jazz", "folk", "no value"]
    assert coloured(page, collection) == {
        colour: {track for track, genre in enumerate(GENRES) if genre == label.replace("no value", "")}
        for label, (colour, _) in entries.items()
    }


def test_of_25_categories_the_smallest_are_other(page, collection):
    colour_by(page, "mood")
    moods = collection.table["mood"]
    counts = Counter(moods)
    own = sorted(counts, key=lambda mood: (-counts[mood], mood))[: MOST_CATEGORIES - 1]
    entries = legend(page)
    assert [*entries] == [*own, f"other ({25 - len(own)})"]
    found = coloured(page, collection)
    assert len(found) == len(entries) == MOST_CATEGORIES
    for label, (colour, count) in entries.items():
        members = {
            track for track, mood in enumerate(moods) if (mood if mood in own else "other") == label.split(" (")[0]
        }
        assert found[colour] == members and count == len(members)


def steps_of_scale(browser: Browser) -> dict[tuple[int, ...], int]:
    """Return the colour of each of the 32 steps of the legend's bar -> step."""
    stops = np.array(
        [
            rgb(stop)
            for stop in re.findall(
                r"rgb\([^)]*\)",
                browser.run("return getComputedStyle(document.querySelector('#legend .bar')).backgroundImage"),
            )
        ]
    )
    at = np.linspace(0, len(stops) - 1, STEPS)
    colours = np.stack([np.interp(at, range(len(stops)), channel) for channel in stops.T], axis=1)
    return {tuple(int(np.floor(each + 0.5)) for each in colour): step for step, colour in enumerate(colours)}


def drawn_steps(browser: Browser, made: Made) -> dict[int, int]:
    """Return track -> step of the scale, -1 for those that have a colour beside it."""
    steps = steps_of_scale(browser)
    assert len(steps) == STEPS
    return {track: steps.get(colour, -1) for colour, members in coloured(browser, made).items() for track in members}


def expected_steps(numbers: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.clip(np.floor((numbers - low) / (high - low) * STEPS), 0, STEPS - 1)


def test_numbers_are_a_scale_between_their_first_and_last_percentile(page, collection):
    colour_by(page, "energy")
    numbers = np.array([float(value or "nan") for value in collection.table["energy"]], np.float32).astype(float)
    known = np.sort(numbers[np.isfinite(numbers)])
    low, high = (known[round(share * (len(known) - 1))] for share in (0.01, 0.99))
    wanted = np.where(np.isnan(numbers), -1, expected_steps(numbers, low, high))
    assert drawn_steps(page, collection) == dict(enumerate(wanted))
    assert page.text("#legend p") == "energy"
    ends = [float(number) for number in page.texts("#legend p:last-child span")]
    np.testing.assert_allclose(ends, [low, (low + high) / 2, high], rtol=0.006)


def test_distances_to_the_selected_track_are_those_of_the_vectors(page, collection):
    click_track(page, collection, 17)
    with page.redraw():
        page.click("#by-distance")
    assert_coloured_by_distance(page, collection, 17)
    third = collection.neighbours(17)[2]
    with page.redraw():
        page.click("#neighbours li:nth-child(3) .plain")
    assert_coloured_by_distance(page, collection, third)
    with page.redraw():
        page.click("#by-distance")
    assert [*legend(page)] == ["rock", "jazz", "folk", "no value"]
    colour_by(page, "distance to the selected track")
    assert_coloured_by_distance(page, collection, third)


def assert_coloured_by_distance(browser: Browser, made: Made, track: int) -> None:
    exact = made.distances(track)
    high = np.sort(exact)[round(0.95 * (TRACKS - 1))]
    found = drawn_steps(browser, made)
    assert len(found) == TRACKS
    off = np.abs(np.array([found[each] for each in range(TRACKS)]) - expected_steps(exact, 0, high))
    assert off.max() <= 1 and (off == 0).mean() > 0.8  # 8 bits a dimension: the next step here and there
    assert traces(browser, made)[-1]["tracks"] >= {track}  # the near lie above the far
    assert browser.text("#legend p").endswith(made.titles()[track])
    assert browser.text("#legend p:last-child").startswith("0 near")


def test_the_distances_of_the_page_err_as_little_as_it_says(page, collection):
    found = np.array(
        page.run("return Array.from({length: arguments[0]}, (_, i) => [...tracks.distancesTo(i)])", TRACKS)
    )
    exact = np.array([collection.distances(track) for track in range(TRACKS)])
    error = np.abs(found - exact)
    said = next(line for line in page.texts("#about li") if line.startswith("distances"))
    assert error.max() < 0.02
    assert error.mean() == pytest.approx(float(re.search(r"mean error ([\d.]+)", said)[1]), abs=0.00006)


def test_the_other_scheme_redraws_an_open_page(page, collection):
    for scheme, column in [("dark", "mood"), ("light", "energy")]:
        colour_by(page, column)
        before = coloured(page, collection)
        with page.redraw():
            page.show(scheme=scheme)
        after = coloured(page, collection)
        assert sorted(map(sorted, after.values())) == sorted(map(sorted, before.values()))
        assert after.keys() != before.keys()
