"""The page in a real Chromium: drawn, clicked, heard, coloured, searched, filtered, saved, and without WebGL."""

from __future__ import annotations

import csv
import io
import itertools
import os
import re
import shutil
import time
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes, urlsplit

import numpy as np
import pytest
from browser import WITH_WEBGL, WITHOUT_WEBGL, Browser, chromium, file_address, served
from conftest import tone, write_audio
from selenium.webdriver.common.keys import Keys

from judging import neighbours
from static_web_viewer import display_vector_data
from utils import ROOT

pytestmark = pytest.mark.slow

ARTEFACTS = ROOT / "artefacts" / "page"
TRACKS = 40
SILENT = 33  # the track whose audio is not there
SECONDS = 10.0
GENRES = ["rock"] * 15 + ["jazz"] * 12 + ["folk"] * 8 + [""] * 5
MOST_CATEGORIES, STEPS = 20, 32
LARGE_LEAST_SECONDS = 30  # what 100,000 tracks may take on any machine


@dataclass(frozen=True)
class Made:
    """A page with what it was made of."""

    folder: Path
    music: Path
    names: list[str]
    vectors: np.ndarray  # (tracks, dims) float32
    table: dict[str, list[str]]  # column of the label table -> a value a track
    xy: np.ndarray  # (tracks, 2) float32

    @property
    def address(self) -> str:
        return file_address(self.folder / "index.html")

    def distances(self, track: int) -> np.ndarray:
        """Exact cosine distances to a track, (tracks,) float64."""
        rows = self.vectors.astype(np.float64)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return 1 - rows @ rows[track]

    def neighbours(self, track: int) -> list[int]:
        order = np.argsort(self.distances(track), kind="stable")
        return [int(other) for other in order if other != track][:20]

    def titles(self) -> list[str]:
        return [title or Path(name).stem for title, name in zip(self.table["title"], self.names, strict=True)]


def write_run(folder: Path, names: Sequence[str], vectors: np.ndarray) -> Path:
    folder.mkdir(parents=True)
    np.save(folder / "vector_at_1.npy", vectors)
    listed = "".join(f"{name}.npy\n" for name in names).encode("utf-8", "surrogateescape")
    for name in ("music_list.txt", "music_list_at_1.txt"):
        (folder / name).write_bytes(listed)
    (folder / "epoc_num.txt").write_text("1\n")
    return folder


def write_table(path: Path, names: Sequence[str], table: dict[str, list[str]]) -> Path:
    with open(path, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        csv.writer(file).writerows([["filename", *table], *zip(names, *table.values(), strict=True)])
    return path


def write_layout(path: Path, names: Sequence[str], xy: np.ndarray) -> Path:
    return write_table(path, names, {"x": [str(x) for x in xy[:, 0]], "y": [str(y) for y in xy[:, 1]]})


def make_page(root: Path, names: Sequence[str], vectors: np.ndarray, table: dict[str, list[str]], *flags: str) -> Made:
    """Make a page of a run in root/run and of the audio in root/music, which is what the test has put there."""
    run, page, music = root / "run", root / "the page", root / "music"
    write_run(run, names, vectors)
    labels = ["--labels", str(write_table(root / "labels.csv", names, table))] if table else []
    assert display_vector_data.main([str(run), str(music), str(page), *labels, *flags, "--quiet"]) == 0
    return Made(page, music, list(names), vectors, table, read_places(page / "layout.csv"))


def read_places(path: Path) -> np.ndarray:
    """Return x and y of a layout file, whose rows are in the order of the run, (tracks, 2) float32."""
    with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
        return np.array([[row["x"], row["y"]] for row in csv.DictReader(file)], np.float32)


def draw_vectors(kinds: Sequence[object], dims: int = 16, seed: int = 0) -> np.ndarray:
    """Vectors that lie by kind, (tracks, dims) float32."""
    draws = np.random.default_rng(seed)
    centres = {kind: draws.standard_normal(dims) for kind in dict.fromkeys(kinds)}
    noise = draws.standard_normal((len(kinds), dims))
    return (np.array([centres[kind] for kind in kinds]) + 0.7 * noise).astype(np.float32)


def grid(tracks: int, columns: int) -> np.ndarray:
    """Places far enough from each other that each can be hit, (tracks, 2)."""
    places = np.array([divmod(track, columns)[::-1] for track in range(tracks)], float)
    return places + np.random.default_rng(1).uniform(-0.15, 0.15, places.shape)


@pytest.fixture(scope="module")
def collection(tmp_path_factory) -> Made:
    """40 tracks on a grid, whose audio lies where it was: a name has what names have, a track no audio."""
    root = tmp_path_factory.mktemp("the collection")
    names = [f"{'AB'[track % 2]} side/{track:02}, søng #1?.wav" for track in range(TRACKS)]
    for track, name in enumerate(names):
        if track != SILENT:
            write_audio(root / "music" / name, tone(SECONDS, 200 + 10 * track, rate_hz=8000), 8000)
    energy = np.random.default_rng(2).normal(0, 50, TRACKS).round(3)
    table = {
        "genre": GENRES,
        "title": [f"Ångström {track}" if track % 5 else "" for track in range(TRACKS)],
        "artist": [f"Artist, the {track % 7}th" if track % 7 else "" for track in range(TRACKS)],
        "energy": ["" if track % 9 == 8 else str(energy[track]) for track in range(TRACKS)],
        "mood": [f"mood {track % 25:02}" for track in range(TRACKS)],
        "citation": ["Synthesised for a test, CC0"] * TRACKS,
    }
    places = write_layout(root / "places.csv", names, grid(TRACKS, 8))
    return make_page(root, names, draw_vectors(GENRES), table, "--layout", str(places), "--title", "A collection")


@pytest.fixture(scope="module")
def moved(tmp_path_factory) -> Made:
    """A page that brings its short audio with it, and lies elsewhere; what it was made of is gone."""
    root = tmp_path_factory.mktemp("was here")
    names = [f"tone {track}.wav" for track in range(TRACKS)]
    for track, name in enumerate(names):
        write_audio(root / "music" / name, tone(0.4, 200 + 10 * track, rate_hz=8000), 8000)
    table = {"genre": GENRES, "title": [""] * TRACKS}
    made = make_page(root, names, draw_vectors(GENRES, seed=3), table, "--audio", "copy")
    elsewhere = tmp_path_factory.mktemp("is there") / "moved #1"
    shutil.move(made.folder, elsewhere)
    shutil.rmtree(root)
    return Made(elsewhere, elsewhere / "audio", made.names, made.vectors, made.table, made.xy)


def without_audio(tmp_path_factory, tracks: int) -> Made:
    root = tmp_path_factory.mktemp(f"{tracks} tracks")
    names = [f"folder {track % 7}/track {track}.wav" for track in range(tracks)]
    vectors = draw_vectors([track % 12 for track in range(tracks)], dims=8)
    return make_page(root, names, vectors, {}, "--layout", "pca", "--audio", "none", "--clusters", "4")


@pytest.fixture(scope="module")
def thousands(tmp_path_factory) -> Made:
    return without_audio(tmp_path_factory, 6000)


@pytest.fixture(scope="module")
def hundred_thousand(tmp_path_factory) -> Made:
    """100,000 tracks, whose neighbours are just any: to find the true ones takes a minute, and to show them as long."""

    def any_neighbours(rows: np.ndarray, count: int, quiet: bool = True) -> tuple[np.ndarray, np.ndarray]:
        others = (np.arange(len(rows))[:, None] + np.arange(1, count + 1)) % len(rows)
        return others.astype(np.int32), np.tile(np.linspace(0, 1, count, dtype=np.float32), (len(rows), 1))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "nearest_neighbours", any_neighbours)
        return without_audio(tmp_path_factory, 100_000)


