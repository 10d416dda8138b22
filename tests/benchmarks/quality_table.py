"""Tables of scores: as text, as CSV, in the mean over collections, and less the better MFCC statistics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from quality_inputs import CHANCE, LOG_MEL, MFCC
from quality_scores import BY_CLUSTERS, LOWER_IS_BETTER, SCORES, SECONDS, Scores

BETTER_MFCC = f"better {MFCC}"
ALL_SETS = "strictest folds"  # what the folds of a mean over collections are called
NONE = "-"


@dataclass(frozen=True)
class Measured:
    """The scores of one collection."""

    name: str
    folds: str  # the strictest
    clusters: bool  # its NMI and purity count in the mean
    kinds: dict[str, list[Scores]]  # kind of vectors -> its scores, of each seed

    def counts(self, score: str) -> bool:
        return self.clusters or score not in BY_CLUSTERS


def format_rows(rows: list[list[str]]) -> str:
    """Return a table, every column as wide as its widest cell; the first row is the heading."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def cell(values: Sequence[float], sign: str = "") -> str:
    """Return mean and standard deviation; `sign` "+" writes the plus too."""
    if not len(values):
        return NONE
    spread = f" +-{np.std(values):.3f}" if len(values) > 1 else ""
    return f"{np.mean(values):{sign}.3f}{spread}"


def format_table(kinds: dict[str, list[Scores]], folds: str) -> str:
    """Return the kinds of vectors that have a score in these folds, a row each."""
    rows = [[folds, *SCORES]]
    for kind, seeds in kinds.items():
        cells = [cell([scores[folds, name] for scores in seeds if (folds, name) in scores]) for name in SCORES]
        if set(cells) != {NONE}:
            rows.append([kind, *cells])
    return format_rows(rows)


def csv_rows(where: str, kinds: dict[str, list[Scores]]) -> list[tuple[str, ...]]:
    """Return the scores as rows: where, vectors, folds, score, mean, standard deviation, seeds."""
    return [
        (where, kind, folds, name, f"{np.mean(values):.4f}", f"{np.std(values):.4f}", str(len(values)))
        for kind, seeds in kinds.items()
        for folds, name in seeds[0]
        for values in [[scores[folds, name] for scores in seeds]]
    ]


CSV_HEADER = ("vectors", "folds", "score", "mean", "standard_deviation", "seeds")


def better_mfcc(measured: Measured) -> Scores:
    """Return of each score that of the resolution at which the MFCC statistics are best in it."""
    rows = [seeds[0] for kind, seeds in measured.kinds.items() if kind.startswith(MFCC)]
    best = {}
    for name in SCORES:
        values = [scores[measured.folds, name] for scores in rows]
        best[measured.folds, name] = min(values) if name in LOWER_IS_BETTER else max(values)
    return best


def mean_of_sets(sets: list[Measured]) -> dict[str, list[Scores]]:
    """Return the mean over collections, for each seed, of every kind of vectors that all of them have."""
    several_mfcc = len({kind for measured in sets for kind in measured.kinds if kind.startswith(MFCC)}) > 1
    kinds_of = [_with_better_mfcc(measured) if several_mfcc else measured.kinds for measured in sets]
    means: dict[str, list[Scores]] = {}
    for kind in kinds_of[0]:
        if all(kind in kinds for kinds in kinds_of):
            seeds = min(len(kinds[kind]) for kinds in kinds_of)
            means[kind] = [_mean([kinds[kind][seed] for kinds in kinds_of], sets) for seed in range(seeds)]
    return means


def _with_better_mfcc(measured: Measured) -> dict[str, list[Scores]]:
    above = {
        kind: seeds for kind, seeds in measured.kinds.items() if kind in (CHANCE, LOG_MEL) or kind.startswith(MFCC)
    }
    return above | {BETTER_MFCC: [better_mfcc(measured)]} | measured.kinds


def _mean(scores: list[Scores], sets: list[Measured]) -> Scores:
    means = {}
    for name in (*SCORES, SECONDS):
        counting = [(own, measured.folds) for own, measured in zip(scores, sets, strict=True) if measured.counts(name)]
        if counting and all((folds, name) in own for own, folds in counting):
            means[ALL_SETS, name] = float(np.mean([own[folds, name] for own, folds in counting]))
    return means


def format_differences(sets: list[Measured], kind: str) -> str:
    """Return a table: a kind of vectors less the better MFCC statistics, of each collection, and in the mean.

    Its last rows are the mean over collections and, of each score, the collection that is worst off; its last column
    the seconds of the longest training.
    """
    less = {
        name: {measured.name: _less(measured, kind, name) for measured in sets if measured.counts(name)}
        for name in SCORES
    }
    less = {name: {own: values for own, values in of.items() if values} for name, of in less.items()}
    seconds = {
        measured.name: max((scores.get((measured.folds, SECONDS), 0.0) for scores in measured.kinds[kind]), default=0.0)
        for measured in sets
    }
    rows = [[f"{kind} less the better {MFCC}", *SCORES, "seconds at most"]]
    for measured in sets:
        cells = [cell(less[name].get(measured.name, ()), "+") for name in SCORES]
        rows.append([measured.name, *cells, f"{seconds[measured.name]:.0f}" if seconds[measured.name] else NONE])
    means = [cell(np.mean(list(less[name].values()), axis=0), "+") if less[name] else NONE for name in SCORES]
    longest = max(seconds.values())
    rows.append([f"mean of {len(sets)}", *means, f"{longest:.0f}" if longest else NONE])
    rows.append(["worst", *(_worst(less[name], name) for name in SCORES), ""])
    return format_rows(rows)


def _less(measured: Measured, kind: str, name: str) -> list[float]:
    key = measured.folds, name
    best = better_mfcc(measured)[key]
    return [scores[key] - best for scores in measured.kinds[kind] if key in scores]


def _worst(less: dict[str, list[float]], name: str) -> str:
    sign = -1 if name in LOWER_IS_BETTER else 1
    return min(less, key=lambda own: sign * np.mean(less[own]), default=NONE)
