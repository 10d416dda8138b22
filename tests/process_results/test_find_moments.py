"""Moments of synthesised audio, by a run that the test trains."""

from __future__ import annotations

import csv
import io
import itertools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import small_settings, tree, write_audio

from calc_all_vecs import main as calc
from process_results import find_moments
from spectrify_all import main as spectrify
from spectrogram_doc2vec import main as train
from utils import ROOT

RATE_HZ = 16000
SECONDS = 6.0
SOURCE, HOST, LOOP = 'calls/a, "b" é.wav', os.fsdecode(b"beds/0 caf\xe9.wav"), "loop.wav"
SETTINGS = small_settings(
    "pairs_per_save=60000", "batch_size=128", "hidden_size=64", "output_vector_size=64", "coarse_seconds=0.12"
)
PLANTED_AT, CALL = 3.05, (1.0, 2.5)  # seconds: where in HOST, and what of SOURCE


def bed(seed: int) -> np.ndarray:
    """Noise that hums: something goes on from start to end."""
    draws = np.random.default_rng(seed)
    times = np.arange(round(SECONDS * RATE_HZ)) / RATE_HZ
    hum = np.sin(2 * np.pi * 150 * (1 + seed % 4) * times) * (1 + 0.5 * np.sin(2 * np.pi * (0.3 + 0.1 * seed) * times))
    return (0.05 * draws.standard_normal(times.size) + 0.1 * hum).astype(np.float32)


def call() -> np.ndarray:
    """A second and a half of a rising, then warbling tone."""
    times = np.arange(round((CALL[1] - CALL[0]) * RATE_HZ)) / RATE_HZ
    hertz = np.where(times < 0.7, 600 + 3000 * times, 2500 + 800 * np.sin(2 * np.pi * 6 * times))
    return (0.3 * np.sin(2 * np.pi * np.cumsum(hertz) / RATE_HZ)).astype(np.float32)


