"""Write a run's vectors for other programs, and its frame network as one Keras file.

    python process_results/export_vectors.py example_outs/ --format csv --output example_results/vectors.csv

Reads   RUN, the run folder of spectrogram_doc2vec.py or calc_all_vecs.py; with --labels a table with the column
        filename: its columns, or those that --columns names, go along. A track without a row has empty ones.
Writes  --output, in the form that --format says, whatever its name ends in. A track's name is the audio file's path:
          csv        filename, the columns, vector_0 and on. pandas.read_csv(FILE)
          jsonl      an object a line, the vector a list. pandas.read_json(FILE, lines=True)
          npz        an array a column, and `vector` (tracks, dims). numpy.load(FILE)["vector"]
          parquet    the vector a list of fixed size; pip install pyarrow. pandas.read_parquet(FILE)
          word2vec   text, names and vectors only. gensim.models.KeyedVectors.load_word2vec_format(FILE)
                     A name must be one word, so its spaces are %20: urllib.parse.unquote(word) is the name.
          projector  a folder with vectors.tsv and metadata.tsv, to load in projector.tensorflow.org
        --keras, the network that makes frame vectors, with standardisation and differences inside: (frames, mel_bins)
        log-mel -> (frames, output_vector_size), as calc_all_vecs.py does. keras.models.load_model(FILE)(mel)
        Call it so, on all frames of a track; .predict would cut them into batches, where frames lose neighbours.

Numbers are written with as many digits as it takes to read the same ones back. A name that is not UTF-8 keeps its bytes
in csv, npz and word2vec; elsewhere, where only text may be, \\xNN stands for each. What exists is replaced only with
--overwrite.
"""

from __future__ import annotations

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))  # where the shared modules lie

import utils  # noqa: F401  first, so that Ctrl-C is one line during the other imports too

# isort: split

import argparse
import importlib
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from files import atomic_write, require_ours_or_empty
from judging import vector_formats
from judging.labels import FILENAME_COLUMN, match_rows, no_row_matches, read_label_table, require_columns
from judging.tracks import track_name
from judging.vector_formats import PROJECTOR_NAMES, VECTOR_COLUMN, WRITERS, VectorTable
from runs.vectors import Vectors, add_vectors_argument, read_vectors
from utils import (
    EXIT_DONE,
    UserError,
    add_quiet_argument,
    command,
    nearest,
    plural,
    printable,
    printable_name,
    script_parser,
)

FORMATS = (*WRITERS, "projector")
EXTRAS = {"parquet": "pyarrow"}  # libraries that nobody needs but for this
KERAS_SUFFIX = ".keras"  # without it Keras reads no file
OF_THE_VECTOR = re.compile(rf"{VECTOR_COLUMN}(_[0-9]+)?")  # names of columns that are ours


def read_columns(labels: Path, names: Sequence[str], wanted: Sequence[str] | None) -> tuple[dict[str, list[str]], int]:
    """Return columns of a label table, a value for each name, and how many of the names have no row in it.

    wanted  the columns; None: all but filename.
    """
    table = read_label_table(labels)
    chosen = [each for each in table.columns if each] if wanted is None else wanted
    chosen = list(dict.fromkeys(each for each in chosen if each != FILENAME_COLUMN))
    require_columns(table, [FILENAME_COLUMN, *chosen])
    for column in filter(OF_THE_VECTOR.fullmatch, chosen):
        raise UserError(f"{labels}: its column {column!r} is named as the vector is; rename it, or use --columns")
    found = match_rows(table, names, chosen)
    rows = [found.get(song) for song in range(len(names))]
    if not any(isinstance(key, int) for key in found):
        raise no_row_matches(table, names, found)
    values = {column: [row[place] if row else "" for row in rows] for place, column in enumerate(chosen)}
    return values, rows.count(None)


def writable_vectors(found: Vectors) -> np.ndarray:
    """Return vectors as every format can hold them: float32 or float64. Raises UserError where one is not finite."""
    vectors = found.vectors.astype(np.result_type(found.vectors.dtype.newbyteorder("="), np.float32), copy=False)
    # the least and the greatest of a row are finite only where all are; and no array as large as the vectors is made
    finite = np.isfinite(vectors.min(axis=1, initial=0)) & np.isfinite(vectors.max(axis=1, initial=0))
    if not finite.all():
        where = f"{found}, {printable_name(track_name(found.names[int(finite.argmin())]))}"
        raise UserError(f"{where}: holds values that are not finite, which most programs do not read; mend the vectors")
    return vectors