@pytest.fixture(scope="module")
def window(tmp_path_factory) -> Iterator[Browser]:
    with chromium(WITH_WEBGL, tmp_path_factory.mktemp("downloads")) as started:
        yield started


@pytest.fixture(scope="module")
def window_without_webgl(tmp_path_factory) -> Iterator[Browser]:
    with chromium(WITHOUT_WEBGL, tmp_path_factory.mktemp("downloads")) as started:
        yield started


@pytest.fixture
def browser(window) -> Iterator[Browser]:
    """A window of 1024 x 768 pixels; in the end nothing was said on the console and nothing foreign loaded."""
    window.show()
    yield window
    window.check()


@pytest.fixture
def page(browser, collection) -> Browser:
    """The collection's page, just opened."""
    open_page(browser, collection)
    return browser


def open_page(browser: Browser, made: Made, hash_: str = "") -> None:
    browser.open(made.address + hash_, made.folder, made.music)


# What the page shows, read without its own code: plotly's traces, the elements, the audio element

# While the map is drawn anew, as after each click of a double one, plotly's layers have no markers for a moment
TRACES = """const layers = document.getElementById('map').data;
    return layers.every((trace) => trace.marker) && {layers: layers.map((trace) => ({
        x: [...trace.x], y: [...trace.y],
        colour: trace.marker.color, opacity: trace.marker.opacity, kind: trace.type}))}"""


def traces(browser: Browser, made: Made) -> list[dict]:
    """Return the drawn layers, the lowest first: colour, opacity, kind, and tracks."""
    track_at = {(float(x), float(y)): track for track, (x, y) in enumerate(made.xy)}
    assert len(track_at) == len(made.xy)
    found = browser.wait(TRACES)["layers"]
    return [
        {**trace, "tracks": {track_at[place] for place in zip(trace["x"], trace["y"], strict=True)}} for trace in found
    ]


def coloured(browser: Browser, made: Made, faint: bool = False) -> dict[str, set[int]]:
    """Return colour -> tracks, of what is drawn in full or of what is left faint."""
    found: dict[tuple[int, ...], set[int]] = {}
    for trace in traces(browser, made):
        if (trace["opacity"] < 0.3) == faint:
            found.setdefault(rgb(trace["colour"]), set()).update(trace["tracks"])  # a colour is drawn in rounds
    return found


def rgb(colour: str) -> tuple[int, ...]:
    """Read "#rrggbb" or "rgb(r, g, b)"."""
    if colour.startswith("#"):
        return tuple(bytes.fromhex(colour[1:]))
    return tuple(int(float(number)) for number in re.findall(r"[\d.]+", colour)[:3])


def pixels(browser: Browser, made: Made) -> np.ndarray:
    """Return where in the window each track lies, (tracks, 2)."""
    left, top, width, height, x, y = browser.run("""
        const map = document.getElementById('map'), box = map.getBoundingClientRect();
        return [box.left, box.top, box.width, box.height, [...map.layout.xaxis.range], [...map.layout.yaxis.range]]""")
    share = (made.xy - [x[0], y[0]]) / [x[1] - x[0], y[1] - y[0]]
    return share * [width, -height] + [left, top + height]


def click_track(browser: Browser, made: Made, track: int) -> None:
    """Point at a track, see its title, click: as quick as a hand, and not quicker."""
    place = tuple(pixels(browser, made)[track])
    browser.hover(*place)
    browser.wait("return document.querySelector('#tooltip strong')?.textContent === arguments[0]", made.titles()[track])
    browser.mouse(place)
    browser.wait_text("#track-title", made.titles()[track])


def legend(browser: Browser) -> dict[str, tuple[tuple[int, ...], int]]:
    """Return label -> (colour, tracks) as the legend has them."""
    entries = browser.run("""return [...document.querySelectorAll('#legend li button')].map((button) => [
        button.querySelector('span').textContent, getComputedStyle(button.querySelector('i')).backgroundColor,
        button.querySelector('small').textContent])""")
    return {label: (rgb(colour), int(count.replace(",", ""))) for label, colour, count in entries}


