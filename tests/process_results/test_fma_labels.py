import csv
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from judging.labels import label_songs, read_label_table
from process_results import fma_labels
from utils import UserError

# The columns of the real table, in its order; the three without a value below are never read.
ALBUM = "comments date_created date_released engineer favorites id information listens producer tags title tracks type"
ARTIST = (
    "active_year_begin active_year_end associated_labels bio comments date_created favorites id latitude location "
    "longitude members name related_projects tags website wikipedia_page"
)
TRACK = (
    "bit_rate comments composer date_created date_recorded duration favorites genre_top genres genres_all information "
    "interest language_code license listens lyricist number publisher tags title"
)
LEVELS = {"album": ALBUM, "artist": ARTIST, "set": "split subset", "track": TRACK}
COLUMNS = [(above, below) for above, names in LEVELS.items() for below in names.split()]
SHARE_ALIKE = "Attribution-NonCommercial-ShareAlike 3.0 International"

# what the real table is full of: paragraphs, quotes inside quotes, HTML, text of any script
BIOGRAPHY = '<p>A Way Of Life,\r\n"A Collective"\n\nof "Hip-Hop", from "New\nJersey"</p>'


def track(track_id: object, subset: str = "small", genre: str = "Hip-Hop", **values: str) -> dict:
    """A row of the real table's kind: column -> text; `artist`, `title`, `album`, `licence` and `website` by name."""
    row = {
        ("album", "title"): values.get("album", "AWOL - A Way Of Life"),
        ("album", "tags"): "[]",
        ("artist", "bio"): BIOGRAPHY,
        ("artist", "name"): values.get("artist", "AWOL"),
        ("artist", "website"): values.get("website", ""),
        ("set", "split"): "training",
        ("set", "subset"): subset,
        ("track", "genre_top"): genre,
        ("track", "genres"): "[21, 4]",
        ("track", "license"): values.get("licence", SHARE_ALIKE),
        ("track", "title"): values.get("title", "Food"),
    }
    return {"": str(track_id), **row}


