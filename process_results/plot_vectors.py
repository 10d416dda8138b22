"""Draw a two-dimensional .npy as a picture: a mel, a song's frame vectors, or all song vectors of a run.

    python process_results/plot_vectors.py "example_vectors/strings/a song.mp3.npy" --output picture.png

Reads   FILE.npy: rows are frames (or songs), columns are mel bins or dimensions. The time from one row to the next is
        that of the mel folder's config.yaml above the file, or of the run that made_with.yaml of a folder of frame
        vectors names; --hop-seconds says it where neither is there.
Writes  a picture with a time axis in seconds; with the row's number where the hop is not known, with --rows, and of a
        file of a run folder, whose rows are songs. The colours span the 1st to the 99th percentile, so that a few
        extreme values do not grey out the rest. More rows than pixels are averaged.
"""

from __future__ import annotations

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))  # where the shared modules lie

import utils  # noqa: F401  first, so that Ctrl-C is one line during the other imports too

# isort: split

import argparse
import itertools
import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from config import read_config_file
from judging import pictures
from mels.mel_folder import CONFIG_NAME
from runs.run_folder import SAVE_NUMBER_NAME
from utils import EXIT_DONE, UserError, command, plural, positive_float, printable, script_parser

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_CELLS = 1200  # of the picture in each direction: about its pixels
COLOUR_PERCENTILES = (1, 99)
MADE_WITH_NAME = "made_with.yaml"  # of a folder of frame vectors, by calc_all_vecs.py


def mean_of_blocks(array: np.ndarray, blocks: int) -> np.ndarray:
    """Average rows into at most `blocks` blocks of nearly equal length.

    array    (rows, columns), at least one row; read a block at a time, so it may be a file larger than the memory.
    Returns  (rows or blocks, whichever is less; columns) float64, nan where the block holds a value that is not finite.
    """
    edges = np.linspace(0, len(array), min(blocks, len(array)) + 1).astype(np.int64)
    with np.errstate(invalid="ignore", over="ignore"):
        means = np.stack(
            [array[start:stop].mean(axis=0, dtype=np.float64) for start, stop in itertools.pairwise(edges)]
        )
    return np.where(np.isfinite(means), means, np.nan)


def colour_limits(picture: np.ndarray) -> tuple[float, float]:
    """Return the percentiles of the finite values that the colours span, never the same number twice."""
    low, high = np.nanpercentile(picture, COLOUR_PERCENTILES)
    return (float(low), float(high)) if low < high else (float(low) - 0.5, float(low) + 0.5)


def read_array(path: Path) -> np.ndarray:
    """Map a .npy of numbers (rows, columns) into memory. Raises UserError where it is something else."""
    try:
        array = np.lib.format.open_memmap(path, mode="r")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; name a .npy") from None
    except ValueError as error:
        raise UserError(f"{path}: not readable as .npy ({error}); make it anew") from None
    if array.ndim != 2 or array.dtype.kind not in "fiub":
        raise UserError(f"{path}: shape {array.shape}, type {array.dtype}: expected numbers of shape (rows, columns)")
    if not array.size:
        raise UserError(f"{path}: shape {array.shape} holds nothing to draw")
    return array


def find_hop_seconds(path: Path) -> float | None:
    """Return the time from one row of a file to the next, in seconds, from the folder that it was made into.

    None where no folder above the file says it.
    """
    for folder in path.absolute().parents:
        if (folder / MADE_WITH_NAME).exists():
            run = Path(str(_read_mapping(folder / MADE_WITH_NAME).get("run", "")))
            places = [run / CONFIG_NAME, folder.parent / run / CONFIG_NAME]  # as seen from where it was made
        else:
            places = [folder / CONFIG_NAME]
        for place in places:
            hop_seconds = _read_mapping(place).get("hop_seconds")
            if type(hop_seconds) in (float, int) and 0 < hop_seconds < math.inf:  # true is an int too
                return float(hop_seconds)
    return None


def has_songs(path: Path) -> bool:
    """Tell whether the rows of a file are songs: it lies in a run folder."""
    return (path.absolute().parent / SAVE_NUMBER_NAME).exists()


def _read_mapping(path: Path) -> dict[str, object]:
    """Return what a YAML file holds; nothing where it is missing or another program's."""
    try:
        return read_config_file(path)
    except (UserError, OSError):
        return {}


def draw_array(picture: np.ndarray, shape: tuple[int, int], hop_seconds: float | None, title: str) -> Figure:
    """Draw an array with its rows from left to right and its columns upwards.

    picture      (cells, cells) float64, nan where there is nothing to show.
    shape        (rows, columns) of the array that was averaged into it.
    hop_seconds  time from one row to the next; None numbers the rows instead.
    """
    import matplotlib

    figure = pictures.new_figure(height_inches=4.5)
    axes = figure.add_subplot()
    low, high = colour_limits(picture)
    image = axes.imshow(
        picture.T,
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        extent=(0, shape[0] * (hop_seconds or 1), 0, shape[1]),
        cmap=matplotlib.colormaps["viridis"].with_extremes(bad="white"),
        vmin=low,
        vmax=high,
    )
    axes.set_xlabel("time (seconds)" if hop_seconds else "row")
    axes.set_ylabel("column")
    axes.yaxis.get_major_locator().set_params(integer=True)
    bar = figure.colorbar(image, extend="both", pad=0.02)
    bar.set_label("value, 1st to 99th percentile")
    figure.suptitle(title, fontsize=11, parse_math=False)
    return figure


def build_parser() -> argparse.ArgumentParser:
    parser = script_parser(__doc__)
    parser.add_argument("file", type=Path, metavar="FILE.npy", help="two-dimensional array of numbers")
    parser.add_argument("--output", type=Path, required=True, metavar="PICTURE", help="picture to write, .png or .svg")
    parser.add_argument(
        "--hop-seconds",
        type=positive_float,
        metavar="S",
        help="time from row to row (default: as it was made)",
    )
    parser.add_argument("--rows", action="store_true", help="rows are no frames, e.g. songs: number them")
    return parser


@command
def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    pictures.check_output(arguments.output, pictures.PICTURE_SUFFIXES)
    array = read_array(arguments.file)
    picture = mean_of_blocks(mean_of_blocks(array, MOST_CELLS).T, MOST_CELLS).T
    if np.isnan(picture).all():
        raise UserError(f"{arguments.file}: holds no finite value; make it anew")
    size = f"{plural(array.shape[0], 'row')} of {plural(array.shape[1], 'column')}"
    title = f"{pictures.shown(arguments.file.name, 60)}: {size}, {array.dtype}"
    numbered = arguments.rows or (arguments.hop_seconds is None and has_songs(arguments.file))
    hop_seconds = None if numbered else arguments.hop_seconds or find_hop_seconds(arguments.file)
    pictures.save_figure(draw_array(picture, array.shape, hop_seconds, title), arguments.output)
    missing = np.isnan(picture).mean()
    blank = f"; {missing:.1%} of the picture is blank, its values are not finite" if missing else ""
    unknown = "" if hop_seconds or numbered else "; numbered, for a time axis add --hop-seconds"
    print(printable(f"{arguments.output}: {size}{blank}{unknown}"))
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