def legend_entry(browser: Browser, label: str) -> str:
    place = [*legend(browser)].index(label)
    return f"#legend li:nth-child({place + 1}) button"


def listed(browser: Browser, css: str = "#list ol") -> list[int]:
    return browser.run(
        "return [...document.querySelectorAll(arguments[0] + ' li')].map((row) => +row.dataset.track)", css
    )


def sound(browser: Browser) -> bytes | None:
    """Return the path of the file that the audio element has."""
    address = browser.run(
        "const audio = document.getElementById('audio'); return audio.getAttribute('src') && audio.src"
    )
    return address and unquote_to_bytes(urlsplit(address).path)


def wait_sounding(browser: Browser) -> None:
    browser.wait("const audio = document.getElementById('audio'); return !audio.paused && audio.currentTime > 0.1")


def path_of(made: Made, track: int) -> bytes:
    return os.path.realpath(os.fsencode(made.music / made.names[track]))


def view(browser: Browser) -> list[float]:
    return browser.run(
        "const {xaxis, yaxis} = document.getElementById('map').layout; return [...xaxis.range, ...yaxis.range]"
    )


def colour_by(browser: Browser, name: str) -> None:
    with browser.redraw():
        browser.choose_text("#colour", name)


# Loading


def test_a_page_opens_from_a_file_and_says_what_it_shows(page, collection):
    assert page.drawn() == TRACKS
    assert page.driver.title == page.text("h1") == "A collection"
    assert page.text("#count") == "40 tracks"
    assert not page.find("#failure").is_displayed() and not page.find("#notice").is_displayed()
    assert {trace["kind"] for trace in traces(page, collection)} == {"scattergl"}
    requested = page.requests()
    assert len(requested) > 10 and all(url.startswith("file:///") for url in requested)
    about = " ".join(page.texts("#about li"))
    assert "song vectors of save 1" in about
    assert os.fspath(collection.folder.parent) not in about  # a page is published, and whose disk it was is private


def test_a_moved_page_works_on_a_server_and_plays_what_it_has_with_it(browser, moved):
    with served(moved.folder.parent) as address:
        browser.open(f"{address}moved%20%231/", f"{address}moved%20%231/")
        assert browser.drawn() == TRACKS
        record_what_plays(browser)
        click_track(browser, moved, 3)
        browser.wait("return window.played.length")
        assert browser.run("return window.played[0]") == f"{address}moved%20%231/audio/tone%203.wav"
        browser.run("document.getElementById('audio').pause()")
        requested = browser.requests()
        assert requested and all(url.startswith(address) for url in requested)
        browser.check()
        browser.driver.get("about:blank")


def record_what_plays(browser: Browser) -> None:
    browser.run("""window.played = []; const audio = document.getElementById('audio');
        audio.addEventListener('playing', () => window.played.push(audio.src))""")


def test_after_a_track_the_next_of_its_neighbours_plays(browser, moved):
    open_page(browser, moved)
    record_what_plays(browser)
    click_track(browser, moved, 5)
    browser.wait("return window.played.length >= 4")
    played = [unquote_to_bytes(urlsplit(url).path) for url in browser.run("return window.played")]
    assert played[:4] == [path_of(moved, track) for track in [5, *moved.neighbours(5)[:3]]]


# Clicking and playing


def test_a_click_on_a_point_plays_it_and_shows_what_is_known_of_it(page, collection):
    for track in (0, 21):
        artist = collection.table["artist"][track]
        page.hover(*pixels(page, collection)[track])
        page.wait_text("#tooltip", collection.titles()[track] + artist)
        click_track(page, collection, track)
        wait_sounding(page)
        assert sound(page) == path_of(collection, track)
        assert page.text("#playing-title") == collection.titles()[track]
        assert page.text("#track-file") == collection.names[track]
        assert page.text("#track-artist") == artist
        assert page.text("#track-citation") == "Synthesised for a test, CC0"
        told = dict(zip(page.texts("#track-columns dt"), page.texts("#track-columns dd"), strict=True))
        wanted = {name: collection.table[name][track] for name in ("genre", "energy", "mood")}
        assert {name: told.get(name, "") for name in wanted} == wanted
        assert told["folder"] == f"{'AB'[track % 2]} side" and told["cluster"].startswith("cluster ")
        assert len(page.find_all("#overlay .selected")) == len(page.find_all("#overlay .playing")) == 1
        ring = page.run("""const ring = document.querySelector('#overlay .selected').getBoundingClientRect();
            return [ring.left + ring.width / 2, ring.top + ring.height / 2]""")
        np.testing.assert_allclose(ring, pixels(page, collection)[track], atol=1)


def test_the_neighbours_are_the_exact_ones(page, collection):
    for track in (2, 38):
        click_track(page, collection, track)
        near = collection.neighbours(track)
        assert listed(page, "#neighbours") == near
        printed = [float(note) for note in page.texts("#neighbours .note")]
        np.testing.assert_allclose(printed, collection.distances(track)[near], atol=0.00051)
        assert page.texts("#neighbours .plain") == [
            " ".join(filter(None, [collection.titles()[other], collection.table["artist"][other]])) for other in near
        ]


def test_a_neighbour_is_selected_by_its_title_and_played_by_its_button(page, collection):
    click_track(page, collection, 4)
    first, second = collection.neighbours(4)[:2]
    page.click("#neighbours li:nth-child(2) .play")
    wait_sounding(page)
    assert sound(page) == path_of(collection, second)
    assert page.text("#track-title") == collection.titles()[4]
    assert "sounding" in page.find("#neighbours li:nth-child(2)").get_attribute("class")
    page.click("#neighbours li:nth-child(1) .plain")
    page.wait_text("#track-title", collection.titles()[first])
    assert sound(page) == path_of(collection, first)


