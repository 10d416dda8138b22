"""Names on the map, in a real Chromium: who gets one, where it stands, and that what chance has made gets none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from browser import WITHOUT_WEBGL, Browser, chromium, file_address

from utils import ROOT

pytestmark = pytest.mark.slow

VIEWER = ROOT / "static_web_viewer" / "viewer"
PREPARE = """
    const { x, y, codes, values, shown } = arguments[0];
    return names.prepare({ x: Float32Array.from(x), y: Float32Array.from(y), codes: Uint32Array.from(codes), values,
      shown: Uint8Array.from(shown) });
"""
LAYOUT = """
    const [candidates, { left, top, scale, letter, ...view }] = arguments;
    return names.layout(candidates, { ...view, toPixel: (x, y) => [(x - left) * scale, (y - top) * scale],
      measure: (text) => letter * text.length, lineHeight: 16 });
"""
WINDOW = {"left": 0, "top": 0, "scale": 1, "letter": 7, "width": 800, "height": 600}


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Iterator[Browser]:
    """A page of names.js, what it needs, and nothing else."""
    folder = tmp_path_factory.mktemp("names only")
    scripts = ("nearby.js", "names.js")
    for script in scripts:
        (folder / script).write_bytes((VIEWER / script).read_bytes())
    tags = "".join(f'<script src="{script}"></script>' for script in scripts)
    harness = f'<!DOCTYPE html><meta charset="utf-8">{tags}'
    (folder / "index.html").write_text(harness, encoding="utf-8")
    with chromium(WITHOUT_WEBGL, folder) as browser:
        browser.open(file_address(folder / "index.html"), folder, wait="typeof names === 'object'")
        yield browser
        browser.check()


def blobs(sizes: Sequence[int], seed: int = 0, apart: float = 10.0) -> tuple[np.ndarray, np.ndarray]:
    """Round groups beside each other in a square, (points, 2), and the group of each."""
    groups = np.repeat(np.arange(len(sizes)), sizes)
    side = int(np.ceil(np.sqrt(len(sizes))))
    centres = apart * np.array([divmod(group, side) for group in range(len(sizes))], float)
    return centres[groups] + np.random.default_rng(seed).normal(size=(len(groups), 2)), groups


def prepare(page: Browser, xy: np.ndarray, labels: Sequence[str | None], shown: Sequence[int] | None = None) -> list:
    """Return the candidates, values numbered as the page's columns are: the most frequent first, none last."""
    counts = Counter(labels)
    values = sorted(counts, key=lambda value: (value == "", -counts[value], value or ""))
    codes = [values.index(label) for label in labels]
    shown = [1] * len(labels) if shown is None else list(map(int, shown))
    x, y = xy.T.tolist()
    found = page.run(PREPARE, {"x": x, "y": y, "codes": codes, "values": values, "shown": shown})
    assert all(values[each["code"]] is not None for each in found)
    return found


def nearest(xy: np.ndarray, candidate: dict) -> int:
    return int(np.argmin(np.linalg.norm(xy - [candidate["x"], candidate["y"]], axis=1)))


@pytest.mark.parametrize("sizes", [[4, 4, 4], [6, 6], [8] * 5, [150, 100, 90, 60], [2000, 1000, 500, 300, 200] * 2])
def test_each_group_is_named_once_on_points_of_its_own(page, sizes):
    xy, groups = blobs(sizes)
    found = prepare(page, xy, [f"kind {group}" for group in groups])
    assert sorted(each["text"] for each in found) == [f"kind {group}" for group in range(len(sizes))]
    for each in found:
        place = nearest(xy, each)
        assert f"kind {groups[place]}" == each["text"]
        assert np.allclose(xy[place], [each["x"], each["y"]], atol=1e-4)
        assert all(groups[nearest(xy, {"x": x, "y": y})] == groups[place] for x, y in each["places"])


def test_a_name_stands_where_its_points_are_densest(page):
    xy, groups = blobs([300, 300])
    alone = (groups == 0) & (np.arange(600) % 5 == 0)
    xy[alone] += [0, 4]  # a fifth of them lies a little aside
    (name,) = [each for each in prepare(page, xy, [f"{group}" for group in groups]) if each["text"] == "0"]
    assert np.linalg.norm([name["x"], name["y"]]) < 1


def test_the_larger_region_comes_first_and_weighs_its_share(page):
    xy, groups = blobs([50, 400, 150])
    found = prepare(page, xy, [f"{group}" for group in groups])
    assert [each["text"] for each in found] == ["1", "2", "0"]
    for each, share in zip(found, (400 / 600, 150 / 600, 50 / 600), strict=True):
        assert 0 < each["weight"] <= share


