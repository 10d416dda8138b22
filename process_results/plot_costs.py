"""Draw how the cost of a training run falls, on what it trains on and on what is held out.

    python process_results/plot_costs.py RUN --output costs.png

Reads   RUN/cost_list.csv, of the run folder of spectrogram_doc2vec.py, while it trains or afterwards.
Writes  a picture: cost and held-out cost in nats against the positive pairs trained on, the training time above.
"""

from __future__ import annotations

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))  # where the shared modules lie

import utils  # noqa: F401  first, so that Ctrl-C is one line during the other imports too

# isort: split

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from judging import pictures
from runs.run_folder import CostRow, read_costs, require_run
from utils import EXIT_DONE, UserError, command, duration, plural, printable, script_parser

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COST_COLOUR, HELD_OUT_COLOUR, LOWEST_COLOUR = (
    pictures.LABEL_COLOURS[4],
    pictures.LABEL_COLOURS[0],
    pictures.LABEL_COLOURS[5],
)
# (name, seconds in it, from how many seconds of training on)
TIME_UNITS = (("hours", 3600, 7200), ("minutes", 60, 120), ("seconds", 1, 0))
SAVES_WITH_MARKERS = 60  # past that the points would hide the line


def lowest_held_out(rows: list[CostRow]) -> CostRow | None:
    """Return the save of the lowest held-out cost, the first of equals; None where no save has one."""
    known = [row for row in rows if math.isfinite(row.held_out_cost)]
    return min(known, key=lambda row: row.held_out_cost, default=None)


def draw_costs(rows: list[CostRow], title: str) -> Figure:
    """Draw the costs of at least one save."""
    figure = pictures.new_figure(height_inches=4.5)
    axes = figure.add_subplot()
    pairs = [row.pairs for row in rows]
    marker = "." if len(rows) <= SAVES_WITH_MARKERS else None
    handles = axes.plot(pairs, [row.cost for row in rows], color=COST_COLOUR, marker=marker)
    handles += axes.plot(pairs, [row.held_out_cost for row in rows], color=HELD_OUT_COLOUR, marker=marker)
    texts = ["cost", "held-out cost"]
    lowest = lowest_held_out(rows)
    if lowest is not None:
        point = ([lowest.pairs], [lowest.held_out_cost])
        handles += axes.plot(*point, "D", color=LOWEST_COLOUR, markersize=7, markerfacecolor="none")
        texts.append(f"lowest held-out cost: {lowest.held_out_cost:.4f} at save {lowest.epoc}")
    axes.set_xlabel("positive pairs trained on")
    axes.set_ylabel("cost (nats)")
    axes.xaxis.set_major_formatter(short_number)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    _add_time_axis(axes, rows)
    figure.suptitle(title, fontsize=11, parse_math=False)
    pictures.outside_legend(figure, handles, texts, loc="outside lower center", ncols=3)
    return figure


def _add_time_axis(axes, rows: list[CostRow]) -> None:
    # Pairs and seconds hardly differ in shape, so the time is written above the ticks of the pairs.
    pairs, seconds = np.array([(row.pairs, row.seconds) for row in rows], np.float64).T
    slack = 0.01 * (pairs.max() - pairs.min())  # a save's pairs are whole steps, a little above the round number
    ticks = [tick for tick in axes.get_xticks() if pairs.min() - slack <= tick <= pairs.max() + slack] or [pairs[-1]]
    unit, length = next((unit, length) for unit, length, least in TIME_UNITS if seconds[-1] >= least)
    above = axes.secondary_xaxis("top")
    above.set_xticks(ticks, [f"{time / length:.3g}" for time in np.interp(ticks, pairs, seconds)])
    above.set_xlabel(f"time inside training steps ({unit})")
    above.spines["top"].set_visible(False)


def short_number(value: float, _position: int | None = None) -> str:
    """Return a count as an axis shows it: 2500000 -> '2.5 M'."""
    for unit, name in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= unit:
            return f"{value / unit:.4g}{name}"
    return f"{value:.4g}"


def build_parser() -> argparse.ArgumentParser:
    parser = script_parser(__doc__)
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder of spectrogram_doc2vec.py")
    parser.add_argument("--output", type=Path, required=True, metavar="PICTURE", help="picture to write, .png or .svg")
    return parser


@command
def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    pictures.check_output(arguments.output, pictures.PICTURE_SUFFIXES)
    require_run(arguments.run)
    rows = read_costs(arguments.run)
    if not rows:
        raise UserError(f"{arguments.run}: its cost_list.csv is missing or holds no save; restore it, or train on")
    run_name = pictures.shown(arguments.run.resolve().name, 60)
    pictures.save_figure(draw_costs(rows, f"Cost of {run_name}, {plural(len(rows), 'save')}"), arguments.output)

    last, lowest = rows[-1], lowest_held_out(rows)
    found = f"lowest held-out cost {lowest.held_out_cost:.4f} at save {lowest.epoc}" if lowest else "no held-out cost"
    trained = f"{plural(last.pairs, 'pair')} in {duration(last.seconds)}"
    print(printable(f"{arguments.output}: {plural(len(rows), 'save')}, {trained}; {found}"))
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