def test_a_track_without_audio_says_so_and_does_not_seem_to_play(page, collection):
    click_track(page, collection, SILENT)
    assert page.find("#trouble").is_displayed() and "no audio" in page.text("#trouble")
    assert sound(page) is None
    page.keys(" ")
    assert page.run("return document.getElementById('audio').paused")
    click_track(page, collection, 1)
    wait_sounding(page)
    assert not page.find("#trouble").is_displayed()


def test_the_keys_are_the_maps_again_after_a_click_on_it(page, collection):
    """Found by choosing a colour, clicking a point and pressing an arrow: the colour changed, not the track."""
    page.click("#colour")
    page.choose_text("#colour", "mood")
    click_track(page, collection, 9)
    wait_sounding(page)
    page.keys(Keys.ARROW_RIGHT)
    page.wait_text("#playing-title", collection.titles()[collection.neighbours(9)[0]])
    assert page.run("return document.getElementById('colour').selectedOptions[0].text") == "mood"
    page.keys("/", "folk")
    page.wait("return !document.getElementById('list').hidden")
    click_track(page, collection, 12)
    page.keys(" ")
    page.wait("return document.getElementById('audio').paused")
    assert page.find("#search").get_attribute("value") == "folk"


def test_a_file_that_is_gone_is_told(browser, moved, tmp_path):
    copied = Made(*[shutil.copytree(moved.folder, tmp_path / "page"), tmp_path / "page/audio"], *astuple_rest(moved))
    (copied.music / copied.names[7]).unlink()
    open_page(browser, copied)
    click_track(browser, copied, 7)
    browser.wait("return !document.getElementById('trouble').hidden")
    assert "not there" in browser.text("#trouble")
    assert all("ERR_FILE_NOT_FOUND" in message for message in browser.messages())


def astuple_rest(made: Made) -> tuple:
    return made.names, made.vectors, made.table, made.xy


# Colours


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


# The legend


def test_an_entry_of_the_legend_hides_its_points_and_a_double_click_all_others(page, collection):
    page.click(legend_entry(page, "jazz"))
    page.wait_drawn(TRACKS - 12)
    assert page.find(legend_entry(page, "jazz")).get_attribute("aria-pressed") == "false"
    assert page.text("#count") == "28 of 40 tracks"
    assert set.union(*coloured(page, collection).values()) == {i for i, genre in enumerate(GENRES) if genre != "jazz"}
    page.find(legend_entry(page, "jazz")).send_keys(" ")
    page.wait_drawn(TRACKS)
    page.keys(" ")  # the focus stays on the entry
    page.wait_drawn(TRACKS - 12)
    page.find(legend_entry(page, "jazz")).send_keys(Keys.SHIFT, Keys.ENTER)  # what a double click does
    page.wait_drawn(12)
    page.keys(" ")
    page.wait_drawn(0)
    page.double_click(legend_entry(page, "folk"))
    page.wait_drawn(8)
    assert [*coloured(page, collection).values()] == [{i for i, genre in enumerate(GENRES) if genre == "folk"}]
    page.driver.find_element("xpath", "//*[@id='legend']//button[text()='Show all']").click()
    page.wait_drawn(TRACKS)


def test_with_all_entries_off_the_map_is_empty_and_comes_back(page):
    for label in legend(page):
        page.click(legend_entry(page, label))
    page.wait_drawn(0)
    assert page.text("#count") == "0 of 40 tracks"
    page.click(legend_entry(page, "folk"))
    page.wait_drawn(8)


# Search, filters, lasso, playlists


def folded(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)).lower()


def test_a_search_finds_every_word_in_names_and_columns(page, collection):
    column = "const {values, codes} = tracks.column('cluster');"
    clusters = page.run(f"{column} return Array.from(codes, (code) => values[code])")
    fields = [*zip(collection.names, *collection.table.values(), clusters, strict=True)]
    for text in ("angstrom 1", "SØNG jazz", "cluster  2", "nothing has this", "mood 07 b/"):
        wanted = [
            track
            for track, row in enumerate(fields)
            if all(any(word in folded(field) for field in row) for word in folded(text).split())
        ]
        page.keys("/", text)
        count = "1 track" if len(wanted) == 1 else f"{len(wanted)} tracks"
        page.wait_text("#list-title", f"{count} with “{text}”")
        assert listed(page) == wanted
        page.wait("return document.getElementById('map').data.some((trace) => trace.marker.opacity < 0.3)")
        assert set().union(*coloured(page, collection).values()) == set(wanted)
        assert set().union(*coloured(page, collection, faint=True).values()) == {*range(TRACKS)} - {*wanted}
        assert page.drawn() == TRACKS
        assert page.find("#list-m3u8").is_enabled() == bool(wanted)
        with page.redraw():
            page.keys(Keys.ESCAPE)
        assert not page.find("#list").is_displayed() and page.find("#search").get_attribute("value") == ""
        assert coloured(page, collection, faint=True) == {}


def test_a_list_plays_one_track_after_the_other(page, collection):
    page.keys("/", "jazz", Keys.TAB)
    page.wait("return !document.getElementById('list').hidden")
    members = listed(page)
    page.click("#list-play")
    wait_sounding(page)
    assert sound(page) == path_of(collection, members[0])
    page.click("#next")
    page.wait_text("#playing-title", collection.titles()[members[1]])
    assert sound(page) == path_of(collection, members[1])


