"""Measure what the vectors know of labels on several collections, each alone, and in the mean.

    python tests/benchmarks/quality_all.py COLLECTIONS.yaml

Reads   COLLECTIONS.yaml, a list of collections; paths are relative to the file:

            - name: songs                 # optional: the mel folder's name
              mel_folder: songs/mels
              labels: songs/labels.csv
              label_column: genre
              group_column: artist        # optional: of what must not be on both sides of a fold
              baseline_mels: songs/fine   # optional: mels of the same audio at another resolution, for MFCC statistics
              clusters: false             # optional: clusters are something else than labels, e.g. speakers, so that
                                          # NMI and purity are left out of the mean

Writes  with --output the printed scores as CSV, a row a collection, kind of vector, folds and score.

Prints for each collection the table of quality.py in the strictest folds, by group where there is a group column; then
the mean over collections of each kind of vectors that all of them have; and the song vectors less the MFCC statistics
at whichever resolution these are better, score by score: of each collection, in the mean, and which collection is worst
off (hubness: lower is better). Means are taken of each seed, then over seeds, with their standard deviation.

--together   trains all collections' mels as one corpus too, once for each seed and --minutes at most; each collection
             is judged by its own labels, in the row "trained together". The mel folders must have been made alike; bare
             ones need as many bins, and have the hop of the others, or of the configuration where all are bare.
--no-alone   with --together: without the trainings of each collection alone.
--unseen, --unseen-groups   see quality.py.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the shared modules lie in the repository root

from quality_collections import common_audio, read_collections
from quality_inputs import SONG_VECTORS, TOGETHER, UNSEEN, Inputs, add_measuring_arguments, read_inputs
from quality_table import CSV_HEADER, Measured, csv_rows, format_differences, format_table, mean_of_sets
from quality_training import Kinds, judge_baselines, judge_together, judge_trainings

from config import load_config
from files import csv_bytes, write_file
from utils import EXIT_DONE, UserError, command, plural, script_parser


def measure(several: list[Inputs], audio: dict[str, object], arguments) -> list[Measured]:
    """Train and judge; print each collection's table as soon as it is complete."""
    together = judge_together(several, audio, arguments) if arguments.together else [[]] * len(several)
    found = []
    for inputs, as_one in zip(several, together, strict=True):
        collection, labels = inputs.collection, inputs.labels
        kinds: Kinds = judge_baselines(inputs)
        if not arguments.no_alone:
            kinds |= judge_trainings(inputs, arguments)
        if as_one:
            kinds[TOGETHER] = as_one
        counts = f"{plural(len(labels.songs), 'track')}, {plural(len(set(labels.labels)), 'label')}"
        print(f"{collection.name}: {counts}\n{format_table(kinds, labels.strictest)}\n", flush=True)
        found.append(Measured(collection.name, labels.strictest, collection.clusters, kinds))
    return found


def build_parser():
    parser = script_parser(__doc__)
    parser.add_argument("collections", type=Path, metavar="COLLECTIONS.yaml")
    parser.add_argument("--together", action="store_true", help="train all collections as one corpus too")
    parser.add_argument("--no-alone", action="store_true", help="with --together: train no collection alone")
    add_measuring_arguments(parser)
    return parser


@command
def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    config, _ = load_config(arguments)
    if arguments.no_alone and not arguments.together:
        raise UserError("--no-alone leaves nothing to train; give it with --together")
    collections = read_collections(arguments.collections)
    several = [read_inputs(collection, config, [], by_resolution=True) for collection in collections]
    audio = common_audio(several) if arguments.together else {}
    found = measure(several, audio, arguments)

    means = mean_of_sets(found)
    mean_name = f"mean of {plural(len(found), 'collection')}"
    folds = next(iter(means["chance"][0]))[0]
    print(f"{mean_name}\n{format_table(means, folds)}\n")
    for kind in (SONG_VECTORS, TOGETHER, UNSEEN):
        if kind in means:
            print(format_differences(found, kind), end="\n\n")
    if arguments.output is not None:
        rows = [row for measured in found for row in csv_rows(measured.name, measured.kinds)]
        write_file(arguments.output, csv_bytes(("collection", *CSV_HEADER), [*rows, *csv_rows(mean_name, means)]))
        print(f"{arguments.output}: {plural(len(found), 'collection')} and their mean")
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
