import csv
import io
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judging.labels import LabelTable, encode, label_songs, read_label_table
from utils import UserError

COLUMNS = ("genre", "artist")
NAMES = ["jazz/Søren, late.mp3.npy", "rock/a song.mp3.npy", "rock/b.wav.npy"]


def table(tmp_path: Path, text: str | bytes) -> LabelTable:
    path = tmp_path / "the labels.csv"
    path.write_bytes(text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text)
    return read_label_table(path)


# ---- label tables


@pytest.mark.parametrize(
    "filename",
    [
        "rock/a song.mp3",
        "rock/a song.mp3.npy",
        "./rock/a song.mp3",
        ".\\rock\\a song.mp3",
        "rock//a song.mp3",
        " rock/a song.mp3 ",
    ],
)
def test_a_filename_matches_however_it_is_written(tmp_path, filename):
    labelled = label_songs(table(tmp_path, f'filename,genre\n"{filename}",rock\n'), NAMES, "genre")
    assert labelled.songs.tolist() == [1]
    assert labelled.labels == ["rock"]


@pytest.mark.parametrize(
    ("text", "songs"),
    [
        ("filename,genre\n/home/me/b.wav,rock\nC:\\music\\a song.mp3,rock\n", [1, 2]),
        ("filename,genre\nb.wav,rock\n", [2]),
        ("filename,genre\nx/b.wav,rock\ny/b.wav,pop\nrock/a song.mp3,rock\n", [1]),  # two rows of one base name
        ("filename,genre\nx/b.wav,pop\nrock/b.wav,rock\n", [2]),  # a path that matches leaves nothing to its like
    ],
)
def test_a_base_name_matches_where_no_path_does_and_it_is_unique(tmp_path, text, songs):
    labelled = label_songs(table(tmp_path, text), NAMES, "genre")
    assert labelled.songs.tolist() == songs
    assert set(labelled.labels) == {"rock"}


def test_a_base_name_of_two_songs_matches_neither(tmp_path):
    names = ["live/a.mp3.npy", "studio/a.mp3.npy", "studio/b.mp3.npy"]
    labelled = label_songs(table(tmp_path, "filename,genre\na.mp3,rock\nb.mp3,pop\n"), names, "genre")
    assert labelled.songs.tolist() == [2]


def test_composed_and_decomposed_letters_are_the_same_name(tmp_path):
    text = 'filename,genre\n"jazz/S\u00f8ren, late.mp3",jazz\ncafe\u0301.mp3,pop\n'
    labelled = label_songs(table(tmp_path, text), [*NAMES, "caf\u00e9.mp3.npy"], "genre")
    assert labelled.songs.tolist() == [0, 3]


def test_an_exact_match_wins_over_a_likeness(tmp_path):
    names = ["a/b.mp3.npy", "a\\b.mp3.npy"]
    labelled = label_songs(table(tmp_path, "filename,genre\na\\b.mp3,pop\na/b.mp3,rock\n"), names, "genre")
    assert labelled.labels == ["rock", "pop"]


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbffilename,genre\r\nrock/b.wav,rock\r\n",
        b"filename\tgenre\nrock/b.wav\trock\n",
        b' filename , genre \n"rock/b.wav"," rock "\n\n',
        b"filename,genre,,\nrock/b.wav,rock,,\n",
        b"filename,genre\nrock/b.wav,rock",
    ],
)
def test_tables_as_programs_write_them(tmp_path, text):
    labelled = label_songs(table(tmp_path, text), NAMES, "genre")
    assert (labelled.songs.tolist(), labelled.labels) == ([2], ["rock"])


def test_values_stay_text_and_labels_one_line(tmp_path):
    text = 'filename,genre\nrock/b.wav,nan\nrock/a song.mp3,"007\nhard"\n'
    assert label_songs(table(tmp_path, text), NAMES, "genre").labels == ["007 hard", "nan"]


def test_names_that_are_not_utf8(tmp_path):
    name = os.fsdecode(b"caf\xe9.mp3")
    labelled = label_songs(table(tmp_path, b"filename,genre\ncaf\xe9.mp3,pop\n"), [name + ".npy"], "genre")
    assert labelled.labels == ["pop"]


def test_what_is_left_out_is_counted(tmp_path):
    text = "filename,genre,artist\nrock/b.wav,rock,Ann\nrock/a song.mp3, ,Ann\ngone.mp3,pop,Bo\nold.mp3,,\n"
    labelled = label_songs(table(tmp_path, text), NAMES, "genre", "artist")
    assert labelled.groups == ["Ann"]
    assert labelled.songs_without_row == [NAMES[0]]
    assert labelled.songs_with_empty == [NAMES[1]]
    assert labelled.rows_without_song == ["gone.mp3", "old.mp3"]
    assert labelled.summary() == (
        "1 of 3 songs labelled; left out: 1 song without a row in the table, "
        "1 song with an empty label, 2 rows without a song"
    )
    assert labelled.summary(listed=True).split("\n")[1:] == [
        "song without a row in the table: jazz/Søren, late.mp3",
        "song with an empty label: rock/a song.mp3",
        "row without a song: gone.mp3",
        "row without a song: old.mp3",
    ]


