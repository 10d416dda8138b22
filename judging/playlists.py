"""Playlists that our scripts write: M3U8, one a group of songs, replaced only where a script of ours wrote them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from files import write_file
from mels.mel_folder import MEL_SUFFIX
from utils import UserError, plural, printable

START = b"#EXTM3U\n#sound-eval: "  # the format's first line and ours, by which our own playlists are known
NAME = re.compile(r"cluster_\d{2,}\.m3u8")


def playlist_paths(folder: Path, count: int) -> list[Path]:
    """Return cluster_01.m3u8 and on: as many digits as the last one needs, so that they sort."""
    digits = max(2, len(str(count)))
    return [folder / f"cluster_{number:0{digits}}.m3u8" for number in range(1, count + 1)]


def check_playlists(folder: Path, count: int) -> None:
    """Raise UserError where a playlist would replace something that no script of ours wrote. Changes nothing."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: is a file; name a folder for the playlists")
    for path in playlist_paths(folder, count):
        if os.path.lexists(path) and not _is_ours(path):
            raise UserError(f"{path}: is no playlist of this script, and would be replaced; name another folder")


def songs_without_audio(audio_folder: Path, names: Sequence[str]) -> set[str]:
    """Return the songs (as in music_list.txt) whose audio file is not there. Raises UserError where none is."""
    missing = {name for name in names if not os.path.exists(audio_folder / name.removesuffix(MEL_SUFFIX))}
    if len(missing) == len(names):
        first = printable(names[0].removesuffix(MEL_SUFFIX)) if names else ""
        raise UserError(f"{audio_folder}: holds no track of the run, not even {first!r}; name its audio folder")
    return missing


def write_playlists(folder: Path, audio_folder: Path, groups: Sequence[Sequence[str]], title: str) -> None:
    """Write a playlist a group of songs, and remove those of ours that an earlier call has left above their number.

    groups   the songs of each playlist, in the order in which they are played.
    title    one line, the playlists' own comment.
    """
    check_playlists(folder, len(groups))
    folder.mkdir(parents=True, exist_ok=True)
    paths = playlist_paths(folder, len(groups))
    for number, (path, names) in enumerate(zip(paths, groups, strict=True), start=1):
        comment = f"cluster {number} of {len(groups)}, {plural(len(names), 'track')}, {title}"
        write_file(path, playlist(comment, names, folder, audio_folder))
    for path in {folder / name for name in os.listdir(folder) if NAME.fullmatch(name)} - set(paths):
        if _is_ours(path):
            path.unlink()


def check_playlist(path: Path) -> None:
    """Raise UserError where a playlist would replace something that no script of ours wrote. Changes nothing."""
    if os.path.lexists(path) and not _is_ours(path):
        raise UserError(f"{path}: is no playlist of this script, and would be replaced; name another file")


def write_playlist(
    path: Path, audio_folder: Path, names: Sequence[str], title: str, about: Mapping[str, About] | None = None
) -> None:
    """Write one playlist, in the order of the names. Raises UserError where that would replace somebody else's file."""
    check_playlist(path)
    comment = f"{plural(len(names), 'track')}, {title}"
    write_file(path, playlist(comment, names, path.parent, audio_folder, about))


@dataclass(frozen=True)
class About:
    """What a player shows of a track."""

    seconds: float | None = None
    artist: str = ""
    title: str = ""

    def line(self, name: str) -> str:
        """Return the EXTINF line; the base name stands in for a title that is not known."""
        shown = self.title or os.path.basename(name.removesuffix(MEL_SUFFIX))
        text = " ".join(f"{self.artist} - {shown}".split() if self.artist else shown.split())
        return f"#EXTINF:{-1 if self.seconds is None else round(self.seconds)},{text}\n"


def playlist(
    comment: str,
    names: Sequence[str],
    folder: Path,
    audio_folder: Path,
    about: Mapping[str, About] | None = None,
) -> bytes:
    """Return a playlist that works when it is opened from `folder`.

    Its paths are relative where it lies inside the audio folder, so that both can move together, to another disk or a
    phone; they are absolute elsewhere. Names that are not UTF-8 keep their bytes: no other path would open.

    about  what is known of the songs by name: each then has an EXTINF line.
    """
    audio_folder, folder = audio_folder.resolve(), folder.resolve()
    # a path never begins with '#', which would make it a comment: it begins with '.' or '/'
    start = os.path.relpath(audio_folder, folder) if folder.is_relative_to(audio_folder) else str(audio_folder)
    lines = "".join(
        ("" if about is None else about.get(name, About()).line(name))
        + f"{start.rstrip('/')}/{name.removesuffix(MEL_SUFFIX)}\n"
        for name in names
    )
    return START + f"{comment}\n{lines}".encode("utf-8", "surrogateescape")


def _is_ours(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(START)) == START
