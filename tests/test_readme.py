"""The README is true: its commands are parsed by their scripts' own parsers, its links and the files it names exist."""

from __future__ import annotations

import csv
import importlib
import re
import shlex
from pathlib import Path

import pytest

from config import DEFAULT_CONFIG, Config, read_config_file
from utils import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```\n(.*?)^```", README, re.M | re.S)
COMMANDS = [
    command
    for block in BLOCKS
    for line in block.splitlines()
    for command in re.findall(r"(?:^|&& )(?:\.venv/bin/)?python (\S+\.py .*?)(?= &&|$)", line)
]
MAKE_TARGETS = re.findall(r"^make (\w+)", README + (ROOT / "CONTRIBUTING.md").read_text(), re.M)


def module_of(script: str):
    return importlib.import_module(script.removesuffix(".py").replace("/", "."))


def test_every_script_has_a_command():
    scripts = [*ROOT.glob("*.py"), *(ROOT / "process_results").glob("*.py"), *(ROOT / "static_web_viewer").glob("*.py")]
    with_main = {str(path.relative_to(ROOT)) for path in scripts if "def build_parser" in path.read_text()}
    assert with_main == {shlex.split(command)[0] for command in COMMANDS}


@pytest.mark.parametrize("command", COMMANDS)
def test_command_is_what_its_script_takes(command):
    script, *arguments = shlex.split(command)
    parsed = vars(module_of(script).build_parser().parse_args(arguments))
    if parsed.get("config") and parsed["config"] != Path("example_outs/config.yaml"):  # of the run made before
        assert (ROOT / parsed["config"]).exists()


@pytest.mark.parametrize("script", sorted({shlex.split(command)[0] for command in COMMANDS}))
def test_docstring_has_the_command_and_is_the_help(script):
    module = module_of(script)
    line = re.search(rf"^    python {re.escape(script)} .*$", module.__doc__, re.M)
    assert line, f"{script}: no command to copy in its docstring"
    module.build_parser().parse_args(shlex.split(line[0])[2:])
    assert module.__doc__.splitlines()[0] in module.build_parser().format_help()


@pytest.mark.parametrize("target", sorted(set(MAKE_TARGETS)))
def test_make_target_exists(target):
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.M)


def test_git_ignores_and_make_clean_knows_the_folders_of_mels_and_vectors_that_the_commands_make():
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    made = {shlex.split(command)[2] for command in COMMANDS if command.startswith("spectrify_all.py ")}
    made |= {shlex.split(command)[3] for command in COMMANDS if command.startswith("calc_all_vecs.py ")}
    made = {folder for folder in made if folder.endswith("/")}  # those without are of the recipes for other collections
    assert {"example_vectors/", "example_short/", "new_vectors/", "new_song_vectors/"} <= made
    assert {f"/{folder}" for folder in made} <= set(ignored)
    removed = re.search(r"^clean:.*\n\trm -rf (.*)", (ROOT / "Makefile").read_text(), re.M)[1].split()
    assert {"example_short", "new_vectors", "new_song_vectors", "song_vectors"} <= set(removed)


def test_links_and_pictures_exist():
    for target in re.findall(r"\]\((?!https?://)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda path: path.name)
def test_configurations_are_sound_and_every_key_has_its_reason(path):
    from config import build_config

    values = read_config_file(path)
    build_config(read_config_file(DEFAULT_CONFIG) | values, str(path))
    if path == DEFAULT_CONFIG:
        assert set(values) == set(Config.__dataclass_fields__)
    for line in path.read_text().splitlines():
        if re.match(r"\w+:", line):
            assert "#" in line or path != DEFAULT_CONFIG, line


def test_the_first_picture_is_of_the_clips_that_there_are():
    with open(ROOT / "example_input/labels.csv", encoding="utf-8", newline="") as file:
        clips = len(list(csv.DictReader(file)))
    assert f"*Six clusters of the {clips} clips of `example_input/`" in README
    assert all((ROOT / picture).is_file() for picture in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README))
