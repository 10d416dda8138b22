"""How audio gets to the page: addresses, and what is never referenced, copied or linked."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes, urljoin, urlsplit

import hypothesis
import hypothesis.strategies as st
import pytest
from conftest import MUSIC, mel_names, tree

from mels.plan import find_sources
from static_web_viewer.page import page_audio
from static_web_viewer.page.audio_shelf import MANIFEST_NAME
from static_web_viewer.page.page_audio import MODES, check_audio, provide_audio
from utils import UserError


def resolved(out: Path, url: str) -> bytes:
    """The path that a browser opens for an address in the page of a folder."""
    page = "file://" + quote(os.fsencode(out / "index.html"))
    parts = urlsplit(urljoin(page, url))
    assert (parts.scheme, parts.netloc, parts.query, parts.fragment) == ("file", "", "", "")
    return unquote_to_bytes(parts.path)


def contents(out: Path, page: page_audio.PageAudio) -> list[bytes | None]:
    return [url and Path(os.fsdecode(resolved(out, url))).read_bytes() for url in page.urls]


# Addresses

HOSTILE = [
    *(b"javascript:alert(1).mp3", b"-rf.mp3", b"#1?.mp3", b'<b>"x"&\'.mp3', b"50%.mp3", b"%2e%2e.mp3", b" \t.mp3"),
    *(b"caf\xe9.mp3", "søng.mp3".encode(), b"a\\b.mp3", b"\r.mp3", b"...a.mp3", b"..x/..y/z.mp3", b"http:/x:y/@.mp3"),
    *(b"x" * 251 + b".mp3", b"a;b=c.mp3", b"[::1].mp3", b"~.mp3"),
]


@pytest.mark.parametrize("mode", ["reference", "copy", "link"])
def test_every_name_is_found_by_a_browser_and_none_is_a_scheme(tmp_path, out, mode):
    root = tmp_path / "the music"
    for name in HOSTILE:
        path = os.path.join(os.fsencode(root), name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        Path(os.fsdecode(path)).write_bytes(name)
    page = provide_audio(mode, root, out, mel_names(*HOSTILE), quiet=True)
    assert contents(out, page) == HOSTILE
    start = "../the%20music/" if mode == "reference" else "./audio/"
    assert all(url.startswith(start) and url.isascii() and not set(url) & set("\"'<>&#?:\\ ") for url in page.urls)
    assert page.outcomes == [{"reference": "referenced", "copy": "copied", "link": "linked"}[mode]] * len(HOSTILE)


@hypothesis.given(st.binary(min_size=1, max_size=60).filter(lambda name: b"\0" not in name))
def test_an_address_has_no_scheme_and_never_leads_out(tmp_path_factory, name):
    root = tmp_path_factory.mktemp("root")
    (root / "sure.mp3").touch()
    plain = not {b"", b".", b".."} & set(name.split(b"/"))
    if plain:
        path = os.path.join(os.fsencode(root), name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        Path(os.fsdecode(path)).touch()
    page = provide_audio("reference", root, root.parent / "page", mel_names(name, "sure.mp3"))
    if plain:
        assert page.urls[0].startswith(f"../{root.name}/")
        assert resolved(root.parent / "page", page.urls[0]) == path
    else:
        assert (page.urls[0], page.outcomes[0]) == (None, "outside")
    shutil.rmtree(root)


@pytest.mark.parametrize(("out", "start"), [(".", "./"), ("x", "../"), ("..", "./r%2C/"), ("../..x/y", "../../r%2C/")])
def test_where_the_page_lies_inside_or_around_the_music(tmp_path, out, start):
    root, out = tmp_path / "r,", tmp_path / "r," / out
    root.mkdir()
    (root / "a.mp3").touch()
    out.mkdir(parents=True, exist_ok=True)
    (url,) = provide_audio("reference", root, out, mel_names("a.mp3")).urls
    assert url == f"{start}a.mp3"
    assert os.path.samefile(resolved(Path(os.path.abspath(out)), url), root / "a.mp3")


def test_a_page_whose_path_has_symbolic_links_plays_by_whichever_path_it_is_opened(tmp_path):
    (tmp_path / "disk" / "music").mkdir(parents=True)
    (tmp_path / "disk" / "music" / "a b.mp3").touch()
    (tmp_path / "disk" / "deep" / "page").mkdir(parents=True)
    (tmp_path / "page").symlink_to("disk/deep/page")
    (tmp_path / "home").symlink_to("disk")
    (apart,) = provide_audio("reference", tmp_path / "disk/music", tmp_path / "page", mel_names("a b.mp3")).urls
    assert apart == f"file://{quote(str(tmp_path))}/disk/music/a%20b.mp3"
    (shared,) = provide_audio(
        "reference", tmp_path / "home/music", tmp_path / "home/deep/page", mel_names("a b.mp3")
    ).urls
    assert shared == "../../music/a%20b.mp3"


# What is never referenced, copied or linked


@pytest.fixture
def traps(tmp_path) -> tuple[Path, dict[str, str]]:
    """A folder of music, and what became of each name in a crafted list."""
    secret, root = tmp_path / "secret", tmp_path / "root"
    (root / "in").mkdir(parents=True)
    secret.mkdir()
    (tmp_path / "root of another").mkdir()
    for path in (secret / "s.mp3", tmp_path / "root of another" / "s.mp3"):
        path.write_bytes(b"secret")
    (root / "in" / "good.mp3").write_bytes(b"good")
    (root / "file.mp3").symlink_to("../secret/s.mp3")
    (root / "folder").symlink_to(secret)
    (root / "again.mp3").symlink_to("folder/s.mp3")
    (root / "neighbour.mp3").symlink_to("../root of another/s.mp3")
    (root / "inside.mp3").symlink_to(root / "in/good.mp3")
    (root / "inside").symlink_to("in")
    (root / "out and in").symlink_to("../root/in")
    (root / "loop.mp3").symlink_to("loop.mp3")
    (root / "nowhere.mp3").symlink_to("gone.mp3")
    (root / "a folder.mp3").mkdir()
    os.mkfifo(root / "pipe.mp3")
    outside = ["../secret/s.mp3", f"{secret}/s.mp3", "in/../../secret/s.mp3", "file.mp3", "folder/s.mp3", "again.mp3"]
    outside += ["neighbour.mp3", "in/../in/good.mp3", "./in/good.mp3", "in//good.mp3", "in/good.mp3\0", "", "..", "in/"]
    missing = ["loop.mp3", "nowhere.mp3", "a folder.mp3", "pipe.mp3", "in/good.mp3/x.mp3", "x" * 300, "..\\secret\\s"]
    good = ["in/good.mp3", "inside.mp3", "inside/good.mp3", "out and in/good.mp3"]
    outcomes = {"outside": outside, "not there": missing, "good": good}
    expected = {name: outcome for outcome, names in outcomes.items() for name in names}
    return root, expected


@pytest.mark.parametrize("mode", ["reference", "copy", "link"])
def test_nothing_outside_the_audio_root_reaches_the_page(traps, out, mode):
    root, expected = traps
    page = provide_audio(mode, root, out, mel_names(*expected), quiet=True)
    good = {"reference": "referenced", "copy": "copied", "link": "linked"}[mode]
    assert dict(zip(expected, page.outcomes, strict=True)) == {
        name: good if outcome == "good" else outcome for name, outcome in expected.items()
    }
    assert contents(out, page) == [b"good" if outcome == "good" else None for outcome in expected.values()]
    assert all(content != b"secret" for content, _ in tree(out).values())
    assert "14 outside AUDIO_ROOT (../secret/s.mp3, " in page.summary()


def test_a_file_replaced_by_a_link_behind_our_back_is_not_followed(tmp_path, out, music, monkeypatch):
    (tmp_path / "secret.mp3").write_bytes(b"secret")
    find = page_audio.AudioRoot.find

    def find_then_change(root, name):
        found = find(root, name)
        if name == "a #1?.mp3.npy" and (music / "a #1?.mp3").exists():
            (music / "a #1?.mp3").unlink()
            (music / "a #1?.mp3").symlink_to(tmp_path / "secret.mp3")
        elif name.startswith("rock") and (music / "rock, pop").exists():
            (music / "rock, pop").rename(tmp_path / "moved")
            (music / "rock, pop").symlink_to(tmp_path / "moved")
        elif name.startswith("c.wma"):
            (music / "c.wma").unlink()
        return found

    monkeypatch.setattr(page_audio, "check_audio", lambda *_: None)
    monkeypatch.setattr(page_audio.AudioRoot, "find", find_then_change)
    page = provide_audio("copy", music, out, MUSIC, quiet=True)
    assert page.outcomes == ["failed", "not there", "failed"]
    assert list(tree(out)) == [f"audio/{MANIFEST_NAME}"]


# A page inside the folder of audio


@pytest.mark.parametrize("mode", ["copy", "link"])
@pytest.mark.parametrize("place", ["page", "a/deep page", "link/page"])
def test_the_next_spectrify_run_takes_in_the_originals_alone(music, tmp_path, mode, place):
    (tmp_path / "elsewhere").mkdir()
    (music / "link").symlink_to(tmp_path / "elsewhere")  # spectrify_all.py follows it
    originals = find_sources(music, []).files
    out = music / place
    out.mkdir(parents=True)
    assert None not in provide_audio(mode, music, out, MUSIC, quiet=True).urls
    assert find_sources(music, []) == (originals, 1, [])


def test_a_page_below_the_audio_by_another_path_is_marked_too(music, tmp_path):
    (tmp_path / "disk").symlink_to(music)
    (music / "page").mkdir()
    provide_audio("copy", music, tmp_path / "disk/page", MUSIC, quiet=True)
    assert (music / "page/.nomedia").read_bytes() == b""


def test_a_marker_that_is_there_stays_as_it_is(music):
    (music / "page").mkdir()
    (music / "page/.nomedia").write_text("mine")
    before = (music / "page/.nomedia").stat()
    provide_audio("copy", music, music / "page", MUSIC, quiet=True)
    assert (music / "page/.nomedia").stat() == before


@pytest.mark.parametrize(
    ("mode", "place"), [("reference", "page"), ("none", "page"), ("copy", "../page"), ("copy", "."), ("copy", "..")]
)
def test_no_other_folder_is_marked(music, mode, place):
    (music / "page").mkdir()
    (music / "../page").mkdir()
    provide_audio(mode, music, music / place, MUSIC, quiet=True)
    assert list(music.parent.rglob(".nomedia")) == []


# Errors, before anything was done


def test_what_cannot_work_is_said_at_once(music, out, tmp_path):
    with pytest.raises(UserError, match=r"nowhere: no such audio folder"):
        check_audio("reference", tmp_path / "nowhere", MUSIC, out)
    with pytest.raises(UserError, match=r"the page: holds no track of the run, not even 'a #1\?\.mp3'; name its audio"):
        check_audio("reference", out, MUSIC, out)
    (out / "audio").symlink_to(music)
    check_audio("reference", music, MUSIC, out)
    for mode in ("copy", "link"):
        with pytest.raises(UserError, match=r"audio: is no folder of its own; remove it, or name another OUT"):
            check_audio(mode, music, MUSIC, out)
    (out / "audio").unlink()
    music.rename(out / "audio")
    with pytest.raises(UserError, match="lies where the page's own audio goes"):
        check_audio("copy", out / "audio", MUSIC, out)
    check_audio("none", None, MUSIC, out)


def test_without_ffmpeg_what_browsers_play_is_copied(music, out, monkeypatch):
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", "/nowhere/ffmpeg")
    with pytest.raises(UserError, match="no program ffmpeg found"):
        check_audio("copy", music, MUSIC, out)
    assert provide_audio("copy", music, out, MUSIC[:1], quiet=True).outcomes == ["copied"]


def test_no_audio_at_all(out):
    page = provide_audio("none", None, out, MUSIC)
    assert (page.urls, page.playable, page.summary()) == ([None] * 3, [False] * 3, "audio: none")
    assert MODES == ("reference", "copy", "link", "none")
