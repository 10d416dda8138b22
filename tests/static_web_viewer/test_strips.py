"""strips.py: a mel as a picture of 256 x 24, 256 of them a file, drawn again only where mels have changed."""

from __future__ import annotations

import os

import numpy as np
import pytest
from conftest import tree, write_mels
from PIL import Image

from config import CONFIG_NAME, audio_half, to_yaml
from mels.mel_folder import LedgerRow, write_ledger
from static_web_viewer.page import strips
from static_web_viewer.page.strips import EVEN, HEIGHT, TRACKS, WIDTH, Mels, Strips, draw_strip, find_mels, write_strips
from utils import UserError

NAMES = ['a, "b".mp3.npy', os.fsdecode(b"caf\xe9.wav.npy"), "rock/c 1.mp3.npy"]


def picture_of(tmp_path, mel: np.ndarray) -> np.ndarray:
    np.save(tmp_path / "one.npy", mel)
    return draw_strip(tmp_path / "one.npy")


def rows_of(out, drawn: Strips) -> np.ndarray:
    """The strips as the page shows them: (tracks, HEIGHT, WIDTH)."""
    files = [np.asarray(Image.open(out / file).convert("L")) for file in drawn.files]
    return np.concatenate(files).reshape(-1, HEIGHT, WIDTH)


@pytest.fixture
def mels(tmp_path):
    return write_mels(tmp_path / "the mels", {name.removesuffix(".npy"): 300 for name in NAMES})


def test_time_goes_right_pitch_upwards_and_loud_is_black(tmp_path):
    mel = np.full((1000, 80), -13.8, np.float16)
    mel[500:, :20] = 3.0
    picture = picture_of(tmp_path, mel)
    assert picture.shape == (HEIGHT, WIDTH) and picture.dtype == np.uint8
    assert (picture[-6:, 128:] == 0).all()
    assert (picture[:-6] == 255).all() and (picture[:, :128] == 255).all()


def test_a_pixel_is_the_mean_of_all_that_it_covers(tmp_path):
    mel = np.random.default_rng(0).uniform(-4, 4, (WIDTH * 7, HEIGHT * 3)).astype(np.float32)
    means = mel.reshape(WIDTH, 7, HEIGHT, 3).mean(axis=(1, 3)).T[::-1]
    loud = np.percentile(means, 99.5)
    expected = 255 * np.clip((loud - means) / max(3.0, loud - np.percentile(means, 5)), 0, 1)
    assert abs(picture_of(tmp_path, mel) - expected).max() < 1


@pytest.mark.parametrize(("frames", "bins"), [(1, 1), (3, 5), (255, 24), (257, 80), (1000, 40), (1001, 25)])
def test_any_shape_is_drawn_and_the_same_in_pieces(tmp_path, monkeypatch, frames, bins):
    mel = np.cumsum(np.random.default_rng(0).standard_normal((frames, bins)), axis=0).astype(np.float16)
    whole = picture_of(tmp_path, mel)
    monkeypatch.setattr(strips, "BLOCK_FRAMES", 7)
    assert abs(draw_strip(tmp_path / "one.npy").astype(int) - whole).max() <= 1
    rising = picture_of(tmp_path, np.repeat(np.linspace(-3, 3, frames)[:, None], bins, axis=1))
    assert (np.diff(rising.astype(int), axis=1) <= 0).all()


def test_even_loudness_is_even(tmp_path):
    hiss = 0.1 * np.random.default_rng(0).standard_normal((3000, 80))
    assert np.ptp(picture_of(tmp_path, hiss)) < 20


@pytest.mark.parametrize("mel", [np.zeros((0, 12)), np.full((300, 12), 1e300), np.full((300, 12), np.nan), np.zeros(5)])
def test_what_is_no_mel_is_an_error(tmp_path, mel):
    with pytest.raises(ValueError):
        picture_of(tmp_path, mel)


def test_a_row_a_track_in_files_of_256(tmp_path, out):
    names = [f"{number:03d}.mp3" for number in range(TRACKS + 2)]
    folder = write_mels(tmp_path / "mels", dict.fromkeys([names[1], names[-1]], 400))
    listed = [f"{name}.npy" for name in names]
    drawn = write_strips(out, listed, find_mels(folder, listed), quiet=True)
    assert drawn.content() == {"files": drawn.files, "tracks": 256, "width": 256, "height": 24}
    assert [file.partition("-")[0] for file in drawn.files] == ["data/strips0", "data/strips1"]
    assert drawn.summary() == "strips: 2 tracks; 256 tracks without a mel"
    rows = rows_of(out, drawn)
    assert len(rows) == len(names)
    for track in (1, len(names) - 1):
        wanted = draw_strip(folder / listed[track]).astype(int)
        assert abs(rows[track] - wanted).mean() < 20 < wanted.std()
    assert (rows[5:TRACKS] == EVEN).all()


