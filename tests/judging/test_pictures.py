"""Colours and text that the pictures share."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judging import pictures
from utils import UserError


@given(st.lists(st.text(max_size=4), max_size=12))
def test_a_label_has_one_colour_whatever_the_order_and_none_is_shared(labels):
    if len(set(labels)) > 8:
        with pytest.raises(ValueError, match="labels: there are 8 colours"):
            pictures.label_colours(labels)
        return
    colours = pictures.label_colours(labels)
    assert set(colours) == set(labels) and len(set(colours.values())) == len(colours)
    assert colours == pictures.label_colours(sorted(labels, reverse=True))


@given(st.text(), st.integers(2, 40))
def test_shown_text_is_one_short_printable_line(text, length):
    shown = pictures.shown(text, length)
    assert len(shown) <= length
    assert shown.isprintable()
    shown.encode()


def test_a_picture_is_written_whole_or_not_at_all(tmp_path):
    figure = pictures.new_figure(4)
    path = tmp_path / "picture.png"
    path.write_bytes(b"the one before")
    figure.suptitle("$\\frac$")  # no formula: drawing it fails
    with pytest.raises(ValueError, match="frac"):
        pictures.save_figure(figure, path)
    assert [p.name for p in tmp_path.iterdir()] == ["picture.png"]
    assert path.read_bytes() == b"the one before"


def test_an_output_is_no_input(tmp_path):
    (tmp_path / "a.csv").write_text("x")
    (tmp_path / "b.csv").symlink_to(tmp_path / "a.csv")
    pictures.check_output(tmp_path / "c.csv", [".csv"], [tmp_path / "a.csv", tmp_path / "none.csv"])
    with pytest.raises(UserError, match=r"b\.csv: is an input of this command"):
        pictures.check_output(tmp_path / "b.csv", [".csv"], [tmp_path / "a.csv"])
