"""check_run.py: whole folders of each kind are whole, each damage of each file is told, and nothing is ever changed."""

from __future__ import annotations

import json
import os
import pickle
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import folders
import numpy as np
import pytest
from anybody import folder_for_anybody, run_as_anybody
from conftest import small_settings, write_mels

from calc_all_vecs import main as infer
from files import LOCK_NAME, folder_lock
from mels.mel_folder import LEDGER_NAME, list_mels
from mels.removal import REMOVAL_NAME
from process_results.check_run import main
from spectrogram_doc2vec import main as train
from utils import ROOT

KINDS = ("mels", "bare", "run", "inferred", "frames", "page", "linked page")


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> dict[str, Path]:
    """A whole folder of each kind. Tests work on copies."""
    house = tmp_path_factory.mktemp("the house, whole")
    music = folders.make_music(house / "music")
    mels = folders.make_mels(house / "mels", music)
    names = list_mels(mels).names
    run = folders.make_run(house / "run", names)
    return {
        "mels": mels,
        "bare": write_mels(house / "bare", {"one, é": 30, "two/three": 40}),
        "run": run,
        "inferred": folders.make_inferred_run(house / "inferred", names, run),
        "frames": folders.make_frame_folder(house / "frames", mels, run),
        "page": folders.make_page(house / "page", run, music),
        "linked page": folders.make_page(house / "linked page", run, music, "link"),
        "foreign": folders.make_foreign_run(house / "foreign", names),
    }


@pytest.fixture
def copy(made, tmp_path) -> Callable[[str], Path]:
    return lambda kind: shutil.copytree(made[kind], tmp_path / f"a {kind}", symlinks=True)


def everything(folder: Path) -> dict[str, tuple]:
    """What lies below a folder, with its kind, content and mtime, without waiting for pipes."""
    found = {}
    for here, inner, files in os.walk(folder):
        for path in (Path(here, name) for name in [*inner, *files]):
            status = os.lstat(path)
            content = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else b""
            found[str(path)] = (status.st_mode, status.st_mtime_ns, content)
    return found


def look(capsys, folder: Path, *flags: str) -> dict:
    """Run the script on a folder, see that nothing has changed, and return what it says as JSON."""
    before = everything(folder)
    code = main([str(folder), "--json", *flags])
    assert everything(folder) == before
    captured = capsys.readouterr()
    assert not captured.err
    told = json.loads(captured.out)
    assert code == (0 if told["whole"] else 1) and told["whole"] == (not told["findings"])
    assert all(finding["remedy"] and finding["what"] for finding in told["findings"])
    return told


def typed(command: str) -> None:
    subprocess.run(["sh", "-c", command], check=True, capture_output=True)


# Whole folders


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_folder_is_whole(made, capsys, kind):
    told = look(capsys, made[kind])
    assert told["findings"] == [] and told["usable"]
    assert all(part["state"] in ("ok", "none") for part in told["parts"])


def test_it_says_what_a_folder_is(made, capsys):
    assert {kind: look(capsys, made[kind])["kind"] for kind in made} == {
        "mels": "mel folder",
        "bare": "bare mel folder",
        "run": "run folder",
        "inferred": "run folder of inferred songs",
        "frames": "folder of frame vectors",
        "page": "page",
        "linked page": "page",
        "foreign": "run folder of another program",
    }