def test_the_same_mels_give_the_same_bytes_and_are_not_read_again(tmp_path, mels, out):
    drawn = write_strips(out, NAMES, find_mels(mels, NAMES), quiet=True)
    before = tree(out)
    (tmp_path / "again").mkdir()
    write_strips(tmp_path / "again", NAMES, find_mels(mels, NAMES), quiet=True)
    assert {name: what for name, (what, _) in tree(tmp_path / "again").items()} == {
        n: w for n, (w, _) in before.items()
    }
    for name in NAMES:  # what nobody would take for a mel, of the same size and time
        status = (mels / name).stat()
        content = (mels / name).read_bytes()
        (mels / name).write_bytes(content[:128] + b"\xff" * (len(content) - 128))
        os.utime(mels / name, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert write_strips(out, NAMES, find_mels(mels, NAMES), quiet=True) == drawn
    assert tree(out) == before


def test_a_mel_that_has_changed_is_drawn_again(mels, out):
    before = write_strips(out, NAMES, find_mels(mels, NAMES), quiet=True)
    np.save(mels / NAMES[1], np.linspace(-9, 3, 40 * 12).reshape(40, 12))
    after = write_strips(out, NAMES, find_mels(mels, NAMES), quiet=True)
    assert before.files != after.files
    changed = (rows_of(out, before) != rows_of(out, after)).mean(axis=(1, 2))
    assert changed[1] > 0.9 and (out / before.files[0]).exists()


def test_a_broken_mel_is_an_even_row_until_it_is_mended(mels, out, config):
    (mels / CONFIG_NAME).write_bytes(to_yaml(audio_half(config)))
    rows = {name: LedgerRow(name, "ok", 1.0, 300, 1, "1.0", "ffmpeg", "", "01234567") for name in ("x.mp3", "y.mp3")}
    whole = (mels / NAMES[0]).read_bytes()
    write_ledger(mels, rows)
    names = ["x.mp3.npy", "y.mp3.npy"]
    (mels / names[0]).write_bytes(whole)
    (mels / names[1]).write_bytes(whole[:-100])
    for _ in range(2):  # it is told each time
        drawn = write_strips(out, names, find_mels(mels, names), quiet=True)
        assert drawn.summary() == "strips: 1 track; 1 mel cannot be read (y.mp3), make them again"
    assert (rows_of(out, drawn)[1, 4:] == EVEN).all() and len(tree(out)) == 1
    (mels / names[1]).write_bytes(whole)
    mended = write_strips(out, names, find_mels(mels, names), quiet=True)
    assert not mended.broken and rows_of(out, mended)[1].std() > 20


def test_a_file_cut_short_is_mended(mels, out):
    found = find_mels(mels, NAMES)
    file = out / write_strips(out, NAMES, found, quiet=True).files[0]
    whole = file.read_bytes()
    for broken in (b"", whole[:5], whole[:-1]):
        file.write_bytes(broken)
        write_strips(out, NAMES, found, quiet=True)
        assert file.read_bytes() == whole


@pytest.mark.parametrize("name", ["../outside.mp3", "/outside.mp3", "a/../../outside.mp3"])
def test_no_name_leads_out_of_the_folder(mels, name):
    write_ledger(mels, {name: LedgerRow(name, "ok", 1.0, 300, 1, "1.0", "ffmpeg", "")})
    with pytest.raises(UserError, match="no path below a folder"):
        find_mels(mels, [f"{name}.npy", NAMES[0]])


def test_a_folder_without_mels_of_the_run_is_an_error(tmp_path, mels):
    with pytest.raises(UserError, match="nowhere: no such mel folder"):
        find_mels(tmp_path / "nowhere", NAMES)
    with pytest.raises(UserError, match=r"holds no mel of the run, not even of 'other.mp3'; name the run's mel folder"):
        find_mels(mels, ["other.mp3.npy"])


def test_a_mel_folder_that_is_gone_meanwhile_is_told(tmp_path, out):
    drawn = write_strips(out, NAMES, Mels(tmp_path / "gone", dict.fromkeys(NAMES, 1)), quiet=True)
    assert drawn.broken == NAMES and (rows_of(out, drawn) == EVEN).all()
