"""The page in a real Chromium: the cloud fills the window that heading, tools, legend and panel leave."""

from __future__ import annotations

import numpy as np
import pytest
from browser import Browser
from pages import Made, assert_each_can_be_hit, draw_vectors, make_page, open_page, pixels, write_layout

pytestmark = pytest.mark.slow

WINDOWS = [(1920, 1080), (1400, 900), (900, 700), (375, 740)]
SHAPES = {"wide": (3.0, 1.0), "high": (1.0, 3.0), "round": (1.0, 1.0), "with an outlier": (1.0, 1.0)}
TRACKS = 150


@pytest.fixture(scope="module", params=SHAPES)
def shaped(request, tmp_path_factory) -> Made:
    root = tmp_path_factory.mktemp(request.param)
    draws = np.random.default_rng(0)
    angle, away = draws.uniform(0, 2 * np.pi, TRACKS), np.sqrt(draws.uniform(0, 1, TRACKS))
    places = np.stack([np.cos(angle), np.sin(angle)], axis=1) * away[:, None] * SHAPES[request.param]
    if "outlier" in request.param:
        places[7] = 20, 12
    names = [f"{track}.wav" for track in range(TRACKS)]
    kinds = [f"kind {track % 9}" for track in range(TRACKS)]
    flags = ["--layout", str(write_layout(root / "places.csv", names, places)), "--audio", "none"]
    return make_page(root, names, draw_vectors(kinds), {"kind": kinds}, *flags)


def free(browser: Browser) -> list[tuple[float, float, float, float]]:
    """Return what is free of heading and tools beside the legend, and above it: left, top, right, bottom."""
    edges = browser.run("""return ['stage', 'head', 'tools', 'legend'].map((id) => {
        const {left, top, right, bottom} = document.getElementById(id).getBoundingClientRect();
        return [left, top, right, bottom]; })""")
    stage, head, tools, legend = edges
    top = max(stage[1], head[3])
    return [(legend[2], top, tools[0], stage[3]), (stage[0], top, tools[0], legend[1])]


def assert_fills(browser: Browser, made: Made) -> None:
    places = np.delete(pixels(browser, made), 7, axis=0)
    low, high = places.min(axis=0), places.max(axis=0)
    filled = []
    for left, top, right, bottom in free(browser):
        filled.append(((high - low) / [right - left, bottom - top]).max())
    assert max(filled) >= 0.6, (filled, low, high, free(browser))


def test_the_cloud_fills_what_is_free_of_four_windows(browser, shaped):
    open_page(browser, shaped)
    for width, height in WINDOWS:
        with browser.redraw():
            browser.show(width, height)
        assert_fills(browser, shaped)
    with browser.redraw():
        browser.show()
    far = np.abs(shaped.xy).max() > 10
    if not far:
        assert_each_can_be_hit(browser, shaped)
    browser.keys("0")  # from home it leads to what lies far outside, and then back
    if far:
        browser.wait("return location.hash.includes('view')")
    assert_each_can_be_hit(browser, shaped)
    browser.keys("0")
    browser.wait("return !location.hash.includes('view')")
    assert_fills(browser, shaped)
