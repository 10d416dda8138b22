"""layout: maps from scratch and grown, places by neighbours, principal components."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from conftest import clustered
from hypothesis import given
from hypothesis import strategies as st

from judging import neighbours
from judging.neighbours import directions, nearest_neighbours
from static_web_viewer.page import layout
from static_web_viewer.page.layout import (
    fit_to_known,
    map_width,
    pca_layout,
    place_by_neighbours,
    tsne,
    turned_wide,
)
from utils import ROOT

pytestmark = pytest.mark.slow


def kept(xy: np.ndarray, indices: np.ndarray, count: int = 10) -> float:
    """The share of the true nearest that are among as many nearest on the map."""
    squares = np.square(xy[:, None] - xy[None]).sum(axis=2)
    np.fill_diagonal(squares, np.inf)
    near = np.argsort(squares, axis=1)[:, :count]
    return float(np.mean([len(np.intersect1d(a, b)) for a, b in zip(near, indices[:, :count], strict=True)])) / count


def grown(rows: np.ndarray, known: np.ndarray):
    """A map of the known rows, and the map of all that grew from it."""
    start = np.full((len(rows), 2), np.nan, np.float32)
    start[known] = tsne(rows[known], *nearest_neighbours(rows[known], 90))
    return start, tsne(rows, *nearest_neighbours(rows, 90), start=start)


def median_shift(xy: np.ndarray, start: np.ndarray) -> float:
    known = np.isfinite(start).all(axis=1)
    return float(np.median(np.linalg.norm(xy - start, axis=1)[known]) / map_width(start[known]))


@pytest.fixture(scope="module")
def collection():
    """300 tracks of five kinds with their neighbours, and their map."""
    rows, kind = clustered(300)
    indices, distances = nearest_neighbours(rows, 90)
    return rows, kind, indices, distances, tsne(rows, indices, distances)


def test_neighbours_and_map_are_the_same_on_any_number_of_cores(monkeypatch):
    rows, _ = clustered(200)
    monkeypatch.setattr(neighbours, "SEARCH_BLOCK", 64)
    monkeypatch.setattr(layout, "THREADS_LEAST", 0)
    monkeypatch.setattr(layout, "EARLY", (4, 12, 0.5))
    monkeypatch.setattr(layout, "MAIN", (4, 1, 0.8))
    monkeypatch.setattr(layout, "EARLY_LEAST", 0)
    monkeypatch.setattr(layout, "LEAST_WIDTH", 0)  # of so few iterations
    for barnes_hut_below in (10_000, 0):
        monkeypatch.setattr(layout, "FFT_LEAST", barnes_hut_below)
        found = []
        for cores in (1, 2):
            monkeypatch.setattr(layout, "usable_cores", lambda cores=cores: cores)
            indices, distances = nearest_neighbours(rows, 90)
            xy = tsne(rows, indices, distances, seed=5)
            found.append((indices.tobytes(), distances.tobytes(), xy.tobytes()))
        assert found[0] == found[1]
        assert np.isfinite(xy).all()


def test_pca_finds_a_plane():
    draws = np.random.default_rng(0)
    plane = draws.standard_normal((50, 2)) * [3, 1]
    plane -= plane.mean(axis=0)
    axes = np.linalg.qr(draws.standard_normal((6, 2)))[0]
    xy = pca_layout((plane @ axes.T + draws.standard_normal(6)).astype(np.float32))
    assert xy.dtype == np.float32 and abs(xy.mean(axis=0)).max() < 1e-6
    distances = [np.linalg.norm(points[:, None] - points[None], axis=2) for points in (plane, xy)]
    np.testing.assert_allclose(*distances, atol=1e-5)
    assert xy[:, 0].std() > xy[:, 1].std()


def test_pca_is_not_mirrored_by_chance():
    rows, _ = clustered(60)
    np.testing.assert_allclose(pca_layout(rows[::-1]), pca_layout(rows)[::-1], atol=1e-6)
    assert np.corrcoef(pca_layout(rows[:59])[:, 0], pca_layout(rows)[:59, 0])[0, 1] > 0.99


@given(st.floats(-4, 4), st.floats(1.2, 50), st.integers(0, 1000))
def test_a_map_is_turned_with_its_longest_axis_along_x(angle, stretched, seed):
    wide = np.random.default_rng(seed).uniform(-1, 1, (200, 2)) * [stretched, 0.5]
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    xy = turned_wide(wide @ turn + [3.0, -4.0])
    assert np.ptp(xy[:, 0]) > np.ptp(xy[:, 1])
    assert abs(np.corrcoef(xy.T)[0, 1]) < 1e-6 and abs(xy.mean(axis=0)).max() < 1e-9 * stretched + 1e-9
    distances = [np.linalg.norm(points[:20, None] - points[:20], axis=2) for points in (wide, xy)]
    np.testing.assert_allclose(*distances, atol=1e-9 * stretched)
    shape = (wide[1:] - wide[0])[:2], (xy[1:] - xy[0])[:2]
    assert np.linalg.det(shape[0]) * np.linalg.det(shape[1]) >= 0  # not mirrored


def test_a_diagonal_map_comes_out_wide_by_a_quarter_turn_at_most():
    along = np.linspace(-1, 1, 50)
    for start in (np.stack([along, along], axis=1), np.stack([along, -along], axis=1)):
        xy = turned_wide(start)
        np.testing.assert_allclose(xy[:, 0], np.sqrt(2) * along, atol=1e-12)
        np.testing.assert_allclose(xy[:, 1], 0, atol=1e-12)
    assert (turned_wide(np.zeros((3, 2))) == 0).all()


def test_a_map_from_scratch_is_wide_and_one_that_grows_is_not_turned(collection):
    rows, _, indices, distances, xy = collection
    assert abs(np.cov(xy.T)[0, 1]) < 1e-4 * xy.var(axis=0).max() and xy[:, 0].std() > xy[:, 1].std()
    upright = xy[:, ::-1] * [1, -1]
    again = tsne(rows, indices, distances, start=upright)
    assert median_shift(again, upright) < 0.02 and again[:, 0].std() < again[:, 1].std()


@pytest.mark.parametrize("rows", [clustered(1)[0], np.repeat(clustered(1)[0], 9, axis=0), np.ones((4, 1), np.float32)])
def test_pca_of_what_has_no_extent_is_0(rows):
    assert (pca_layout(rows) == 0).all()


def test_tracks_of_a_kind_lie_together(collection):
    rows, kind, indices, _, xy = collection
    assert xy.shape == (300, 2) and xy.dtype == np.float32
    near = nearest_on(xy)
    assert (kind[near] == kind).mean() > 0.99
    assert kept(xy, indices) > 0.5 > kept(pca_layout(rows), indices)


def nearest_on(xy: np.ndarray) -> np.ndarray:
    squares = np.square(xy[:, None] - xy[None]).sum(axis=2)
    np.fill_diagonal(squares, np.inf)
    return squares.argmin(axis=1)


def test_pca_of_nearly_equal_rows_is_exact():
    rows = directions((1e4 + np.random.default_rng(0).standard_normal((50, 20))).astype(np.float32))
    centred = rows.astype(np.float64) - rows.mean(axis=0, dtype=np.float64)
    u, s, vt = np.linalg.svd(centred, full_matrices=False)
    largest = np.sign(vt[np.arange(2), np.abs(vt[:2]).argmax(axis=1)])
    np.testing.assert_allclose(pca_layout(rows), u[:, :2] * s[:2] * largest, rtol=1e-3, atol=1e-8)


def test_another_seed_gives_another_map_and_a_start_without_places_none(collection):
    rows, _, indices, distances, xy = collection
    assert (tsne(rows, indices, distances, seed=1) != xy).any()
    np.testing.assert_array_equal(tsne(rows, indices, distances, start=np.full((300, 2), np.nan)), xy)


@pytest.mark.parametrize("tracks", [1, 2, 3, 4, 9, 10, 30])
def test_few_tracks(tracks):
    rows, _ = clustered(tracks, kinds=3)
    indices, distances = nearest_neighbours(rows, 90)
    xy = tsne(rows, indices, distances)
    assert xy.shape == (tracks, 2) and np.isfinite(xy).all()
    assert len(np.unique(xy, axis=0)) == tracks
    start = np.where(np.arange(tracks)[:, None] < tracks - 1, xy, np.nan)
    assert np.isfinite(tsne(rows, indices, distances, start=start)).all()


def test_equal_tracks_are_laid_out():
    rows, kind = clustered(40, kinds=4)
    rows, kind = np.concatenate([rows, np.repeat(rows[:1], 110, axis=0)]), np.concatenate([kind, np.zeros(110, int)])
    xy = tsne(rows, *nearest_neighbours(rows, 90))
    assert np.isfinite(xy).all()
    assert (kind[nearest_on(xy)] == kind).mean() > 0.9
    same = np.repeat(rows[:1], 120, axis=0)
    assert np.isfinite(tsne(same, *nearest_neighbours(same, 90))).all()


def test_a_map_that_grows_by_a_hundredth_keeps_its_places_in_any_unit(collection):
    rows, _, indices, distances, xy = collection
    start, _ = grown(rows, np.arange(300) % 100 != 7)
    for unit in (1.0, 1e-4, 300.0):
        larger = tsne(rows, indices, distances, start=unit * start)
        assert median_shift(larger, unit * start) < 0.02
        assert kept(larger, indices) > kept(xy, indices) - 0.03


def test_a_map_that_grows_by_a_third_is_as_good_as_one_from_scratch(collection):
    rows, kind, indices, _, xy = collection
    start, larger = grown(rows, np.arange(300) % 4 != 1)
    assert kept(larger, indices) > kept(xy, indices) - 0.03
    assert (kind[nearest_on(larger)] == kind).mean() > 0.99
    assert median_shift(larger, start) < 0.15


def test_a_new_kind_gets_a_place_of_its_own():
    rows, kind = clustered(480, kinds=4, noise=0.1)  # 120 of a kind: no neighbour of another one
    start, xy = grown(rows, kind != 3)
    assert (kind[nearest_on(xy)] == kind).mean() > 0.99
    assert median_shift(xy, start) < 0.25


def test_of_a_few_places_the_arrangement_at_large_remains(collection):
    rows, kind, indices, distances, xy = collection
    start = np.where(np.arange(300)[:, None] % 4 == 0, 5 * xy[:, ::-1], np.nan)  # mirrored, in another unit
    again = tsne(rows, indices, distances, start=start)
    centres = [np.stack([points[kind == one].mean(axis=0) for one in range(5)]) for points in (5 * xy[:, ::-1], again)]
    assert np.corrcoef(centres[0].ravel(), centres[1].ravel())[0, 1] > 0.9
    assert kept(again, indices) > kept(xy, indices) - 0.03


def test_a_start_in_which_all_lie_in_one_place_is_no_start(collection):
    rows, kind, indices, distances, _ = collection
    xy = tsne(rows, indices, distances, start=np.full((300, 2), 3.0))
    assert (kind[nearest_on(xy)] == kind).mean() > 0.99


class Recorder:
    """Stands where Progress does; what was told, and Ctrl-C where that is asked for."""

    told: list = []  # noqa: RUF012 (emptied by the fixture)
    interrupted = ""

    def __init__(self, total, what, unit, quiet):
        self.what, self.entry = what, [what, total, 0, False]
        self.told.append(self.entry)

    def advance(self, count=1):
        if self.interrupted == self.what:
            raise KeyboardInterrupt
        self.entry[2] += count

    def close(self):
        self.entry[3] = True


@pytest.fixture
def recorder(monkeypatch):
    for module in (layout, neighbours):
        monkeypatch.setattr(module, "Progress", Recorder)
    monkeypatch.setattr(Recorder, "told", [])
    return Recorder


def test_progress_ends_at_its_total_and_nothing_else_is_said(recorder, capfd):
    rows, _ = clustered(100)
    start = np.where(np.arange(100)[:, None] < 90, tsne(rows, *nearest_neighbours(rows, 90)), np.nan)
    tsne(rows, *nearest_neighbours(rows, 20), start=start)
    assert [(what, done == total, closed) for what, total, done, closed in recorder.told] == [
        ("neighbours", True, True),
        ("t-SNE", True, True),
    ] * 2
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("what", ["neighbours", "t-SNE"])
def test_ctrl_c_ends_it_at_once(recorder, monkeypatch, what):
    monkeypatch.setattr(recorder, "interrupted", what)
    rows, _ = clustered(60)
    with pytest.raises(KeyboardInterrupt):
        tsne(rows, *nearest_neighbours(rows, 20))
    assert recorder.told[-1] == [what, recorder.told[-1][1], 0, True]


def test_a_track_goes_where_its_nearest_placed_neighbours_are():
    nan = np.nan
    xy = np.array([[0, 0], [1, 0], [0, 1], [10, 10], [nan, nan], [nan, nan]], np.float32)
    indices = np.array([[1, 2], [0, 2], [0, 1], [0, 1], [3, 5], [4, 4]], np.int32)  # 5 knows only 4, which knows 3
    placed = place_by_neighbours(xy, indices, np.zeros(indices.shape, np.float32))
    np.testing.assert_array_equal(placed[:4], xy[:4])
    assert abs(placed[4:] - 10).max() < 0.02
    assert (placed[4] != placed[5]).any()


def test_a_group_that_nothing_connects_goes_beside_the_map():
    xy = np.concatenate([np.random.default_rng(0).uniform(0, 1, (20, 2)), np.full((8, 2), np.nan)])
    group = np.repeat([0, 1, 2], [20, 4, 4])
    indices = np.array(
        [[other for other in np.flatnonzero(group == group[row]) if other != row][:3] for row in range(28)]
    )
    placed = place_by_neighbours(xy, indices.astype(np.int32), np.zeros(indices.shape, np.float32))
    centres = [placed[group == one].mean(axis=0) for one in (1, 2)]
    assert np.linalg.norm(centres[0] - centres[1]) > 0.5
    assert all(np.ptp(placed[group == one], axis=0).max() < 0.01 for one in (1, 2))
    assert all(max(abs(centre - 0.5)) > 0.3 for centre in centres)


@given(st.integers(2, 40), st.integers(1, 6), st.floats(0, 0.99), st.integers(0, 1000))
def test_places_by_neighbours_for_any_map(tracks, count, share, seed):
    draws = np.random.default_rng(seed)
    rows, _ = clustered(tracks, seed=seed)
    indices, distances = nearest_neighbours(rows, count)
    xy = np.round(draws.uniform(-5, 5, (tracks, 2)))
    new = draws.permutation(tracks)[: int(share * tracks)]
    xy[new] = np.nan
    known = np.isfinite(xy).all(axis=1)
    placed = place_by_neighbours(xy, indices, distances)
    np.testing.assert_array_equal(placed[known], xy[known])
    assert np.isfinite(placed).all()
    assert len(np.unique(placed[new].astype(np.float32), axis=0)) == len(new)


def test_nothing_to_place_by_is_an_error():
    with pytest.raises(ValueError, match="no track has a place"):
        place_by_neighbours(np.full((3, 2), np.nan), np.zeros((3, 1), np.int32), np.zeros((3, 1), np.float32))


@given(st.floats(1e-3, 1e3), st.floats(-100, 100), st.integers(2, 30), st.integers(0, 1000))
def test_a_map_is_scaled_and_moved_back_as_a_whole(scale, shift, tracks, seed):
    xy = np.random.default_rng(seed).standard_normal((tracks + 3, 2))
    start = scale * xy + shift
    start[tracks:] = np.nan
    np.testing.assert_allclose(fit_to_known(xy, start), scale * xy + shift, rtol=1e-6, atol=1e-6 * scale)


def test_one_known_track_only_moves_the_map():
    start = np.array([[4.0, 5.0], [np.nan, np.nan]])
    np.testing.assert_allclose(fit_to_known(np.array([[1.0, 1.0], [2.0, 3.0]]), start), [[4, 5], [5, 7]])


def test_nothing_heavy_is_imported_before_it_is_needed():
    code = (
        "import sys\nimport static_web_viewer.page.layout, static_web_viewer.page.layout_file\n"
        "heavy = {'openTSNE', 'sklearn', 'scipy', 'faiss', 'pandas', 'tensorflow'} & set(sys.modules)\n"
        "print(*heavy)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "\n", "")
