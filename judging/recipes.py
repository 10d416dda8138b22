"""A script's flags kept in a YAML file: read, and turned into the words that would say the same on the command line."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import yaml

from config import LONGEST_FILE, UNREADABLE, TextLoader
from files import open_input
from utils import UserError, nearest, printable, shortened

SAID = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def read_recipe(path: Path) -> dict[str, object]:
    """Return the keys of a recipe and what stands behind them, every single value as the text that was written.

    Raises UserError where it is missing or holds no mapping.
    """
    try:
        with open_input(path) as file:
            text = file.read(LONGEST_FILE)
        if len(text) == LONGEST_FILE:
            raise UserError(f"{printable(str(path))}: is longer than any recipe; name another file")
        # `year: 1999`, `name: no` and `label: 1.10` are text, as on the command line
        content = yaml.load(text.decode("utf-8"), TextLoader)
    except FileNotFoundError:
        raise UserError(f"{printable(str(path))}: no such recipe; write one, a line `flag: value` a flag") from None
    except UNREADABLE as error:
        what = shortened(str(error))
        raise UserError(f"{printable(str(path))}: not readable as YAML: {what}; put odd values in quotes") from None
    if not isinstance(content, dict) or not content:
        raise UserError(f"{printable(str(path))}: holds no flag; write lines such as `track: a song`, `top: 20`")
    return content


def recipe_words(
    recipe: Mapping[str, object],
    known: Collection[str],
    switches: Collection[str] = (),
    several: Collection[str] = (),
    pairs: Collection[str] = (),
) -> list[str]:
    """Return the command line that says what a recipe says.

    known     the flags by their long names, without dashes.
    switches  those that take no value: `true` gives them.
    several   those that take all their values at once, `--path A B`; every other one is given again for each value.
    pairs     those whose values are two words: `max-per: {artist: 2}`. Of any other one `within: {genre: rock}` is
              `--within=genre=rock`.
    Raises    ValueError for an unknown flag, naming the nearest, and for a value that no flag can have.
    """
    words = []
    for flag, value in recipe.items():
        if flag not in known:
            raise ValueError(f"unknown flag {flag!r}{nearest(flag, known)}")
        if flag in switches:
            if not isinstance(value, str) or value.lower() not in SAID:
                raise ValueError(f"{flag}: {value!r} is neither true nor false")
            words += [f"--{flag}"] * SAID[value.lower()]
        elif flag in several:
            # what begins with a dash would be a flag
            values = ["=".join(parts) for parts in _values(flag, value)]
            words += [f"--{flag}", *(f"./{each}" if each.startswith("-") else each for each in values)]
        else:
            for parts in _values(flag, value):
                words += [f"--{flag}", *parts] if flag in pairs else [f"--{flag}={'='.join(parts)}"]
    return words


def parse_with_recipe(parser, argv: Sequence[str] | None, several: Collection[str] = (), pairs: Collection[str] = ()):
    """Return the arguments of a script: what the command line says, and what the recipe says of all other flags.

    parser  an argparse.ArgumentParser with one positional argument, RUN, and the flag --recipe.
    Raises  UserError that names the recipe where that is wrong; what is wrong on the command line is a usage error.
    """
    arguments = parser.parse_args(argv)
    if arguments.recipe is None:
        return arguments
    recipe, where = read_recipe(arguments.recipe), printable(str(arguments.recipe))
    new = type(arguments)
    given = vars(parser.parse_args(argv, new(**dict.fromkeys(vars(arguments)))))  # None where it says nothing

    def refuse(message: str) -> NoReturn:
        raise UserError(f"{where}: {message}")

    parser.error = refuse
    defaults = vars(parser.parse_args(["RUN"]))
    known = {name.replace("_", "-"): value for name, value in defaults.items() if name not in ("run", "recipe")}
    try:
        switches = [flag for flag, value in known.items() if value is False]
        words = recipe_words(recipe, known, switches, several, pairs)
    except ValueError as error:
        refuse(str(error))
    said = vars(parser.parse_args(["RUN", *words]))
    return new(**said | {name: value for name, value in given.items() if value is not None})


def _values(flag: str, value: object, deep: bool = True) -> list[tuple[str, ...]]:
    """Return each value of a flag, as one word or, where it stood behind a key, as two."""
    if isinstance(value, str):
        return [(value,)]
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return [(each,) for each in value]
    if isinstance(value, dict) and deep:
        return [(key, *parts) for key, each in value.items() for parts in _values(f"{flag}, {key}", each, deep=False)]
    raise ValueError(f"{flag}: {value!r} is neither a value, a list of values, nor a line `name: value` each")
