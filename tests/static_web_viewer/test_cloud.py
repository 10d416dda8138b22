"""The renderer alone in a real Chromium, by WebGL and by hand: drawn, moved, zoomed, hovered, clicked and lassoed."""

from __future__ import annotations

import io
import itertools
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from browser import WITH_WEBGL, WITHOUT_WEBGL, Browser, chromium, file_address
from matplotlib.image import imread
from selenium.webdriver import ActionChains, Keys

from utils import ROOT

pytestmark = pytest.mark.slow

POLICY = "default-src 'none'; script-src 'self' file:; style-src 'self' file:"
STAGE = (800, 600)  # pixels
HTML = f"""<!doctype html><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{POLICY}">
<link rel="stylesheet" href="page.css"><div id="stage"></div><input>
<script src="cloud.js"></script><script src="page.js"></script>"""
CSS = "body { margin: 0; background: #fff } #stage { position: relative; width: 800px; height: 600px }"
TOLD = "view hover pick double lasso fallback drawn".split()
JS = f"""const told = [], on = {{}};
for (const what of {TOLD}) on[what] = (value, event) => told.push([what, value, event ? event.shiftKey : null]);
const view = cloud(document.getElementById("stage"), on);
document.documentElement.dataset.ready = "yes";"""
COLOURS = np.array([(200, 30, 30), (20, 120, 60), (30, 60, 220), (160, 120, 0)], np.uint8)
# Eight points in two rows; two more lie where the first of each row lies
XY = np.array([[i % 4, i // 4] for i in range(8)] + [[0, 0], [0, 1]], np.float32)
INSET = {"left": 100, "right": 100, "top": 200, "bottom": 200}


@pytest.fixture(scope="module")
def harness(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("the harness")
    shutil.copy(ROOT / "static_web_viewer" / "viewer" / "cloud.js", folder)
    for name, content in (("page.html", HTML), ("page.css", CSS), ("page.js", JS)):
        (folder / name).write_text(content, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def window(tmp_path_factory) -> Iterator[Browser]:
    with chromium(WITH_WEBGL, tmp_path_factory.mktemp("downloads")) as started:
        yield started


@pytest.fixture(scope="module")
def window_without_webgl(tmp_path_factory) -> Iterator[Browser]:
    with chromium(WITHOUT_WEBGL, tmp_path_factory.mktemp("downloads")) as started:
        yield started


def open_page(browser: Browser, harness: Path, ratio: float = 1) -> None:
    browser.show()
    set_ratio(browser, ratio)
    browser.open(file_address(harness / "page.html"), harness)
    browser.mouse((900, 700))  # beside the stage
    fill(browser, XY, range(len(XY)))


def set_ratio(browser: Browser, ratio: float) -> None:
    browser.command("Emulation.setDeviceMetricsOverride", width=1024, height=768, deviceScaleFactor=ratio, mobile=False)


@pytest.fixture
def page(window, harness) -> Iterator[Browser]:
    open_page(window, harness)
    yield window
    window.check()


@pytest.fixture(params=["by WebGL", "by hand"])
def either(request, harness) -> Iterator[Browser]:
    browser = request.getfixturevalue("window" if request.param == "by WebGL" else "window_without_webgl")
    open_page(browser, harness)
    yield browser
    browser.check()


def fill(browser: Browser, xy: np.ndarray, order: Sequence[int], alpha: int = 255, size: float = 12) -> None:
    """Put points on the stage, in the colours by turn, and wait until they are drawn."""
    colours = np.column_stack([COLOURS[np.arange(len(xy)) % len(COLOURS)], np.full(len(xy), alpha, np.uint8)])
    packed = np.ascontiguousarray(colours, np.uint8).view(np.uint32).ravel()
    box = [xy[:, 0].min(), xy[:, 0].max(), xy[:, 1].min(), xy[:, 1].max()] if len(xy) else [0, 1, 0, 1]
    after(
        browser,
        """const [x, y, packed, order, size, box, inset] = arguments;
        view.place(Float32Array.from(x), Float32Array.from(y));
        view.paint(Uint32Array.from(packed), Uint32Array.from(order));
        view.size(size);
        view.show(box, inset);""",
        *(xy[:, 0].tolist(), xy[:, 1].tolist(), packed.tolist(), list(map(int, order)), size),
        *(list(map(float, box)), INSET),
    )


def after(browser: Browser, script: str, *arguments: object) -> None:
    """Run what changes something, and wait for the frame that draws it."""
    browser.run(f"told.length = 0; {script}", *arguments)
    heard(browser, "drawn")


def forget(browser: Browser) -> None:
    browser.run("told.length = 0")


def heard(browser: Browser, what: str) -> list:
    """Wait until it has been told, and return with what, each time."""
    return browser.wait("const some = told.filter(([what]) => what === arguments[0]); return some.length && some", what)


def values(browser: Browser, what: str) -> list:
    return [value for _, value, _ in heard(browser, what)]


def told(browser: Browser) -> set[str]:
    return set(browser.run("return told.map(([what]) => what)"))


def pixel(browser: Browser, point: int) -> np.ndarray:
    return np.array(browser.run("return view.pixel(arguments[0])", point))


def beside(place: np.ndarray, x: float, y: float) -> np.ndarray:
    return place + np.array((x, y))


def seen(browser: Browser) -> np.ndarray:
    """Return left, right, bottom and top of what is seen, in map units."""
    return np.array(browser.run("return view.window()"))


def picture(browser: Browser) -> np.ndarray:
    """Return the window as it is seen, (height, width, 3) from 0 to 255."""
    image = imread(io.BytesIO(browser.driver.get_screenshot_as_png()))
    return (image[:, :, :3] * 255).round().astype(int)


def colour_at(image: np.ndarray, place: np.ndarray) -> list[int]:
    return image[int(place[1]), int(place[0])].tolist()


def wheel(browser: Browser, place: np.ndarray, delta: float, modifiers: int = 0) -> None:
    x, y = map(float, place)
    browser.command(
        "Input.dispatchMouseEvent", type="mouseWheel", x=x, y=y, deltaX=0, deltaY=delta, modifiers=modifiers
    )


def touch(browser: Browser, what: str, *places: Sequence[float]) -> None:
    found = [{"x": float(x), "y": float(y), "id": finger} for finger, (x, y) in enumerate(places)]
    browser.command("Input.dispatchTouchEvent", type=what, touchPoints=found)


@pytest.fixture
def fingers(page) -> Iterator[Browser]:
    page.command("Emulation.setTouchEmulationEnabled", enabled=True, maxTouchPoints=2)
    yield page
    page.command("Emulation.setTouchEmulationEnabled", enabled=False)


# Drawing


def test_each_point_is_drawn_where_it_is_said_to_be_and_the_last_on_top(either):
    assert seen(either) == pytest.approx([-0.5, 3.5, -1, 2])  # 600 pixels are 3 units, 100 and 200 stay free
    image = picture(either)
    for point in (1, 2, 3, 5, 6, 7, 8, 9):
        assert colour_at(image, pixel(either, point)) == pytest.approx(COLOURS[point % 4], abs=2)
    assert colour_at(image, beside(pixel(either, 1), 0, 7.5)) == [255, 255, 255]
    inked = (image[: STAGE[1], : STAGE[0]] != 255).any(axis=2).sum()
    assert inked == pytest.approx(8 * np.pi * 6.25**2, rel=0.1)  # discs, not squares
    after(either, "const {packed} = view.drawn(); view.paint(packed, Uint32Array.of(8, 0, 3));")
    image = picture(either)
    assert colour_at(image, pixel(either, 8)) == pytest.approx(COLOURS[0], abs=2)
    assert colour_at(image, pixel(either, 5)) == [255, 255, 255]
    assert values(either, "drawn") == [3]


def test_a_faint_point_lets_the_ground_through(either):
    fill(either, XY, [5, 8, 0], alpha=51)
    image = picture(either)
    once, twice = 255 - 0.2 * (255.0 - COLOURS[1]), 255 - 0.36 * (255.0 - COLOURS[0])
    assert colour_at(image, pixel(either, 5)) == pytest.approx(once, abs=2)
    assert colour_at(image, pixel(either, 0)) == pytest.approx(twice, abs=3)


@pytest.mark.parametrize("ratio", [1, 1.5])
def test_without_webgl_the_picture_is_the_same(window, window_without_webgl, harness, ratio):
    draws, images = np.random.default_rng(0), []
    xy = draws.normal(size=(3000, 2)).astype(np.float32)
    order = draws.permutation(3000)
    for browser in (window, window_without_webgl):
        open_page(browser, harness, ratio)
        fill(browser, xy, order, alpha=200, size=3.5)
        images.append(picture(browser)[: round(600 * ratio), : round(800 * ratio)])
        browser.check()
    assert images[0].shape == (600 * ratio, 800 * ratio, 3)
    assert (images[0] != 255).any(axis=2).mean() > 0.02
    differences = np.abs(images[0] - images[1])
    assert differences.mean() < 0.1 and differences.max() < 30


def test_where_webgl_is_missing_it_is_told_and_all_points_are_drawn(window_without_webgl, harness):
    browser = window_without_webgl
    browser.show()
    browser.open(file_address(harness / "page.html"), harness)
    assert values(browser, "fallback") == ["missing"]
    assert "drawn" not in told(browser)  # there is nothing yet
    after(
        browser,
        """const n = 100000, x = Float32Array.from({length: n}, (_, i) => i % 400);
        const y = x.map((_, i) => Math.floor(i / 400));
        view.place(x, y); view.paint(new Uint32Array(n).fill(0xff202020), Uint32Array.from(x.keys()));
        view.size(2); view.show([0, 399, 0, 249]);""",
    )
    assert values(browser, "drawn") == [100_000]
    assert (picture(browser)[60:540, 20:780] != 255).any(axis=2).mean() > 0.6
    browser.check()


def test_a_webgl_that_is_lost_is_replaced_at_once_and_taken_again(page):
    before = picture(page)
    page.run(
        """told.length = 0;
        window.taken = document.querySelector("canvas.points").getContext("webgl2").getExtension("WEBGL_lose_context");
        taken.loseContext();"""
    )
    assert values(page, "fallback") == ["lost"]
    assert page.run("return Boolean(document.querySelector('canvas.points').getContext('2d'))")
    assert np.abs(picture(page) - before).max() < 30
    after(page, "view.pan(10, 0)")
    after(page, "taken.restoreContext()")
    assert values(page, "fallback") == [""]
    assert page.run("return Boolean(document.querySelector('canvas.points').getContext('webgl2'))")
    after(page, "view.pan(-10, 0)")
    assert np.abs(picture(page) - before).max() == 0
    page.messages()  # the browser's own, on the context


def test_what_changes_is_drawn_once_a_frame_and_nothing_else_is(page):
    after(page, "for (let i = 0; i < 5; i++) { view.pan(1, 0); view.zoom(1.01); view.size(9 + i); }")
    page.run("return new Promise((resolve) => setTimeout(resolve, 100))")
    assert page.run("return told.map(([what]) => what)") == ["view", "drawn"]
    assert page.run("return view.drawn().order.length") == len(XY)


def test_a_view_that_is_changed_while_it_is_told_is_told_again(page):
    page.run("view.bounds({farthest: 3.5 * view.unit()})")
    unit = page.run(
        """const unit = view.unit();
        on.view = () => { told.push(["view", view.unit()]); view.zoom(0.5); };
        told.length = 0;
        view.zoom(0.8);
        return unit"""
    )
    page.wait("return told.filter(([what]) => what === 'view').length === 3")
    units = page.run("return told.filter(([what]) => what === 'view').map(([, unit]) => unit)")
    assert units == pytest.approx([1.25 * unit, 2.5 * unit, 3.5 * unit])


def test_no_point_and_one_point_are_a_cloud(either):
    fill(either, XY[:0], [])
    assert values(either, "drawn") == [0]
    assert either.run("return view.nearest(400, 300)") == -1
    fill(either, XY[:1], [0])
    after(either, "view.bounds({closest: 0.001, farthest: 1}); view.show([0, 0, 0, 0], {left: 100})")
    assert pixel(either, 0) == pytest.approx([450, 300])
    assert colour_at(picture(either), pixel(either, 0)) == pytest.approx(COLOURS[0], abs=2)
    assert either.run("return view.nearest(450, 300)") == 0


def test_another_size_or_screen_keeps_the_middle_and_the_scale(page):
    *_, bottom, top = seen(page)
    unit = page.run("return view.unit()")
    after(page, "document.getElementById('stage').style.width = '500px'")
    assert values(page, "view") == [False]
    assert seen(page) == pytest.approx([1.5 - 250 * unit, 1.5 + 250 * unit, bottom, top])
    assert colour_at(picture(page), pixel(page, 6)) == pytest.approx(COLOURS[2], abs=2)
    forget(page)
    set_ratio(page, 2)
    # What Chromium emulates it does not announce to media queries by itself
    page.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    heard(page, "drawn")
    assert page.run("const {width, height} = document.querySelector('canvas.points'); return [width, height]") == [
        1000,
        1200,
    ]
    assert colour_at(picture(page), 2 * pixel(page, 6)) == pytest.approx(COLOURS[2], abs=2)
    set_ratio(page, 1)


# Moving


def test_the_wheel_zooms_around_the_pointer_and_says_when_it_rests(page):
    place, unit = pixel(page, 6), page.run("return view.unit()")
    forget(page)
    wheel(page, place, -120)
    page.wait("return told.some(([what, moving]) => what === 'view' && !moving)")
    assert values(page, "view")[0] is True
    assert pixel(page, 6) == pytest.approx(place, abs=1e-3)
    assert page.run("return view.unit()") == pytest.approx(unit * np.exp(-0.0017 * 120))
    assert page.run("return scrollY") == 0
    wheel(page, place, 10, modifiers=2)  # the control key: two fingers on a trackpad
    page.wait("return view.unit() > arguments[0]", unit * 0.85)
    assert pixel(page, 6) == pytest.approx(place, abs=1e-3)


def test_neither_zoom_nor_pan_leaves_the_map(page):
    page.run("view.bounds({box: [0, 3, 0, 1], closest: 0.001, farthest: 0.01})")
    page.run("view.zoom(1e9)")
    assert page.run("return view.unit()") == 0.001
    page.run("view.zoom(1e-9)")
    assert page.run("return view.unit()") == 0.01
    page.run("view.pan(-1e6, 1e6)")
    left, right, bottom, top = seen(page)
    assert [(left + right) / 2, (bottom + top) / 2] == pytest.approx([3 + 2, 1 + 1.5])  # a quarter of what is seen
    page.run("view.show([-9, 9, -9, 9])")
    assert page.run("return view.unit()") == 0.01


def test_a_box_is_shown_whole_beside_the_insets(page):
    page.run("view.show([1, 3, 0, 1], {left: 300, top: 50})")
    (left, top), (right, bottom) = page.run("return [view.pixel(5), view.pixel(3)]")
    assert (left, right) == pytest.approx((300, 800))
    assert (top + bottom) / 2 == pytest.approx(325) and bottom - top == pytest.approx(250)
    window = seen(page)
    page.run("view.pan(50, 5); view.zoom(3); view.show(arguments[0])", window.tolist())
    assert seen(page) == pytest.approx(window)


def test_a_drag_moves_the_points_with_the_hand_and_picks_nothing(page):
    before = pixel(page, 6)
    forget(page)
    page.mouse(before, beside(before, -3, 0), beside(before, -20, 30), beside(before, -60, 90), drag=True)
    page.wait("return told.some(([what, moving]) => what === 'view' && !moving)")
    assert pixel(page, 6) == pytest.approx(beside(before, -60, 90), abs=1)
    assert values(page, "view")[0] is True and values(page, "view")[-1] is False
    assert not told(page) & {"pick", "double", "lasso"}
    assert colour_at(picture(page), pixel(page, 6)) == pytest.approx(COLOURS[2], abs=2)


def test_two_fingers_keep_what_is_between_them_and_pick_nothing(fingers):
    x, y = pixel(fingers, 6)
    unit = fingers.run("return view.unit()")
    forget(fingers)
    touch(fingers, "touchStart", (x - 30, y))
    touch(fingers, "touchStart", (x - 30, y), (x + 30, y))
    for step in range(1, 6):
        touch(fingers, "touchMove", (x - 30 - 4 * step, y + 8 * step), (x + 30 + 8 * step, y + 8 * step))
    touch(fingers, "touchEnd", (x - 50, y + 40))
    touch(fingers, "touchEnd")
    fingers.wait("return told.some(([what, moving]) => what === 'view' && !moving)")
    assert fingers.run("return view.unit()") == pytest.approx(unit / 2, rel=0.02)
    assert pixel(fingers, 6) == pytest.approx([x + 10, y + 40], abs=2)
    assert not told(fingers) & {"pick", "double", "hover"}


# Hits


def test_a_click_picks_the_point_or_the_ground(page):
    x, y = pixel(page, 6)
    forget(page)
    page.mouse((x, y), (x + 2, y + 2))
    page.mouse((x + 100, y + 60))
    ActionChains(page.driver, duration=0).key_down(Keys.SHIFT).perform()
    page.mouse((x - 200 + 9, y))
    ActionChains(page.driver, duration=0).key_up(Keys.SHIFT).perform()
    page.wait("return told.filter(([what]) => what === 'pick').length === 3")
    assert heard(page, "pick") == [["pick", 6, False], ["pick", -1, False], ["pick", 5, True]]


def test_of_two_clicks_the_second_is_a_double_one(page):
    for place, point in ((pixel(page, 2), 2), (beside(pixel(page, 2), 100, 60), -1)):
        forget(page)
        x, y = map(round, place)
        stage = page.find("#stage")
        ActionChains(page.driver, duration=0).move_to_element_with_offset(
            stage, x - 400, y - 300
        ).double_click().perform()
        assert values(page, "double") == [point]
        assert values(page, "pick") == [point]


def test_a_click_takes_the_focus_from_a_field(page):
    page.click("input")
    assert page.run("return document.activeElement.tagName") == "INPUT"
    page.mouse(pixel(page, 6))
    assert page.run("return document.activeElement.tagName") == "BODY"


def test_a_finger_hits_what_a_mouse_would_miss(fingers):
    x, y = pixel(fingers, 6)
    for across, down, point in ((17, 0, 6), (0, 24, -1)):
        forget(fingers)
        touch(fingers, "touchStart", (x + across, y + down))
        touch(fingers, "touchEnd")
        assert values(fingers, "pick") == [point]
        assert "hover" not in told(fingers)
    forget(fingers)
    fingers.mouse((x, y + 17))
    assert values(fingers, "pick") == [-1]


def test_the_point_under_the_mouse_is_told_once(page):
    x, y = pixel(page, 6)
    forget(page)
    page.hover(x + 8, y)
    assert values(page, "hover") == [6]
    assert page.run("return getComputedStyle(document.querySelector('.lasso')).cursor") == "pointer"
    page.hover(x + 4, y + 4)
    page.hover(x + 40, y)
    page.wait("return told.filter(([what]) => what === 'hover').length > 1")
    assert values(page, "hover") == [6, -1]
    forget(page)
    page.run("view.pan(40, 0)")  # a point comes under a mouse that is still
    assert values(page, "hover") == [6]
    page.hover(900, 700)
    page.wait("return told.filter(([what]) => what === 'hover').length > 1")
    assert values(page, "hover") == [6, -1]


def test_the_nearest_drawn_point_is_found_and_of_equals_the_topmost(page):
    draws = np.random.default_rng(1)
    xy = draws.normal(size=(2000, 2)).astype(np.float32)
    xy[7] = xy[3] = xy[5]
    order = draws.permutation(np.delete(np.arange(2000), np.arange(100, 1000)))
    fill(page, xy, order)
    pixels = np.array(page.run("return Array.from({length: 2000}, (_, i) => view.pixel(i))"))
    places = pixels[:300] + draws.normal(0, 40, (300, 2))
    places[0] = pixels[3]
    found = page.run("return arguments[0].map((place) => view.nearest(...place, 9))", places.tolist())
    for place, point in zip(places, found, strict=True):
        away = np.hypot(*(pixels[order] - place).T)
        expected = np.flatnonzero(away == away.min())[-1]
        assert point == (order[expected] if away[expected] <= 9 else -1)
    assert 100 < sum(point >= 0 for point in found) < 280


# Lasso


def loop(browser: Browser, points: Sequence[int]) -> list[np.ndarray]:
    """Return a line around some points, all but closed."""
    places = np.array([pixel(browser, point) for point in points])
    (left, top), (right, bottom) = places.min(axis=0) - 25, places.max(axis=0) + 25
    corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom), (left, top + 10)])
    return [place for a, b in itertools.pairwise(corners) for place in np.linspace(a, b, 5)]


def test_a_lasso_is_seen_takes_what_lies_in_it_and_ends(page):
    page.run("view.lasso(true); view.paint(view.drawn().packed, Uint32Array.of(9, 8, 6, 5, 4, 2, 1, 0))")
    page.wait("return document.querySelector('.lasso').style.cursor === 'crosshair'")
    before = seen(page)
    forget(page)
    line = loop(page, [2, 6, 3, 7])
    page.run(
        """window.lines = [];
        const path = document.querySelector('.lasso path');
        new MutationObserver(() => lines.push(path.getBoundingClientRect().width)).observe(path, {attributes: true});"""
    )
    page.mouse(*line, drag=True)
    assert values(page, "lasso") == [[2, 6]]  # 3 and 7 are not drawn
    assert page.run("return Math.max(...lines)") > 200
    assert page.run("return document.querySelector('.lasso path').getAttribute('d')") == ""
    assert page.run("return view.isLasso()") is False
    assert not told(page) & {"pick", "view"} and seen(page).tolist() == before.tolist()
    page.mouse(line[0], line[8], drag=True)
    heard(page, "view")  # a drag moves the map again


def test_a_lasso_around_nothing_is_told_and_one_put_away_is_not(page):
    page.run("view.lasso(true)")
    forget(page)
    page.mouse((20, 20), (90, 20), (90, 90), (20, 90), drag=True)
    assert values(page, "lasso") == [[]]
    page.run("view.lasso(true); told.length = 0")
    page.run("document.querySelector('.lasso').addEventListener('pointerdown', () => view.lasso(false), {once: true})")
    page.mouse(*loop(page, [1, 2]), drag=True)
    page.mouse(pixel(page, 6))
    assert values(page, "pick") == [6]
    assert "lasso" not in told(page)


def test_a_lasso_that_the_system_breaks_off_is_drawn_again(fingers):
    fingers.run("view.lasso(true)")
    forget(fingers)
    touch(fingers, "touchStart", (300, 300))
    for place in ((700, 300), (700, 500), (300, 500)):
        touch(fingers, "touchMove", place)
    assert fingers.run("return document.querySelector('.lasso path').getAttribute('d')") != ""
    touch(fingers, "touchCancel")
    fingers.wait("return document.querySelector('.lasso path').getAttribute('d') === ''")
    assert not told(fingers) & {"lasso", "pick"}
    assert fingers.run("return view.isLasso()") is True


def test_a_second_finger_zooms_and_leaves_the_lasso_on(fingers):
    fingers.run("view.lasso(true)")
    forget(fingers)
    touch(fingers, "touchStart", (300, 300))
    touch(fingers, "touchMove", (320, 300))
    touch(fingers, "touchStart", (320, 300), (420, 300))
    touch(fingers, "touchMove", (320, 300), (470, 300))
    touch(fingers, "touchEnd", (320, 300))
    touch(fingers, "touchEnd")
    fingers.wait("return told.some(([what, moving]) => what === 'view' && !moving)")
    assert not told(fingers) & {"lasso", "pick"}
    assert fingers.run("return view.isLasso()") is True
