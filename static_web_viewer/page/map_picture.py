"""The map as a picture for those who do not open the page: map.png."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from judging import pictures
from static_web_viewer.page.columns import Column

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_COLOURED = len(pictures.LABEL_COLOURS)  # labels, the largest
LEGEND_POINTS = 7.0  # diameter of a legend's dots


def draw_map(xy: np.ndarray, column: Column, title: str) -> Figure:
    """Return the map as a figure, (tracks, 2) -> Figure, coloured by the most frequent values of a column."""
    from matplotlib.lines import Line2D

    values, codes = column.encoded()  # the most frequent first, an empty one last
    labels = [value for value in values if value][:MOST_COLOURED]
    figure = pictures.new_figure(height_inches=6.0)
    axes = figure.add_subplot()
    size = max(1.0, min(36.0, 60_000 / len(xy) ** 1.2))
    handles, texts = [], []

    def draw(which: np.ndarray, colour: str, text: str) -> None:
        axes.scatter(*xy[which].T, s=size, c=colour, linewidths=0)
        handles.append(Line2D([], [], color=colour, linestyle="", marker="o", markersize=LEGEND_POINTS))
        texts.append(f"{text} ({int(which.sum()):,})")

    others = codes >= len(labels)
    if others.any():
        draw(others, pictures.OTHER_COLOUR, "no value" if values[len(labels)] == "" else "all others")
    for label, colour in pictures.label_colours(labels).items():
        draw(codes == values.index(label), colour, pictures.shown(label, 28))
    if others.any():  # drawn below all, named after them
        handles.append(handles.pop(0))
        texts.append(texts.pop(0))
    pictures.outside_legend(figure, handles, texts, loc="outside right center")
    axes.set_aspect("equal")
    axes.axis("off")
    figure.suptitle(f"{pictures.shown(title, 60)}, by {pictures.shown(column.name)}", fontsize=11, parse_math=False)
    return figure