def test_the_text_is_a_heading_a_table_and_what_it_is_good_for(made, capsys):
    assert main([str(made["run"])]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{made['run']}: run folder, whole"
    table = {line.split()[0]: line.split(maxsplit=2)[1:] for line in lines[2 : lines.index("", 2)]}
    assert table["epoc_num.txt"] == ["ok", "save 3"]
    assert table["music_list_at_1.txt"] == ["ok", "4 songs"]
    assert table["vector_at_3.npy"] == ["ok", "4 songs, 8 dimensions"]
    vectors = "vectors of save 3 with music_list_at_1.txt: 4 songs, 8 dimensions"
    assert f"  {vectors}; usable by every script of process_results and the page" in lines
    assert any(line.startswith("  can be trained on: python spectrogram_doc2vec.py MEL_FOLDER ") for line in lines)


def test_another_programs_run_can_be_used_and_not_trained_on(made, copy, capsys):
    told = look(capsys, made["foreign"])
    usable = "vectors of save 12 with music_list.txt: 4 songs, 8 dimensions; usable by every script"
    assert told["whole"] and told["usable"][0].startswith(usable)
    assert told["usable"][1] == "cannot be trained on: weights/ is missing"
    listed = next(part["what"] for part in told["parts"] if part["name"] == "music_list.txt")
    assert listed == "4 songs, './' before names is left out, in an order of its own"
    foreign = copy("foreign")
    (foreign / "epoc_num.txt").unlink()
    told = look(capsys, foreign)
    assert [finding["remedy"] for finding in told["findings"]] == [f"echo 12 > '{foreign / 'epoc_num.txt'}'"]


# Damage


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def noise(path: Path) -> None:
    path.write_bytes(np.random.default_rng(0).bytes(max(8, path.stat().st_size)))


def into_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def into_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def into_link(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)  # to itself


def into_link_elsewhere(path: Path) -> None:
    outside = path.parents[1] / "outside"  # below the copy's parent, or in the copy: the content is right
    path.rename(outside)
    path.symlink_to(outside)


DAMAGES = {
    "truncated": truncate,
    "emptied": lambda path: path.write_bytes(b""),
    "noise": noise,
    "folder": into_folder,
    "fifo": into_fifo,
    "link": into_link,
    "link elsewhere": into_link_elsewhere,
    "removed": Path.unlink,
}
# Where nothing is wrong for anybody, or the folder becomes a whole one of another kind
HARMLESS = {
    *((kind, LOCK_NAME, damage) for kind in KINDS for damage in ("truncated", "emptied", "removed")),
    *(("linked page", "audio", damage) for damage in ("truncated", "emptied", "noise", "link elsewhere")),
    *(("page", "audio/.sound-eval-audio.csv", "removed"), ("linked page", "audio/.sound-eval-audio.csv", "removed")),
}


def restored(folder: Path, original: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    (folder.parent / "outside").unlink(missing_ok=True)
    return shutil.copytree(original, folder, symlinks=True)


def is_harmless(kind: str, name: str, damage: str) -> bool:
    if kind == "bare":  # a link is read as what it leads to, and what is gone was never listed
        return damage in ("removed", "link", "link elsewhere", "folder", "fifo")
    if (name, damage) in (("epoc_num.txt", "truncated"), ("vector_at_2.npy", "removed")):  # a line end; nobody needs it
        return True
    if kind == "linked page" and name.endswith(".wav"):  # which are links to the music
        return damage in ("truncated", "emptied", "noise", "link elsewhere")
    if kind == "page" and name.endswith(".wav"):  # a copy's size alone is known
        return damage == "noise"
    return (kind, name, damage) in HARMLESS


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_each_damage_of_each_file_is_told_and_nothing_is_changed(made, tmp_path, capsys, kind, damage):
    folder = tmp_path / "a folder"
    names = sorted(str(path.relative_to(made[kind])) for path in made[kind].rglob("*") if not path.is_dir())
    names = [name for name in names if not name.startswith("viewer") or "main" in name or "style" in name]
    for name in names:
        if kind == "linked page" and name.endswith(".wav") and is_harmless(kind, name, damage):
            continue  # the damage would be the music's
        restored(folder, made[kind])
        DAMAGES[damage](folder / name)
        told = look(capsys, folder)
        if not is_harmless(kind, name, damage):
            path = os.path.join(folder, name)
            about = [path == each["path"] or Path(name).name in each["what"] for each in told["findings"]]
            assert any(about), f"{name}: {told['findings']}"


ARRAYS = {
    "bool": lambda array: array > 0,
    "big-endian": lambda array: array.astype(array.dtype.newbyteorder(">")),
    "complex": lambda array: array.astype(np.complex64),
    "text": lambda array: array.astype(str),
    "flat": lambda array: array.ravel(),
    "a row less": lambda array: array[:-1],
    "no dimensions": lambda array: array[:, :0],
    "nan": lambda array: np.where(np.arange(array.shape[1]) == 1, np.nan, array).astype(array.dtype),
    "infinity": lambda array: np.where(np.arange(array.shape[1]) == 1, np.inf, array).astype(array.dtype),
}


@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.parametrize("kind", ["mels", "run", "inferred", "frames"])
def test_arrays_of_another_kind_are_told(made, tmp_path, capsys, kind, name):
    folder = tmp_path / "a folder"
    for relative in sorted(path.relative_to(made[kind]) for path in made[kind].rglob("*.npy")):
        restored(folder, made[kind])
        np.save(folder / relative, ARRAYS[name](np.load(folder / relative)))
        told = look(capsys, folder)
        harmless = kind == "frames" and name == "a row less"  # which only a mel could tell
        assert harmless or [finding["path"] for finding in told["findings"]] == [str(folder / relative)]


def test_a_pickle_is_never_loaded(made, copy, capsys, tmp_path):
    class Opens:
        def __reduce__(self):
            return (open, (str(tmp_path / "was here"), "w"))

    run = copy("run")
    array = np.empty((4, 8), object)
    array[0, 0] = Opens()
    np.save(run / "vector_at_3.npy", array, allow_pickle=True)
    np.savez(run / "weights/network_at_3.npz", step=array)
    (run / "weights/songs_at_3.npz").write_bytes(pickle.dumps(Opens()))
    told = look(capsys, run)
    assert {Path(finding["path"]).name for finding in told["findings"]} >= {
        "vector_at_3.npy",
        "network_at_3.npz",
        "songs_at_3.npz",
    }
    assert not (tmp_path / "was here").exists()


def replaced_array(path: Path, **arrays: np.ndarray | None) -> None:
    content = {**np.load(path), **arrays}
    np.savez(path, **{name: array for name, array in content.items() if array is not None})


@pytest.mark.parametrize(
    "arrays",
    [
        {"squares": None},
        {"squares": np.zeros((3, 1), np.float32)},
        {"squares": np.full((4, 1), np.nan, np.float32)},
        {"stamps": np.zeros(4, np.float32)},
        {"more": np.array([np.inf])},
    ],
    ids=str,
)
def test_weights_that_do_not_fit_are_told(copy, capsys, arrays):
    run = copy("run")
    replaced_array(run / "weights/songs_at_3.npz", **arrays)
    told = look(capsys, run)
    assert [finding["path"] for finding in told["findings"]] == [str(run / "weights/songs_at_3.npz")]
    assert told["usable"][1] == "cannot be trained on before it is mended"


def test_arrays_that_are_larger_than_their_file_are_not_unpacked(copy, capsys):
    run = copy("run")
    np.savez_compressed(run / "weights/songs_at_3.npz", squares=np.zeros((4, 1)), stamps=np.zeros(1 << 24))
    (finding,) = look(capsys, run)["findings"]
    assert finding["what"] == "its arrays are larger than the file"


# What the parts of a run say of each other


@pytest.mark.parametrize("text", ["0", "-1", "2", "7", "9" * 30, "3 3", "three", "nan"])
def test_a_wrong_number_is_told_with_the_right_one(copy, capsys, text):
    run = copy("run")
    path = run / "epoc_num.txt"
    path.write_text(text)
    told = look(capsys, run)
    assert [each["path"] for each in told["findings"]] == [str(path)]
    assert told["findings"][0]["remedy"] == f"echo 3 > '{path}'"
    typed(told["findings"][0]["remedy"])
    assert look(capsys, run)["whole"]


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: lines[:-1],
        lambda lines: [*lines, b"zz.wav.npy\n"],
        lambda lines: [lines[0], *lines[:-1]],
        lambda lines: [lines[1], lines[0], *lines[2:]],
        lambda lines: [b"../up.npy\n", *lines[1:]],
        lambda lines: [b"/etc/up.npy\n", *lines[1:]],
        lambda lines: [line.replace(b"\n", b"\r\n") for line in lines],
    ],
    ids=["shorter", "longer", "twice", "swapped", "out", "absolute", "crlf"],
)
def test_lists_that_are_not_as_they_were_are_told_and_mended_by_the_copy(copy, capsys, change):
    run = copy("run")
    for name in ("music_list.txt", "music_list_at_1.txt"):
        before = (run / name).read_bytes()
        (run / name).write_bytes(b"".join(change(lines_of(run / name))))
        told = look(capsys, run)
        assert any(name in finding["path"] + finding["what"] for finding in told["findings"])
        (run / name).write_bytes(before)
    (run / "music_list.txt").write_bytes(b"".join(change(lines_of(run / "music_list.txt"))))
    (finding,) = look(capsys, run)["findings"]
    typed(finding["remedy"])
    assert look(capsys, run)["whole"]