def test_a_song_without_a_group_is_a_group_of_its_own(tmp_path):
    text = "filename,genre,artist\nrock/b.wav,rock,\nrock/a song.mp3,rock, \njazz/Søren, late.mp3,jazz,1\n"
    labelled = label_songs(
        table(tmp_path, text.replace("jazz/Søren, late.mp3", '"jazz/Søren, late.mp3"')), NAMES, *COLUMNS
    )
    assert labelled.labels == ["jazz", "rock", "rock"]
    assert labelled.groups[0] == "1" and len(set(labelled.groups)) == 3
    assert labelled.summary(listed=True).split("\n") == [
        "3 of 3 songs labelled; left out: nothing",
        "2 songs with an empty group: each is taken as a group of its own",
        "song with an empty group: rock/a song.mp3",
        "song with an empty group: rock/b.wav",
    ]
    assert label_songs(table(tmp_path, "filename,genre,artist\nb.wav,rock,\n"), NAMES, "genre").groups is None


def test_the_same_row_twice_does_no_harm(tmp_path):
    text = "filename,genre\nrock/b.wav,\nrock/b.wav,rock\n./rock/b.wav,rock\nrock/b.wav.npy,\n"
    labelled = label_songs(table(tmp_path, text), NAMES, "genre")
    assert labelled.labels == ["rock"]
    assert labelled.summary() == "1 of 3 songs labelled; left out: 2 songs without a row in the table"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,genre\na,b\n", "no column 'filename'; did you mean 'file'?"),
        ("filename,Genre\na,b\n", "no column 'genre'; did you mean 'Genre'?"),
        ("filename,x,y\na,b,c\n", "no column 'genre'; known: filename, x, y"),
        ("filename,genre,genre\na,b,c\n", "two columns are named 'genre'; rename one"),
        ("", "is empty; write a CSV"),
        ("filename,genre\n", "holds no row"),
        ("filename,genre\nrock/b.wav,\n", "column 'genre' is empty for every song of the run"),
        (
            "filename,genre\n/music/rock/c.wav,rock\n",
            "the table has '/music/rock/c.wav', the run 'jazz/Søren, late.mp3': write paths relative to",
        ),
        ("filename,genre\nrock/b.wav,rock\n.\\rock\\b.wav,pop\n", "'.\\\\rock\\\\b.wav' has two rows, with 'rock' and"),
        ("filename,genre\ngone.mp3,rock\ngone.mp3,pop\n", "'gone.mp3' has two rows, with 'rock' and with 'pop'"),
        ("filename,genre\njazz/Søren, late.mp3,jazz\n", "line 2: 3 fields where the header has 2; put double quotes"),
        ('filename,genre\na,"rock\nb,pop\n', "line 3: unexpected end of data; put double quotes"),
    ],
)
def test_errors_say_where_and_what(tmp_path, text, message):
    with pytest.raises(UserError) as error:
        label_songs(table(tmp_path, text), NAMES, "genre")
    assert message in str(error.value)
    assert str(error.value).startswith(str(tmp_path / "the labels.csv"))


def test_a_missing_table(tmp_path):
    with pytest.raises(UserError, match="no such label table; write a CSV"):
        read_label_table(tmp_path / "none.csv")


file_names = st.binary(min_size=1, max_size=12).map(os.fsdecode)


@given(st.dictionaries(file_names, st.text(st.characters(exclude_categories=["Cs"]), max_size=8), min_size=1))
def test_any_name_and_label_come_back(tmp_path_factory, labels):
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([("filename", "genre"), *labels.items()])
    names = [name + ".npy" for name in labels]
    expected = {name + ".npy": " ".join(label.split()) for name, label in labels.items() if label.split()}
    read = table(tmp_path_factory.getbasetemp(), text.getvalue())
    if not expected:
        with pytest.raises(UserError, match="is empty for every song"):
            label_songs(read, names, "genre")
        return
    labelled = label_songs(read, names, "genre")
    assert {names[song]: label for song, label in zip(labelled.songs, labelled.labels, strict=True)} == expected


def test_encode_sorts_and_numbers():
    classes, codes = encode(["rock", "jazz", "rock"])
    assert (classes, codes.tolist()) == (["jazz", "rock"], [1, 0, 1])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty; write a CSV with the columns filename,genre"),
        (b"\xef\xbb\xbf\n", "is empty; write"),
        ("filename,genre\na.mp3,rock\n".encode("utf-16"), "is UTF-16; save it as CSV in UTF-8"),
        ("filename,genre\na.mp3,rock\n".encode("utf-16-le"), "is UTF-16; save it as CSV in UTF-8"),
    ],
    ids=["empty", "a mark alone", "UTF-16", "UTF-16 without a mark"],
)
def test_what_is_no_table_at_all_is_told_as_what_it_is(tmp_path, content, message):
    """A table in UTF-16 got advice about quotes, and an empty one "known:" with nothing behind it."""
    (tmp_path / "labels.csv").write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_label_table(tmp_path / "labels.csv")
