"""Hits as text: for people, and for other programs, whatever the names hold."""

from __future__ import annotations

import csv
import io
import json
import math

import pytest
from conftest import file_names
from hypothesis import given
from hypothesis import strategies as st

from judging import hit_tables
from judging.hit_tables import Hits
from utils import UserError

NAMES = ["rock/a, 'b' \"c\".mp3.npy", "caf\udce9/Ёлка.mp3.npy", "-x\t.mp3.npy"]
REASON = {"seconds": [12.34, 75.0], "seed": "a.mp3", "seed_seconds": [0, 62.66], "hz": [[80.4, 300], [2000, 3100]]}


def test_a_table_for_people():
    hits = Hits(NAMES, [math.nan, 0.98765, -0.1], {"genre": ["rock", "", "a\nb"]})
    assert hit_tables.table(hits).splitlines() == [
        "rank  cosine  filename" + 13 * " " + "genre",
        "   1          rock/a, 'b' \"c\".mp3  rock",
        "   2   0.988  caf\\xe9/Ёлка.mp3",
        "   3  -0.100  -x\\t.mp3" + 13 * " " + "a\\nb",
    ]


def test_reasons_name_the_seed_where_there_are_several():
    one = Hits(NAMES[:1], [0.5], why=[[REASON]])
    line = "0:12.3-1:15.0 like 0:00.0-1:02.7{}: 80-300 Hz, 2000-3100 Hz"
    assert hit_tables.table(one).splitlines()[2].strip() == line.format("")
    several = Hits(NAMES[:2], [0.5, 0.4], why=[[REASON, {**REASON, "seed": "b\n.mp3"}], []])
    lines = hit_tables.table(several).splitlines()
    assert [lines[2].strip(), lines[3].strip()] == [line.format(" of a.mp3"), line.format(r" of b\n.mp3")]
    assert len(lines) == 5
    assert hit_tables.in_words({**REASON, "hz": []}) == "0:12.3-1:15.0 like 0:00.0-1:02.7 of a.mp3"


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00.0"), (59.96, "1:00.0"), (3661.24, "61:01.2")])
def test_times(seconds, text):
    assert hit_tables.clock(seconds) == text


one_line = st.text(st.characters(exclude_categories=["Cs", "Cc"]))  # as names of a run and values of match_rows are
names_of_runs = file_names.filter(lambda name: not set(name) & set("\r\n"))
tables = st.lists(st.tuples(names_of_runs, st.floats(-1, 1), one_line))


@given(tables)
def test_csv_json_and_paths_are_read_back_as_they_were(rows):
    names = [f"{name}.npy" for name, _, _ in rows]
    hits = Hits(names, [cosine for _, cosine, _ in rows], {"a, b": [value for _, _, value in rows]})
    text = io.StringIO(hit_tables.csv_table(hits).decode("utf-8", "surrogateescape"), newline="")
    objects = json.loads(hit_tables.json_list(hits).decode("ascii"))
    read = list(csv.DictReader(text))
    for found in (read, objects):
        assert [row["filename"] for row in found] == [name for name, _, _ in rows]
        assert [row["a, b"] for row in found] == [value for _, _, value in rows]
        assert [int(row["rank"]) for row in found] == list(range(1, len(rows) + 1))
        assert [float(row["cosine"]) for row in found] == pytest.approx([cosine for _, cosine, _ in rows], abs=1e-6)
    lines = [name for name, _, _ in rows]
    assert hit_tables.paths(hits) == "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")


def test_reasons_and_missing_cosines_for_programs():
    hits = Hits(NAMES[:2], [math.nan, 0.5], why=[[], [REASON]])
    first, second = json.loads(hit_tables.json_list(hits))
    assert first == {"rank": 1, "cosine": None, "filename": NAMES[0][:-4], "why": []}
    assert second["why"] == [REASON]
    lines = list(csv.reader(io.StringIO(hit_tables.csv_table(hits).decode("utf-8", "surrogateescape"))))
    assert lines[0] == ["rank", "cosine", "filename", "why"]
    assert lines[1] == ["1", "", NAMES[0][:-4], ""] and lines[2][3] == hit_tables.in_words(REASON)


@pytest.mark.parametrize("shown", [["filename"], ["genre", "cosine"], ["a", "a"], ["why"]])
def test_columns_that_the_output_has_already(shown):
    with pytest.raises(UserError, match="the output has a column of that name already"):
        hit_tables.check_columns(shown)
    hit_tables.check_columns(["genre", "artist"])
