"""The picture of clusters: bars or a matrix, in which nothing covers anything else."""

from __future__ import annotations

import itertools

import matplotlib.colors
import numpy as np
import pytest

from judging import cluster_pictures, pictures


@pytest.mark.slow
@pytest.mark.parametrize("counts", [False, True])
@pytest.mark.parametrize(
    ("labels", "clusters"),
    [(1, 1), (3, 8), (3, 200), (8, 16), (9, 2), (12, 30), (30, 7), (30, 20), (75, 18), (75, 200)],
)
def test_nothing_in_the_picture_covers_anything_else(labels, clusters, counts):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    table = np.random.default_rng(0).integers(0, 2000, (labels, clusters))
    names = [f"quite a long label number {i}, and more" for i in range(labels)]
    figure = cluster_pictures.draw_clusters(table, names, "genre in 8 clusters of song vectors\nrun, save 3", counts)
    FigureCanvasAgg(figure).draw()
    axes = figure.axes[0].get_tightbbox()
    title = figure._suptitle.get_window_extent()
    beside = figure.legends[0].get_window_extent() if figure.legends else figure.axes[1].get_tightbbox()
    assert axes.x1 <= beside.x0
    assert axes.y1 <= title.y0
    assert axes.width > figure.bbox.width / 2
    for box in (axes, beside, title):
        assert box.x0 >= 0 and box.x1 <= figure.bbox.x1 and box.y0 >= 0 and box.y1 <= figure.bbox.y1
    entries = figure.legends[0].get_texts() if figure.legends else figure.axes[0].get_yticklabels()
    boxes = [text.get_window_extent() for text in entries]
    assert all(upper.y0 >= lower.y1 - 1 for upper, lower in itertools.pairwise(boxes))
    ticks = [text.get_window_extent() for text in figure.axes[0].get_xticklabels()]
    assert all(left.x1 < right.x0 for left, right in itertools.pairwise(ticks))
    cell = figure.axes[0].transData.transform([(1, 0), (2, 1)])
    for text in figure.axes[0].texts:
        assert text.get_window_extent().width < cell[1, 0] - cell[0, 0]
        assert text.get_window_extent().height < abs(cell[1, 1] - cell[0, 1])


@pytest.mark.parametrize(("counts", "expected"), [(False, [[75, 0, 0], [25, 100, 0]]), (True, [[3, 0, 0], [1, 2, 0]])])
def test_bars_are_shares_or_counts(counts, expected):
    table = np.array([[3, 0, 0], [1, 2, 0]])
    figure = cluster_pictures.draw_clusters(table, ["b", "a"], "title", counts)
    heights = np.array([[bar.get_height() for bar in bars] for bars in figure.axes[0].containers])
    assert heights.tolist() == expected
    assert [text.get_text() for text in figure.axes[0].get_xticklabels()] == ["1\n4", "2\n2", "3\n0"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a", "b"]
    colours = [matplotlib.colors.to_hex(bars[0].get_facecolor()).upper() for bars in figure.axes[0].containers]
    assert colours == [pictures.LABEL_COLOURS[1], pictures.LABEL_COLOURS[0]]  # by the sorted labels, as everywhere


@pytest.mark.parametrize(("counts", "expected"), [(False, ["100", "100"]), (True, ["1,234", "5"])])
def test_many_labels_are_a_matrix_with_numbers(counts, expected):
    table = np.zeros((9, 3), int)
    table[0, 0], table[8, 1] = 1234, 5
    figure = cluster_pictures.draw_clusters(table, list("abcdefghi"), "title", counts)
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.texts if text.get_text()] == expected
    assert [text.get_text() for text in axes.get_yticklabels()] == list("abcdefghi")
    assert axes.yaxis_inverted()  # the first label above, so that the diagonal goes down
    values = np.asarray(axes.collections[0].get_array()).reshape(9, 3)
    assert (values[0, 0], values[8, 1]) == ((1234, 5) if counts else (100, 100))
