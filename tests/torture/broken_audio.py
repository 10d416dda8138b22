"""Files that a stranger might leave among audio: broken, absurd, of another kind, or naming what they must not open."""

from __future__ import annotations

import random
import struct
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

SECONDS = 1.0
RATE_HZ = 16000
# extension -> what ffmpeg is told
FORMATS = {
    "wav": [],
    "flac": [],
    "mp3": ["-metadata", "title=x"],
    "ogg": ["-c:a", "libvorbis"],
    "opus": [],
    "m4a": [],
    "wma": [],
    "aiff": [],
    "aac": [],
    "mka": [],
    "au": [],
    "w64": [],
    "wv": [],
    "ac3": [],
    "caf": [],
    "mp2": [],
    "avi": [],
    "ts": ["-f", "mpegts"],
    "flv": ["-ar", "44100"],
}
RENAMED = {"ts": "m2ts"}
EXTREMES = (0, 1, 2, 3, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)


def noise(seconds: float, seed: int) -> np.ndarray:
    return 0.2 * np.random.default_rng(seed).standard_normal(round(seconds * RATE_HZ)).astype(np.float32)


def whole_files(folder: Path, ffmpeg: str) -> dict[str, bytes]:
    """Return a whole file of each format, by its extension."""
    folder.mkdir(parents=True, exist_ok=True)
    soundfile.write(folder / "sound.wav", noise(SECONDS, 1), RATE_HZ)
    found = {}
    for suffix, options in FORMATS.items():
        path = folder / f"a.{suffix}"
        argv = [ffmpeg, "-nostdin", "-v", "error", "-y", "-i", folder / "sound.wav", *options, path]
        if subprocess.run(argv, check=False).returncode == 0:  # one that this ffmpeg cannot write is left out
            found[RENAMED.get(suffix, suffix)] = path.read_bytes()
    return found


# Damage that is drawn


def flipped(draws: random.Random, whole: dict[str, bytes]) -> tuple[str, bytes]:
    suffix, content = _one(draws, whole)
    reach = len(content) if draws.random() < 0.5 else min(len(content), 200)  # all of it, or its headers
    for _ in range(draws.choice([1, 2, 5, 20, 200])):
        content[draws.randrange(reach)] ^= 1 << draws.randrange(8)
    return suffix, bytes(content)


def cut(draws: random.Random, whole: dict[str, bytes]) -> tuple[str, bytes]:
    suffix, content = _one(draws, whole)
    return suffix, bytes(content[: draws.choice([draws.randrange(len(content)), draws.randrange(64)])])


def headless(draws: random.Random, whole: dict[str, bytes]) -> tuple[str, bytes]:
    suffix, content = _one(draws, whole)
    return suffix, bytes(content[draws.randrange(len(content)) :])


def swapped(draws: random.Random, whole: dict[str, bytes]) -> tuple[str, bytes]:
    """The head of one format, the body of another."""
    suffix, head = _one(draws, whole)
    _, body = _one(draws, whole)
    place = draws.choice([4, 16, 44, 200])
    return suffix, bytes(head[:place] + body[place:])


def misnamed(draws: random.Random, whole: dict[str, bytes]) -> tuple[str, bytes]:
    return draws.choice(list(whole)), bytes(_one(draws, whole)[1])


def joined(draws: random.Random, whole: dict[str, bytes]) -> tuple[str, bytes]:
    suffix, content = _one(draws, whole)
    return suffix, bytes(content + b"".join(bytes(_one(draws, whole)[1]) for _ in range(draws.choice([1, 2, 5]))))


def absurd(draws: random.Random, whole: dict[str, bytes]) -> tuple[str, bytes]:
    """Numbers of a header, of four or two bytes, replaced by the least and the greatest."""
    suffix, content = _one(draws, whole)
    for _ in range(draws.choice([1, 2, 4])):
        size, order = draws.choice([2, 4]), draws.choice("<>")
        place = draws.randrange(min(len(content), 300) - size)
        value = draws.choice(EXTREMES) & (256**size - 1)
        content[place : place + size] = struct.pack(f"{order}{'H' if size == 2 else 'I'}", value)
    return suffix, bytes(content)