def test_a_filter_by_values_shows_those_alone_until_it_is_removed(page, collection):
    page.click("#filters summary")
    page.choose_text("#filter-column", "genre")
    boxes = {label.text.split("\n")[0].split(" ")[0]: label for label in page.find_all("#filter-values label")}
    boxes["jazz"].click()
    page.wait_drawn(12)
    boxes["no"].click()
    page.wait_drawn(17)
    assert set().union(*coloured(page, collection).values()) == {
        i for i, genre in enumerate(GENRES) if genre in ("jazz", "")
    }
    assert page.texts("#chips .chip") == ["genre: jazz, no value \N{MULTIPLICATION SIGN}"]
    page.choose_text("#filter-column", "folder")  # a second column: both hold
    page.driver.find_element("xpath", "//*[@id='filter-values']//label[span='A side']").click()
    page.wait_drawn(sum(genre in ("jazz", "") and track % 2 == 0 for track, genre in enumerate(GENRES)))
    page.keys(Keys.ESCAPE)
    assert page.find("#filters").get_attribute("open") is None
    page.click("#chips li:first-child button")
    page.wait_drawn(TRACKS // 2)
    page.click("#chips button")
    page.wait_drawn(TRACKS)
    assert page.find_all("#chips button") == []


def test_a_filter_by_numbers_takes_from_and_to(page, collection):
    numbers = np.array([float(value or "nan") for value in collection.table["energy"]])
    page.click("#filters summary")
    page.choose_text("#filter-column", "energy")
    low, high = page.find_all("#filter-values input")
    low.clear()
    low.send_keys("-20.5", Keys.TAB)
    page.wait_drawn(int((numbers >= -20.5).sum()))
    high.clear()
    high.send_keys("30", Keys.ENTER)
    within = (numbers >= -20.5) & (numbers <= 30)
    page.wait_drawn(int(within.sum()))
    assert 0 < within.sum() < TRACKS
    assert set().union(*coloured(page, collection).values()) == set(np.flatnonzero(within))
    assert page.texts("#chips .chip") == ["energy: -20.5 to 30 \N{MULTIPLICATION SIGN}"]


def test_bounds_that_are_the_columns_own_leave_no_number_out(page, collection):
    numbers = np.array([float(value or "nan") for value in collection.table["energy"]])
    page.click("#filters summary")
    page.choose_text("#filter-column", "energy")
    low, _ = page.find_all("#filter-values input")
    low.clear()
    low.send_keys("0", Keys.TAB)
    page.wait_drawn(int((numbers >= 0).sum()))
    low.clear()
    low.send_keys(Keys.TAB)  # an empty field is no bound
    page.wait_drawn(int(np.isfinite(numbers).sum()))


def lasso_around(browser: Browser, made: Made, columns: int, rows: int) -> list[int]:
    """Draw a lasso around the first columns of the first rows of the grid, and return those tracks."""
    places = pixels(browser, made)
    inside = [track for track in range(TRACKS) if track % 8 < columns and track // 8 < rows]
    (left, top), (right, bottom) = places[inside].min(axis=0) - 12, places[inside].max(axis=0) + 12
    corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top + 1)]
    lines = [np.linspace(a, b, 5)[1:] for a, b in itertools.pairwise(corners)]
    browser.mouse(corners[0], *map(tuple, np.concatenate(lines)), drag=True)
    return inside


def test_a_lasso_lists_what_lies_in_it(page, collection):
    for start in ("l", "#lasso"):
        page.keys(start) if start == "l" else page.click(start)
        assert page.find("#lasso").get_attribute("aria-pressed") == "true"
        inside = lasso_around(page, collection, 3, 2)
        page.wait("return !document.getElementById('list').hidden")
        assert page.text("#list-title") == "6 tracks in the lasso"
        assert listed(page) == inside
        page.wait("return document.getElementById('map').data.some((trace) => trace.marker.opacity < 0.3)")
        assert set().union(*coloured(page, collection).values()) == set(inside)
        assert page.find("#lasso").get_attribute("aria-pressed") == "false"
        click_track(page, collection, 27)  # the map is clicked again, and the list stays
        assert listed(page) == inside
        with page.redraw():
            page.click("#list-close")
        assert not page.find("#list").is_displayed()


def test_a_drag_moves_the_map_and_what_is_clicked_then_is_still_right(page, collection):
    before = view(page)
    x, y = pixels(page, collection)[12] + [14, 14]
    page.mouse((x, y), (x - 40, y + 10), (x - 90, y + 30), drag=True)
    page.wait("return location.hash.includes('view')")
    after = view(page)
    assert after[0] > before[0] and after[2] > before[2]
    click_track(page, collection, 12)
    assert sound(page) == path_of(collection, 12)


def entries(playlist: bytes) -> list[bytes]:
    """Return the paths that an m3u8 names; an address of a file is turned into one."""
    lines = playlist.decode("utf-8").split("\n")
    assert lines[0] == "#EXTM3U" and lines[-1] == ""
    found = [line for line in lines[1:-1] if not line.startswith("#EXTINF:")]
    assert len(found) == sum(line.startswith("#EXTINF:") for line in lines)
    return [
        unquote_to_bytes(urlsplit(line).path) if line.startswith("file:") else line.encode("utf-8") for line in found
    ]


def test_a_list_is_saved_as_a_playlist_and_as_a_table(page, collection):
    page.keys("/", "folk", Keys.TAB)
    page.wait("return !document.getElementById('list').hidden")
    members = listed(page)
    assert SILENT in members
    page.click("#list-m3u8")
    playlist = page.downloaded("tracks.m3u8")
    found = entries(playlist)
    assert all(map(os.path.isfile, found))
    assert found == [path_of(collection, track) for track in members if track != SILENT]
    track = next(track for track in members if collection.table["artist"][track])
    assert f"#EXTINF:-1,{collection.table['artist'][track]} - {collection.titles()[track]}\n" in playlist.decode()
    page.click("#list-csv")
    rows = [*csv.DictReader(io.StringIO(page.downloaded("tracks.csv").decode("utf-8"), newline=""))]
    assert [row["filename"] for row in rows] == [collection.names[track] for track in members]
    for name, values in collection.table.items():
        assert [row[name] for row in rows] == [values[track] for track in members]
    np.testing.assert_allclose([[float(row["x"]), float(row["y"])] for row in rows], collection.xy[members], rtol=1e-6)


# Keyboard and links