def test_older_vectors_can_be_used_where_the_newest_are_damaged(copy, capsys):
    run = copy("run")
    (run / "vector_at_3.npy").write_bytes(b"")
    told = look(capsys, run)
    assert told["usable"][0] == f"vectors of save 2, by every script that takes --vectors '{run / 'vector_at_2.npy'}'"


def test_what_a_killed_save_leaves_is_told(copy, capsys):
    run = copy("run")
    (run / ".sound-eval-1-1.tmp").write_bytes(b"x")
    shutil.copy(run / "vector_at_3.npy", run / "vector_at_4.npy")
    shutil.copy(run / "weights/songs_at_3.npz", run / "weights/songs_at_2.npz")
    told = look(capsys, run)
    names = {Path(finding["path"]).name for finding in told["findings"]}
    assert names == {".sound-eval-1-1.tmp", "vector_at_4.npy", "songs_at_2.npz"}
    assert told["usable"][0].startswith("vectors of save 3")


def test_costs_have_to_be_of_the_saves_there_are(copy, capsys):
    run = copy("run")
    (run / "cost_list.csv").write_bytes(b"".join(lines_of(run / "cost_list.csv")[:-1]))
    (finding,) = look(capsys, run)["findings"]
    assert finding["what"] == "has rows of the saves 1-2, and 1-3 are expected"