def stuffed(draws: random.Random, whole: dict[str, bytes]) -> tuple[str, bytes]:
    """Something put into the midst, so that every length behind it is wrong."""
    suffix, content = _one(draws, whole)
    place = draws.randrange(len(content))
    filling = draws.choice([bytes(5000), draws.randbytes(5000), b"\xff" * 5000, bytes(content[:3000]), b"OggS" * 500])
    return suffix, bytes(content[:place] + filling + content[place:])


def _one(draws: random.Random, whole: dict[str, bytes]) -> tuple[str, bytearray]:
    suffix = draws.choice(list(whole))
    return suffix, bytearray(whole[suffix])


DAMAGE: tuple[Callable[[random.Random, dict[str, bytes]], tuple[str, bytes]], ...] = (
    flipped,
    cut,
    headless,
    swapped,
    misnamed,
    joined,
    absurd,
    stuffed,
)


# What is written by hand


def wav(rate_hz: int = 16000, channels: int = 1, bits: int = 16, data: bytes = b"", size: int | None = None) -> bytes:
    """A wav that claims whatever it is told to."""
    frame = channels * bits // 8
    kind = struct.pack(
        "<4sIHHIIHH", b"fmt ", 16, 1, channels, rate_hz, rate_hz * frame & 0xFFFFFFFF, frame & 0xFFFF, bits
    )
    size = len(data) if size is None else size
    return (
        struct.pack("<4sI4s", b"RIFF", (size + 36) & 0xFFFFFFFF, b"WAVE")
        + kind
        + struct.pack("<4sI", b"data", size)
        + data
    )


def wavs() -> dict[str, bytes]:
    sound = (20000 * noise(1, 2)).astype("<i2").tobytes()
    found = {f"rate {rate}": wav(rate, data=sound) for rate in (0, 1, 50, 101, 768_000, 2**31 - 1, 2**32 - 1)}
    found |= {f"channels {count}": wav(channels=count, data=sound) for count in (0, 3, 64, 65, 255, 4000)}
    found |= {f"bits {bits}": wav(bits=bits, data=sound) for bits in (0, 1, 7, 8, 24, 64, 65535)}
    found |= {f"size {size}": wav(data=sound, size=size) for size in (0, 1, 2**31 - 1, 2**32 - 1)}
    found |= {"one sample": wav(data=b"\1\0"), "no sample": wav(), "half a sample": wav(data=b"\1")}
    found["slow"] = wav(101, bits=8, data=b"\x70\x90" * 500_000)  # three hours in a megabyte
    found["empty chunks"] = b"RIFF\xff\xff\xff\x7fWAVE" + struct.pack("<4sI", b"junk", 0) * 200_000
    return found


def texts(named: str, port: int) -> dict[str, str]:
    """Lists, manifests and pages that name a file and an address."""
    found = {}
    for kind, where in (
        ("file", named),
        ("url", f"file://{named}"),
        ("address", f"http://127.0.0.1:{port}/{named[1:]}"),
    ):
        found |= {
            f"m3u8 {kind}": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{where}\n#EXT-X-ENDLIST\n",
            f"m3u8 key {kind}": f'#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-KEY:METHOD=AES-128,URI="{where}"\n'
            f"#EXTINF:1,\n{where}\n#EXT-X-ENDLIST\n",
            f"ffconcat {kind}": f"ffconcat version 1.0\nfile '{where}'\nduration 1\n",
            f"xspf {kind}": '<?xml version="1.0"?><playlist version="1" xmlns="http://xspf.org/ns/0/"><trackList>'
            f"<track><location>{where}</location></track></trackList></playlist>",
            f"pls {kind}": f"[playlist]\nFile1={where}\nNumberOfEntries=1\n",
            f"asx {kind}": f'<asx version="3.0"><entry><ref href="{where}"/></entry></asx>',
            f"ram {kind}": f"{where}\n",
            f"mpd {kind}": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
            f'mediaPresentationDuration="PT1S"><Period><AdaptationSet mimeType="audio/mp4"><Representation id="0" '
            f'bandwidth="1"><BaseURL>{where}</BaseURL></Representation></AdaptationSet></Period></MPD>',
            f"xxe {kind}": f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "{where}">]><MPD>&e;</MPD>',
            f"cue {kind}": f'FILE "{where}" WAVE\n  TRACK 01 AUDIO\n    INDEX 01 00:00:00\n',
            f"web page {kind}": f'<!DOCTYPE html><html><audio src="{where}"></audio></html>',
            f"subtitles {kind}": f"1\n00:00:00,000 --> 00:00:01,000\n{where}\n",
            f"reference {kind}": f"[Reference]\nRef1={where}\n",
        }
    found["sdp"] = f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio {port} RTP/AVP 0\n"
    found["ffmetadata"] = ";FFMETADATA1\ntitle=x\n"
    return found