def test_the_keys_do_what_the_page_says(page, collection):
    click_track(page, collection, 9)
    wait_sounding(page)
    near = collection.neighbours(9)
    page.keys(" ")
    page.wait("return document.getElementById('audio').paused")
    page.keys(" ")
    wait_sounding(page)
    for key, track in [(Keys.ARROW_RIGHT, near[0]), (Keys.ARROW_DOWN, near[1]), (Keys.ARROW_LEFT, near[0])]:
        page.keys(key)
        page.wait_text("#playing-title", collection.titles()[track])
        assert sound(page) == path_of(collection, track)
    page.run("document.activeElement.blur()")
    page.keys("0")
    whole = view(page)
    page.keys("+")
    page.wait("return document.getElementById('map').layout.xaxis.range[0] > arguments[0]", whole[0])
    closer = view(page)
    assert (whole[1] - whole[0]) / (closer[1] - closer[0]) == pytest.approx(1.5)
    page.keys("-")
    page.wait("return document.getElementById('map').layout.xaxis.range[0] < arguments[0]", closer[0])
    assert view(page) == pytest.approx(whole)
    page.keys("-", "0")
    page.wait("return !location.hash.includes('view')")
    assert view(page) == pytest.approx(whole)
    page.keys("l")
    assert page.find("#lasso").get_attribute("aria-pressed") == "true"
    page.keys(Keys.ESCAPE)
    assert page.find("#lasso").get_attribute("aria-pressed") == "false"
    page.keys("/", "l + 0")  # in a field a key is a letter
    assert page.find("#search").get_attribute("value") == "l + 0"
    assert page.find("#lasso").get_attribute("aria-pressed") == "false"
    page.wait("return !document.getElementById('list').hidden")
    page.keys(Keys.ESCAPE)
    page.wait("return document.getElementById('list').hidden")
    page.keys(Keys.ESCAPE)
    page.wait("return document.getElementById('track').hidden")
    assert page.find_all("#overlay .selected") == []


def test_the_buttons_zoom_and_show_the_whole_map(page):
    whole = view(page)
    page.click("#zoom-in")
    page.wait("return document.getElementById('map').layout.xaxis.range[0] > arguments[0]", whole[0])
    page.click("#zoom-out")
    page.click("#zoom-out")
    page.wait("return document.getElementById('map').layout.xaxis.range[0] < arguments[0]", whole[0])
    page.click("#reset")
    page.wait("return !location.hash.includes('view')")
    assert view(page) == pytest.approx(whole)


def test_a_link_shows_what_its_sender_saw(page, collection):
    click_track(page, collection, 13)
    colour_by(page, "mood")
    page.click(legend_entry(page, "mood 03"))
    page.wait_drawn(TRACKS - 2)
    page.click("#filters summary")
    page.choose_text("#filter-column", "genre")
    page.driver.find_element("xpath", "//*[@id='filter-values']//label[span='rock']").click()
    expected = sum(genre == "rock" and track % 25 != 3 for track, genre in enumerate(GENRES))
    page.wait_drawn(expected)
    page.click("#zoom-in")
    page.wait("return location.hash.includes('view')")
    link, seen = page.driver.current_url, view(page)
    drawn = coloured(page, collection)
    first = page.driver.current_window_handle
    page.driver.switch_to.new_window("window")
    try:
        page.show()
        page.open(link, collection.folder, collection.music)
        assert page.drawn() == expected
        assert page.text("#track-title") == page.text("#playing-title") == collection.titles()[13]
        assert page.run(
            "const audio = document.getElementById('audio'); return audio.paused && audio.currentTime === 0"
        )
        assert page.run("return document.getElementById('colour').selectedOptions[0].text") == "mood"
        assert page.find(legend_entry(page, "mood 03")).get_attribute("aria-pressed") == "false"
        assert page.texts("#chips .chip") == ["genre: rock \N{MULTIPLICATION SIGN}"]
        assert view(page) == pytest.approx(seen, rel=1e-4)
        assert coloured(page, collection) == drawn
        assert page.driver.current_url == link
        page.check()
    finally:
        page.driver.close()
        page.driver.switch_to.window(first)


def test_a_link_in_an_open_page_replaces_what_was_there(page, collection):
    click_track(page, collection, 13)
    page.click("#zoom-in")
    page.wait("return location.hash.includes('view')")
    with page.redraw():
        follow_link(page, "colour=label:mood")
    assert page.run("return document.getElementById('colour').selectedOptions[0].text") == "mood"
    assert not page.find("#track").is_displayed()
    assert "view" not in page.run("return location.hash") and "track" not in page.run("return location.hash")


WRONG_LINKS = [
    "#filter=null",
    "#filter=%7B%22chosen%22:5,%22hidden%22:7%7D",
    "#filter=%7B%22chosen%22:[[%22label:energy%22,[%22x%22]],[%22label:genre%22,%7B%7D],[%22no%22,%7B%7D],null]%7D",
    "#filter=%7B%22chosen%22:[[%22label:genre%22,%7B%22low%22:1,%22high%22:2%7D]]%7D",
    "#view=1,1,1,1&colour=distance",
    "#view=0,1e300,0,1&track=nobody%3Cimg%20src=x%20onerror=window.hacked=1%3E&colour=__proto__",
    "#%E0%A4%A&&&=;",
]


@pytest.mark.parametrize("first", [*WRONG_LINKS[:1], ""])
def test_a_link_that_is_wrong_leaves_a_page_that_works(browser, collection, first):
    open_page(browser, collection, first)
    for wrong in WRONG_LINKS:
        follow_link(browser, wrong)
        follow_link(browser, "colour=label:mood")
        with browser.redraw():
            follow_link(browser, "colour=label:genre")
        assert not browser.find("#failure").is_displayed(), (wrong, browser.text("#failure"))
        assert (browser.drawn(), browser.text("#count")) == (TRACKS, "40 tracks"), wrong


def follow_link(browser: Browser, hash_: str) -> None:
    """Change the address of an open page, and wait until it has noticed."""
    browser.driver.execute_async_script(
        """const [hash, done] = arguments;
        window.addEventListener('hashchange', () => setTimeout(done), {once: true});
        location.hash = hash;""",
        hash_,
    )