def test_runs_without_weights_are_told(copy, capsys):
    run = copy("run")
    shutil.rmtree(run / "weights")
    told = look(capsys, run)
    assert [finding["path"] for finding in told["findings"]] == [str(run / "weights")]
    assert told["usable"][0].startswith("vectors of save 3")
    assert told["usable"][1] == "cannot be trained on: weights/ is missing"


def test_a_run_is_compared_with_a_mel_folder(made, copy, capsys):
    mels = copy("mels")
    for kind in ("run", "inferred", "frames"):
        assert look(capsys, made[kind], "--mel-folder", str(mels))["whole"]
    ledger = mels / "spectrify_log.csv"
    lines = lines_of(ledger)
    ledger.write_bytes(b"".join([*lines[:-1], lines[-1].replace(b"zither's", b"new")]))
    for kind in ("run", "inferred", "frames"):
        told = look(capsys, made[kind], "--mel-folder", str(mels))
        gone, come = (finding["what"] for finding in told["findings"])
        assert gone == "has songs that the mel folder has no more: 1 (zither's.wav.npy)"
        assert come == "has no vectors of songs that it has: 1 (new.wav.npy)"


# Mel folders


def test_what_a_run_that_was_ended_has_left_to_be_finished_is_told(copy, capsys):
    mels = copy("mels")
    shutil.copy(mels / LEDGER_NAME, mels / REMOVAL_NAME)
    (finding,) = look(capsys, mels)["findings"]
    assert finding["path"] == str(mels / REMOVAL_NAME)
    assert "has left to be finished" in finding["what"] and "spectrify_all.py" in finding["remedy"]


