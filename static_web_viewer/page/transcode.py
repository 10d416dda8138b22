"""Which audio files browsers play as they are; opening, copying, and encoding the others as MP3 by ffmpeg.

Whatever a single file is at fault for is raised as NotMade; an OSError is the target's, so the page's folder's.
"""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import stat
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from files import require_room
from mels.decoder_process import LEAST_BYTES_PER_SECOND, MOST_SECONDS, decoder_prefix, end_group
from mels.decoding import REASON_CHARACTERS
from mels.ffmpeg import input_arguments, what_is_said
from utils import printable

# What Chrome, Firefox and Safari all play; a format that holds several codecs is looked into before it is copied.
PLAYED = frozenset([".mp3", ".mpga", ".flac", ".aac"])
PCM_CODECS = ("pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_alaw", "pcm_mulaw")
PLAYED_CODECS = {
    **dict.fromkeys([".wav", ".wave"], PCM_CODECS),
    **dict.fromkeys([".m4a", ".m4b", ".m4r", ".mp4", ".m4v"], ("aac", "mp3", "flac")),
    **dict.fromkeys([".ogg", ".oga", ".opus"], ("vorbis", "opus", "flac")),
    ".webm": ("vorbis", "opus"),
}

MP3_QUALITY = "2"  # LAME's VBR scale: about 190 kbit/s, which hardly anybody tells from the original
STALLED_SECONDS = 120.0  # an ffmpeg that has written nothing for so long hangs
HUNG = "ffmpeg hung and was killed"
TOO_LONG = "takes too long for a file of its size"
POLL_SECONDS = 0.2
MESSAGE_BYTES = 1 << 20  # that are kept: the first tell the cause, and a tag may be long
COPY_BYTES = 1 << 23  # a time


@dataclass(frozen=True)
class Source:
    """An audio file inside the audio root."""

    name: str  # relative to the audio root
    real: str  # absolute, without symbolic links
    stamp: tuple[int, int]  # size in bytes, mtime in ns


class NotMade(Exception):
    """A track gets no audio; the text says why."""


class SourceGone(NotMade):
    """The file is no more."""


def is_played(path: str) -> bool:
    """Tell by its extension whether every browser is likely to play a file."""
    return _suffix(path) in PLAYED or _suffix(path) in PLAYED_CODECS


def needs_ffmpeg(paths: Iterable[str]) -> bool:
    """Tell whether any of the files is to be looked into, or transcoded."""
    return any(_suffix(path) not in PLAYED for path in paths)


def _suffix(path: str) -> str:
    return os.path.splitext(path)[1].lower()


