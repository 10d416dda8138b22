import os
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from conftest import RATE_HZ, tone, write_audio

from judging.cuts import Cut, check_cut_folder, cut_names, write_cuts
from judging.spans import Span
from utils import ROOT, UserError

AWKWARD = os.fsdecode(b"-a, \"b\"/caf\xe9 'x' #1 %d.flac")


def two_tones() -> np.ndarray:
    """A second of 440 Hz, then one of 880 Hz, in two channels."""
    return np.concatenate([tone(1, 440, 2), tone(1, 880, 2)])


def hertz(path) -> float:
    samples, rate = soundfile.read(path, always_2d=True)
    return np.abs(np.fft.rfft(samples[:, 0])).argmax() * rate / len(samples)


@pytest.mark.parametrize("name", ["a.wav", AWKWARD, "b.mp3", "c.ogg"])
def test_a_cut_is_that_stretch_of_the_file(tmp_path, ffmpeg, name):
    audio = tmp_path / "the audio"
    (audio / name).parent.mkdir(parents=True)
    made = write_audio(tmp_path / f"made{os.path.splitext(name)[1]}", two_tones(), RATE_HZ, ffmpeg)
    made.rename(audio / name)  # soundfile itself takes no such name
    out = tmp_path / "the cuts"
    assert write_cuts(out, audio, [Cut(name, Span(1.25, 1.75)), Cut(name, Span(0.25, 0.75))]) == []
    base = os.path.splitext(os.path.basename(name))[0]
    assert sorted(os.listdir(out)) == [f"01_{base}_0m01.25s.wav", f"02_{base}_0m00.25s.wav", "cuts.csv"]
    later, earlier = (out / each for each in sorted(os.listdir(out))[:2])
    info = soundfile.info(os.fsencode(later))
    assert abs(info.frames - RATE_HZ // 2) <= 1  # a time stamp of ogg may round
    assert (info.samplerate, info.channels) == (RATE_HZ, 2)
    assert hertz(os.fsencode(later)) == pytest.approx(880, abs=3)
    assert hertz(os.fsencode(earlier)) == pytest.approx(440, abs=3)


def test_what_an_earlier_call_has_cut_is_replaced_and_nothing_else(tmp_path):
    audio, out = tmp_path / "audio", tmp_path / "cuts"
    write_audio(audio / "a.wav", two_tones())
    cuts = [Cut("a.wav", Span(start, start + 0.5)) for start in (0.0, 0.5, 1.0)]
    assert write_cuts(out, audio, cuts) == []
    (out / ".hidden").write_text("mine")
    assert write_cuts(out, audio, cuts[2:]) == []
    assert sorted(os.listdir(out)) == [".hidden", "01_a_0m01.00s.wav", "cuts.csv"]
    assert (out / "cuts.csv").read_text().splitlines()[1] == "01_a_0m01.00s.wav,a.wav,1.000,1.500"
    (out / "04_mine_0m00.00s.wav").write_text("mine")
    with pytest.raises(UserError, match="is no folder of cuts, and holds '04_mine_0m00"):
        write_cuts(out, audio, cuts)
    assert (out / "01_a_0m01.00s.wav").exists() and (out / "04_mine_0m00.00s.wav").read_text() == "mine"


def test_a_list_that_names_files_elsewhere_removes_none(tmp_path):
    audio, out = tmp_path / "audio", tmp_path / "cuts"
    write_audio(audio / "a.wav", two_tones())
    out.mkdir()
    (tmp_path / "01_x.wav").write_text("mine")
    (out / "cuts.csv").write_text(
        "cut,filename,start_seconds,stop_seconds\n01_/../../01_x.wav,a,0,1\n../01_x.wav,a,0,1\n"
    )
    assert write_cuts(out, audio, [Cut("a.wav", Span(0, 1))]) == []
    assert (tmp_path / "01_x.wav").read_text() == "mine"


def test_folders_of_others_are_refused(tmp_path):
    (tmp_path / "a file").write_text("x")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "01_song_0m00.00s.wav").write_text("mine")
    (tmp_path / "listed").mkdir()
    (tmp_path / "listed" / "cuts.csv").write_text("my,own\n")
    for name, message in (("a file", "is a file"), ("full", "is no folder of cuts"), ("listed", "is no list of this")):
        with pytest.raises(UserError, match=message):
            check_cut_folder(tmp_path / name)
    check_cut_folder(tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_file_that_cannot_be_decoded_is_told_and_leaves_nothing(tmp_path):
    audio, out = tmp_path / "audio", tmp_path / "cuts"
    write_audio(audio / "a.wav", two_tones())
    (audio / "b.wav").write_bytes(b"no sound at all")
    failures = write_cuts(out, audio, [Cut("b.wav", Span(0, 1)), Cut("a.wav", Span(0, 1))])
    assert len(failures) == 1 and failures[0].startswith("b.wav: ") and "\n" not in failures[0]
    assert sorted(os.listdir(out)) == ["02_a_0m00.00s.wav", "cuts.csv"]


def test_names_sort_and_are_never_too_long():
    names = cut_names([Cut("x/" + "é" * 150 + ".mp3", Span(3723.5, 3725))] * 120)
    assert names == sorted(names) and names[0].startswith("001_é") and names[0].endswith("_1h02m03.50s.wav")
    assert max(len(os.fsencode(name)) for name in names) < 255


CUTTING = """
import resource, sys
from pathlib import Path
from judging.cuts import Cut, write_cuts
from judging.spans import Span

folder = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))
try:
    write_cuts(folder / "the cuts", folder, [Cut("a.wav", Span(0.25, 0.75))])
except OSError as error:
    print(error.strerror, error.filename)
"""


def test_a_disk_that_takes_no_more_is_no_fault_of_the_track(tmp_path):
    """A full disk was told as tracks that could not be cut, with exit code 0."""
    write_audio(tmp_path / "a.wav", two_tones())
    argv = [sys.executable, "-c", CUTTING, tmp_path]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout == f"File too large {tmp_path / 'the cuts' / '01_a_0m00.25s.wav'}\n", done.stderr
    assert os.listdir(tmp_path / "the cuts") == ["cuts.csv"]
