"""Audio to log-mel: decoding by ffmpeg or sox as a subprocess (the one impure part), and the mel frames. No TensorFlow.

Samples come through pipes and are framed as they come, so memory does not grow with the length of a recording, and
several files share one ffmpeg process, so its start-up is paid once.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import functools
import os
import re
import selectors
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from config import Config
from mels.log_mel import FRAME_SAMPLES, MelFramer
from utils import UserError, printable

SILENT_PEAK = 2.0**-17  # a quarter of the least step of 16-bit audio: below it a track is digital silence

PIPE_BYTES = 1 << 20  # Linux's limit for an unprivileged user; the default of 64 KB wakes both sides too often
STDERR_BYTES = 1 << 16  # of a decoder's messages: the first ones tell the cause
LEAST_BYTES_PER_SECOND = 50_000  # of a source file: a decoder slower than this hangs
WHOLE_SHARE = 0.99  # of the stated duration: less than this is "partial"; encoder padding explains what is above
REASON_CHARACTERS = 200

# By extension, in any case: what ffmpeg decodes and people keep sound in, films included.
AUDIO_SUFFIXES = frozenset(
    """.3gp .aac .ac3 .aif .aifc .aiff .amr .ape .asf .au .avi .caf .dff .dsf .dts .eac3 .flac .flv .gsm .m2ts .m4a .m4b
    .m4r .m4v .mka .mkv .mov .mp1 .mp2 .mp3 .mp4 .mpc .mpeg .mpg .mpga .oga .ogg .ogv .opus .ra .rm .shn .snd .spx .tak
    .tta .voc .w64 .wav .wave .webm .wma .wmv .wv""".split()
)
SOX_SUFFIXES = frozenset([".wav", ".wave"])


def is_audio(name: str) -> bool:
    """Tell by its extension whether a file is audio."""
    return os.path.splitext(name)[1].lower() in AUDIO_SUFFIXES


@dataclass(frozen=True)
class Track:
    """What became of one source file. `mel` is (frames, mel_bins) float16 where status is ok or partial, else None."""

    status: str
    seconds: float
    reason: str
    mel: np.ndarray | None


@dataclass(frozen=True)
class Decoders:
    """The programs that decode, found once a run."""

    ffmpeg: str
    sox: str | None  # None: sox is not asked for

    def name_for(self, path: str) -> str:
        """Return which decoder a file goes to: sox is used for wav only."""
        return "sox" if self.sox and os.path.splitext(path)[1].lower() in SOX_SUFFIXES else "ffmpeg"


def find_decoders(config: Config) -> Decoders:
    """Find ffmpeg and, where it is asked for, sox. Raises UserError with the remedy where one is missing."""
    sox = shutil.which("sox") if config.decoder == "sox" else None
    if config.decoder == "sox" and sox is None:
        raise UserError("decoder: sox: no program sox found; install it (apt install sox), or use decoder: ffmpeg")
    return Decoders(find_ffmpeg(), sox)


def find_ffmpeg() -> str:
    """Return the ffmpeg that IMAGEIO_FFMPEG_EXE names, else the wheel's, else the system's.

    The wheel's comes before the system's: the same version for everybody. With the flags used here neither is faster.
    Raises UserError with the remedy where there is none.
    """
    try:
        import imageio_ffmpeg

        ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError):
        ffmpeg = os.environ.get("IMAGEIO_FFMPEG_EXE") or shutil.which("ffmpeg") or ""
    if not shutil.which(ffmpeg):
        where = f" (IMAGEIO_FFMPEG_EXE is {ffmpeg!r})" if "IMAGEIO_FFMPEG_EXE" in os.environ else ""
        raise UserError(f"no program ffmpeg found{where}; pip install imageio-ffmpeg, or install ffmpeg")
    return ffmpeg


def tracks_from_files(
    paths: Sequence[str], framers: Sequence[MelFramer], decoders: Decoders, config: Config, timeout_seconds: float
) -> list[Track]:
    """Decode files to log-mel, all of them by one process; where that is not clean, each again by a process of its own.

    paths            at most len(framers) files, all for the same decoder.
    timeout_seconds  a decoder is killed after this plus a second per 50 kB of source.
    """
    decode = _decode_with_sox if decoders.name_for(paths[0]) == "sox" else _decode_with_ffmpeg
    if len(paths) > 1:
        framers = framers[: len(paths)]
        report = decode(paths, framers, decoders, config, timeout_seconds)
        if report.is_clean:
            return [
                _judge(framer, path, report, index, config)
                for index, (framer, path) in enumerate(zip(framers, paths, strict=True))
            ]
    tracks = []
    for path in paths:
        report = decode([path], framers[:1], decoders, config, timeout_seconds)
        tracks.append(_judge(framers[0], path, report, 0, config))
    return tracks


@dataclass
class _Report:
    """What a decoder said of its inputs."""

    exit_code: int
    timed_out: bool
    errors: list[str]  # messages of level error and above
    stated_seconds: dict[int, float] = field(default_factory=dict)  # input -> duration that its header states
    estimated_seconds: dict[int, float] = field(default_factory=dict)  # input -> duration guessed from its bit rate

    @property
    def is_clean(self) -> bool:
        return self.exit_code == 0 and not self.timed_out and not self.errors


def _judge(framer: MelFramer, path: str, report: _Report, index: int, config: Config) -> Track:
    """Turn what was decoded, and what the decoder said, into a status with its reason."""
    seconds = framer.samples / config.sample_rate_hz
    said = "" if report.is_clean else _one_line(report)
    if not framer.samples and said:
        return Track("failed", 0.0, said, None)
    if framer.samples < FRAME_SAMPLES:
        shortest = FRAME_SAMPLES / config.sample_rate_hz
        return Track("too_short", seconds, said or f"{seconds:.3f} s, a frame is {shortest:.3f} s", None)
    if not np.isfinite(framer.peak):
        return Track("failed", seconds, "holds samples that are not finite", None)
    if framer.peak < SILENT_PEAK:
        return Track("silent", seconds, said or "digital silence from start to end", None)
    mel = framer.finish()
    if not np.isfinite(mel).all():
        return Track("failed", seconds, f"samples as large as {framer.peak:.3g} overflow", None)
    stated = report.stated_seconds.get(index) or _wav_header_seconds(path)
    if (
        stated is not None
        and seconds < WHOLE_SHARE * stated
        and stated - seconds > FRAME_SAMPLES / config.sample_rate_hz
    ):
        share = f"{seconds / stated:.1%} decoded, {seconds:.1f} of {stated:.1f} s"
        return Track("partial", seconds, f"{share}: {said or 'the file ends early'}", mel)
    if stated is None and said:
        guess = report.estimated_seconds.get(index)
        of = f", {min(1.0, seconds / guess):.1%} of an estimated {guess:.1f} s" if guess else ", share unknown"
        return Track("partial", seconds, f"{seconds:.1f} s decoded{of}: {said}", mel)
    return Track("ok", seconds, said, mel)


def _one_line(report: _Report) -> str:
    if report.timed_out:
        text = "the decoder hung and was killed"
    else:
        text = report.errors[0] if report.errors else f"the decoder ended with exit code {report.exit_code}"
    return printable(" ".join(text.split()))[:REASON_CHARACTERS]


def _decode_with_ffmpeg(
    paths: Sequence[str], framers: Sequence[MelFramer], decoders: Decoders, config: Config, timeout_seconds: float
) -> _Report:
    # The mean of the channels, however many: "<" divides by the number that the input has. Before that to float, else
    # the mean of 16-bit channels would be rounded to 16 bits. After it one-second pieces, since every piece costs a
    # thread switch on its way through ffmpeg.
    channels = "+".join(f"c{channel}" for channel in range(64))
    filters = (
        f"aformat=sample_fmts=fltp,pan=mono|c0<{channels},aresample={config.sample_rate_hz}:osf=flt,"
        f"asetnsamples=n={config.sample_rate_hz}:p=0"
    )

    def command(outputs: Sequence[int]) -> list[str]:
        argv = [decoders.ffmpeg, "-nostdin", "-nostats", "-hide_banner", "-loglevel", "level+info", "-y"]
        argv += ["-filter_threads", "1"]
        for path in paths:  # nothing leaves the house: a playlist in an audio file's clothes cannot name an address
            argv += ["-protocol_whitelist", "file,pipe", "-i", f"file:{path}"]
        for number, output in enumerate(outputs):
            argv += ["-map", f"{number}:a:0", "-af", filters, "-f", "f32le", f"pipe:{output}"]
        return argv

    exit_code, timed_out, messages = _run(command, paths, framers, timeout_seconds)
    report = _Report(exit_code, timed_out, [])
    _read_ffmpeg_messages(messages, report)
    return report


_FFMPEG_LINE = re.compile(r"^(?:\[[^\]]* @ [^\]]*\] )*\[(info|warning|error|fatal|panic)\] (.*)$")
_FFMPEG_INPUT = re.compile(r"Input #(\d+), ")
_FFMPEG_PICTURE = re.compile(r"  Stream #.*: Video: (?!.*\(attached pic\))")
_FFMPEG_DURATION = re.compile(r"  Duration: (\d+):(\d\d):(\d\d\.\d+)")


def _read_ffmpeg_messages(messages: str, report: _Report) -> None:
    """Take from ffmpeg's log the errors, and what it takes for the duration of each input.

    The duration is nowhere but in this text; whatever does not look like it is left alone. Tags of a file cannot pass
    for it: ffmpeg indents them further.
    """
    current, estimated = -1, False
    for line in messages.split("\n"):
        match = _FFMPEG_LINE.match(line)
        if not match:
            continue
        level, text = match.groups()
        if level in ("error", "fatal", "panic"):
            report.errors.append(text)
        elif "Estimating duration" in text:  # said before the input's own line
            estimated = True
        elif found := _FFMPEG_INPUT.match(text):
            current = int(found[1])
        elif (found := _FFMPEG_DURATION.match(text)) and current >= 0:
            hours, minutes, seconds = found.groups()
            known = report.estimated_seconds if estimated else report.stated_seconds
            known.setdefault(current, int(hours) * 3600 + int(minutes) * 60 + float(seconds))
            estimated = False
        elif _FFMPEG_PICTURE.match(text):  # a film may be longer than its sound
            report.stated_seconds.pop(current, None)


def _decode_with_sox(
    paths: Sequence[str], framers: Sequence[MelFramer], decoders: Decoders, config: Config, timeout_seconds: float
) -> _Report:
    if len(paths) > 1:  # sox would mix or join them
        return _Report(1, False, ["sox reads one file at a time"])

    def command(outputs: Sequence[int]) -> list[str]:
        # an absolute path, else sox runs a name that begins with "|" as a command
        rate = str(config.sample_rate_hz)
        argv = [decoders.sox, "--no-glob", "-D", "-V2", os.path.abspath(paths[0])]
        return [*argv, "-t", "f32", "-L", "-c", "1", "-r", rate, f"/dev/fd/{outputs[0]}"]

    exit_code, timed_out, messages = _run(command, paths, framers, timeout_seconds)
    failures = [line.partition(" FAIL ")[2] for line in messages.split("\n") if " FAIL " in line]
    return _Report(exit_code, timed_out, failures)


def _run(command, paths: Sequence[str], framers: Sequence[MelFramer], timeout_seconds: float) -> tuple[int, bool, str]:
    """Run a decoder that writes float32 samples to one pipe a file, and feed the framers.

    Returns its exit code, whether it hung and was killed, and the start of its stderr.
    """
    size = sum(os.path.getsize(path) if os.path.exists(path) else 0 for path in paths)
    deadline = time.monotonic() + timeout_seconds + size / LEAST_BYTES_PER_SECOND
    pipes = [os.pipe() for _ in paths]
    for read_end, _ in pipes:
        with contextlib.suppress(OSError, AttributeError):  # not Linux, or the user's share of pipe memory is used up
            fcntl.fcntl(read_end, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    try:
        process = subprocess.Popen(
            command([write_end for _, write_end in pipes]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=[write_end for _, write_end in pipes],
            start_new_session=True,  # Ctrl-C is ours to handle, and the whole group can be killed
            preexec_fn=functools.partial(become_decoder, os.getpid()),
        )
    except BaseException:
        for ends in pipes:
            os.close(ends[0])
            os.close(ends[1])
        raise
    for _, write_end in pipes:
        os.close(write_end)
    try:
        messages, timed_out = _drain(process, [read_end for read_end, _ in pipes], framers, deadline)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, deadline - time.monotonic()))
        timed_out = timed_out or process.poll() is None
    finally:
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stderr.close()
        for read_end, _ in pipes:
            os.close(read_end)
    return process.returncode, timed_out, messages.decode("utf-8", "replace")


def become_decoder(parent: int) -> None:
    """Set up the decoder's process, in it, before the decoder starts.

    parent  the process that starts it: where that ends, in whatever way, the decoder does.
    """
    if hasattr(os, "sched_setscheduler"):
        # As a batch process it is not woken for every little piece that passes between its threads: that saves a tenth
        # of the time, and the machine stays as responsive as it was.
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # one that hangs must not outlive us, however we end
        if os.getppid() != parent:  # we have ended before that was said
            os._exit(1)


_PR_SET_PDEATHSIG = 1  # of linux/prctl.h
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def _drain(
    process: subprocess.Popen, outputs: Sequence[int], framers: Sequence[MelFramer], deadline: float
) -> tuple[bytes, bool]:
    """Feed each framer from its pipe until all are closed. Returns the start of stderr, and whether time ran out."""
    messages = bytearray()
    remainders = [b""] * len(outputs)  # a read may end inside a sample
    for framer in framers:
        framer.reset()
    with selectors.DefaultSelector() as selector:
        selector.register(process.stderr.fileno(), selectors.EVENT_READ, None)
        for index, output in enumerate(outputs):
            selector.register(output, selectors.EVENT_READ, index)
        while selector.get_map():
            left = deadline - time.monotonic()
            if left <= 0:
                return bytes(messages), True
            for key, _ in selector.select(left):
                content = os.read(key.fd, PIPE_BYTES)
                if not content:
                    selector.unregister(key.fd)
                elif key.data is None:
                    messages += content[: STDERR_BYTES - len(messages)]
                else:
                    content = remainders[key.data] + content
                    whole = len(content) // 4 * 4
                    remainders[key.data] = content[whole:]
                    framers[key.data].feed(np.frombuffer(content[:whole], "<f4"))
    return bytes(messages), False


def _wav_header_seconds(path: str) -> float | None:
    """Return the duration that a RIFF wav's header states; None for other files, and for headers of streamed ones.

    Neither decoder says so when a wav is cut short: both go by the size of the file.
    """
    try:
        with open(path, "rb") as file:
            if struct.unpack("<4s4x4s", file.read(12)) != (b"RIFF", b"WAVE"):
                return None
            bytes_per_second = 0
            while True:
                name, size = struct.unpack("<4sI", file.read(8))
                if name == b"fmt ":
                    bytes_per_second = struct.unpack("<8xI", file.read(12))[0]
                    file.seek(size - 12, os.SEEK_CUR)
                elif name == b"data":  # a recorder that could not seek back leaves 0 or about 2**31 or 2**32
                    return size / bytes_per_second if bytes_per_second and 0 < size < 0x7FFFF000 else None
                else:
                    file.seek(size + size % 2, os.SEEK_CUR)
    except (OSError, struct.error):
        return None