@contextlib.contextmanager
def opened(source: Source) -> Iterator[int]:
    """Open a source for reading; what lies under its name must still be a regular file inside the audio root."""
    try:
        # A named pipe, which would wait for its writer, is opened at once too, and refused.
        descriptor = os.open(source.real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        raise SourceGone from None
    except OSError as error:
        raise NotMade(error.strerror) from None
    try:
        if not _is_still(source, os.fstat(descriptor)):
            raise NotMade("it was replaced while it was opened")
        yield descriptor
    finally:
        os.close(descriptor)


def _is_still(source: Source, status: os.stat_result) -> bool:
    try:
        named = os.lstat(source.real)
    except OSError:
        return False
    unmoved = os.path.realpath(source.real) == source.real and os.path.samestat(status, named)
    return unmoved and stat.S_ISREG(status.st_mode)


def copy_audio(source: int, target: BinaryIO, stop: threading.Event) -> None:
    """Copy an open source into an empty file."""
    with contextlib.suppress(OSError, AttributeError):  # inside the kernel, without copying where blocks can be shared
        while os.copy_file_range(source, target.fileno(), COPY_BYTES):
            _check(stop)
    target.seek(0, os.SEEK_END)  # both go on where the kernel has left off, mostly at the end
    while True:
        _check(stop)
        try:
            block = os.read(source, COPY_BYTES)
        except OSError as error:  # the source's own fault, unlike whatever befalls the target
            raise NotMade(error.strerror) from None
        if not block:
            return
        target.write(block)


def can_be_copied(source: Source, ffmpeg: str, stop: threading.Event) -> bool:
    """Tell whether every browser plays a file as it is. A film is not copied: its sound is a fraction of its size."""
    suffix = _suffix(source.name)
    if suffix not in PLAYED_CODECS:
        return suffix in PLAYED
    _, messages = _run(_input(ffmpeg, "info", source), source, stop)
    streams = re.findall(r"^  Stream #.*?: (Audio|Video): (\w+)(?!.*\(attached pic\))", messages, re.MULTILINE)
    codecs = [codec for kind, codec in streams if kind == "Audio"]
    return bool(codecs) and codecs[0] in PLAYED_CODECS[suffix] and len(codecs) == len(streams)


def encode_mp3(source: Source, target: BinaryIO, ffmpeg: str, stop: threading.Event) -> None:
    """Write the first audio stream as MP3, mono or stereo. Raises NotMade, or OSError where the disk is full."""
    argv = [*_input(ffmpeg, "error", source), "-map", "0:a:0", "-map_metadata", "-1", "-map_chapters", "-1"]
    argv += ["-max_error_rate", "1", "-abort_on", "empty_output"]  # a damaged track plays as far as it goes
    argv += ["-af", "aformat=channel_layouts=mono|stereo", "-c:a", "libmp3lame", "-q:a", MP3_QUALITY]
    # By its name, not through a pipe: ffmpeg goes back to write the duration into the header.
    exit_code, messages = _run([*argv, "-f", "mp3", f"file:{os.path.abspath(target.name)}"], source, stop, target)
    size = os.fstat(target.fileno()).st_size
    if exit_code == 0 and size:
        return
    require_room(target)
    lines = [re.sub(r"^(\[[^]]* @ [^]]*\] )+", "", line) for line in messages.split("\n") if line.strip()]
    reason = lines[0] if lines else f"ffmpeg ended with exit code {exit_code}"
    raise NotMade(printable(" ".join(what_is_said(reason).split()))[:REASON_CHARACTERS])


def _input(ffmpeg: str, level: str, source: Source) -> list[str]:
    argv = [ffmpeg, "-nostdin", "-nostats", "-hide_banner", "-loglevel", level, "-y", "-filter_threads", "1"]
    return [*argv, *input_arguments(source.real)]


def _run(argv: list[str], source: Source, stop: threading.Event, output: BinaryIO | None = None) -> tuple[int, str]:
    """Run ffmpeg; return its exit code and the first of its messages.

    Raises NotMade where it hangs, takes longer than any sound of the source's size would, or where everything stops.
    """
    process = subprocess.Popen(
        [*decoder_prefix(), *argv],  # it dies with us
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is ours to answer, and the whole group can be killed
    )
    try:
        messages = _listen(process, source, stop, output)
        return process.wait(STALLED_SECONDS), messages.decode("utf-8", "replace")
    except subprocess.TimeoutExpired:
        raise NotMade(HUNG) from None
    finally:
        end_group(process)


def _listen(process: subprocess.Popen, source: Source, stop: threading.Event, output: BinaryIO | None) -> bytes:
    """Return the first messages of ffmpeg when it has said its last, while its output grows."""
    messages, written, heard = b"", 0, time.monotonic()
    deadline = heard + STALLED_SECONDS + min(source.stamp[0] / LEAST_BYTES_PER_SECOND, MOST_SECONDS)
    with selectors.DefaultSelector() as selector:
        selector.register(process.stderr.fileno(), selectors.EVENT_READ)
        while True:
            if selector.select(POLL_SECONDS):
                content = os.read(process.stderr.fileno(), MESSAGE_BYTES)
                if not content:
                    return messages
                messages += content[: MESSAGE_BYTES - len(messages)]
            _check(stop)
            size = os.fstat(output.fileno()).st_size if output else 0
            if size != written:
                written, heard = size, time.monotonic()
            if time.monotonic() > heard + STALLED_SECONDS:
                raise NotMade(HUNG)
            if time.monotonic() > deadline:
                raise NotMade(TOO_LONG)


def _check(stop: threading.Event) -> None:
    if stop.is_set():
        raise NotMade("interrupted")
