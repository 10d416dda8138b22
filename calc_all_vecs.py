"""Write what a trained run makes of any mel files, trained on or not: a vector a frame, or a vector a song.

    python calc_all_vecs.py example_vectors/ example_outs/ frame_vectors/
    python calc_all_vecs.py example_vectors/ example_outs/ song_vectors/ --level song

Reads   MEL_FOLDER  what spectrify_all.py wrote with the configuration of the run, as it does of new audio with --config
                    RUN_FOLDER/config.yaml; or a bare folder of .npy files.
        RUN_FOLDER  the newest weights of spectrogram_doc2vec.py.
Writes  OUTPUT      <path of the mel file> (frames, output_vector_size) float32, the same nesting, one row a frame: what
                    the target network makes of it; made_with.yaml: the run, its save, and a digest of its weights;
                    vector_list.txt: which files are its own, a line each, and of which mel: its name, a tab, and a
                    number that changes with it.
                    With --level song a run folder that every script of process_results/ and the page read as any other:
                    vector_at_1.npy (songs, output_vector_size) float32, music_list.txt, epoc_num.txt, config.yaml, and
                    the two above. It cannot be trained. A song's vector, found with the networks frozen, depends on
                    its mel and the weights alone: it is the same in any company.

Run again, it makes only what is missing, older than its mel file or of another mel of that name; with other weights it
makes all of it anew. Frame vectors of mels that are gone stay until --prune, song vectors go with them. It can be
stopped at any moment; the same command goes on.
"""

from __future__ import annotations

import utils  # noqa: F401  first, so that Ctrl-C is one line during the other imports too

# isort: split

import collections
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from config import CONFIG_NAME
from files import folder_lock, remove_temporaries, save_array
from learning.matching_mels import refuse_other_mels
from learning.trained import TrainedRun, open_run
from mels.mel_folder import MelList, list_mels, read_mel
from runs.frame_folder import (
    FRAME_LEVEL,
    claim_output,
    claim_vectors,
    is_up_to_date,
    prepare_output,
    remove_vectors,
    takes_our_name,
    write_list,
)
from runs.inferred_run import SONG_LEVEL, InferredRun, prepare_inferred_run
from utils import (
    EXIT_DONE,
    EXIT_ERROR,
    Progress,
    UserError,
    add_quiet_argument,
    command,
    examples,
    plural,
    printable_name,
    script_parser,
)

LEVELS = (FRAME_LEVEL, SONG_LEVEL)


@dataclass(frozen=True)
class Made:
    """What became of the mels."""

    count: int  # vectors, or files of them, that were made now
    gone: list[str]  # mels that are no more, while their frame vectors are
    skipped: list[str]  # one line each: mels that cannot be read, and why
    changed: bool  # whether anything in the output is another than before


