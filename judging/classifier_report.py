"""The report of a comparison of classifiers: the printed table, tables as CSV, confusion matrix, learning curve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from files import csv_bytes
from judging import classifiers, pictures
from judging.classifiers import CLASSIFIERS, SCORES
from judging.folds import Folds
from utils import Progress

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCORES_HEADER = ("vectors", "classifier", "score", "mean", "interval_95", "standard_deviation", "folds", "tracks")
CURVE_SHARES = (0.05, 0.1, 0.2, 0.4, 0.7, 1.0)  # of the labelled tracks that the learning curve learns from
CELLS_WRITTEN = 20  # classes up to which the confusion matrix has its figures in it
KIND_CHARACTERS = 60  # of a kind of vectors in the printed table: as many as paths need to be told apart
LEVEL_CHARACTERS = 80  # of the names below the confusion matrix, side by side; more of them are turned

Table = dict[str, dict[str, dict[str, np.ndarray]]]  # kind of vector -> classifier -> score -> (folds,)


@dataclass(frozen=True)
class Comparison:
    """Every classifier on every kind of vector, all on the same folds."""

    classes: list[str]
    codes: np.ndarray  # (tracks,) int64, the tracks' classes
    folds: Folds
    table: Table
    first: classifiers.Predicted  # what the RBF SVM says by the first kind of vector


def format_table(comparison: Comparison, scores_shown: Sequence[str] = SCORES) -> str:
    """Return the scores as aligned lines, a block for each of the scores shown, guessing below."""
    guessing, blocks = classifiers.guessing(comparison.codes), []
    width = max(20, *(len(pictures.shown(kind, KIND_CHARACTERS)) + 1 for kind in comparison.table))
    for score in scores_shown:
        lines = [f"{score:<{width}}" + "".join(f"{name:<17}" for name in CLASSIFIERS)]
        for kind, scores in comparison.table.items():
            values = [scores[name][score] for name in CLASSIFIERS]
            cells = (f"{value.mean():.3f} +- {classifiers.interval(value, comparison.folds):.3f}" for value in values)
            lines.append(f"{pictures.shown(kind, KIND_CHARACTERS):<{width}}" + "".join(f"{cell:<17}" for cell in cells))
        for name, values in guessing.items():
            lines.append(f"{name:<{width}}" + "".join(f"{values[score]:<17.3f}" for _ in CLASSIFIERS))
        blocks.append("\n".join(line.rstrip() for line in lines))
    return "\n\n".join(blocks)


def scores_csv(comparison: Comparison) -> bytes:
    """Return the scores as CSV, a row a kind of vector, classifier and score."""
    size, rows = (len(comparison.folds), len(comparison.codes)), []
    for kind, scores in comparison.table.items():
        for name in CLASSIFIERS:
            for score, values in scores[name].items():
                half = classifiers.interval(values, comparison.folds)
                rows.append((kind, name, score, f"{values.mean():.4f}", f"{half:.4f}", f"{values.std():.4f}", *size))
    for name, values in classifiers.guessing(comparison.codes).items():
        rows += [(name, "", score, f"{value:.4f}", "", "", "", size[1]) for score, value in values.items()]
    return csv_bytes(SCORES_HEADER, rows)


def classes_csv(comparison: Comparison) -> bytes:
    """Return what became of each class as CSV: recall, precision, F1, and what it was most often taken for."""
    matrix = classifiers.confusion(comparison.codes, comparison.folds, comparison.first, len(comparison.classes))
    rows = []
    for place, label in enumerate(comparison.classes):
        right, tested, named = matrix[place, place], matrix[place].sum(), matrix[:, place].sum()
        others = np.where(np.arange(len(matrix)) == place, 0, matrix[place])
        taken_for = comparison.classes[int(others.argmax())] if others.any() else ""
        shares = (right / max(tested, 1), right / max(named, 1), 2 * right / max(tested + named, 1))
        tracks = int((comparison.codes == place).sum())
        rows.append((label, tracks, *(f"{share:.4f}" for share in shares), taken_for))
    return csv_bytes(("label", "tracks", "recall", "precision", "F1", "most_often_taken_for"), rows)


def draw_confusion(comparison: Comparison, title: str) -> Figure:
    """Draw which class was taken for which, in percent of the true class, which is that of the row."""
    matrix = classifiers.confusion(comparison.codes, comparison.folds, comparison.first, len(comparison.classes))
    shares = 100 * matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    count = len(comparison.classes)
    figure = pictures.new_figure(height_inches=max(4.5, min(9.0, 2.0 + 0.3 * count)))
    axes = figure.add_subplot()
    picture = axes.imshow(shares, cmap="Blues", vmin=0, vmax=100, aspect="auto")
    names = [pictures.shown(label, 20) for label in comparison.classes]
    level = count * (max(map(len, names)) + 2) <= LEVEL_CHARACTERS
    turned = {} if level else {"rotation": 60, "ha": "right", "rotation_mode": "anchor"}
    axes.set_xticks(range(count), names, fontsize=9, **turned)
    axes.set_yticks(range(count), names, fontsize=9)
    for text in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        text.set_parse_math(False)
    if count <= CELLS_WRITTEN:
        for row, column in np.ndindex(count, count):
            if shares[row, column] >= 0.5:
                colour = "white" if shares[row, column] > 65 else "black"
                value = f"{shares[row, column]:.0f}"
                axes.text(column, row, value, ha="center", va="center", color=colour, fontsize=8)
    axes.set_xlabel("taken for")
    axes.set_ylabel("label")
    figure.colorbar(picture, label="percent of the tracks of a class")
    figure.suptitle(title, fontsize=11, parse_math=False)
    return figure


def draw_learning_curve(
    kinds: dict[str, np.ndarray], comparison: Comparison, seed: int, quiet: bool, title: str
) -> Figure:
    """Draw the RBF SVM's accuracy, with fixed settings, against the number of labelled tracks it learns from."""
    figure = pictures.new_figure(height_inches=4.5)
    axes = figure.add_subplot()
    handles, progress = [], Progress(len(kinds), "learning curve", "kinds of vectors", quiet)
    for place, vectors in enumerate(kinds.values()):
        counts, accuracies = classifiers.learning_curve(
            vectors, comparison.codes, comparison.folds, CURVE_SHARES, seed=seed
        )
        style = {"color": pictures.LABEL_COLOURS[place % len(pictures.LABEL_COLOURS)], "marker": "os^Dv"[place % 5]}
        handles += axes.plot(counts, 100 * accuracies.mean(axis=1), **style)
        progress.advance()
    progress.close()
    most_frequent = 100 * classifiers.guessing(comparison.codes)["most frequent class"]["accuracy"]
    handles.append(axes.axhline(most_frequent, color="#999999", linestyle="--"))
    axes.set_xscale("log")
    ticks = np.unique(np.round(counts)).astype(int)
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel("labelled tracks to learn from")
    axes.set_ylabel("accuracy (percent)")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title, fontsize=11, parse_math=False)
    texts = [*(pictures.shown(kind, 28) for kind in kinds), "most frequent class"]
    pictures.outside_legend(figure, handles, texts, loc="outside lower center", ncols=3)
    return figure