def check_file(path: Path, overwrite: bool, inputs: Sequence[Path | None]) -> None:
    """Raise UserError where a file cannot be written, or must not."""
    if not path.parent.is_dir():
        raise UserError(f"{path}: there is no folder {path.parent}; make it first")
    if path.is_dir():
        raise UserError(f"{path}: is a folder; name a file")
    if path.exists() and any(source and source.exists() and path.samefile(source) for source in inputs):
        raise UserError(f"{path}: is an input of this command; choose another name for the output")
    if os.path.lexists(path) and not overwrite:
        raise UserError(f"{path}: exists; choose another name, or use --overwrite to replace it")


def check_arguments(arguments: argparse.Namespace) -> None:
    """Raise UserError where the flags do not go together, or an output cannot be written. Reads no vectors."""
    kind, output, keras_file = arguments.format, arguments.output, arguments.keras
    if (kind is None) != (output is None) or (output or keras_file) is None:
        raise UserError("--format and --output go together; name both, or --keras, or all three")
    if kind not in (None, *FORMATS):
        raise UserError(f"--format {kind}: no such format{nearest(kind, FORMATS)}")
    if arguments.columns is not None and arguments.labels is None:
        raise UserError("--columns: names columns of a label table; name that by --labels")
    if arguments.labels is not None and kind in (None, "word2vec"):
        what = "--keras holds no tracks" if kind is None else "--format word2vec holds names and vectors only"
        raise UserError(f"--labels: {what}; leave it out, or use another format")
    if keras_file is not None:
        if keras_file.suffix != KERAS_SUFFIX:
            raise UserError(f"{keras_file}: the name must end in {KERAS_SUFFIX}, without which Keras reads no file")
        check_file(keras_file, arguments.overwrite, [])
    if kind == "projector":
        require_ours_or_empty(output, "folder for the projector", PROJECTOR_NAMES.__contains__)
        for name in PROJECTOR_NAMES:
            check_file(output / name if output.exists() else output, arguments.overwrite, [arguments.labels])
    elif kind is not None:
        which = arguments.vectors and Path(arguments.vectors)
        check_file(output, arguments.overwrite, [arguments.labels, which])
    if kind in EXTRAS:
        try:
            importlib.import_module(EXTRAS[kind])
        except ImportError:
            raise UserError(f"--format {kind}: needs {EXTRAS[kind]}; pip install {EXTRAS[kind]}") from None


def export_vectors(arguments: argparse.Namespace) -> None:
    """Write the vectors, and say what was written."""
    found = read_vectors(arguments.run, arguments.vectors, mapped=True)
    vectors = writable_vectors(found)
    columns, without_row = {}, 0
    if arguments.labels is not None:
        columns, without_row = read_columns(arguments.labels, found.names, arguments.columns)
    names = found.names
    for row, name in enumerate(names):
        names[row] = track_name(name)  # in its place: of a million tracks a second list is a hundred MB
    table = VectorTable(names, columns, vectors)
    if arguments.format == "projector":
        vector_formats.write_projector(arguments.output, table)
    else:
        with atomic_write(arguments.output) as file:
            WRITERS[arguments.format](file, table)
    made = f"{plural(len(table.names), 'vector')} of {table.dims} dimensions, {found}, as {arguments.format}"
    known = f", with {', '.join(columns)}" if columns else ""
    lacking = f"; {plural(without_row, 'track')} without a row in {arguments.labels}" if without_row else ""
    print(printable(f"{arguments.output}: {made}{known}{lacking}"))


def export_network(run: Path, path: Path) -> None:
    """Write the network of frame vectors, and say how it is called."""
    from learning.keras_export import save_frame_network
    from learning.trained import open_run

    trained = open_run(run)
    save_frame_network(path, trained.config, trained.model.state())
    shapes = f"(frames, {trained.model.bins}) -> (frames, {trained.config.output_vector_size})"
    print(printable(f"{path}: the frame network of save {trained.save}, {shapes}"))


def build_parser() -> argparse.ArgumentParser:
    parser = script_parser(__doc__)
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder")
    parser.add_argument("--format", metavar="FORMAT", help=f"one of {', '.join(FORMATS)}")
    parser.add_argument("--output", type=Path, metavar="PATH", help="file to write; for the projector a folder")
    parser.add_argument("--labels", type=Path, metavar="CSV", help="label table, whose columns go along")
    parser.add_argument("--columns", nargs="+", metavar="NAME", help="columns of it (default: all)")
    add_vectors_argument(parser)
    parser.add_argument("--keras", type=Path, metavar="FILE.keras", help="write the frame network")
    parser.add_argument("--overwrite", action="store_true", help="replace what exists")
    add_quiet_argument(parser)  # as every script takes it; it shows no progress
    return parser


@command
def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    check_arguments(arguments)
    if arguments.format is not None:
        export_vectors(arguments)
    if arguments.keras is not None:
        export_network(arguments.run, arguments.keras)
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
