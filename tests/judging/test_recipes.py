"""Flags in a file."""

from __future__ import annotations

import pytest

from judging.recipes import parse_with_recipe, read_recipe, recipe_words
from utils import UserError, positive_int, script_parser

KNOWN = ["track", "top", "within", "max-per", "dry-run", "path"]


def words(recipe):
    return recipe_words(recipe, KNOWN, switches=["dry-run"], several=["path"], pairs=["max-per"])


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        ({"track": "a, b"}, ["--track=a, b"]),
        ({"track": ["-a", "b=2"], "top": "3"}, ["--track=-a", "--track=b=2", "--top=3"]),
        ({"track": {"a": "0.5"}}, ["--track=a=0.5"]),
        ({"within": {"genre": ["rock", "pop"], "year": "1999"}},
         ["--within=genre=rock", "--within=genre=pop", "--within=year=1999"]),
        ({"max-per": {"artist": "2"}}, ["--max-per", "artist", "2"]),
        ({"dry-run": "yes"}, ["--dry-run"]),
        ({"dry-run": "False"}, []),
        ({"path": ["-a", "b"]}, ["--path", "./-a", "b"]),
    ],
)  # fmt: skip
def test_a_recipe_says_what_the_command_line_would(recipe, expected):
    assert words(recipe) == expected


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({"tracks": "a"}, "unknown flag 'tracks'; did you mean 'track'"),
        ({"max_per": {"artist": "2"}}, "unknown flag 'max_per'; did you mean 'max-per'"),
        ({"dry-run": "maybe"}, "dry-run: 'maybe' is neither true nor false"),
        ({"dry-run": ["true"]}, "neither true nor false"),
        ({"within": {"a": {"b": "c"}}}, "within, a: .* is neither a value"),
        ({"track": [["a"]]}, "track: .* is neither a value"),
    ],
)
def test_what_no_flag_can_have(recipe, message):
    with pytest.raises(ValueError, match=message):
        words(recipe)


def test_values_stay_as_they_are_written(tmp_path):
    path = tmp_path / "a recipe.yaml"
    path.write_text("top: 010\nwithin: {year: 1.10, live: no, day: 2001-01-01}\ntrack: ~\n")
    within = {"year": "1.10", "live": "no", "day": "2001-01-01"}
    assert read_recipe(path) == {"top": "010", "within": within, "track": "~"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no flag"),
        (b"- track\n", "holds no flag"),
        (b"track: [a\n", "not readable as YAML"),
        (b"track: \xff\n", "not readable as YAML"),
        (b"track: a: b\n", "not readable as YAML"),
    ],
)
def test_recipes_that_are_none(tmp_path, content, message):
    (tmp_path / "r.yaml").write_bytes(content)
    with pytest.raises(UserError, match=message) as raised:
        read_recipe(tmp_path / "r.yaml")
    assert str(tmp_path / "r.yaml") in str(raised.value)
    with pytest.raises(UserError, match="no such recipe"):
        read_recipe(tmp_path / "none.yaml")


def parse(tmp_path, recipe: str, *argv: str):
    (tmp_path / "r.yaml").write_text(recipe)
    parser = script_parser("A script.")
    parser.add_argument("run")
    parser.add_argument("--track", action="append", default=[])
    parser.add_argument("--top", type=positive_int, default=10)
    parser.add_argument("--path", nargs="+")
    parser.add_argument("--max-per", nargs=2, action="append", default=[])
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--recipe", type=type(tmp_path))
    return vars(
        parse_with_recipe(parser, ["a run", "--recipe", str(tmp_path / "r.yaml"), *argv], ["path"], ["max-per"])
    )


def test_the_command_line_wins_flag_by_flag(tmp_path):
    recipe = "track: [a, b]\ntop: 20\ndry-run: true\nmax-per: {artist: 2}\n"
    found = parse(tmp_path, recipe)
    assert (found["run"], found["track"], found["top"], found["dry_run"]) == ("a run", ["a", "b"], 20, True)
    assert (found["max_per"], found["path"]) == ([["artist", "2"]], None)
    found = parse(tmp_path, recipe, "--track", "c", "--top", "10")
    assert (found["track"], found["top"], found["dry_run"]) == (["c"], 10, True)
    assert parse(tmp_path, "track: a\n")["top"] == 10
    assert parse(tmp_path, "path: [-a, b, c]\n")["path"] == ["./-a", "b", "c"]


@pytest.mark.parametrize(
    "recipe", ["run: x\n", "recipe: r.yaml\n", "help: true\n", "top: many\n", "max-per: {a: [b, c], d: e, f: }\n"]
)
def test_an_error_names_the_recipe(tmp_path, recipe):
    if "max-per" in recipe:
        assert parse(tmp_path, recipe)["max_per"] == [["a", "b"], ["a", "c"], ["d", "e"], ["f", ""]]
        return
    with pytest.raises(UserError) as raised:
        parse(tmp_path, recipe)
    assert str(raised.value).startswith(f"{tmp_path / 'r.yaml'}: ")


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x, x]\nb: &b [*a, *a]\ntrack: [*b, *b]\n",
        "track: !!python/object/apply:os.getpid []\n",
        "track: " + "[" * 5000,
        "track: a\n# " + "x" * 200_000,
    ],
    ids=["bomb", "tag", "brackets", "long"],
)
def test_a_recipe_of_few_lines_cannot_mean_gigabytes(tmp_path, text):
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(UserError, match=r"a\.yaml: ") as raised:
        read_recipe(tmp_path / "a.yaml")
    assert len(str(raised.value)) < 1000
