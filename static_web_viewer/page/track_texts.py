"""What tracks are called: title, artist and citation, by the label table, else by the audio files' own tags.

A track that neither gives a title is called by its file name: the page makes that of the path.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mels.tags import read_tags
from static_web_viewer.page.columns import Column
from static_web_viewer.page.page_audio import AudioRoot
from static_web_viewer.page.scales import meant
from static_web_viewer.page.transcode import Source
from utils import Progress, UserError, as_unicode, printable_name

# In small letters, with spaces for "_" and "-"; the first that a table has counts. "track" is most often a number
TITLE_HEADINGS = ("title", "track title", "song title", "track name", "song name", "song", "name")
ARTIST_HEADINGS = ("artist", "artist name", "track artist", "artists", "performer", "band", "composer")
CITATION_HEADINGS = ("citation",)


@dataclass(frozen=True)
class TextColumns:
    """Which columns of the label table say what tracks are called."""

    title: Column | None
    artist: Column | None
    citation: Column | None

    def others(self, columns: Sequence[Column]) -> list[Column]:
        """Return the columns that say something else."""
        return [column for column in columns if column not in (self.title, self.artist, self.citation)]

    def artists(self) -> list[Column]:
        return [] if self.artist is None else [self.artist]


@dataclass(frozen=True)
class TrackTexts:
    """What all tracks are called, and what of that the tags had to say."""

    tracks: int
    columns: TextColumns
    title_tags: dict[int, str]  # track -> what its file says where the column says nothing
    artist_tags: dict[int, str]

    def content(self, some: Iterable[int] | None = None) -> dict:
        """Return for a data file where the page finds each text: the column that says it all, else one a track.

        some  the tracks that the file is of; None for all.
        """
        tracks = range(self.tracks) if some is None else some
        return {
            "title": _content(self.columns.title, self.title_tags, tracks),
            "artist": _content(self.columns.artist, self.artist_tags, tracks),
            "citation": _content(self.columns.citation, {}, tracks),
        }

    def summary(self) -> str:
        """Return e.g. "titles: 30 by column 'title', 6 by tags; artists: none"."""
        titles = _summary(self.columns.title, self.title_tags)
        return f"titles: {titles}; artists: {_summary(self.columns.artist, self.artist_tags)}"


def _content(column: Column | None, tags: dict[int, str], tracks: Iterable[int]) -> dict | None:
    if not tags:
        return None if column is None else {"column": as_unicode(column.key)}
    values = ((track, "" if column is None else column.values[track]) for track in tracks)
    return {"texts": [as_unicode(value or tags.get(track, "")) for track, value in values]}


def _summary(column: Column | None, tags: dict[int, str]) -> str:
    parts = []
    if column is not None:
        parts.append(f"{sum(map(bool, column.values)):,} by column '{printable_name(column.name)}'")
    if tags:
        parts.append(f"{len(tags):,} by tags")
    return ", ".join(parts) or "none"


def find_text_columns(
    table: Path | None, columns: Sequence[Column], title: str | None = None, artist: str | None = None
) -> TextColumns:
    """Return the columns that are named, else those whose heading says what they are.

    columns  of the label table.
    Raises   UserError for a name that no column has.
    """
    return TextColumns(
        _find(columns, TITLE_HEADINGS) if title is None else _named(table, columns, title, "--title-column"),
        _find(columns, ARTIST_HEADINGS) if artist is None else _named(table, columns, artist, "--artist-column"),
        _find(columns, CITATION_HEADINGS),
    )


def _find(columns: Sequence[Column], headings: Sequence[str]) -> Column | None:
    known: dict[str, Column] = {}
    for column in columns:
        known.setdefault(" ".join(column.name.casefold().replace("_", " ").replace("-", " ").split()), column)
    return next((known[heading] for heading in headings if heading in known), None)


def _named(table: Path | None, columns: Sequence[Column], name: str, flag: str) -> Column:
    if table is None:
        raise UserError(f"{flag} {name}: there is no label table; give one by --labels")
    found = next((column for column in columns if column.name == name.strip()), None)
    if found is None:
        known = ", ".join(column.name for column in columns) or "none beside the filename"
        raise UserError(f"{table}: no column {name!r} for {flag}; known: {known}")
    return found


def complete_by_tags(columns: TextColumns, audio_root: Path, names: Sequence[str], quiet: bool = False) -> TrackTexts:
    """Return what all tracks are called; the tags are read of those files to which the table gives not both texts.

    names   as in music_list.txt. A file that is not there, lies outside the audio root or is broken says nothing.
    """
    untitled, unsigned = (
        [column is None or not column.values[track] for track in range(len(names))]
        for column in (columns.title, columns.artist)
    )
    root = AudioRoot(audio_root)
    found = {track: root.find(name) for track, name in enumerate(names) if untitled[track] or unsigned[track]}
    sources = {track: source.real for track, source in found.items() if isinstance(source, Source)}
    texts = TrackTexts(len(names), columns, {}, {})
    progress = Progress(len(sources), "tags", "files", quiet)
    try:
        for track, path in sources.items():
            tags = _tags_of(path)
            if untitled[track] and meant(tags.get("title", "")):
                texts.title_tags[track] = tags["title"]
            if unsigned[track] and meant(tags.get("artist", "")):
                texts.artist_tags[track] = tags["artist"]
            progress.advance()
    finally:
        progress.close()
    return texts


def _tags_of(path: str) -> dict[str, str]:
    try:
        return read_tags(path) or {}
    except OSError:
        return {}
