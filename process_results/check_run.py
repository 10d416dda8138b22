"""Tell what a folder is, whether its parts agree, what of it can be used, and the command that mends the rest.

    python process_results/check_run.py example_outs/

Reads   FOLDER: a mel folder of spectrify_all.py or a bare one, a run folder of spectrogram_doc2vec.py, of
        calc_all_vecs.py or of another program that makes such folders, a folder of frame vectors, or a page.
Writes  nothing, and waits for nobody: it may look while somebody writes. --json: an object of folder, kind, whole,
        locked_by, parts (name, state, what), findings (path, what, remedy) and usable.

Exits with 0 where all of it is whole, with 1 where something is missing, damaged or left over, or it is no such folder.
"""

from __future__ import annotations

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))  # where the shared modules lie

import utils  # noqa: F401  first, so that Ctrl-C is one line during the other imports too

# isort: split

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path

from checking.checked import Checked
from checking.checked import command as to_type
from checking.inferred import FRAME_FOLDER, check_frame_folder, check_inferred_run, is_inferred
from checking.mel_folder import check_bare_mel_folder, check_mel_folder, difference, has_audio_half, has_mels
from checking.page import check_page, is_page
from checking.run_parts import FOREIGN_RUN_FOLDER, INFER, INFERRED_RUN_FOLDER, RUN_FOLDER, TRAIN
from checking.trained_run import check_run, is_of_trainer
from config import CONFIG_NAME, Config, build_config, read_config_file
from files import lock_holder
from mels.mel_folder import LEDGER_NAME, list_mels
from runs.frame_folder import read_list
from runs.run_folder import COSTS_NAME, SAVE_NUMBER_NAME, SONG_LIST_NAME, VECTORS, Shape, numbers
from runs.vectors import read_vectors
from utils import EXIT_DONE, EXIT_ERROR, UserError, command, examples, plural, printable_name, script_parser

NOTHING = "none"
MOST_TOLD = 50  # findings in the text
LOOKS = 3  # at most, where a writer may have changed a folder during the one before
MARGIN = 9  # characters of a part's state