def test_what_the_ledger_and_the_files_do_not_share_is_told(copy, capsys):
    mels = copy("mels")
    shutil.copy(mels / "a, b.wav.npy", mels / "folk/of nobody.wav.npy")
    (mels / "folk/tune.wav.npy").unlink()
    (mels / "folk/.sound-eval-7-7.tmp").write_bytes(b"x")
    told = look(capsys, mels)
    assert {Path(each["path"]).name: each["what"] for each in told["findings"]} == {
        "of nobody.wav.npy": "no row of the ledger names it",
        "tune.wav.npy": "is not there, and the ledger has a row of it",
        ".sound-eval-7-7.tmp": "a temporary file of a killed writer",
    }


@pytest.mark.parametrize("name", ["../outside.wav", "/etc/outside.wav", "folk/../../outside.wav"])
def test_names_that_lead_out_are_told_and_not_followed(copy, capsys, name):
    mels = copy("mels")
    ledger = mels / "spectrify_log.csv"
    ledger.write_bytes(ledger.read_bytes().replace(b"zither's.wav", name.encode()))
    told = look(capsys, mels)
    assert any("is no path below a folder" in each["what"] for each in told["findings"])
    assert all(each["path"].startswith(str(mels)) for each in told["findings"])


def test_a_folder_that_is_a_link_is_told(copy, capsys, tmp_path):
    mels = copy("mels")
    (mels / "folk").rename(tmp_path / "elsewhere")
    (mels / "folk").symlink_to(tmp_path / "elsewhere")
    (finding,) = look(capsys, mels)["findings"]
    assert finding["path"] == str(mels / "folk") and "may lead out of the folder" in finding["what"]


@pytest.mark.parametrize(
    ("name", "damage"), [("folk/tune.wav.npy", "noise"), ("spectrify_log.csv", "folder"), ("config.yaml", "link")]
)
def test_the_command_that_is_named_mends_a_mel_folder(made, copy, capsys, name, damage):
    mels = copy("mels")
    DAMAGES[damage](mels / name)
    remedy = look(capsys, mels)["findings"][0]["remedy"].removeprefix("restore it, or make all mels anew: ")
    assert remedy.startswith("rm ")
    asked = f"--config {ROOT}/configs/default.yaml --set mel_bins=12 --jobs 1 --quiet"
    script = f"{sys.executable} {ROOT}/spectrify_all.py"
    music = shlex.quote(str(made["mels"].parent / "music"))
    typed(f"{remedy} {asked}".replace("python spectrify_all.py", script).replace("AUDIO_FOLDER", music))
    assert look(capsys, mels)["whole"]


def test_what_is_closed_to_us_is_told_as_such_and_never_to_be_removed(made):
    with folder_for_anybody() as house:
        shutil.copytree(made["mels"], house / "mels")
        shutil.copytree(made["run"], house / "run")
        (house / "mels/a, b.wav.npy").chmod(0)
        (house / "mels/folk").chmod(0)
        (house / "run/vector_at_3.npy").chmod(0)
        code = "sys.exit(process_results.check_run.main(sys.argv[1:]))"
        told = []
        for folder in ("mels", "run"):
            done = run_as_anybody(code, house / folder, "--json")
            assert done.returncode == 1 and not done.stderr
            told += [tuple(finding.values()) for finding in json.loads(done.stdout)["findings"]]
        (house / "mels/folk").chmod(0o755)
        what = ("is closed to you", "let yourself read it, by chmod or by its owner")
        paths = ("mels/folk", "mels/a, b.wav.npy", "run/vector_at_3.npy")
        assert told == [(str(house / path), *what) for path in paths]


