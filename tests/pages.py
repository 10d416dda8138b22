"""Pages for the tests: what they are made of, and what they show in a real Chromium."""

from __future__ import annotations

import csv
import io
import itertools
import os
import re
import shutil
import time
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

import numpy as np
import pytest
from browser import WITH_WEBGL, WITHOUT_WEBGL, Browser, chromium, file_address
from conftest import tone, write_audio
from PIL import Image

from judging import neighbours
from static_web_viewer import display_vector_data
from utils import ROOT

ARTEFACTS = ROOT / "artefacts" / "page"


TRACKS = 40


SILENT = 33  # the track whose audio is not there


SECONDS = 10.0


GENRES = ["rock"] * 15 + ["jazz"] * 12 + ["folk"] * 8 + [""] * 5


MOST_CATEGORIES = 20


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


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
def thousands(tmp_path_factory) -> Made:
    return without_audio(tmp_path_factory, 6000)


@pytest.fixture(scope="session")
def hundred_thousand(tmp_path_factory) -> Made:
    """100,000 tracks, whose neighbours are just any: to find the true ones takes a minute, and to show them as long."""

    def any_neighbours(rows: np.ndarray, count: int, quiet: bool = True) -> tuple[np.ndarray, np.ndarray]:
        others = (np.arange(len(rows))[:, None] + np.arange(1, count + 1)) % len(rows)
        return others.astype(np.int32), np.tile(np.linspace(0, 1, count, dtype=np.float32), (len(rows), 1))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "nearest_neighbours", any_neighbours)
        return without_audio(tmp_path_factory, 100_000)


@pytest.fixture(scope="session")
def window(tmp_path_factory) -> Iterator[Browser]:
    with chromium(WITH_WEBGL, tmp_path_factory.mktemp("downloads")) as started:
        yield started


@pytest.fixture(scope="session")
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


DRAWN = """const {x, y, packed, order} = map.drawn();
    return [...order].map((track) => [track, x[track], y[track], packed[track]])"""


def points(browser: Browser, made: Made) -> list[tuple[int, tuple[int, ...], float]]:
    """Return (track, colour, opacity) of every point that is drawn, the lowest first: what is given to the GPU."""
    found = browser.run(DRAWN)
    np.testing.assert_array_equal([place[1:3] for place in found], made.xy[[place[0] for place in found]])
    return [(track, (c & 255, c >> 8 & 255, c >> 16 & 255), (c >> 24 & 255) / 255) for track, _, _, c in found]


def coloured(browser: Browser, made: Made, faint: bool = False) -> dict[tuple[int, ...], set[int]]:
    """Return colour -> tracks, of what is drawn in full or of what is left faint."""
    found: dict[tuple[int, ...], set[int]] = {}
    for track, colour, opacity in points(browser, made):
        if (opacity < 0.3) == faint:
            found.setdefault(colour, set()).add(track)
    return found


def rgb(colour: str) -> tuple[int, ...]:
    """Read "#rrggbb" or "rgb(r, g, b)"."""
    if colour.startswith("#"):
        return tuple(bytes.fromhex(colour[1:]))
    return tuple(int(float(number)) for number in re.findall(r"[\d.]+", colour)[:3])


def link_to_what_is_seen(browser: Browser) -> str:
    """Return the page's address when it has come to rest: it is written a little after what it tells."""
    address = ""
    while address != (address := browser.driver.current_url):
        time.sleep(0.2)
    return address


def pixels(browser: Browser, made: Made) -> np.ndarray:
    """Return where in the window each track lies, (tracks, 2)."""
    left, top, width, height = browser.box("#map")
    seen = view(browser)
    share = (made.xy - [seen[0], seen[2]]) / [seen[1] - seen[0], seen[3] - seen[2]]
    return share * [width, -height] + [left, top + height]


def click_track(browser: Browser, made: Made, track: int) -> None:
    """Point at a track, see its title, click: as quick as a hand, and not quicker."""
    place = tuple(pixels(browser, made)[track])
    browser.hover(*place)
    browser.wait("return document.querySelector('#tooltip strong')?.textContent === arguments[0]", made.titles()[track])
    browser.mouse(place)
    browser.wait_text("#track-title", made.titles()[track])


def legend(browser: Browser) -> dict[str, tuple[tuple[int, ...], int]]:
    """Return label -> (colour, tracks) as the legend has them, whatever is selected."""
    entries = browser.run("""return [...document.querySelectorAll('#legend li button')].map((button) => [
        button.querySelector('span').textContent, getComputedStyle(button.querySelector('i')).backgroundColor,
        button.querySelector('small').textContent])""")
    return {label: (rgb(colour), int(count.split(" of ")[-1].replace(",", ""))) for label, colour, count in entries}


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
    """Return what is seen of the map: left, right, bottom, top."""
    return browser.run("return map.seen()")


def colour_by(browser: Browser, name: str) -> None:
    with browser.redraw():
        browser.choose_text("#colour", name)


def record_what_plays(browser: Browser) -> None:
    browser.run("""window.played = []; const audio = document.getElementById('audio');
        audio.addEventListener('playing', () => window.played.push(audio.src))""")


def astuple_rest(made: Made) -> tuple:
    return made.names, made.vectors, made.table, made.xy


def folded(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)).lower()


def lasso_around(browser: Browser, made: Made, columns: int, rows: int) -> list[int]:
    """Draw a lasso around the first columns of the first rows of the grid, and return those tracks."""
    places = pixels(browser, made)
    inside = [track for track in range(TRACKS) if track % 8 < columns and track // 8 < rows]
    (left, top), (right, bottom) = places[inside].min(axis=0) - 12, places[inside].max(axis=0) + 12
    corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top + 1)]
    lines = [np.linspace(a, b, 5)[1:] for a, b in itertools.pairwise(corners)]
    browser.mouse(corners[0], *map(tuple, np.concatenate(lines)), drag=True)
    return inside


def entries(playlist: bytes) -> list[bytes]:
    """Return the paths that an m3u8 names; an address of a file is turned into one."""
    lines = playlist.decode("utf-8").split("\n")
    assert lines[0] == "#EXTM3U" and lines[-1] == ""
    found = [line for line in lines[1:-1] if not line.startswith("#EXTINF:")]
    assert len(found) == sum(line.startswith("#EXTINF:") for line in lines)
    return [
        unquote_to_bytes(urlsplit(line).path) if line.startswith("file:") else line.encode("utf-8") for line in found
    ]


def follow_link(browser: Browser, hash_: str) -> None:
    """Change the address of an open page, and wait until it has noticed."""
    browser.driver.execute_async_script(
        """const [hash, done] = arguments;
        window.addEventListener('hashchange', () => setTimeout(done), {once: true});
        location.hash = hash;""",
        hash_,
    )


def colour_of_pixel(browser: Browser, x: float, y: float) -> tuple[int, ...]:
    picture = Image.open(io.BytesIO(browser.driver.get_screenshot_as_png())).convert("RGB")
    return picture.getpixel((round(x), round(y)))


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