@pytest.mark.parametrize("points", [12, 40, 400, 3000])
@pytest.mark.parametrize("kinds", [2, 5, 60])
def test_shuffled_columns_have_hardly_a_name(page, points, kinds):
    draws = np.random.default_rng([points, kinds])
    maps = 20 if points < 1000 else 4
    named = 0
    for _ in range(maps):
        xy, _ = blobs([points // 4] * 4)
        named += bool(prepare(page, xy, [f"{kind}" for kind in draws.permutation(np.arange(points) % kinds)]))
    assert named <= maps // 10


def test_a_value_is_named_in_every_region_that_lies_apart(page):
    xy, groups = blobs([300, 100, 300, 100, 200, 100, 300, 100, 300])
    kinds = ["in the corners" if group in (0, 2, 6, 8) else f"kind {group}" for group in groups]
    found = prepare(page, xy, kinds)
    corners = [nearest(xy, each) for each in found if each["text"] == "in the corners"]
    assert sorted(groups[corners]) == [0, 2, 6, 8]
    # The second name of a value comes after a smaller region that would have none
    assert [each["text"] for each in found[:2]] == ["in the corners", "kind 4"]


def test_what_is_mixed_evenly_has_no_name(page):
    xy, _ = blobs([200, 200])
    assert prepare(page, xy, ["a" if point % 2 else "b" for point in range(400)]) == []
    assert prepare(page, xy, ["one value"] * 400) == []


def test_a_name_needs_what_is_typical_not_only_what_is_more(page):
    """Few have the value, and 2 of 7 everywhere in a corner: surely more than by chance, yet not what it is about."""
    places = np.array([(x, y) for x in range(40) for y in range(40)])
    x, y = places.T
    corner = (x < 20) & (y < 20)
    some = prepare(page, places, list(np.where(corner & ((x + 3 * y) % 7 < 2), "a", "b")))
    assert "a" not in {each["text"] for each in some}
    more = prepare(page, places, list(np.where(corner & ((x + 3 * y) % 7 < 5), "a", "b")))
    assert "a" in {each["text"] for each in more}


def test_no_value_is_never_named_and_in_nobodys_way(page):
    xy, groups = blobs([60] * 4)
    labels = ["" if group == 3 or point % 4 else f"kind {group}" for point, group in enumerate(groups)]
    assert sorted(each["text"] for each in prepare(page, xy, labels)) == ["kind 0", "kind 1", "kind 2"]
    assert prepare(page, xy, [""] * 240) == []
    blanks = ["\u00a0 " if group == 3 else f"kind {group}" for group in groups]
    assert sorted(each["text"] for each in prepare(page, xy, blanks)) == ["kind 0", "kind 1", "kind 2"]


def test_what_is_not_shown_does_not_count(page):
    xy, groups = blobs([60, 60, 60])
    shown = groups != 1
    found = prepare(page, xy, [f"kind {group}" for group in groups], shown)
    assert sorted(each["text"] for each in found) == ["kind 0", "kind 2"]
    assert prepare(page, xy, [f"kind {group}" for group in groups], np.zeros(180)) == []


def test_names_are_one_short_line(page):
    labels = ["a name of exactly 28 letters", "a name with more letters than 28", "two\nlines\tand  blanks", "𝄞" * 29]
    xy, groups = blobs([30] * 4)
    texts = {each["text"] for each in prepare(page, xy, [labels[group] for group in groups])}
    assert texts == {labels[0], "a name with more letters th…", "two lines and blanks", "𝄞" * 27 + "…"}


@pytest.mark.parametrize("points", [0, 1, 2, 3, 5])
def test_a_handful_of_points_has_no_names(page, points):
    assert prepare(page, np.arange(2 * points, dtype=float).reshape(-1, 2), ["a", "b", "a", "a", "b"][:points]) == []


def test_equal_places_and_one_value_a_track(page):
    found = prepare(page, np.zeros((300, 2)), [f"{point // 100}" for point in range(300)])
    assert len({each["text"] for each in found}) == len(found)
    assert all((each["x"], each["y"]) == (0, 0) for each in found)
    xy, _ = blobs([100, 100])
    assert prepare(page, xy, [f"{point}" for point in range(200)]) == []


def test_a_sample_of_very_many_finds_the_same_names(page):
    """Built in the page: 60,000 points, the groups in turn, so that every tenth of the list would miss some."""
    found = page.run("""
        const count = 60000, x = new Float32Array(count), y = new Float32Array(count), codes = new Uint8Array(count);
        for (let i = 0; i < count; i++) {
          codes[i] = i % 20;
          const [radius, angle] = [Math.sqrt((i * 0.7548776662466927) % 1), i * 0.5698402909980532 * 2 * Math.PI];
          x[i] = 3 * (codes[i] % 5) + radius * Math.cos(angle);
          y[i] = 3 * Math.floor(codes[i] / 5) + radius * Math.sin(angle);
        }
        const values = Array.from({ length: 20 }, (_, i) => `kind ${i}`);
        const map = { x, y, codes, values, shown: new Uint8Array(count).fill(1) };
        const [once, again] = [names.prepare(map), names.prepare(map)];
        return { once, same: JSON.stringify(once) === JSON.stringify(again) };
    """)
    assert found["same"]
    assert sorted(each["code"] for each in found["once"]) == list(range(20))
    for each in found["once"]:
        centre = 3 * np.array([each["code"] % 5, each["code"] // 5])
        assert np.linalg.norm(centre - [each["x"], each["y"]]) < 1


def candidate(text: str, *places: tuple[float, float], weight: float = 0.5, code: int = 0) -> dict:
    return {"text": text, "x": places[0][0], "y": places[0][1], "code": code, "weight": weight, "places": places}


def layout(page: Browser, candidates: list[dict], **view: object) -> list[dict]:
    return page.run(LAYOUT, candidates, WINDOW | view)


def box(name: dict) -> tuple[float, float, float, float]:
    half = 7 * len(name["text"]) / 2
    return name["x"] - half, name["y"] - 8, name["x"] + half, name["y"] + 8


def overlap(one: Sequence[float], other: Sequence[float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


@pytest.mark.parametrize("scale", [0.7, 1, 2.5])
def test_no_name_overlaps_another_and_all_are_whole(page, scale):
    draws = np.random.default_rng(3)
    places = draws.uniform(0, [800, 600], (300, 2)).tolist()
    candidates = [candidate(f"name {i} " + "x" * (i % 15), place, code=i) for i, place in enumerate(places)]
    taken = {"left": 0, "top": 0, "right": 250, "bottom": 150}
    written = layout(page, candidates, scale=scale, taken=[taken], most=200)
    assert 20 < len(written) < 200
    boxes = [box(name) for name in written] + [tuple(taken.values())]
    assert not any(overlap(one, other) for place, one in enumerate(boxes) for other in boxes[:place])
    assert all(left >= 0 and top >= 0 and right <= 800 and bottom <= 600 for left, top, right, bottom in boxes)
    # A name lies on its place
    for name in written:
        left, top, right, bottom = box(name)
        x, y = np.multiply(places[name["code"]], scale)
        assert left <= x <= right and top <= y <= bottom


def test_the_first_candidate_wins_and_the_other_takes_its_next_place(page):
    first, other = candidate("first", (400, 300)), candidate("other", (405, 302), (100, 500), (700, 100), code=1)
    assert layout(page, [first, other]) == [
        {"text": "first", "x": 400, "y": 300, "code": 0, "size": 1},
        {"text": "other", "x": 100, "y": 500, "code": 1, "size": 1},
    ]
    assert [name["text"] for name in layout(page, [other, first])] == ["other"]
    # A region of which the first place is out of the window is named on another that is in it
    (seen,) = layout(page, [other], left=600, top=0)
    assert (seen["x"], seen["y"]) == (100, 100)


def test_small_regions_are_named_from_near_only_and_no_more_than_most(page):
    candidates = [candidate("large", (100, 100)), candidate("small", (100, 300), weight=0.002)]
    candidates.append(candidate("large too", (100, 500)))
    texts = [[name["text"] for name in layout(page, candidates, closer=closer)] for closer in (1, 2, 3)]
    assert texts == [["large", "large too"], ["large", "large too"], ["large", "small", "large too"]]
    assert [name["text"] for name in layout(page, candidates, most=1)] == ["large"]
    assert layout(page, [candidate("x" * 200, (100, 100))]) == []  # longer than the window is wide
    assert layout(page, []) == []


def test_names_stay_while_the_map_is_moved(page):
    xy, groups = blobs([60] * 16)
    candidates = prepare(page, xy, [f"kind {group}" for group in groups])
    before = layout(page, candidates, left=-3, top=-3, scale=16)
    after = layout(page, candidates, left=-2.5, top=-3, scale=16)
    assert len(before) == 16
    for name in after:
        (same,) = [each for each in before if each["code"] == name["code"]]
        # Those at the edge may have moved inwards
        assert same["x"] - name["x"] == pytest.approx(8) or box(name)[0] == pytest.approx(0)