def check(folder: Path, read_all: bool = False) -> Checked:
    """Look at a folder of any kind. Raises UserError where it is none of ours."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; name a mel folder, a run folder or a page")
    os.listdir(folder)  # of one that is closed to us nothing can be told
    for is_there in (os.path.isfile, os.path.lexists):  # what is damaged may be no file any more
        if look := find_kind(folder, is_there, read_all):
            return look()
    raise UserError(f"{folder}: is no mel folder, no run folder and no page of ours; name one of them")


def find_kind(folder: Path, is_there: Callable[[Path], bool], read_all: bool) -> Callable[[], Checked] | None:
    """Return how to look at a folder by what it holds, None where it holds nothing that tells it."""
    if is_page(folder, is_there):
        return lambda: check_page(folder)
    if is_there(folder / LEDGER_NAME):
        return lambda: check_mel_folder(folder, read_all)
    kind = is_inferred(folder, is_there)
    if kind:
        return lambda: check_frame_folder(folder, read_all) if kind == FRAME_FOLDER else check_inferred_run(folder)
    signs = (SAVE_NUMBER_NAME, SONG_LIST_NAME, COSTS_NAME)
    if any(is_there(folder / name) for name in signs) or numbers(folder, VECTORS) or is_of_trainer(folder):
        return lambda: check_run(folder, needed_arrays)
    if has_audio_half(folder):
        return lambda: check_mel_folder(folder, read_all)
    if has_mels(folder):
        return lambda: check_bare_mel_folder(folder, read_all)
    return None


def needed_arrays(config: Config, songs: int) -> Mapping[str, Mapping[str, Shape]]:
    """Return the arrays that training goes on from, as part -> name -> shape."""
    from learning.weights import state_shapes

    return {"network": state_shapes(config, config.mel_bins), "songs": {"squares": (songs, 1), "stamps": (songs,)}}


def compare_with_mels(checked: Checked, mel_folder: Path) -> None:
    """Add whether a run, or frame vectors, are of the songs that a mel folder holds."""
    from learning.matching_mels import refuse_other_mels

    script, run = (TRAIN, checked.folder) if checked.kind == RUN_FOLDER else (INFER, "RUN_FOLDER")
    more = [checked.folder] if script == INFER else []
    more += ["--level", "song"] if checked.kind == INFERRED_RUN_FOLDER else []
    again = to_type(script, mel_folder, run, *more)
    with checked.part("mel folder") as part:
        names = (
            list(read_list(checked.folder))
            if checked.kind == FRAME_FOLDER
            else read_vectors(checked.folder, None).names
        )
        gone, come = difference(mel_folder, names)
        part.what = f"{plural(len(names) - len(gone), 'song')} of {plural(len(names), 'song')} there"
        for songs, what in ((gone, "songs that the mel folder has no more"), (come, "no vectors of songs that it has")):
            if songs:
                checked.find(checked.folder, f"has {what}: {len(songs):,} ({examples(songs)})", again)
        if checked.kind == RUN_FOLDER:
            path = checked.folder / CONFIG_NAME
            config = build_config(read_config_file(path), str(path))
            refuse_other_mels(mel_folder, list_mels(mel_folder), checked.folder, config)


def as_text(checked: Checked) -> str:
    """Return what was found as people read it."""
    lines = [f"{checked.folder}: {checked.kind}, {verdict(checked)}", ""]
    width = max((len(part.name) for part in checked.parts), default=0)
    lines += [f"  {part.name:{width}}  {part.state:{MARGIN}}{part.what}".rstrip() for part in checked.parts]
    lines += ["", "What can be used", *(f"  {line}" for line in checked.usable)]
    if checked.findings:
        told = checked.findings[:MOST_TOLD]
        lines += ["", "What is wrong, and what mends it"]
        lines += [f"  {finding.path}: {finding.what}; {finding.remedy}" for finding in told]
        if more := len(checked.findings) - len(told):
            lines.append(f"  and {more:,} more, which --json tells")
    if checked.holder:
        lines += ["", f"Somebody writes at present ({checked.holder}): look again when that has ended"]
    return "\n".join(map(printable_name, lines))


def verdict(checked: Checked) -> str:
    return f"{plural(len(checked.findings), 'finding')}" if checked.findings else "whole"


def as_json(checked: Checked) -> str:
    """Return what was found as programs read it."""
    content = {
        "folder": os.fspath(checked.folder),
        "kind": checked.kind,
        "whole": not checked.findings,
        "locked_by": checked.holder,
        "parts": [vars(part) for part in checked.parts],
        "findings": [finding._asdict() for finding in checked.findings],
        "usable": checked.usable,
    }
    return json.dumps(content, indent=1)  # ASCII: bytes that are no text are escaped, and come back as they were


def build_parser() -> argparse.ArgumentParser:
    parser = script_parser(__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="mel folder, run folder, frame vectors, or page")
    parser.add_argument("--mel-folder", type=Path, metavar="MELS", help="compare a run's songs with those of MELS")
    whole = "look at every value of mels and frame vectors, above 256 MB too"
    parser.add_argument("--checksums", action="store_true", help=whole)
    parser.add_argument("--json", action="store_true", help="for programs")
    return parser


@command
def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    folder, compared = arguments.folder, arguments.mel_folder
    if compared is not None and not compared.is_dir():
        raise UserError(f"--mel-folder {compared}: no such folder")
    try:
        for _ in range(LOOKS):
            checked = check(folder, arguments.checksums)
            if not checked.findings or not (checked.holder or lock_holder(folder)):
                break
    except UserError as error:
        if not arguments.json:
            raise
        checked = Checked(folder, NOTHING)
        what, _, remedy = str(error).removeprefix(f"{folder}: ").rpartition("; ")
        checked.find(folder, what, remedy)
    if compared is not None and checked.kind in (RUN_FOLDER, FOREIGN_RUN_FOLDER, INFERRED_RUN_FOLDER, FRAME_FOLDER):
        compare_with_mels(checked, compared)
    print(as_json(checked) if arguments.json else as_text(checked))
    return EXIT_ERROR if checked.findings else EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