# Other windows


def test_a_click_is_right_after_the_window_changed_its_size(page, collection):
    assert_each_can_be_hit(page, collection)
    for width, height in [(700, 560), (1300, 500)]:
        with page.redraw():
            page.show(width, height)
        assert_each_can_be_hit(page, collection)
        for track in (20, 39):
            click_track(page, collection, track)
            assert sound(page) == path_of(collection, track)


def test_a_phone_shows_everything_within_its_width(browser, collection):
    browser.show(320, 640)
    open_page(browser, collection)
    assert_fits(browser, 320)
    assert_each_can_be_hit(browser, collection)
    with browser.redraw():
        browser.show(320, 480)
    assert_fits(browser, 320)
    assert_each_can_be_hit(browser, collection)
    click_track(browser, collection, 11)
    browser.keys("/", "folk")
    browser.wait("return !document.getElementById('list').hidden")
    browser.click("#filters summary")
    assert_fits(browser, 320)


def assert_each_can_be_hit(browser: Browser, made: Made) -> None:
    """No track lies below the heading, the legend or the tools, nor outside the map."""
    covered = browser.run("""return arguments[0].map(([x, y]) => document.elementFromPoint(x, y))
        .map((top, track) => (top && top.closest('#map') ? null : [track, top && top.outerHTML])).filter(Boolean)""",
        pixels(browser, made).tolist())  # fmt: skip
    assert covered == []


def assert_fits(browser: Browser, width: int) -> None:
    """Nothing is wider than the window or lies beside it, but what a box within the window cuts off or scrolls."""
    assert browser.run("return document.documentElement.scrollWidth") <= width
    beside = browser.run(
        """
        const cuts = (each) => !each.matches('html, body, #stage, #panel') &&
            (getComputedStyle(each).overflowX !== 'visible' || cuts(each.parentElement));
        return [...document.querySelectorAll('body *')]
            .filter((each) => each.checkVisibility() && !each.closest('svg, #map, .skip') && !cuts(each.parentElement))
            .map((each) => [each, each.getBoundingClientRect()])
            .filter(([, box]) => box.width && (box.left < -0.5 || box.right > arguments[0] + 0.5))
            .map(([each]) => each.outerHTML.slice(0, 120))""",
        width,
    )
    assert beside == []


# For everybody

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
        "legend",
        "play",
        "neighbours",
        "list",
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
#chips~button #legend~li~span #legend~li~small #playing-title #elapsed #trouble #track-title #track-artist #track-file
#track-columns~dt #track-columns~dd #track-citation h3 #by-distance #neighbours~.plain #neighbours~small
#neighbours~.note .current~.plain #list-title .actions~button footer~summary #about~li #lasso #play #next #tooltip~span
#tooltip~strong #notices~p"""


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
        + """return [...document.querySelectorAll('#legend i')].map((each) =>
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


# Failures are told


@pytest.mark.parametrize(
    "part",
    [
        "data/map",
        "data/neighbours",
        "viewer/plotly",
        "viewer/store",
        "viewer/map",
        "viewer/main",
        "viewer/style",
        "*/*",
    ],
)
def test_a_missing_file_is_told_on_the_page(browser, collection, tmp_path, part):
    """ "*/*" is what somebody gets who copies index.html alone."""
    page = shutil.copytree(collection.folder, tmp_path / "a copy")
    for missing in page.glob(f"{part}-*"):
        missing.unlink()
    browser.open(file_address(page / "index.html"), page, wait="document.readyState === 'complete'")
    try:
        browser.wait("return document.body.innerText.includes('whole folder')")
    finally:
        browser.messages()  # that it is not there


def test_a_page_from_which_a_file_is_missing_names_it(browser, collection, tmp_path):
    page = shutil.copytree(collection.folder, tmp_path / "a copy")
    (missing,) = page.glob("data/vectors-*")
    missing.unlink()
    browser.open(file_address(page / "index.html"), page, wait="document.readyState === 'complete'")
    browser.wait("return !document.getElementById('failure').hidden")
    assert missing.name in browser.text("#failure")
    assert all(missing.name in message for message in browser.messages())


def test_what_the_browser_forbids_is_told(page):
    page.run("new Image().src = 'https://example.org/picture.png'")
    page.wait("return !document.getElementById('failure').hidden")
    assert "example.org" in page.text("#failure")
    assert all("Content Security Policy" in message for message in page.messages())
    page.run("document.getElementById('failure').hidden = true")
    page.run("fetch('https://example.org/').catch(() => {})")
    page.wait("return !document.getElementById('failure').hidden")
    assert all("Content Security Policy" in m or "example.org" in m for m in page.messages())
    page.requests()  # those that were forbidden


# Without WebGL


def test_few_tracks_are_drawn_whole_without_webgl(window_without_webgl, collection):
    browser = window_without_webgl
    browser.show()
    open_page(browser, collection)
    assert browser.drawn() == TRACKS == len(browser.find_all("#map path.point"))
    assert browser.find("#notice").is_displayed()
    assert browser.text("#notice") == "This browser has no WebGL; drawn as SVG."
    click_track(browser, collection, 14)
    wait_sounding(browser)
    assert sound(browser) == path_of(collection, 14)
    browser.keys("l")
    inside = lasso_around(browser, collection, 2, 2)
    browser.wait("return !document.getElementById('list').hidden")
    assert listed(browser) == inside
    browser.check()


def test_of_many_tracks_5000_are_drawn_without_webgl(window_without_webgl, thousands):
    browser = window_without_webgl
    browser.show()
    open_page(browser, thousands)
    assert browser.drawn() == 5000 == len(browser.find_all("#map path.point"))
    assert "5,000 of 6,000 tracks" in browser.text("#notice")
    assert browser.text("#count") == "6,000 tracks"
    browser.keys("/", "folder 3/track")
    with browser.redraw():
        browser.wait("return !document.getElementById('list').hidden")
    wanted = [track for track in range(6000) if track % 7 == 3]
    assert set().union(*coloured(browser, thousands).values()) == set(wanted)  # what is sought is drawn
    browser.check()


def test_a_map_whose_webgl_is_lost_is_drawn_as_svg(page, collection):
    with page.redraw():
        page.run(
            "for (const canvas of document.querySelectorAll('#map canvas')) {"
            "const gl = canvas.getContext('webgl') || canvas.getContext('webgl2');"
            "if (gl) gl.getExtension('WEBGL_lose_context').loseContext(); }"
        )
    assert len(page.find_all("#map path.point")) == TRACKS
    assert "has taken its WebGL away" in page.text("#notice")
    click_track(page, collection, 14)
    page.messages()  # the browser's own, on the context


# Hostile names

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
            return [text('#track-title'), text('#playing-title'), text('#track-file'), text('#track-artist'),
                text('#track-citation'),
                [...document.querySelectorAll('#track-columns > *')].map((each) => each.textContent)]""")
        title = cell(hostile.table["title"][track]) or shown(HOSTILE[track])
        row = [(name, cell(hostile.table[name][track])) for name in names[3:]]
        known = [title, title, f"{shown(HOSTILE[track])}.wav", *(cell(hostile.table[c][track]) for c in names[1:3])]
        assert told[:5] == known
        assert told[5][: 2 * len(row)] == [text for pair in row for text in pair]


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
    page.open(page.driver.current_url, hostile.folder, hostile.music)
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


