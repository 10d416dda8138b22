"""A playlist that is written again and again under one name: what a player shows of its tracks, what comes and goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from judging.playlist_entries import changes, entries
from judging.playlists import About, playlist, songs_without_audio, write_playlist
from judging.tracks import track_name
from mels.mel_folder import read_ledger
from utils import plural, printable_name


@dataclass(frozen=True)
class Renewal:
    """What became, or would become, of a playlist."""

    path: Path
    tracks: int
    come: list[str]  # paths as the playlist has them
    go: list[str]
    missing: int  # tracks that are left out, as their audio file is not there
    is_written: bool

    def __str__(self) -> str:
        verb = "" if self.is_written else "would have "
        left_out = f"; left out: {plural(self.missing, 'track')} without an audio file" if self.missing else ""
        count = f"{plural(self.tracks, 'track')}, {len(self.come):,} come, {len(self.go):,} go"
        return f"{self.path}: {verb}{count}{left_out}"

    def lines(self) -> str:
        """Return what comes and goes, a line each."""
        signed = [("+", path) for path in self.come] + [("-", path) for path in self.go]
        return "".join(f"{sign} {printable_name(path)}\n" for sign, path in signed)


def renew_playlist(
    path: Path,
    audio_folder: Path,
    names: Sequence[str],
    title: str,
    about: Mapping[str, About] | None = None,
    dry_run: bool = False,
) -> Renewal:
    """Write a playlist over the one that was there, or only say what that would change.

    names   as in music_list.txt, in the order of the playlist; at least one.
    Raises  UserError where it would replace somebody else's file, and where no track has an audio file.
    """
    missing = songs_without_audio(audio_folder, names)
    there = [name for name in names if name not in missing]
    old = entries(path.read_bytes()) if path.exists() else []
    come, go = changes(old, entries(playlist("", there, path.parent, audio_folder)))
    if not dry_run:
        write_playlist(path, audio_folder, there, title, about)
    return Renewal(path, len(there), come, go, len(missing), not dry_run)


def about_tracks(
    names: Sequence[str], mel_folder: Path | None, artists: Sequence[str], titles: Sequence[str]
) -> dict[str, About]:
    """Return what a player shows of tracks: durations by the mel folder's ledger; artists and titles may be empty."""
    ledger = {} if mel_folder is None else read_ledger(mel_folder)
    rows = [ledger.get(track_name(name)) for name in names]
    seconds = [None if row is None else row.seconds for row in rows]
    return {name: About(*about) for name, *about in zip(names, seconds, artists, titles, strict=True)}
