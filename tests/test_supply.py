"""What no script of ours does: run text as a program, unpickle, open a connection, wait for a program without end."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest
from test_house import MODULES, SCRIPTS, module_of

from utils import ROOT

PATHS = [*MODULES, *SCRIPTS]
RUNS_TEXT = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "subprocess.getoutput"}
PICKLES = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "jsonpickle", "pandas"}
CONNECTS = {"urllib.request", "http", "requests", "httpx", "ftplib", "smtplib", "ssl", "aiohttp", "socketserver"}
READS_YAML = {"PlainLoader", "TextLoader"}  # of config.py: safe, and without aliases and tags
READS_ARRAYS = {"np.lib.format.read_array", "np.load", "numpy.load"}
STARTS = {"subprocess.run", "subprocess.call", "subprocess.check_call", "subprocess.check_output"}
# Those that are started and listened to, with deadlines of their own: without a sample, without growth, and in all
LISTENED_TO = {"mels.decoder_process", "static_web_viewer.page.transcode"}
# A training among several, which ends when its stdin does: that is the end of the one that started it
ENDS_WITH_US = {"learning.supervisor"}

# What goes to a dask worker goes there pickled whoever does it: from us, by the scheduler that the user has named
SENDS_TO_WORKERS = {"mels.on_dask", "mels.on_worker"}


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Yield each call with the name of what is called, as it is written."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def keywords(call: ast.Call) -> dict[str, str]:
    return {each.arg or "**": ast.unparse(each.value) for each in call.keywords}


def wrong(text: str, module: str) -> list[str]:
    """Return what of a module is against the rules."""
    tree, found = ast.parse(text), []
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) else []
        if module not in SENDS_TO_WORKERS:
            found += [f"imports {name}" for name in names if name.split(".")[0] in PICKLES]
        found += [f"imports {name}" for name in names if name in CONNECTS or name.split(".")[0] in CONNECTS]
    for name, call in calls(tree):
        said = keywords(call)
        if name in RUNS_TEXT or said.get("shell", "False") != "False":
            found.append(f"line {call.lineno}: {name} runs a text")
        if said.get("allow_pickle", "False") != "False" or (name in READS_ARRAYS and "allow_pickle" not in said):
            found.append(f"line {call.lineno}: {name} may unpickle")
        if name.startswith("yaml.") and "load" in name and (
            name != "yaml.load" or len(call.args) != 2 or ast.unparse(call.args[1]) not in READS_YAML
        ):  # fmt: skip
            found.append(f"line {call.lineno}: {name} with another loader than {READS_YAML}")
        if name in STARTS or (name == "subprocess.Popen" and module not in ENDS_WITH_US):
            if said.get("stdin") not in ("subprocess.DEVNULL", "silent"):
                found.append(f"line {call.lineno}: {name} leaves its stdin open")
            if "timeout" not in said and not (name == "subprocess.Popen" and module in LISTENED_TO):
                found.append(f"line {call.lineno}: {name} without a time-out")
    return found


@pytest.mark.parametrize("path", PATHS, ids=module_of)
def test_no_script_does_what_a_stranger_would_like(path):
    assert not wrong(path.read_text(encoding="utf-8"), module_of(path))


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from pickle import load",
        "import urllib.request",
        "from http import client",
        "eval(text)",
        "os.system(text)",
        "subprocess.run(argv, shell=True, stdin=subprocess.DEVNULL, timeout=1)",
        "subprocess.run(argv, stdin=subprocess.DEVNULL)",
        "subprocess.run(argv, timeout=1)",
        "subprocess.Popen(argv, stdin=subprocess.DEVNULL)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "np.lib.format.read_array(file)",
        "yaml.load(text, yaml.SafeLoader)",
        "yaml.unsafe_load(text)",
        "yaml.load(text)",
    ],
)
def test_the_rules_see_what_breaks_them(line):
    assert wrong(line, "judging.labels")


def test_every_library_is_required_with_its_least_and_its_most():
    """A version that nobody has tried is not taken by itself."""
    for name in ("requirements.txt", "requirements-dev.txt", "requirements-cluster.txt"):
        lines = [line.partition("#")[0].strip() for line in (ROOT / name).read_text().splitlines()]
        for line in filter(None, lines):
            assert line.startswith("-r ") or (">=" in line and ",<" in line), line
