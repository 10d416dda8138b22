"""Write the frame vectors of any mel files, trained on or not: what the trained target network makes of each frame.

    python calc_all_vecs.py example_vectors/ example_outs/ frame_vectors/

Reads   MEL_FOLDER  what spectrify_all.py wrote with the configuration of the run, as it does of new audio with --config
                    RUN_FOLDER/config.yaml; or a bare folder of .npy files.
        RUN_FOLDER  the newest weights of spectrogram_doc2vec.py.
Writes  OUTPUT      <path of the mel file> (frames, output_vector_size) float32, the same nesting, one row a frame;
                    made_with.yaml: the run, its save, and a digest of its weights; vector_list.txt: which files are
                    its own, a line each, and of which mel: its name, a tab, and a number that changes with it.

Run again, it makes only what is missing, older than its mel file or of another mel of that name; with other weights it
makes all of it anew. Vectors of mels that are gone stay until --prune. It can be stopped at any moment; the same
command goes on.
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import yaml

from config import (
    CONFIG_NAME,
    MEL_KEYS,
    RESOLUTION_KEYS,
    Config,
    build_config,
    read_config_file,
    refuse_changed_keys,
    resolution_in_words,
)
from files import (
    NPY_HEADER_BYTES,
    byte_order,
    folder_lock,
    remove_temporaries,
    require_ours_or_empty,
    save_array,
    write_file,
)
from mels.mel_folder import MEL_SUFFIX, MelList, list_mels, read_audio_half, read_mel
from runs.run_folder import (
    MADE_WITH_NAME,
    decode_names,
    encode_names,
    has_content,
    how_to_make_mels,
    read_weights,
    require_arrays,
    require_run,
    weights_path,
)
from runs.vectors import newest
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

if TYPE_CHECKING:
    from learning.model import Model

LIST_NAME = "vector_list.txt"
NO_STAMP = ""  # of a vector that was noted before there were stamps: its size and time alone tell what it is
ITEM_BYTES = 4  # float32


def weights_digest(weights: dict[str, np.ndarray]) -> str:
    """Return a digest of everything that decides a frame vector."""
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(weights):
        if name.removeprefix("coarse_").startswith(("target_", "input_", "difference_")):
            digest.update(name.encode() + weights[name].tobytes())
    return digest.hexdigest()


def refuse_other_mels(mel_folder: Path, mels: MelList, run_folder: Path, config: Config) -> None:
    """Raise UserError where mels are not what the run was trained on.

    Frames and hops are compared in samples: 0.09288 s and 2048 / 22050 s are the same.
    """
    half = {key: value for key, value in read_audio_half(mel_folder).items() if key in MEL_KEYS}
    half["mel_bins"] = mels.bins
    wanted = {key: getattr(config, key) for key in RESOLUTION_KEYS}
    there = {key: half.get(key, value) for key, value in wanted.items()}
    remedy = f"make mels as the run wants them: {how_to_make_mels(run_folder)}"
    if any(round(there[key] * config.sample_rate_hz) != round(wanted[key] * config.sample_rate_hz) for key in wanted):
        has, trained_on = in_words_that_differ(there, wanted)
        raise UserError(f"{mel_folder}: has {has}, and {run_folder} was trained on {trained_on}; {remedy}")
    others = {key: getattr(config, key) for key in half if key not in RESOLUTION_KEYS}
    refuse_changed_keys(half, others, mel_folder, remedy)


def in_words_that_differ(one: dict[str, float], other: dict[str, float]) -> tuple[str, str]:
    """Return two resolutions, which are not the same, in words with as many digits as it takes to tell them apart."""
    digits = 4
    while resolution_in_words(**one, digits=digits) == resolution_in_words(**other, digits=digits):
        digits += 1
    return resolution_in_words(**one, digits=digits), resolution_in_words(**other, digits=digits)


def prepare_output(output: Path) -> None:
    """Make the folder. Raises UserError where it holds something that is not ours."""
    ours = (output / MADE_WITH_NAME).exists()
    require_ours_or_empty(output, "folder of frame vectors", lambda name: ours)
    output.mkdir(parents=True, exist_ok=True)


def claim_output(output: Path, run_folder: Path, save: int, digest: str) -> int:
    """Say in the folder which weights its vectors are from; return since when (nanoseconds): older ones are of others.

    Before the first vector is written, so that a run that is killed goes on where it was. Needs the lock.
    """
    path = output / MADE_WITH_NAME
    if not path.exists() or read_config_file(path).get("weights") != digest:
        made_with = {"run": os.fspath(run_folder), "save": save, "weights": digest}
        write_file(path, yaml.safe_dump(made_with, sort_keys=False).encode())
    return path.stat().st_mtime_ns


def claim_vectors(output: Path, mel_folder: Path, mels: MelList) -> tuple[dict[str, str], list[str]]:
    """Note in the folder of which mels its vectors are. Needs the lock.

    Before the first vector is written, so that a killed run leaves none that nobody knows; and what another mel of the
    same name gave is removed before that, so that it leaves none that passes for this one's.

    Returns  what is noted (name -> stamp), and those of it whose mels are gone.
    """
    noted = read_list(output)
    stamps = dict(zip(mels.names, map(str, mels.stamps.tolist()), strict=True))
    for name, stamp in stamps.items():
        if noted.get(name, stamp) not in (stamp, NO_STAMP):
            (output / name).unlink(missing_ok=True)
    left = {name: stamp for name, stamp in noted.items() if name not in stamps and (output / name).is_file()}
    gone = sorted((name for name in left if not (mel_folder / name).exists()), key=byte_order)
    noted = {**left, **stamps}
    write_list(output, noted)
    return noted, gone


def read_list(output: Path) -> dict[str, str]:
    """Return of which mel each vector of the folder is: name -> stamp."""
    path = output / LIST_NAME
    lines = decode_names(path.read_bytes()) if path.exists() else []
    stamped = (line.rpartition("\t") if not line.endswith(MEL_SUFFIX) else (line, "", NO_STAMP) for line in lines)
    return {name: stamp for name, _, stamp in stamped}


def write_list(output: Path, noted: dict[str, str]) -> None:
    names = sorted(noted, key=byte_order)
    content = encode_names([f"{name}\t{noted[name]}" if noted[name] else name for name in names])
    if not has_content(output / LIST_NAME, content):
        write_file(output / LIST_NAME, content)


def remove_vectors(output: Path, names: list[str]) -> None:
    """Remove vectors, and the folders that they leave empty."""
    for name in names:
        (output / name).unlink(missing_ok=True)
        for folder in (output / name).parents:
            if folder == output or any(folder.iterdir()):
                break
            folder.rmdir()


def is_up_to_date(mel: Path, vectors: Path, frames: int, dims: int, not_before: int) -> bool:
    """Tell whether frame vectors are whole, not older than their mel, and made since `not_before` (nanoseconds)."""
    try:
        made = vectors.stat()
        whole = made.st_size == NPY_HEADER_BYTES + frames * dims * ITEM_BYTES
        return whole and made.st_mtime_ns >= max(not_before, mel.stat().st_mtime_ns)
    except FileNotFoundError:
        return False


def write_frame_vectors(
    model: Model, mels: MelList, mel_folder: Path, output: Path, to_do: list[str], quiet: bool
) -> list[str]:
    """Embed the songs named; return a line for each that could not be read."""
    skipped = []
    for folder in {(output / name).parent for name in to_do}:
        folder.mkdir(parents=True, exist_ok=True)
        remove_temporaries(folder)
    progress = Progress(len(to_do), "frame vectors", "songs", quiet)
    for name in to_do:
        progress.advance()
        try:
            mel = read_mel(mel_folder / name)
            if mel.shape[1] != mels.bins:
                raise ValueError(f"{mel.shape[1]} bins, expected {mels.bins}")
        except (OSError, ValueError) as error:
            skipped.append(f"{printable_name(name)}: {error}")
            continue
        save_array(output / name, model.embed(mel))
    progress.close()
    return skipped


def build_parser():
    parser = script_parser(__doc__)
    parser.add_argument("mel_folder", type=Path, metavar="MEL_FOLDER")
    parser.add_argument("run_folder", type=Path, metavar="RUN_FOLDER")
    parser.add_argument("output", type=Path, metavar="OUTPUT")
    parser.add_argument("--prune", action="store_true", help="remove the vectors of mels that are gone")
    parser.add_argument("--strict", action="store_true", help="exit with 1 where any mel file could not be read")
    add_quiet_argument(parser)
    return parser


@command
def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    mel_folder, run_folder, output = arguments.mel_folder, arguments.run_folder, arguments.output
    require_run(run_folder)
    config = build_config(read_config_file(run_folder / CONFIG_NAME), str(run_folder / CONFIG_NAME))
    mels = list_mels(mel_folder)
    refuse_other_mels(mel_folder, mels, run_folder, config)
    prepare_output(output)
    with folder_lock(output):
        save, weights = newest(run_folder, lambda save: (save, read_weights(run_folder, "network", save)))
        not_before = claim_output(output, run_folder, save, weights_digest(weights))
        noted, gone = claim_vectors(output, mel_folder, mels)
        dims = config.output_vector_size
        to_do = [
            name
            for name, frames in zip(mels.names, mels.frames.tolist(), strict=True)
            if not is_up_to_date(mel_folder / name, output / name, frames, dims, not_before)
        ]
        skipped = []
        if to_do:
            from learning.model import Model
            from learning.weights import state_names

            require_arrays(weights_path(run_folder, "network", save), weights, state_names(config, mels.bins))
            skipped = write_frame_vectors(Model(config, weights), mels, mel_folder, output, to_do, arguments.quiet)
        if arguments.prune and gone:
            remove_vectors(output, gone)
            for name in gone:
                del noted[name]
            write_list(output, noted)
    done = len(to_do) - len(skipped)
    songs = plural(len(mels.names), "song")
    print(f"{printable_name(str(output))}: frame vectors of {songs} by save {save}, {done:,} made now")
    return report(mel_folder, mels, gone, skipped, arguments)


def report(mel_folder: Path, mels: MelList, gone: list[str], skipped: list[str], arguments) -> int:
    """Print what was left over or left out; return the exit code."""
    if gone:
        what = "removed from the output" if arguments.prune else "their vectors stay; --prune removes them"
        print(f"{plural(len(gone), 'mel file')} gone ({examples(gone)}): {what}")
    if skipped:
        print(f"{plural(len(skipped), 'mel file')} could not be read, e.g. {skipped[0]}")
    if len(skipped) == len(mels.names):
        raise UserError(f"{mel_folder}: no mel file could be read; make the mel folder anew with spectrify_all.py")
    return EXIT_ERROR if skipped and arguments.strict else EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