def with_reference(m4a: bytes, where: str) -> bytes:
    """An m4a whose samples lie elsewhere, as its `dref` says: in a file by its path, or at an address."""
    place = m4a.index(b"url \0\0\0\1") - 4
    atom = b"url \0\0\0\0" + where.encode() + b"\0"
    return _with_atom(m4a, place, 12, struct.pack(">I", len(atom) + 4) + atom)


def with_alias(m4a: bytes, where: str) -> bytes:
    """The same by an `alis`, as QuickTime writes it."""
    name = where.encode()
    body = (
        bytes(8)
        + struct.pack(">IHH", 150, 2, 0)
        + bytes(140)
        + struct.pack(">hH", 18, len(name))
        + name
        + b"\xff\xff\0\0"
    )
    return _with_atom(m4a, m4a.index(b"url \0\0\0\1") - 4, 12, struct.pack(">I4s", len(body) + 8, b"alis") + body)


def _with_atom(m4a: bytes, place: int, length: int, atom: bytes) -> bytes:
    """Put an atom in the place of another, and correct the lengths of all that it lies in; mdat comes before them."""
    content = bytearray(m4a)
    start = 0
    for name in (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"):
        start = content.index(name, start) - 4
        size = struct.unpack_from(">I", content, start)[0]
        struct.pack_into(">I", content, start, size + len(atom) - length)
        start += 8
    return bytes(content[:place] + atom + content[place + length :])


def zipped_tag(megabytes: int, mp3: bytes) -> bytes:
    """An mp3 with a compressed title of so many megabytes."""
    packer = zlib.compressobj(1)
    packed = packer.compress(b"\3") + b"".join(packer.compress(bytes(1_000_000)) for _ in range(megabytes))
    packed += packer.flush()

    def size(count: int) -> bytes:
        return bytes(count >> shift & 0x7F for shift in (21, 14, 7, 0))

    frame = b"TIT2" + size(len(packed) + 4) + b"\0\x09" + size(1_000_000 * megabytes + 1 & 0xFFFFFFF) + packed
    return b"ID3\4\0\0" + size(len(frame)) + frame + mp3


def by_ffmpeg(folder: Path, ffmpeg: str, secret: Path) -> dict[str, bytes]:
    """Hours of silence in a few bytes, and a film's container with a file attached."""
    found = {}
    silence = ["-f", "lavfi", "-i", "anullsrc=r=8000:cl=mono", "-t", "43200", "-c:a", "flac", "-frame_size", "16000"]
    attached = ["-i", folder / "sound.wav", "-attach", secret, "-metadata:s:t", "mimetype=text/plain"]
    for name, argv in {"12 hours.flac": silence, "attached.mka": attached}.items():
        done = subprocess.run([ffmpeg, "-nostdin", "-v", "error", "-y", *argv, folder / name], check=False)
        if done.returncode == 0:
            found[name] = (folder / name).read_bytes()
    return found
