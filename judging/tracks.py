"""Tracks by name, as a person types them: the whole path, or as much of it as belongs to one track alone."""

from __future__ import annotations

from collections.abc import Sequence

from mels.mel_folder import MEL_SUFFIX
from utils import UserError, nearest, printable_name

CANDIDATES_TOLD = 10  # of an ambiguous name
MOST_COMPARED = 5000  # names, for a guess at what was meant: more take seconds


def track_name(name: str) -> str:
    """Return a song's name, as in music_list.txt, as people know it: the audio file's path."""
    return name.removesuffix(MEL_SUFFIX)


def find_track(names: Sequence[str], wanted: str) -> int:
    """Return the position of the track that is wanted in a list of names, as in music_list.txt.

    An exact name wins, with or without .npy; else a part of one that no other name holds, whatever its letters' case.
    Raises UserError where no name holds it, or several do: it lists them.
    """
    name = track_name(wanted)
    tracks = [track_name(each) for each in names]
    if name in tracks:
        return tracks.index(name)
    for found in (
        [row for row, track in enumerate(tracks) if name in track],
        [row for row, track in enumerate(tracks) if name.casefold() in track.casefold()],
    ):
        if len(found) == 1:
            return found[0]
        if found:
            some = ", ".join(repr(printable_name(tracks[row])) for row in found[:CANDIDATES_TOLD])
            more = f" and {len(found) - CANDIDATES_TOLD:,} more" if len(found) > CANDIDATES_TOLD else ""
            what = f"{printable_name(wanted)!r}: belongs to {len(found):,} tracks"
            raise UserError(f"{what}: {some}{more}; write more of it")
    guess = nearest(name, tracks) if len(tracks) <= MOST_COMPARED else ""
    guess = guess if "did you mean" in guess else "; see the run's music_list.txt"
    raise UserError(f"{printable_name(wanted)!r}: no track of the run has that in its name{guess}")
