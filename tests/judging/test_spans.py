import pytest

from judging.spans import Span, clock, clock_in_name, frames_of, parse_span


@pytest.mark.parametrize(
    ("text", "start", "stop"),
    [
        ("1:23-1:30", 83, 90),
        ("83-90", 83, 90),
        ("0:05.5-0:07", 5.5, 7),
        (" 1:02:03 - 1:02:10.25 ", 3723, 3730.25),
        ("90-2:00", 90, 120),
        ("0-100:00", 0, 6000),
    ],
)
def test_times_as_people_write_them(text, start, stop):
    assert parse_span(text) == (start, stop)


@pytest.mark.parametrize(
    "text", ["", "1:23", "1:23-", "a-b", "1:2:3:4-5", "-1-3", "1e2-2e3", "nan-inf", "1:23—1:30", "\u0663-\u0665"]
)
def test_a_text_that_is_no_time_is_shown(text):
    with pytest.raises(ValueError, match="is no stretch of time; write it as 1:23-1:30"):
        parse_span(text)


@pytest.mark.parametrize("text", ["5-5", "1:30-1:23", "0:00-0", f"0-{'9' * 400}:00:00"])
def test_a_stretch_ends_after_its_start(text):
    with pytest.raises(ValueError, match="ends before it has begun"):
        parse_span(text)


@pytest.mark.parametrize("text", ["1:75-3:00", "1:60:00-2:00:00", "0:05-0:60"])
def test_minutes_and_seconds_are_below_sixty(text):
    with pytest.raises(ValueError, match="below 60"):
        parse_span(text)


def test_a_time_reads_as_a_player_shows_it():
    assert [clock(seconds) for seconds in (0, 83, 59.999, 3723.5)] == ["0:00.00", "1:23.00", "1:00.00", "1:02:03.50"]
    assert [clock_in_name(seconds) for seconds in (83, 3723.5)] == ["1m23.00s", "1h02m03.50s"]
    assert str(Span(83, 90)) == "1:23.00-1:30.00"


def test_frames_lie_in_their_stretch():
    # 100 frames of 0.128 s, 0.1 s apart: the track is 10.028 s long
    assert frames_of(Span(2.0, 3.0), 100, 0.1, 0.128) == (20, 9)
    assert frames_of(Span(2.0, 2.128), 100, 0.1, 0.128) == (20, 1)
    assert frames_of(Span(0.0, 10.028), 100, 0.1, 0.128) == (0, 100)
    assert frames_of(Span(9.0, 11.0), 100, 0.1, 0.128) == (90, 10)  # a player shows 0:11


@pytest.mark.parametrize(
    ("span", "message"),
    [
        (Span(2, 2.1), "shorter than a frame"),
        (Span(9, 12), "beyond the end, which is at 0:10.03"),
        (Span(60, 70), "beyond the end, which is at 0:10.03"),
    ],
)
def test_a_stretch_that_is_not_there_is_refused(span, message):
    with pytest.raises(ValueError, match=message):
        frames_of(span, 100, 0.1, 0.128)
