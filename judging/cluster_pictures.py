"""Pictures of what labels each cluster holds: stacked bars for few labels, a matrix for many."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from judging import cluster_report, pictures

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

AXIS_CHARACTERS = 56  # what has room below the bars beside the widest legend, spaces included


def draw_clusters(table: np.ndarray, labels: list[str], title: str, counts: bool = False) -> Figure:
    """Draw up to eight labels as stacked bars, one a cluster, and more as a matrix with a row a label.

    table   (labels, clusters) int, songs; drawn in the order of its rows (from below as bars) and columns.
    counts  show numbers of songs, not shares of the cluster's labelled songs.
    """
    draw = draw_bars if len(labels) <= len(pictures.LABEL_COLOURS) else draw_matrix
    figure, axes = draw(table, labels, counts)
    sizes = table.sum(axis=0)
    numbers = np.arange(1, len(sizes) + 1)
    sized = len(sizes) * (len(f"{sizes.max():,}") + 1) <= AXIS_CHARACTERS
    step = -(-len(sizes) * (len(f"{len(sizes)}") + 1) // AXIS_CHARACTERS)
    texts = [f"{number}\n{size:,}" if sized else f"{number}" for number, size in zip(numbers, sizes, strict=True)]
    axes.set_xticks(numbers[::step], texts[::step], fontsize=9)
    axes.set_xlabel("cluster, and its number of labelled songs" if sized else "cluster")
    figure.suptitle(title, fontsize=11, parse_math=False)
    return figure


def draw_bars(table: np.ndarray, labels: list[str], counts: bool) -> tuple[Figure, Axes]:
    """Draw each cluster as a bar, divided by label. A label has the colour of its place among the sorted labels."""
    figure = pictures.new_figure(height_inches=5.0)
    axes = figure.add_subplot()
    heights = table if counts else 100 * table / np.maximum(table.sum(axis=0), 1)
    bottoms, colours = np.cumsum(heights, axis=0) - heights, pictures.label_colours(labels)
    numbers, bars = np.arange(1, table.shape[1] + 1), []
    for label, height, bottom in zip(labels, heights, bottoms, strict=True):
        style = {"facecolor": colours[label], "edgecolor": "white", "linewidth": 0.5}
        bars.append(axes.bar(numbers, height, bottom=bottom, **style))
    axes.set_ylabel("labelled songs of the cluster" + ("" if counts else " (percent)"))
    axes.set_xlim(0.4, len(numbers) + 0.6)
    if not counts:
        axes.set_ylim(0, 100)
    axes.spines[["top", "right"]].set_visible(False)
    texts = [pictures.shown(label, 28) for label in labels]
    pictures.outside_legend(figure, bars[::-1], texts[::-1], loc="outside right center")  # as they are stacked
    return figure, axes


def draw_matrix(table: np.ndarray, labels: list[str], counts: bool) -> tuple[Figure, Axes]:
    """Draw a cell for each label and cluster, the darker the more of the cluster it is, with the number in it."""
    from matplotlib.colors import LinearSegmentedColormap

    table, shown = cluster_report.join_rare(table, labels)
    figure = pictures.new_figure(height_inches=max(4.5, 1.6 + 0.21 * len(shown)))
    axes = figure.add_subplot()
    cells = table if counts else 100 * table / np.maximum(table.sum(axis=0), 1)
    shades = LinearSegmentedColormap.from_list("shares", ["white", pictures.LABEL_COLOURS[0]])
    rows, columns = cells.shape
    edges = np.arange(columns + 1) + 0.5, np.arange(rows + 1) - 0.5
    # lines so fine that they cannot cover the cells of hundreds of clusters
    mesh = axes.pcolormesh(
        *edges, cells, cmap=shades, vmin=0, vmax=cells.max() or 1, edgecolors="#DDDDDD", linewidth=20 / (columns + 40)
    )
    axes.invert_yaxis()
    texts = [[f"{value:,.0f}" if value >= 0.5 else "" for value in row] for row in cells]
    if columns * (max(len(text) for row in texts for text in row) + 1) <= 1.4 * AXIS_CHARACTERS:  # a smaller font
        size = 7 if columns > 12 else 9
        for (row, column), value in np.ndenumerate(cells):
            colour = "white" if value > 0.6 * cells.max() else "black"
            axes.text(column + 1, row, texts[row][column], ha="center", va="center", fontsize=size, color=colour)
    axes.set_yticks(np.arange(rows), [pictures.shown(label, 28) for label in shown], fontsize=9, parse_math=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    what = "labelled songs of the cluster" + ("" if counts else " (percent)")
    figure.colorbar(mesh, ax=axes, label=what, aspect=40, pad=0.01).outline.set_visible(False)
    return figure, axes
