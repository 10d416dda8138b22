"""columns.py: what is a scale and what a category, and how the label table meets the tracks."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from conftest import unpacked

from static_web_viewer.page.columns import Column, default_column, label_columns, output_table, own_columns
from utils import UserError

NAMES = ["jazz/a, b.mp3.npy", "jazz/c.mp3.npy", "rock/\udcff.mp3.npy", "top.mp3.npy"]


def column(values: list[str]) -> Column:
    return Column("label:a", "a", values)


def test_categories_are_ordered_by_size_and_no_value_comes_last():
    content = column(["b", "", "a", "b", "", "", "c"]).content()
    assert content["values"] == ["b", "a", "c", ""]
    assert unpacked(content["codes"], "u1").tolist() == [0, 3, 1, 0, 3, 3, 2]
    assert "numbers" not in content


@pytest.mark.parametrize(("count", "size"), [(256, 1), (257, 2), (65536, 2), (65537, 4)])
def test_codes_are_as_small_as_can_be(count, size):
    content = column([f"value {number}" for number in range(count)]).content()
    assert content["bytes"] == size
    codes = unpacked(content["codes"], f"u{size}")
    assert [content["values"][code] for code in codes[-3:]] == [f"value {number}" for number in range(count)][-3:]


def test_numbers_and_dates_are_sent_beside_the_values():
    years = column([*map(str, range(1990, 2020)), ""]).content()
    numbers = unpacked(years["numbers"], "f4")
    assert numbers[:2].tolist() == [1990, 1991] and np.isnan(numbers[30]) and "dates" not in years
    days = column(["2019-05-01", "", "1970-01-02"]).content()
    assert unpacked(days["numbers"], "f4")[[0, 2]].tolist() == [18017, 1] and days["dates"] is True
    assert days["values"] == ["1970-01-02", "2019-05-01", ""]


def test_the_map_is_coloured_by_the_first_readable_column():
    title, genre = column(["a", "b", "c", "d", "e", "f"]), column(["x", "x", "x", "y", "y", "y"])
    day = column(["2019-05-01", "2019-05-02"] * 3)
    same, cluster = column(["one"] * 6), column(["cluster 1"] * 6)
    assert default_column([title, day, genre, cluster], 6) == 2
    assert default_column([title, same, cluster], 6) == 2


def test_a_table_gives_every_column_to_the_tracks_that_it_names(tmp_path, capsys):
    table = tmp_path / "labels, of mine.csv"
    table.write_text('filename,genre,year\n"jazz/a, b.mp3",Jazz,1999\n./jazz\\c.mp3,,2001\nelsewhere.mp3,Pop,1\n')
    columns = label_columns(table, NAMES, listed=True)
    assert [(each.key, each.values) for each in columns] == [
        ("label:genre", ["Jazz", "", "", ""]),
        ("label:year", ["1999", "2001", "", ""]),
    ]
    told = capsys.readouterr().out
    assert "2 columns for 2 tracks; 2 tracks without a row, 1 row without a track" in told
    assert "track without a row: rock/\\xff.mp3" in told and "row without a track: elsewhere.mp3" in told


def test_what_means_nothing_is_no_value(tmp_path):
    table = tmp_path / "labels.csv"
    table.write_text('filename,genre,year\n"jazz/a, b.mp3",n/a,NaN\njazz/c.mp3,Jazz,-\n')
    columns = label_columns(table, NAMES, listed=False)
    assert [each.values for each in columns] == [["", "Jazz", "", ""], ["", "", "", ""]]


def test_a_table_of_other_tracks_is_an_error(tmp_path):
    table = tmp_path / "labels.csv"
    table.write_text("filename,genre\nelsewhere.mp3,Pop\n")
    with pytest.raises(UserError, match=r"no filename belongs.*elsewhere.mp3.*jazz/a, b.mp3"):
        label_columns(table, NAMES, listed=False)


def test_a_table_without_filename_is_an_error(tmp_path):
    table = tmp_path / "labels.csv"
    table.write_text("file,genre\na.mp3,Pop\n")
    with pytest.raises(UserError, match="no column 'filename'; did you mean 'file'"):
        label_columns(table, NAMES, listed=False)


def test_columns_that_need_no_table():
    folder, cluster, new = own_columns(NAMES, np.array([4, 1, 1, 1]), np.array([False, True, False, False]))
    assert folder.values == ["jazz", "jazz", "rock", ""]
    assert cluster.values == ["cluster 2", "cluster 1", "cluster 1", "cluster 1"]  # by size
    assert new.values == ["known", "new", "known", "known"]


def test_one_folder_is_no_column():
    assert [each.key for each in own_columns(["a.npy", "b.npy"], np.zeros(2, int), np.zeros(2, bool))] == [
        "cluster",
        "new",
    ]


def test_a_cluster_is_named_by_the_table_or_the_folder_or_at_last_the_artist():
    names = [f"{folder}/{track}.mp3.npy" for folder in ("in", "out", "up") for track in range(20)]
    clusters, new = np.repeat([0, 1, 2], 20), np.zeros(60, bool)
    genre = column(["rock"] * 20 + ["jazz", "folk"] * 20)
    titles, days = column(list(map(str, range(60)))), column(["2019-05-01"] * 20 + ["2020-05-01"] * 40)
    artist = column(["Ann"] * 20 + ["Bob"] * 20 + ["Cid"] * 20)

    def named(names: list[str], *by: list[Column]) -> list[str]:
        kinds = {each.key: each.values for each in own_columns(names, clusters, new, *by)}["cluster"]
        return [kinds[0], kinds[20], kinds[40]]

    assert named(names, [titles, days, genre], [artist]) == ["rock", "out", "up"]
    assert named(names, [titles], [artist]) == ["in", "out", "up"]
    assert named([name.replace("/", " ") for name in names], [genre], [artist]) == ["rock", "Bob", "Cid"]
    assert named([name.replace("/", " ") for name in names], [titles, days]) == ["cluster 1", "cluster 2", "cluster 3"]


def test_the_table_of_everything_has_no_heading_twice():
    columns = [Column("label:x", "x", ["7", "8"]), Column("cluster", "cluster", ["cluster 1", "cluster 1"])]
    table = output_table(["a, b.npy", "\udcff.npy"], np.array([[0.1, 2], [3, 4]], np.float32), columns)
    rows = list(csv.reader(io.StringIO(table.decode("utf-8", "surrogateescape"))))
    assert rows == [
        ["filename", "x", "y", "folder", "cluster", "new", "x (table)"],
        ["a, b", "0.1", "2.0", "", "cluster 1", "", "7"],
        ["\udcff", "3.0", "4.0", "", "cluster 1", "", "8"],
    ]
