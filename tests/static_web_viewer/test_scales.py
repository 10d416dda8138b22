"""scales.py: what is nothing, a number, a date, a code; and that a column is a scale only if all that is given is."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from static_web_viewer.page.scales import day_of, meant, scale_of

THIRTY = list(map(str, range(30)))


@pytest.mark.parametrize("value", ["", "NaN", " n/a ", "NA", "none", "NULL", "-", "?", "<NA>", "NaT", "\N{EM DASH}"])
def test_what_means_nothing(value):
    assert meant(value) == ""


@pytest.mark.parametrize("value", ["0", "nana", "unknown", "no", "--title", "¿?", "N/A Band"])
def test_what_means_something(value):
    assert meant(value) == value


def test_many_numbers_are_a_scale_and_what_is_missing_is_nan():
    scale = scale_of([*map(str, range(1990, 2020)), "", "1.5e3"])
    assert not scale.dates and scale.numbers.dtype == np.float32
    assert scale.numbers[:2].tolist() == [1990, 1991] and np.isnan(scale.numbers[30]) and scale.numbers[31] == 1500


def test_few_measured_numbers_are_a_scale_too():
    assert scale_of(["0.5", "1", "1.5", "2", "2.5", "3", ""]).numbers[:2].tolist() == [0.5, 1]


@pytest.mark.parametrize(
    "values",
    [
        [str(number % 12) for number in range(100)],  # few different ones: months, ratings
        [f"{number % 12}.0" for number in range(100)],  # the same, as pandas writes them
        ["44.1", "48", "96", "22.05", "16"],
        [*THIRTY, "unknown"],
        [*THIRTY, "nan"],
        [*THIRTY, "inf"],
        [*THIRTY, "1e300"],  # more than the page's float32 can hold
        [*THIRTY, "1,5"],
        [*THIRTY, "٣"],
        [f"{year}_01" for year in range(30)],
        [f"{number:02d}" for number in range(30)],  # codes
        [f"{number:03d}.5" for number in range(30)],
        ["", ""],
        [],
    ],
)
def test_what_is_no_scale(values):
    assert scale_of(values) is None


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("1970-01-01", 0),
        ("1969-12-31", -1),
        ("2019-05", 18017),
        ("2019-05-01", 18017),
        ("2019-05-01T12:00:00", 18017.5),
        ("2019-05-01T12:00:00Z", 18017.5),
        ("2019-05-01 12:00", 18017.5),
        ("2019-05-01T12:00:00.000+06:00", 18017.25),
        ("01.05.2019", 18017),
        ("1.5.2019", 18017),
        ("2019/05/01", 18017),
        ("2019/5/1", 18017),
        ("2019", 17897),
    ],
)
def test_a_date_is_days_since_1970(text, day):
    assert day_of(text) == day


@pytest.mark.parametrize(
    "text",
    "01/05/2019 2019-13-01 2019-02-30 2019-00-00 0000 20190501 2019-5-1 2019-W05-1 31.31.2019 19-05-01 "
    "2019-05-01T25:00 2019-05-01T12 ٣٣٣٣-05-01 may".split(),
)
def test_what_is_no_date(text):
    assert day_of(text) is None


@given(st.dates())
def test_every_date_is_the_same_in_every_form(day):
    forms = [day.isoformat(), f"{day.day}.{day.month}.{day.year:04d}", f"{day.year:04d}/{day.month:02d}/{day.day:02d}"]
    assert {day_of(form) for form in forms} == {(day - date(1970, 1, 1)) / timedelta(days=1)}


def test_dates_are_a_scale_and_years_beside_them_too():
    scale = scale_of(["2019-05-01", "", "2019", "2019-05"])
    assert scale.dates and scale.numbers.dtype == np.float32
    assert scale.numbers[[0, 2, 3]].tolist() == [18017, 17897, 18017] and np.isnan(scale.numbers[1])


def test_years_alone_are_numbers():
    years = list(map(str, range(1990, 2020)))
    assert not scale_of(years).dates
    assert scale_of(["1999", "2001", "2019"]) is None  # and few of them categories


@pytest.mark.parametrize("values", [["2019-05-01"] * 9, ["2019-05-01", "spring"], ["2019-05-01", "0000-00-00"]])
def test_what_is_no_scale_of_dates(values):
    assert scale_of(values) is None
