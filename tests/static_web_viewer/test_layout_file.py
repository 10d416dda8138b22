"""layout_file: the table that keeps a map's places, ours or of anybody's making."""

from __future__ import annotations

import hypothesis.extra.numpy as hypothesis_numpy
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from static_web_viewer.page.layout_file import LAYOUT_HEADER, layout_table, read_layout
from utils import UserError

AWKWARD = ["-a, b.mp3.npy", 'quo"te.npy', " spaces .mp3.npy", "\udcff\udc80.mp3.npy", "ordner/søng.npy.npy", "#=1.npy"]


def write(path, text: str | bytes):
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape"))
    return path


@given(hypothesis_numpy.arrays(np.float32, (6, 2), elements=st.floats(-(2.0**49), 2.0**49, width=32)))
def test_a_layout_is_read_back_to_the_bit(tmp_path_factory, xy):
    path = tmp_path_factory.mktemp("lay, out") / "layout.csv"
    new = np.arange(6) % 2 == 0
    again, marked = read_layout(write(path, layout_table(AWKWARD, xy, new)), AWKWARD)
    np.testing.assert_array_equal(again, xy)
    assert again.dtype == np.float32
    np.testing.assert_array_equal(marked, new)


def test_a_layout_as_it_is_written():
    content = layout_table(AWKWARD[:2] + AWKWARD[3:4], np.float32([[0.1, -2], [1e-7, 3], [16777216, 1 / 3]]), [0, 1, 0])
    assert content.decode("utf-8", "surrogateescape").splitlines() == [
        ",".join(LAYOUT_HEADER),
        '"-a, b.mp3",0.1,-2.0,0',
        '"quo""te",1e-07,3.0,1',
        "\udcff\udc80.mp3,1.6777216e+07,0.33333334,0",
    ]


def test_a_table_made_elsewhere(tmp_path):
    text = "\ufeffgenre\ty\tfilename\tx\nrock\t2\t./a.mp3\t1e0\njazz\t\tb.mp3\t\npop\t4\tgone.mp3\t3\n"
    xy, new = read_layout(write(tmp_path / "umap.csv", text), ["a.mp3.npy", "b.mp3.npy", "c.mp3.npy"])
    np.testing.assert_array_equal(xy, [[1, 2], [np.nan, np.nan], [np.nan, np.nan]])
    assert not new.any()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty; write a CSV with the columns filename"),
        ("filename,x,z\na,1,2\n", "no column 'y'"),
        ("filename,x,y,x\na,1,2,3\n", "two columns are named 'x'"),
        ("filename,x,y\n", "holds no row"),
        ("filename,x,y\na,one,2\n", "row of 'a' has 'one' in the column 'x', expected a finite number"),
        ("filename,x,y\na,1,\n", "row of 'a' has '' in the column 'y', expected a finite number"),
        ("filename,x,y\na,1,nan\n", "has 'nan' in the column 'y', expected a finite number"),
        ("filename,x,y\na,1,-inf\n", "has '-inf' in the column 'y'"),
        ("filename,x,y\na,1e39,0\n", "has '1e39' in the column 'x'"),
        ("filename,x,y,new\na,1,2,yes\n", "has 'yes' in the column 'new', expected 0 or 1"),
        ("filename,x,y\na,1,2\na.npy,1,3\n", "has two rows"),
        ("filename,x,y\nz,1,2\n", "no filename belongs to a song"),
        ("filename,x,y\na,,\n", "x and y are empty for every track"),
        ("filename,x,y\na,1,2,3\n", "line 2: 4 fields where the header has 3"),
        ('filename,x,y\n"a,1,2\n', "unexpected end of data"),
    ],
)
def test_a_table_that_is_no_layout(tmp_path, text, said):
    path = write(tmp_path / "my layout.csv", text)
    with pytest.raises(UserError) as error:
        read_layout(path, ["a.npy", "b.npy"])
    assert str(error.value).startswith(f"{path}") and said in str(error.value)


def test_the_same_place_twice_is_no_contradiction(tmp_path):
    xy, _ = read_layout(write(tmp_path / "x.csv", "filename,x,y\na,1,2\na,1.0,2e0\n"), ["a.npy"])
    np.testing.assert_array_equal(xy, [[1, 2]])


def test_a_layout_that_is_not_there(tmp_path):
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(UserError, match="no such layout; write a CSV with the columns filename,x,y"):
            read_layout(path, ["a.npy"])
