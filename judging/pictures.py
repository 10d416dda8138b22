"""What the scripts that draw share: colours, text that no label can break, and saving.

matplotlib is imported when something is drawn, not before, so that `--help` and errors are quick.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from files import write_file
from utils import UserError, printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PICTURE_SUFFIXES = (".png", ".svg")
PICTURE_WIDTH_INCHES = 8.0
PICTURE_DPI = 200  # 1600 pixels wide: sharp, and its text of 9 points and more is read with ease at 800 pixels

# Told apart with any colour vision and on white; the first of the page's, where a label has the same colour.
LABEL_COLOURS = ("#1C74CF", "#BF8414", "#097A51", "#B9547A", "#299BBF", "#982804", "#78751E", "#4D2C87")
OTHER_COLOUR = "#DDDDDD"  # what is no label: all the rest


def label_colours(labels: Sequence[str]) -> dict[str, str]:
    """Return the colour of each label by its place among all of them, sorted: so every picture of them agrees.

    labels   at most eight different ones. More have no colours of their own that could be told apart: a picture of them
             shows a matrix, or colours some and says which, and then no other picture has the same colours.
    Raises   ValueError for more.
    """
    places = sorted(set(labels))
    if len(places) > len(LABEL_COLOURS):
        raise ValueError(f"{len(places)} labels: there are {len(LABEL_COLOURS)} colours")
    return dict(zip(places, LABEL_COLOURS, strict=False))


def shown(text: str, length: int = 32) -> str:
    """Return text that any font and file format can take, on one line and no longer than `length` characters."""
    text = " ".join("".join(c if c.isprintable() else " " for c in printable(text)).split())
    return text if len(text) <= length else text[: length - 1] + "…"


def check_output(path: Path, suffixes: Sequence[str], inputs: Sequence[Path] = ()) -> None:
    """Raise UserError where an output cannot be written: its suffix, its folder, or its being one of the inputs."""
    if path.suffix.lower() not in suffixes:
        raise UserError(f"{path}: the name must end in {' or '.join(suffixes)}, which decides the format")
    if not path.parent.is_dir():
        raise UserError(f"{path}: there is no folder {path.parent}; make it first")
    if path.is_dir():
        raise UserError(f"{path}: is a folder; name a file")
    if path.exists() and any(path.samefile(source) for source in inputs if source.exists()):
        raise UserError(f"{path}: is an input of this command; choose another name for the output")


def check_table_output(path: Path, header: Sequence[str], inputs: Sequence[Path] = (), more: bool = False) -> None:
    """Raise UserError where a table cannot be written, or would replace one that does not begin with this header.

    more  it may have further columns.
    """
    check_output(path, [".csv"], inputs)
    if path.exists():
        with path.open("rb") as file:
            first, ours = file.readline().rstrip(b"\r\n"), ",".join(header).encode()
            if first != ours and not (more and first.startswith(ours + b",")):
                raise UserError(
                    f"{path}: is no table of this script, and would be replaced; choose another name for the output"
                )


def new_figure(height_inches: float) -> Figure:
    """Return an empty figure of the common width, laid out so that nothing overlaps."""
    # matplotlib logs the building of its font cache; cron would mail it
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    from matplotlib.figure import Figure

    return Figure(figsize=(PICTURE_WIDTH_INCHES, height_inches), dpi=PICTURE_DPI, layout="constrained")


def outside_legend(figure: Figure, handles: Sequence, texts: Sequence[str], **settings: object) -> None:
    """Put a legend beside the axes. The texts are shown as they are: no '$' is mathematics, no '_' hides a line."""
    legend = figure.legend(handles, [" "] * len(texts), fontsize=9, frameon=False, **settings)
    for entry, text in zip(legend.get_texts(), texts, strict=True):
        entry.set_parse_math(False)
        entry.set_text(text)


def save_figure(figure: Figure, path: Path) -> None:
    """Write a picture, PNG or SVG by its suffix, whole or not at all. The same figure gives the same bytes."""
    write_file(path, figure_bytes(figure, path.suffix))


def figure_bytes(figure: Figure, suffix: str) -> bytes:
    """Return a figure as the picture file whose name ends so, of PICTURE_SUFFIXES."""
    import matplotlib

    kind, picture = suffix.lower().removeprefix("."), io.BytesIO()
    with warnings.catch_warnings(), matplotlib.rc_context({"svg.hashsalt": "sound-eval", "savefig.dpi": "figure"}):
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # a box in the picture says as much
        figure.savefig(picture, format=kind, metadata={"Date": None} if kind == "svg" else None)
    return picture.getvalue()