def read_mels(
    mels: MelList, mel_folder: Path, names: list[str], skipped: list[str]
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the mels named, (frames, bins) each; add a line to `skipped` for each that cannot be read."""
    for name in names:
        try:
            mel = read_mel(mel_folder / name)
            if mel.shape[1] != mels.bins:
                raise ValueError(f"{mel.shape[1]} bins, expected {mels.bins}")
        except (OSError, ValueError) as error:
            skipped.append(f"{printable_name(name)}: {error}")
            continue
        yield name, mel


def finite(trained: TrainedRun, name: str, vectors: np.ndarray) -> np.ndarray:
    """Return vectors of a mel. Raises UserError where they are not finite: no mel can do that, only weights."""
    if not np.isfinite(vectors).all():
        what = f"its weights make of {printable_name(name)} a vector that is not finite"
        raise UserError(f"{trained.folder}: {what}; restore them, or train into another folder")
    return vectors


def make_frame_vectors(trained: TrainedRun, mels: MelList, mel_folder: Path, output: Path, arguments) -> Made:
    """Bring a folder of frame vectors up to date. Needs the lock."""
    not_before = claim_output(output, trained.folder, trained.save, trained.frame_digest())
    stamps = {name: str(stamp) for name, stamp in stamps_of(mels).items()}
    taken = [name for name in mels.names if takes_our_name(name)]
    skipped = [f"{printable_name(name)}: its folder bears the name of a file of ours; rename it" for name in taken]
    for name in taken:
        del stamps[name]
    noted, gone = claim_vectors(output, mel_folder, stamps)
    dims = trained.config.output_vector_size
    to_do = [
        name
        for name, frames in zip(mels.names, mels.frames.tolist(), strict=True)
        if name in stamps and not is_up_to_date(mel_folder / name, output / name, frames, dims, not_before)
    ]
    for folder in {(output / name).parent for name in to_do}:
        folder.mkdir(parents=True, exist_ok=True)
        remove_temporaries(folder)
    progress = Progress(len(to_do), "frame vectors", "songs", arguments.quiet)
    for name, mel in read_mels(mels, mel_folder, to_do, skipped):
        save_array(output / name, finite(trained, name, trained.frame_vectors(mel)))
        progress.advance()
    progress.close()
    if arguments.prune and gone:
        remove_vectors(output, gone)
        write_list(output, {name: stamp for name, stamp in noted.items() if name not in set(gone)})
    count = len(to_do) + len(taken) - len(skipped)
    return Made(count, gone, skipped, changed=bool(count or (arguments.prune and gone)))


def make_song_vectors(trained: TrainedRun, mels: MelList, mel_folder: Path, output: Path, arguments) -> Made:
    """Bring a run folder of inferred vectors up to date. Needs the lock."""
    stamps = stamps_of(mels)
    vectors = InferredRun(output, trained.config.output_vector_size, trained.song_digest())
    to_do = [name for name, stamp in stamps.items() if not vectors.holds(name, stamp)]
    skipped: list[str] = []
    read: collections.deque[str] = collections.deque()  # mels whose vectors are still to come: a few, never all

    def readable() -> Iterator[np.ndarray]:
        for name, mel in read_mels(mels, mel_folder, to_do, skipped):
            if not len(mel):
                skipped.append(f"{printable_name(name)}: no frame")
                continue
            read.append(name)
            yield mel

    progress = Progress(len(to_do), "song vectors", "songs", arguments.quiet)
    try:
        for vector in trained.song_vectors(readable()) if to_do else ():
            name = read.popleft()
            vectors.add(name, stamps[name], finite(trained, name, vector))
            progress.advance()
    finally:
        progress.close()
        vectors.close()
    songs = {name: stamp for name, stamp in stamps.items() if vectors.holds(name, stamp)}
    changed = False
    if songs:
        config = (trained.folder / CONFIG_NAME).read_bytes()
        changed = vectors.commit(songs, trained.folder, trained.save, config)
    return Made(len(to_do) - len(skipped), [], skipped, changed)


LEVEL_STEPS = {
    FRAME_LEVEL: (prepare_output, make_frame_vectors),
    SONG_LEVEL: (prepare_inferred_run, make_song_vectors),
}


def stamps_of(mels: MelList) -> dict[str, int]:
    return dict(zip(mels.names, mels.stamps.tolist(), strict=True))


def build_parser():
    parser = script_parser(__doc__)
    parser.add_argument("mel_folder", type=Path, metavar="MEL_FOLDER")
    parser.add_argument("run_folder", type=Path, metavar="RUN_FOLDER")
    parser.add_argument("output", type=Path, metavar="OUTPUT")
    parser.add_argument("--level", choices=LEVELS, default=FRAME_LEVEL, help="a vector a frame, or a vector a song")
    parser.add_argument("--prune", action="store_true", help="remove the vectors of mels that are gone")
    parser.add_argument("--strict", action="store_true", help="exit with 1 where any mel file could not be read")
    add_quiet_argument(parser, nightly=True)
    return parser


@command
def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    mel_folder, run_folder, output = arguments.mel_folder, arguments.run_folder, arguments.output
    trained = open_run(run_folder)
    mels = list_mels(mel_folder)
    refuse_other_mels(mel_folder, mels, trained.folder, trained.config)
    prepare, make = LEVEL_STEPS[arguments.level]
    prepare(output)
    with folder_lock(output):
        made = make(trained, mels, mel_folder, output, arguments)
    if made.changed or not arguments.quiet or (arguments.strict and made.skipped):
        songs, what = plural(len(mels.names), "song"), f"{arguments.level} vectors"
        print(f"{printable_name(str(output))}: {what} of {songs} by save {trained.save}, {made.count:,} made now")
        report(made, arguments.prune)
    if len(made.skipped) == len(mels.names):
        raise UserError(f"{mel_folder}: no mel file could be read; make the mel folder anew with spectrify_all.py")
    return EXIT_ERROR if made.skipped and arguments.strict else EXIT_DONE


def report(made: Made, pruning: bool) -> None:
    """Print what was left over or left out."""
    if made.gone:
        what = "removed from the output" if pruning else "their vectors stay; --prune removes them"
        print(f"{plural(len(made.gone), 'mel file')} gone ({examples(made.gone)}): {what}")
    if made.skipped:
        print(f"{plural(len(made.skipped), 'mel file')} could not be read, e.g. {made.skipped[0]}")


if __name__ == "__main__":
    sys.exit(main())
