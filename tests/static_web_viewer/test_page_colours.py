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
    TRACKS,
    Made,
    click_track,
    colour_by,
    coloured,
    legend,
    points,
    rgb,
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


def along_scale(browser: Browser, made: Made) -> dict[int, float]:
    """Return track -> where its colour lies on the legend's bar, in [0, 1]; nan for a colour that is not on it."""
    bar = browser.run("return getComputedStyle(document.querySelector('#legend .bar')).backgroundImage")
    stops = np.array([rgb(stop) for stop in re.findall(r"rgb\([^)]*\)", bar)])
    at = np.linspace(0, 1, 5000)
    colours = np.stack([np.interp(at * (len(stops) - 1), range(len(stops)), part) for part in stops.T], axis=1)
    found = {}
    for colour, members in coloured(browser, made).items():
        away = np.abs(colours - colour).max(axis=1)
        found |= dict.fromkeys(members, at[away.argmin()] if away.min() < 1.5 else np.nan)
    return found


def assert_along(browser: Browser, made: Made, numbers: np.ndarray, low: float, high: float, atol: float) -> None:
    wanted = np.clip((numbers - low) / (high - low), 0, 1)
    found = along_scale(browser, made)
    np.testing.assert_allclose([found[track] for track in range(TRACKS)], wanted, atol=atol)


def test_numbers_are_a_scale_between_their_first_and_last_percentile(page, collection):
    colour_by(page, "energy")
    numbers = np.array([float(value or "nan") for value in collection.table["energy"]], np.float32).astype(float)
    known = np.sort(numbers[np.isfinite(numbers)])
    low, high = (known[round(share * (len(known) - 1))] for share in (0.01, 0.99))
    assert_along(page, collection, numbers, low, high, 0.01)
    assert page.text("#legend h2") == "energy"
    ends = [float(number) for number in page.texts("#legend .ends span") if number]
    np.testing.assert_allclose(ends, [low, high], rtol=0.006)


def test_distances_to_the_current_track_are_those_of_the_vectors(page, collection):
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
    colour_by(page, "distance to the current track")
    assert_coloured_by_distance(page, collection, third)


def assert_coloured_by_distance(browser: Browser, made: Made, track: int) -> None:
    """The scale begins at the nearest track and ends where all but the farthest hundredth are nearer."""
    exact = made.distances(track)
    others = np.sort(np.delete(exact, track))
    assert_along(browser, made, exact, others[0], others[round(0.99 * (TRACKS - 2))], 0.04)  # 8 bits a dimension
    order = [each for each, *_ in points(browser, made)]
    assert order[-1] == track  # the near lie above the far
    assert np.corrcoef(np.argsort(order), -exact)[0, 1] > 0.9
    assert browser.text("#legend h2").endswith(made.titles()[track])


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
    for scheme, column in [("dark", "mood"), ("light", "genre")]:
        colour_by(page, column)
        before = coloured(page, collection)
        with page.redraw():
            page.show(scheme=scheme)
        after = coloured(page, collection)
        assert sorted(map(sorted, after.values())) == sorted(map(sorted, before.values()))
        assert after.keys() != before.keys()
