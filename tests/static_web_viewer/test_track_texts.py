"""track_texts.py: which columns say what a track is called, and what the tags of its file add."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import tone, write_audio

from static_web_viewer.page.columns import Column
from static_web_viewer.page.track_texts import TextColumns, complete_by_tags, find_text_columns
from utils import UserError

NO_COLUMNS = TextColumns(None, None, None)


def columns(*headings: str) -> list[Column]:
    return [Column(f"label:{heading}", heading, ["x"]) for heading in headings]


def found(*headings: str, **named: str) -> list[str | None]:
    of = find_text_columns(Path("labels.csv"), columns(*headings), **named)
    return [column and column.name for column in (of.title, of.artist, of.citation)]


@pytest.mark.parametrize(
    ("headings", "expected"),
    [
        (["genre", "title", "artist", "citation"], ["title", "artist", "citation"]),
        (["Song", "PERFORMER", "Citation"], ["Song", "PERFORMER", "Citation"]),
        (["name", "track_title", "composer", "artist-name"], ["track_title", "artist-name", None]),
        (["Title", "title"], ["Title", None, None]),
        (["subtitle", "artist_id", "track", "filename2"], [None, None, None]),
        ([], [None, None, None]),
    ],
)
def test_headings_say_what_a_column_is(headings, expected):
    assert found(*headings) == expected


def test_flags_count_more_than_headings():
    assert found("title", "artist", "piece", "by", title="piece", artist="by") == ["piece", "by", None]


def test_a_wrong_flag_names_the_columns_that_are_there():
    with pytest.raises(UserError, match=r"labels.csv: no column 'titel' for --title-column; known: genre, title"):
        found("genre", "title", title="titel")
    with pytest.raises(UserError, match=r"no column 'by' for --artist-column; known: none beside the filename"):
        found(artist="by")
    with pytest.raises(UserError, match="--title-column x: there is no label table; give one by --labels"):
        find_text_columns(None, [], title="x")


def tagged(folder: Path, ffmpeg: str, name: str, **tags: str) -> str:
    words = [word for tag, value in tags.items() for word in ("-metadata", f"{tag}={value}")]
    write_audio(folder / name, tone(0.1, 440), 44100, ffmpeg, *words)
    return f"{name}.npy"


def test_tags_say_what_no_table_says(tmp_path, ffmpeg):
    hostile = "</script><b>\u202e'"
    names = [
        tagged(tmp_path, ffmpeg, "a folder/b, c.mp3", title="Übermut", artist="Ёлка"),
        tagged(tmp_path, ffmpeg, "d.flac", title=hostile),
        tagged(tmp_path, ffmpeg, "e.ogg", title="n/a", artist="-"),
        "gone.mp3.npy",
        "../outside.mp3.npy",
    ]
    tagged(tmp_path.parent, ffmpeg, "outside.mp3", title="not of this collection")
    texts = complete_by_tags(NO_COLUMNS, tmp_path, names, quiet=True)
    assert texts.content() == {
        "title": {"texts": ["Übermut", "</script><b>'", "", "", ""]},
        "artist": {"texts": ["Ёлка", "", "", "", ""]},
        "citation": None,
    }
    assert texts.summary() == "titles: 2 by tags; artists: 1 by tags"


def test_tags_fill_only_what_the_table_leaves_open(tmp_path, ffmpeg):
    names = [tagged(tmp_path, ffmpeg, f"{track}.mp3", title=f"tag {track}", artist="tag") for track in range(2)]
    title = Column("label:title", "title", ["mine", ""])
    artist = Column("label:\udcff", "\udcff", ["mine", "mine \udcff"])
    texts = complete_by_tags(TextColumns(title, artist, title), tmp_path, names, quiet=True)
    assert texts.content() == {
        "title": {"texts": ["mine", "tag 1"]},
        "artist": {"column": "label:\\xff"},
        "citation": {"column": "label:title"},
    }
    assert texts.summary() == "titles: 1 by column 'title', 1 by tags; artists: 2 by column '\\xff'"


def test_where_the_table_says_all_or_no_audio_is_there_nothing_is_read(tmp_path):
    (tmp_path / "a.mp3").mkdir()  # which no reader of tags could open
    names = ["a.mp3.npy", "b.mp3.npy"]
    title = Column("label:title", "title", ["one", "two"])
    assert complete_by_tags(TextColumns(title, None, None), tmp_path, names).content() == {
        "title": {"column": "label:title"},
        "artist": None,
        "citation": None,
    }
    nothing = complete_by_tags(NO_COLUMNS, tmp_path / "nowhere", names)
    assert nothing.content() == {"title": None, "artist": None, "citation": None}
    assert nothing.summary() == "titles: none; artists: none"
