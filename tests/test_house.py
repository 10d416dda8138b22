"""The house of CONTRIBUTING.md: who may import whom. Read off the imports, nothing is run."""

from __future__ import annotations

import ast
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from utils import ROOT

SMALL = {"config", "files", "utils"}  # the three files that everybody uses
ROOMS = {
    "utils": set(),
    "config": {"utils"},
    "files": {"utils"},
    "mels": SMALL,
    "runs": SMALL,
    "learning": SMALL | {"mels", "runs"},
    "judging": SMALL | {"mels", "runs"},
    "static_web_viewer.page": SMALL | {"mels", "runs", "judging"},
    "checking": SMALL | {"mels", "runs", "judging", "static_web_viewer.page"},
}
SCRIPTS = [
    *(ROOT / f"{name}.py" for name in ("spectrify_all", "spectrogram_doc2vec", "calc_all_vecs")),
    *(ROOT / "process_results").glob("*.py"),
    *(ROOT / "static_web_viewer").glob("*.py"),
]
MODULES = [path for room in ROOMS for path in (ROOT / room.replace(".", "/")).parent.glob(room.split(".")[-1] + ".py")]
MODULES += [path for room in ROOMS for path in (ROOT / room.replace(".", "/")).glob("*.py")]
MOST_LINES = 400


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def room_of(module: str) -> str | None:
    """Return the room that a module lies in; None for a library and for a script."""
    return next((room for room in ROOMS if module == room or module.startswith(room + ".")), None)


def imports(path: Path, nested: bool = True) -> list[tuple[str, str]]:
    """Return (module, name) of each import; `nested`, those inside functions and for type checkers too."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = []
    for node in ast.walk(tree) if nested else tree.body:
        if isinstance(node, ast.Import):
            found += [(alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: a relative import"
            found += [(node.module, alias.name) for alias in node.names]
    return found


def imported_modules(path: Path, nested: bool = True) -> set[str]:
    """Return the modules that a file imports, `from room import module` told from `from module import name`."""
    whole = {module_of(each) for each in MODULES}
    return {f"{module}.{name}" if f"{module}.{name}" in whole else module for module, name in imports(path, nested)}


def imported_libraries(path: Path) -> set[str]:
    """Return the first component of each import."""
    return {module.partition(".")[0] for module, _ in imports(path)}


@pytest.mark.parametrize("path", MODULES, ids=module_of)
def test_a_room_knows_its_own_and_what_lies_below(path):
    own = room_of(module_of(path))
    rooms = {room_of(module) for module in imported_modules(path)} - {None, own}
    assert rooms <= ROOMS[own]
    scripts = {module_of(script) for script in SCRIPTS}
    assert not imported_modules(path) & scripts


@pytest.mark.parametrize("path", SCRIPTS, ids=module_of)
def test_a_script_imports_no_script(path):
    scripts = {module_of(script) for script in SCRIPTS} | {script.stem for script in SCRIPTS}
    assert not imported_modules(path) & scripts


def test_no_import_goes_in_a_circle():
    graph = {module_of(path): imported_modules(path, nested=False) for path in MODULES}
    known = {module: {other for other in others if other in graph} for module, others in graph.items()}
    tuple(TopologicalSorter(known).static_order())  # raises CycleError, which names the circle


@pytest.mark.parametrize("path", [*MODULES, *SCRIPTS], ids=module_of)
def test_underscore_names_stay_in_their_module(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    ours = {name for module, name in imports(path) if room_of(f"{module}.{name}") or room_of(module)}
    ours |= {module for module, _ in imports(path) if room_of(module)}
    imported = [name for module, name in imports(path) if room_of(module) and name.startswith("_")]
    reached = [
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
        if node.value.id in ours and node.attr.startswith("_") and not node.attr.endswith("__")
    ]
    assert not imported + reached


def test_only_learning_knows_tensorflow():
    knowing = {module_of(path) for path in [*MODULES, *SCRIPTS] if "tensorflow" in imported_libraries(path)}
    assert knowing and all(room_of(module) == "learning" for module in knowing)


def test_what_stands_at_the_top_is_what_is_run_and_three_small_files():
    found = {path.stem for path in ROOT.glob("*.py")}
    assert found == {"spectrify_all", "spectrogram_doc2vec", "calc_all_vecs"} | SMALL


@pytest.mark.parametrize("room", sorted(set(ROOMS) - SMALL))
def test_a_room_says_what_it_knows_and_what_not(room):
    text = (ROOT / room.replace(".", "/") / "__init__.py").read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert len(tree.body) == 1 and len(text.splitlines()) <= 5
    assert "not know" in ast.get_docstring(tree)


@pytest.mark.parametrize("path", [*MODULES, *SCRIPTS], ids=module_of)
def test_a_file_is_short_and_told_in_its_docstring(path):
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text))
    assert len(text.splitlines()) <= MOST_LINES


def test_the_rules_see_what_breaks_them(tmp_path, monkeypatch):
    """A test that cannot fail would hold no house."""
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    monkeypatch.setattr(sys.modules[__name__], "MODULES", [])
    monkeypatch.setattr(sys.modules[__name__], "SCRIPTS", [])
    path = tmp_path / "mels" / "upwards.py"
    path.parent.mkdir()
    path.write_text("import tensorflow\nfrom learning.model import Model\nfrom runs.run_folder import _numbers\n")
    with pytest.raises(AssertionError):
        test_a_room_knows_its_own_and_what_lies_below(path)
    with pytest.raises(AssertionError):
        test_underscore_names_stay_in_their_module(path)
    rightly = tmp_path / "learning" / "network.py"
    rightly.parent.mkdir()
    rightly.write_text("import tensorflow.keras\n")
    monkeypatch.setattr(sys.modules[__name__], "MODULES", [path, rightly])
    for line in ("import tensorflow", "import tensorflow.keras as keras", "from tensorflow.keras import Model"):
        path.write_text(f"{line}\n")
        with pytest.raises(AssertionError):
            test_only_learning_knows_tensorflow()
    path.write_text("import tensorflow_free\n")
    test_only_learning_knows_tensorflow()