# 100,000 tracks, and pictures

WIDTHS = [(320, 640), (1024, 768), (1920, 1080)]


def keep_pictures(browser: Browser, what: str) -> None:
    """Keep a picture of each width in each scheme."""
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    for width, height in WIDTHS:
        for scheme in ("light", "dark"):
            with browser.redraw():
                browser.show(width, height, scheme)
            assert browser.run("return document.documentElement.scrollWidth") <= width
            assert browser.driver.save_screenshot(os.fspath(ARTEFACTS / f"{what} {width} {scheme}.png"))


def test_pictures_of_40_tracks(browser, moved):
    browser.show(640, 480, "dark")
    open_page(browser, moved)
    click_track(browser, moved, 5)
    browser.run("document.getElementById('audio').pause()")
    keep_pictures(browser, "40 tracks")


def test_100000_tracks_are_usable(browser, hundred_thousand, capsys):
    seconds, began = {}, time.monotonic()
    browser.open(hundred_thousand.address, hundred_thousand.folder, wait="document.documentElement.dataset.drawn")
    seconds["first draw"] = time.monotonic() - began
    assert browser.drawn() == 100_000
    browser.wait("return document.documentElement.dataset.ready")
    seconds["ready"] = time.monotonic() - began
    places = pixels(browser, hundred_thousand)
    track = 777
    began = time.monotonic()
    browser.mouse(tuple(places[track]))
    browser.wait("return document.querySelector('#neighbours li')")
    seconds["click"] = time.monotonic() - began
    number = int(browser.text("#track-title").removeprefix("track "))
    assert np.hypot(*(places[number] - places[track])) < 6  # it, or one that lies on it
    began = time.monotonic()
    with browser.redraw():
        browser.click("#by-distance")
    seconds["distances"] = time.monotonic() - began
    began = time.monotonic()
    browser.keys("/", "folder 3/", Keys.TAB)
    with browser.redraw():
        browser.wait("return !document.getElementById('list').hidden")
    seconds["search"] = time.monotonic() - began
    assert browser.text("#list-title").startswith(f"{len(range(3, 100_000, 7)):,} tracks with")
    told = ", ".join(f"{what} {value:.1f} s" for what, value in seconds.items())
    with capsys.disabled():
        print(f"\n100,000 tracks: {told}")
    assert max(seconds.values()) < LARGE_LEAST_SECONDS
    browser.keys(Keys.ESCAPE, Keys.ESCAPE)
    browser.show(640, 480, "dark")
    keep_pictures(browser, "100000 tracks")


# Playing on


def test_a_link_makes_a_track_ready_with_what_comes_after_it(browser, collection):
    track = 13
    open_page(browser, collection, f"#track={quote(collection.names[track])}")
    assert sound(browser) == path_of(collection, track)
    second = collection.neighbours(track)[0]
    browser.click("#next")
    browser.wait_text("#playing-title", collection.titles()[second])


def test_play_all_plays_the_list_also_where_its_first_track_plays_already(page, collection):
    page.keys("/", "folk")
    page.wait("return !document.getElementById('list').hidden")
    first, second, *_ = listed(page)
    page.click(f"#list li[data-track='{first}'] .plain")
    page.wait_text("#track-title", collection.titles()[first])
    page.click("#list-play")
    page.wait("return !document.getElementById('audio').paused")
    page.click("#next")
    page.wait_text("#playing-title", collection.titles()[second])


def test_two_fingers_zoom_and_play_nothing(page, collection):
    page.command("Emulation.setTouchEmulationEnabled", enabled=True, maxTouchPoints=2)
    x, y = pixels(page, collection)[5]
    before = view(page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        found = [{"x": float(x), "y": float(y), "id": finger} for finger, (x, y) in enumerate(points)]
        page.command("Input.dispatchTouchEvent", type=kind, touchPoints=found)

    try:
        touch("touchStart", (x, y))
        touch("touchStart", (x, y), (x + 60, y))
        for apart in (80, 100, 120):
            touch("touchMove", (x, y), (x + apart, y))
        touch("touchEnd", (x, y))
        touch("touchEnd")
        page.wait("return location.hash.includes('view')")
    finally:
        page.command("Emulation.setTouchEmulationEnabled", enabled=False)
    assert view(page)[1] - view(page)[0] == pytest.approx((before[1] - before[0]) / 2, rel=0.02)
    assert not page.find("#track").is_displayed() and sound(page) is None