def with_call(samples: np.ndarray, at: float, level_db: float = 0.0) -> np.ndarray:
    """Mix the call into samples, so much louder than what it covers."""
    start, sound, mixed = round(at * RATE_HZ), call(), samples.copy()
    below = samples[start : start + sound.size]
    mixed[start : start + sound.size] += sound * (below.std() / sound.std() * 10 ** (level_db / 20))
    return mixed


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder with audio, mels, a run and its frame vectors; tests copy what they change."""
    folder = tmp_path_factory.mktemp("a place")
    sounds = {f"beds/{number}.wav": bed(number) for number in range(1, 9)}
    sounds[SOURCE] = with_call(bed(20), CALL[0], 12)
    sounds["host.wav"] = with_call(bed(0), PLANTED_AT, 0)
    sounds[LOOP] = with_call(with_call(bed(21), 0.5, 6), 4.0, 6)
    sounds["short.wav"] = bed(30)[: RATE_HZ // 2]
    for name, samples in sounds.items():
        write_audio(folder / "audio" / name, samples[:, None], RATE_HZ)
    (folder / "audio" / "host.wav").rename(folder / "audio" / HOST)
    audio, mels, run, frames = (str(folder / name) for name in ("audio", "mels", "run", "frames"))
    assert spectrify([audio, mels, "--quiet"]) == 0
    assert train([mels, run, "--quiet", "--max-saves", "3", *SETTINGS]) == 0
    assert calc([mels, run, frames, "--quiet"]) == 0
    return folder


def run_main(folder: Path, *more: object, vectors: bool = True) -> int:
    where = ["--frame-vectors", folder / "frames"] if vectors else ["--mel-folder", folder / "mels"]
    return find_moments.main([str(argument) for argument in (folder / "run", *where, *more, "--quiet")])


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def out_of(capfdbinary) -> str:
    return capfdbinary.readouterr().out.decode("utf-8", "surrogateescape")


STRETCH = ("--track", "calls/a", "--at", "0:01-0:02.5")


@pytest.mark.slow
def test_a_stretch_that_was_mixed_in_is_found(made, capfdbinary):
    assert run_main(made, *STRETCH, "--format", "csv") == 0
    rows = rows_of(out_of(capfdbinary))
    assert len(rows) == 20 and list(rows[0]) == ["filename", "start_seconds", "stop_seconds", "cosine"]
    found = {row["filename"]: float(row["start_seconds"]) for row in reversed(rows[:3])}
    assert found[HOST] == pytest.approx(PLANTED_AT, abs=0.16)
    assert [row["filename"] for row in rows[:3]].count(LOOP) == 2
    cosines = [float(row["cosine"]) for row in rows]
    assert cosines == sorted(cosines, reverse=True)
    places: dict[str, list[tuple[float, float]]] = {SOURCE: [CALL]}
    for row in rows:
        span = float(row["start_seconds"]), float(row["stop_seconds"])
        assert span[1] - span[0] == pytest.approx(1.5, abs=0.002)
        places.setdefault(row["filename"], []).append(span)
    for spans in places.values():
        spans.sort()
        assert all(one[1] <= other[0] + 0.002 for one, other in itertools.pairwise(spans))
    assert "short.wav" not in places


@pytest.mark.slow
def test_on_the_fly_from_mels_and_from_any_audio_it_is_the_same(made, tmp_path, capfdbinary):
    assert run_main(made, *STRETCH, "--format", "csv") == 0
    kept = rows_of(out_of(capfdbinary))
    assert run_main(made, *STRETCH, "--format", "csv", vectors=False) == 0
    captured = capfdbinary.readouterr()
    made_now = rows_of(captured.out.decode("utf-8", "surrogateescape"))
    assert b"frame vectors of 12 tracks made on the fly; calc_all_vecs.py keeps them" in captured.err
    assert [row["filename"] for row in made_now] == [row["filename"] for row in kept]
    recorded = tmp_path / "recorded, just now.wav"
    shutil.copy(made / "audio" / SOURCE, recorded)
    assert run_main(made, "--audio", recorded, "--at", "1-2.5", "--format", "csv") == 0
    rows = rows_of(out_of(capfdbinary))
    assert rows[0] == {"filename": SOURCE, "start_seconds": "1.000", "stop_seconds": "2.500", "cosine": "1.0000"}
    assert rows[1]["filename"] == kept[0]["filename"]
    samples, rate = soundfile.read(recorded)
    write_audio(tmp_path / "cut.wav", samples[round(CALL[0] * rate) : round(CALL[1] * rate), None], rate)
    assert run_main(made, "--audio", tmp_path / "cut.wav", "--top", "1", "--format", "json") == 0
    (only,) = json.loads(capfdbinary.readouterr().out)
    assert only.pop("cosine") > 0.8  # not 1: its first and last frames have no sound around them
    assert only == {"filename": SOURCE, "start_seconds": 1.0, "stop_seconds": 2.5}


@pytest.mark.slow
def test_within_at_least_top_and_max_per_track(made, capfdbinary):
    assert run_main(made, *STRETCH, "--within", "loop", "--top", "2", "--format", "csv") == 0
    rows = rows_of(out_of(capfdbinary))
    assert {row["filename"] for row in rows} == {LOOP}
    assert sorted(float(row["start_seconds"]) for row in rows) == pytest.approx([0.5, 4.0], abs=0.16)
    bar = min(float(row["cosine"]) for row in rows) - 0.0001
    assert run_main(made, *STRETCH, "--at-least", bar, "--format", "csv") == 0
    assert all(float(row["cosine"]) >= bar for row in rows_of(out_of(capfdbinary)))
    assert run_main(made, *STRETCH, "--max-per-track", "1", "--format", "csv") == 0
    names = [row["filename"] for row in rows_of(out_of(capfdbinary))]
    assert len(names) == len(set(names)) == 11
    for none in ("1.5", "nan", "-inf"):
        assert run_main(made, *STRETCH, f"--at-least={none}") == 1
        assert b"a cosine lies between -1 and 1" in capfdbinary.readouterr().err
    assert run_main(made, *STRETCH, "--at-least", "1") == 0
    captured = capfdbinary.readouterr()
    assert captured.out.split() == [b"rank", b"cosine", b"start", b"stop", b"filename"]
    assert b"0 moments in 0 tracks; looked through 11 tracks" in captured.err
    assert b"1 track shorter than the stretch" in captured.err


@pytest.mark.slow
def test_the_table_is_for_people_and_each_moment_is_cut(made, tmp_path, capfdbinary):
    out = tmp_path / "the cuts"
    cut = ("--cut", out, "--audio-folder", made / "audio")
    assert run_main(made, *STRETCH, "--top", "3", *cut) == 0
    captured = capfdbinary.readouterr()
    header, *lines = captured.out.decode().splitlines()
    assert header.split() == ["rank", "cosine", "start", "stop", "filename"] and len(lines) == 3
    assert any("beds/0 caf\\xe9.wav" in line for line in lines)
    assert b"3 cuts, where from is in cuts.csv" in captured.err
    wavs = sorted(out.glob("*.wav"))
    assert [os.path.basename(wav)[:3] for wav in wavs] == ["01_", "02_", "03_"]
    assert all(abs(soundfile.info(os.fsencode(wav)).frames - 1.5 * RATE_HZ) <= 1 for wav in wavs)
    (out / "mine.txt").write_text("mine")
    before = tree(out)
    assert run_main(made, *STRETCH, "--top", "1", *cut) == 1
    assert b"is no folder of cuts, and holds 'mine.txt' already" in capfdbinary.readouterr().err
    assert tree(out) == before


@pytest.mark.slow
def test_vectors_that_are_broken_or_stale_are_skipped_and_counted(made, tmp_path, capsys):
    folder = shutil.copytree(made, tmp_path / "copy")
    (folder / "frames/beds/1.wav.npy").write_bytes(b"no numpy file")
    np.save(folder / "frames/beds/2.wav.npy", np.zeros((50, 3), np.float32))
    (folder / "frames/beds/3.wav.npy").unlink()
    os.utime(folder / "frames/beds/4.wav.npy", (1, 1))
    assert run_main(folder, *STRETCH) == 0
    error = capsys.readouterr().err
    assert "looked through 7 tracks" in error
    assert "2 tracks could not be read, e.g. beds/1.wav.npy: " in error
    with_mels = ["--mel-folder", folder / "mels"]
    assert run_main(folder, *STRETCH, *with_mels) == 0
    error = capsys.readouterr().err
    assert "looked through 9 tracks" in error and "frame vectors of 2 tracks made on the fly" in error


@pytest.mark.slow
def test_vectors_of_another_run_are_refused(made, tmp_path, capsys):
    folder = shutil.copytree(made, tmp_path / "copy")
    assert train([str(folder / "mels"), str(folder / "run"), "--quiet", "--max-saves", "4", *SETTINGS]) == 0
    capsys.readouterr()
    assert run_main(folder, *STRETCH) == 1
    error = capsys.readouterr().err
    assert "made_with.yaml: made with save 3 of" in error and "by other weights than those of save 4 of" in error
    assert f"make them anew: calc_all_vecs.py MEL_FOLDER {folder / 'run'} {folder / 'frames'}" in error
    assert error.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([*STRETCH[:2]], "--track needs a stretch of it: --at START-STOP"),
        ([*STRETCH[:3], "0:01"], "--at '0:01' is no stretch of time; write it as 1:23-1:30"),
        ([*STRETCH[:3], "5-4"], "--at '5-4' ends before it has begun"),
        ([*STRETCH[:3], "1:10-1:20"], '--at: calls/a, "b" é.wav: 1:10.00-1:20.00 lies beyond the end'),
        ([*STRETCH[:3], "1-1.03"], "is 0.03 s, shorter than a frame (0.04 s)"),
        (["--track", "beds", "--at", "1-2"], "'beds': belongs to 9 tracks"),
        ([*STRETCH, "--within", "nothing"], "'nothing': no track of the run has that in its name"),
        ([*STRETCH, "--within", "short"], "no track to look in: 1 shorter than the stretch"),
        (["--audio", "PLACE/none.wav"], "none.wav: no such audio file"),
        ([*STRETCH, "--cut", "PLACE/cuts"], "--cut needs the audio files: --audio-folder FOLDER"),
        ([*STRETCH, "--cut", "PLACE/cuts", "--audio-folder", "PLACE/no"], "PLACE/no: no such folder"),
        ([*STRETCH, "--cut", "PLACE/cuts", "--audio-folder", "PLACE/mels"], "PLACE/mels: holds no track of the run"),
        ([*STRETCH, "--frame-vectors", "PLACE/none"], "PLACE/none: holds no frame vectors of calc_all_vecs.py"),
        ([*STRETCH, "--frame-vectors", "PLACE/mels"], "PLACE/mels: holds no frame vectors of calc_all_vecs.py"),
        ([*STRETCH, "--mel-folder", "PLACE/none"], "PLACE/none: no such mel folder"),
    ],
)
def test_errors_say_what_to_do(made, capsys, arguments, message):
    before = tree(made)
    assert run_main(made, *(str(each).replace("PLACE", str(made)) for each in arguments)) == 1
    error = capsys.readouterr().err
    assert message.replace("PLACE", str(made)) in error.splitlines()[-1]
    assert tree(made) == before


@pytest.mark.slow
def test_without_frames_it_asks_for_them_and_a_run_is_needed(made, capsys):
    assert find_moments.main([str(made / "run"), *STRETCH]) == 1
    assert "say where the frames are: --frame-vectors FOLDER" in capsys.readouterr().err
    assert find_moments.main([str(made / "mels"), *STRETCH]) == 1
    assert "holds no epoc_num.txt, so no save" in capsys.readouterr().err


@pytest.mark.slow
def test_kept_vectors_need_no_tensorflow(made):
    code = (
        "import sys\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        "from process_results import find_moments\n"
        "assert find_moments.main(sys.argv[1:]) == 0\n"
        "assert 'tensorflow' not in sys.modules\n"
    )
    argv = [sys.executable, "-c", code, made / "run", "--frame-vectors", made / "frames", *STRETCH]
    done = subprocess.run(argv, capture_output=True, check=False)
    assert (done.returncode, done.stderr.count(b"\n")) == (0, 2), done.stderr


@pytest.mark.parametrize("arguments", ["", "run", "run --track a --audio b", "run --track a --at 1-2 --top 0"])
def test_usage_errors(arguments, capsys):
    with pytest.raises(SystemExit) as exit_:
        find_moments.main(arguments.split())
    assert exit_.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_help_imports_nothing_heavy_and_works_from_anywhere(tmp_path):
    script = ROOT / "process_results" / "find_moments.py"
    code = (
        "import runpy, sys\n"
        "sys.argv = ['find_moments.py', '--help']\n"
        "try:\n"
        f"    runpy.run_path({str(script)!r}, run_name='__main__')\n"
        "except SystemExit as exit_:\n"
        "    assert exit_.code == 0\n"
        "heavy = {'matplotlib', 'sklearn', 'scipy', 'faiss', 'tensorflow'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "python process_results/find_moments.py RUN --frame-vectors" in done.stdout