# Who writes, and what is none of ours


def test_it_needs_no_lock_and_says_who_holds_it(copy, capsys):
    run = copy("run")
    assert look(capsys, run)["locked_by"] == ""
    with folder_lock(run):
        (run / ".sound-eval-1-1.tmp").write_bytes(b"x")  # the writer's own
        told = look(capsys, run)
        assert told["locked_by"].startswith(f"pid: {os.getpid()}, host: ")
        assert told["whole"]
        assert main([str(run)]) == 0
        assert "Somebody writes at present" in capsys.readouterr().out
    assert look(capsys, run)["locked_by"] == ""


@pytest.mark.parametrize("content", [{}, {"a.txt": b"x"}, {"config.yaml": b"seed: 1\n"}])
def test_what_is_none_of_ours_is_one_line(tmp_path, capsys, content):
    folder = tmp_path / "somebody's, things"
    folder.mkdir()
    for name, what in content.items():
        (folder / name).write_bytes(what)
    assert main([str(folder)]) == 1
    captured = capsys.readouterr()
    assert not captured.out and captured.err.count("\n") == 1 and "is no mel folder, no run folder" in captured.err
    assert look(capsys, folder)["kind"] == "none"


def test_a_folder_that_is_not_there_is_one_line(tmp_path, capsys):
    assert main([str(tmp_path / "nowhere")]) == 1
    assert "no such folder" in capsys.readouterr().err


def test_it_is_a_script_that_knows_no_tensorflow(made):
    code = (
        "import sys; from process_results.check_run import main; main(sys.argv[1:]); print('tensorflow' in sys.modules)"
    )
    argv = [sys.executable, "-c", code, str(made["run"]), "--mel-folder", str(made["mels"])]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.endswith("False\n")


@pytest.mark.parametrize("kind", [*KINDS, "foreign"])
def test_no_bytes_anywhere_end_in_a_traceback(made, tmp_path, capsys, kind):
    draws = np.random.default_rng(1)
    folder = restored(tmp_path / "a folder", made[kind])
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink()]
    files = [path for path in files if "viewer" not in path.parts]
    contents = {path: path.read_bytes() for path in files}
    for _ in range(60):
        path = files[draws.integers(len(files))]
        content = bytearray(contents[path])
        if content and draws.random() < 0.7:
            for place in draws.integers(0, len(content), 3):
                content[place] = draws.integers(256)
        else:
            content = content[: draws.integers(len(content) + 1)] + draws.bytes(draws.integers(40))
        path.write_bytes(content)
        told = look(capsys, folder)
        assert not any("cannot be read (" in finding["what"] for finding in told["findings"]), told["findings"]
        path.write_bytes(contents[path])


@pytest.mark.slow
def test_what_the_trainer_and_inference_make_is_whole(mels, tmp_path, capsys):
    run = tmp_path / "run"
    assert train([str(mels), str(run), "--quiet", *small_settings(), "--max-saves", "2"]) == 0
    assert infer([str(mels), str(run), str(tmp_path / "songs"), "--level", "song", "--quiet"]) == 0
    assert infer([str(mels), str(run), str(tmp_path / "frames"), "--quiet"]) == 0
    capsys.readouterr()
    for folder in (run, tmp_path / "songs", tmp_path / "frames"):
        assert look(capsys, folder, "--mel-folder", str(mels))["findings"] == []
    next(mels.rglob("*.npy")).unlink()
    assert train([str(mels), str(run), "--quiet", *small_settings(), "--max-saves", "3"]) == 0
    capsys.readouterr()
    assert look(capsys, run, "--mel-folder", str(mels))["findings"] == []
    assert {part["name"] for part in look(capsys, run)["parts"]} >= {"music_list_at_1.txt", "music_list_at_3.txt"}