def table_text(rows: list[dict], columns: list[tuple[str, str]] = COLUMNS) -> str:
    """Return tracks.csv as pandas writes it: two header lines of names, one that names the index, a row a track."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["", *(above for above, _ in columns)])
    writer.writerow(["", *(below for _, below in columns)])
    writer.writerow(["track_id", *("" for _ in columns)])
    writer.writerows([row[""], *(row.get(column, "") for column in columns)] for row in rows)
    return text.getvalue()


def write_table(folder: Path, rows: list[dict], columns: list[tuple[str, str]] = COLUMNS) -> Path:
    path = folder / "the tracks.csv"
    path.write_bytes(table_text(rows, columns).encode("utf-8", "surrogateescape"))
    return path


def run_main(tracks: Path, *more: str, output: str = "labels, small.csv") -> int:
    return fma_labels.main([str(tracks), str(tracks.parent / output), *more])


def read_rows(tracks: Path, output: str = "labels, small.csv") -> list[dict[str, str]]:
    table = read_label_table(tracks.parent / output)
    assert table.columns == ["filename", "genre_top", "artist", "album", "title", "licence", "citation"]
    return table.rows


def error_of(capsys, tracks: Path, *more: str, output: str = "labels, small.csv") -> str:
    """Run into an error: return its one line. Nothing is left behind."""
    before = sorted(tracks.parent.iterdir())
    assert run_main(tracks, *more, output=output) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and ": error: " in err
    assert sorted(tracks.parent.iterdir()) == before
    return err


# csv and pandas write a lone carriage return without quotes, and no program reads that back; with a line feed they do.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"))
FOUR_SUBSETS = [
    track(2, "small"),
    track(3, "medium", "Soul-RnB"),
    track(155320, "large", ""),
    track(1040, "small", "Folk"),
    track(5, "", "Jazz"),
]


# ---- what it writes


def test_a_label_table(tmp_path, capsys):
    tracks = write_table(tmp_path, [track(2, website="http://www.AzillionRecords.blogspot.com"), track(134)])
    assert tracks.read_text().startswith(",album,album,")
    assert run_main(tracks) == 0
    made = f"{tmp_path / 'labels, small.csv'}: 2 tracks of FMA small, 1 genre, all with genre_top\n"
    assert capsys.readouterr() == (made, "")
    first, second = read_rows(tracks)
    attribution = f"AWOL, Food, AWOL - A Way Of Life, {SHARE_ALIKE}, Free Music Archive"
    assert first == {
        "filename": "000/000002.mp3",
        "genre_top": "Hip-Hop",
        "artist": "AWOL",
        "album": "AWOL - A Way Of Life",
        "title": "Food",
        "licence": SHARE_ALIKE,
        "citation": f"{attribution}, http://www.AzillionRecords.blogspot.com",
    }
    assert (second["filename"], second["citation"]) == ("000/000134.mp3", attribution)


@pytest.mark.parametrize(
    ("subset", "filenames", "summary"),
    [
        ("small", ["000/000002", "001/001040"], "2 tracks of FMA small, 2 genres, all with genre_top; 3 of larger"),
        ("medium", ["000/000002", "000/000003", "001/001040"], "3 tracks of FMA medium, 3 genres, all with genre_top"),
        (
            "large",
            ["000/000002", "000/000003", "155/155320", "001/001040"],
            "4 tracks of FMA large, 3 genres, 1 without genre_top (kept); 1 of larger",
        ),
        (
            "full",
            ["000/000002", "000/000003", "155/155320", "001/001040", "000/000005"],
            "5 tracks of FMA full, 4 genres, 1 without genre_top (kept)\n",
        ),
    ],
)
def test_a_subset_holds_the_smaller_ones(tmp_path, capsys, subset, filenames, summary):
    tracks = write_table(tmp_path, FOUR_SUBSETS)
    assert run_main(tracks, "--subset", subset) == 0
    assert summary in capsys.readouterr().out
    assert [row["filename"] for row in read_rows(tracks)] == [f"{name}.mp3" for name in filenames]


def test_small_is_the_default(tmp_path):
    tracks = write_table(tmp_path, FOUR_SUBSETS)
    assert run_main(tracks) == run_main(tracks, "--subset", "small", output="small.csv") == 0
    assert (tmp_path / "small.csv").read_bytes() == (tmp_path / "labels, small.csv").read_bytes()


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Ёлка, 日本, étude", "Ёлка, 日本, étude"),
        ('He said "no", she said "yes"', 'He said "no", she said "yes"'),
        (' two\r\nlines \n\n"and"\ta  tab ', 'two lines "and" a tab'),
        ('"', '"'),
        ("=1+1;'--", "=1+1;'--"),
        ("a\u2028b\x0bc\x85d", "a b c d"),
        ("caf\udce9", "caf\udce9"),  # a byte that is no UTF-8
        ("nul\0here", "nul\0here"),
        ("x" * 200_000, "x" * 200_000),
    ],
)
def test_awkward_fields(tmp_path, written, read):
    tracks = write_table(tmp_path, [track(2, title=written), track(3, artist=written), track(4, album=written)])
    assert run_main(tracks) == 0
    rows = read_rows(tracks)
    assert [rows[0]["title"], rows[1]["artist"], rows[2]["album"]] == [read] * 3
    assert rows[0]["citation"] == f"AWOL, {read}, AWOL - A Way Of Life, {SHARE_ALIKE}, Free Music Archive"
    assert (tmp_path / "labels, small.csv").read_bytes().count(b"\n") == 4  # one line a row


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.lists(st.tuples(TEXT, TEXT, TEXT), min_size=1, max_size=5))
def test_any_text_comes_through_on_one_line(tmp_path, texts):
    tracks = write_table(tmp_path, [track(i, title=a, artist=b, genre=c) for i, (a, b, c) in enumerate(texts)])
    assert run_main(tracks) == 0
    rows = [(row["title"], row["artist"], row["genre_top"]) for row in read_rows(tracks)]
    assert rows == [tuple(" ".join(text.split()) for text in three) for three in texts]


def test_what_a_track_lacks_its_citation_leaves_out(tmp_path):
    rows = [track(2, album="", licence=" \n"), track(3, title="", artist="")]
    tracks = write_table(tmp_path, rows)
    assert run_main(tracks) == 0
    first, second = read_rows(tracks)
    assert (first["licence"], first["citation"]) == ("", "AWOL, Food, Free Music Archive")
    assert second["citation"] == f"AWOL - A Way Of Life, {SHARE_ALIKE}, Free Music Archive"


def test_other_columns_and_their_order_do_not_matter(tmp_path):
    tracks = write_table(tmp_path, [track(2, website="http://awol.example")], COLUMNS[::-1])
    assert run_main(tracks) == 0
    assert read_rows(tracks)[0]["citation"].endswith(", Free Music Archive, http://awol.example")
    without_address = [column for column in COLUMNS if column[1] != "website"]
    tracks = write_table(tmp_path, [track(2, website="http://awol.example")], without_address)
    assert run_main(tracks) == 0
    assert read_rows(tracks)[0]["citation"].endswith(", Free Music Archive")


def test_bom_windows_line_ends_and_blank_lines(tmp_path):
    tracks = write_table(tmp_path, [track(2), track(3)])
    text = table_text([track(2), track(3)]).replace("\n", "\r\n")
    tracks.write_bytes(("\ufeff" + text + "\r\n\r\n").encode())
    assert run_main(tracks) == 0
    assert [row["filename"] for row in read_rows(tracks)] == ["000/000002.mp3", "000/000003.mp3"]


@pytest.mark.parametrize(
    ("track_id", "path"), [("2", "000/000002.mp3"), ("133297", "133/133297.mp3"), ("000140", "000/000140.mp3")]
)
def test_clip_paths(track_id, path):
    assert fma_labels.clip_path(track_id) == path


# ---- what the other scripts make of it


def test_the_table_labels_the_songs_of_a_run(tmp_path):
    tracks = write_table(tmp_path, [*FOUR_SUBSETS, track(99134, genre="Pop")])
    assert run_main(tracks, "--subset", "large") == 0
    table = read_label_table(tmp_path / "labels, small.csv")
    names = ["000/000002.mp3.npy", "001/001040.mp3.npy", "155/155320.mp3.npy"]
    labelled = label_songs(table, names, "genre_top", "artist")
    assert labelled.labels == ["Hip-Hop", "Folk"]
    assert labelled.groups == ["AWOL", "AWOL"]
    assert labelled.songs_with_empty == ["155/155320.mp3.npy"]
    assert labelled.rows_without_song == ["000/000003.mp3", "099/099134.mp3"]


# ---- errors


def test_a_missing_table_and_a_folder(tmp_path, capsys):
    message = error_of(capsys, tmp_path / "none.csv")
    assert "none.csv: no such table; unpack tracks.csv of https://" in message
    (tmp_path / "fma_metadata").mkdir()
    assert "is a folder; name the table, " in error_of(capsys, tmp_path / "fma_metadata")


@pytest.mark.parametrize("column", list(fma_labels.COLUMNS.values()), ids=" ".join)
def test_a_missing_column_is_named(tmp_path, capsys, column):
    tracks = write_table(tmp_path, [track(2)], [known for known in COLUMNS if known != column])
    message = error_of(capsys, tracks)
    assert f"the tracks.csv: no column {column[1]!r} under {column[0]!r} in its first two lines; " in message
    assert "it is not the tracks.csv of https://" in message


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n\n",
        "track_id,album_id,album_title,artist_name,track_title\n2,1,AWOL,AWOL,Food\n3,1,AWOL,AWOL,Electric\n",
        ",album\n",
        'a,"b\n' * 3,
        '"' + "x" * 100,
    ],
)
def test_another_table(tmp_path, capsys, text):
    tracks = tmp_path / "raw_tracks.csv"
    tracks.write_text(text)
    assert "raw_tracks.csv: " in (message := error_of(capsys, tracks))
    assert "it is not the tracks.csv of https://" in message


def test_a_binary_file(tmp_path, capsys):
    tracks = tmp_path / "fma_metadata.zip"
    tracks.write_bytes(b"PK\x03\x04" + bytes(range(256)) * 400)
    assert "it is not the tracks.csv of https://" in error_of(capsys, tracks)


def test_the_third_line_names_the_index(tmp_path, capsys):
    tracks = write_table(tmp_path, [track(2)])
    lines = table_text([track(2)]).splitlines(keepends=True)
    tracks.write_text("".join([*lines[:2], *lines[3:]]))
    assert "its third line does not begin with 'track_id'" in error_of(capsys, tracks)


@pytest.mark.parametrize("track_id", ["", "2.0", "-2", "T0001", "²", "1_0", "٢"])
def test_an_id_that_is_none(tmp_path, capsys, track_id):
    tracks = write_table(tmp_path, [track(2), track(track_id)])
    message = error_of(capsys, tracks)
    assert f"{track_id!r} is no track_id, which is a number; unpack " in message
    assert "the tracks.csv, line " in message


def test_a_table_that_breaks_off(tmp_path, capsys):
    text = table_text([track(2), track(3)])
    for end in (text.rindex("Jersey"), text.rindex("training") + 3):  # inside a quoted field, and of a row
        tracks = tmp_path / "the tracks.csv"
        tracks.write_text(text[:end])
        message = error_of(capsys, tracks)
        assert "the tracks.csv, line " in message and "; unpack tracks.csv of https://" in message
        assert "unexpected end of data" in message or "fields where the header has 53" in message


def test_no_track_is_left(tmp_path, capsys):
    tracks = write_table(tmp_path, [track(2, "large"), track(3, "medium")])
    message = error_of(capsys, tracks)
    assert "none of its 2 tracks is in the subset small; name a larger one" in message
    tracks = write_table(tmp_path, [])
    assert "holds no track below its header; unpack " in error_of(capsys, tracks)


@pytest.mark.parametrize(
    ("subset", "hint"), [("smal", "did you mean 'small'?"), ("x", "known: small, medium, large, full")]
)
def test_an_unknown_subset(tmp_path, capsys, subset, hint):
    tracks = write_table(tmp_path, FOUR_SUBSETS)
    message = error_of(capsys, tracks, "--subset", subset)
    assert f"--subset {subset}: FMA has no such subset; {hint}" in message


def test_outputs_that_are_refused(tmp_path, capsys):
    tracks = write_table(tmp_path, FOUR_SUBSETS)
    before = tracks.read_bytes()
    (tmp_path / "mine.csv").write_text("filename,genre\na.mp3,rock\n")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "folder.csv").mkdir()
    for output, why in (
        ("labels.txt", "the name must end in .csv"),
        ("none/labels.csv", "make it first"),
        ("folder.csv", "is a folder; name a file"),
        (tracks.name, "is an input of this command"),
        ("mine.csv", "is no table of this script, and would be replaced"),
        ("empty.csv", "is no table of this script, and would be replaced"),
    ):
        assert why in error_of(capsys, tracks, output=output)
    assert tracks.read_bytes() == before
    assert (tmp_path / "mine.csv").read_text() == "filename,genre\na.mp3,rock\n"


def test_its_own_table_is_replaced_or_stays(tmp_path, capsys):
    tracks = write_table(tmp_path, FOUR_SUBSETS)
    output = tmp_path / "labels, small.csv"
    assert run_main(tracks, "--subset", "full") == 0
    full = output.read_bytes()
    assert run_main(tracks) == 0
    small = output.read_bytes()
    assert len(small) < len(full)
    tracks.write_text(table_text([*FOUR_SUBSETS, track("broken")]))
    capsys.readouterr()
    assert "'broken' is no track_id" in error_of(capsys, tracks)
    assert output.read_bytes() == small


# ---- what it takes


def test_rows_are_read_one_by_one(tmp_path):
    tracks = write_table(tmp_path, [track(2), track(3), track("broken")])
    rows = fma_labels.read_tracks(tracks)
    assert [next(rows)[1][0], next(rows)[1][0]] == ["000/000002.mp3", "000/000003.mp3"]
    with pytest.raises(UserError, match="'broken' is no track_id"):
        next(rows)


def test_defaults():
    arguments = fma_labels.build_parser().parse_args(["tracks.csv", "labels.csv"])
    assert vars(arguments) == {"tracks": Path("tracks.csv"), "output": Path("labels.csv"), "subset": "small"}
