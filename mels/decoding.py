"""Audio files to log-mel tracks: which decoder, its command line and messages, and what became of each file.

Samples come through pipes and are framed as they come, so memory does not grow with the length of a recording, and
several files share one ffmpeg process, so its start-up is paid once.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from config import Config
from mels.decoder_process import run_decoder
from mels.ffmpeg import (
    LEAST_RATE_HZ,
    Report,
    absurd,
    absurd_rate,
    input_arguments,
    lacks_memory,
    read_messages,
)
from mels.file_ends import missing_end, wav_rate_hz, wav_seconds
from mels.log_mel import MelFramer
from utils import UserError, printable

SILENT_PEAK = 2.0**-17  # a quarter of the least step of 16-bit audio: below it a track is digital silence

WHOLE_SHARE = 0.99  # of the stated duration: less than this is "partial"; encoder padding explains what is above
PADDING_SECONDS = 0.128  # that may be missing all the same: twice the 0.064 s that codecs pad and decoders drop at the
# start and the end of a wma of 8 kHz, which are the most of all; of a short file they are a great share
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
    timeout_seconds  a decoder is killed after this plus a second per 50 kB of source, an hour at most, or after this
                     plus a second per 50 MB without a sample.
    Raises           MemoryError where a decoder gets too little memory for any file.
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
        if report.exit_code == -signal.SIGKILL and not report.stopped:  # by somebody else, who may mean us
            report = decode([path], framers[:1], decoders, config, timeout_seconds)
        if lacks_memory(report):  # of that the file is not guilty, and must not be remembered as failed
            raise MemoryError
        tracks.append(_judge(framers[0], path, report, 0, config))
    return tracks


def _judge(framer: MelFramer, path: str, report: Report, index: int, config: Config) -> Track:
    """Turn what was decoded, and what the decoder said, into a status with its reason."""
    seconds = framer.samples / config.sample_rate_hz
    said = "" if report.is_clean else _one_line(report)
    if not framer.samples and said:
        return Track("failed", 0.0, said, None)
    if not framer.samples:
        return Track("too_short", 0.0, "holds not one sample", None)
    if not np.isfinite(framer.peak):
        return Track("failed", seconds, "holds samples that are not finite", None)
    if framer.peak < SILENT_PEAK:
        return Track("silent", seconds, said or "digital silence from start to end", None)
    mel = framer.finish()
    if not np.isfinite(mel).all():
        return Track("failed", seconds, f"samples as large as {framer.peak:.3g} overflow", None)
    shortfall = _shortfall(seconds, path, report, index)
    return Track("partial" if shortfall else "ok", seconds, shortfall or said, mel)


def _shortfall(seconds: float, path: str, report: Report, index: int) -> str:
    """Return how much of a file was decoded, and why no more; empty where it was all, as far as anybody can tell."""
    said = "" if report.is_clean else _one_line(report)
    stated = report.stated_seconds.get(index) or wav_seconds(path)
    if stated is not None and seconds < WHOLE_SHARE * stated and stated - seconds > PADDING_SECONDS:
        return f"{seconds / stated:.1%} decoded, {seconds:.1f} of {stated:.1f} s: {said or 'the file ends early'}"
    missing = None if report.stopped else missing_end(path)
    if missing:
        share = "share unknown" if missing.share is None else f"{missing.share:.1%}"
        return f"{seconds:.1f} s decoded, {share}: {missing.text}"
    if stated is None and said:
        guess = report.estimated_seconds.get(index)
        share = f"{min(1.0, seconds / guess):.1%} of an estimated {guess:.1f} s" if guess else "share unknown"
        return f"{seconds:.1f} s decoded, {share}: {said}"
    return ""


def _one_line(report: Report) -> str:
    ended = f"the decoder ended with exit code {report.exit_code}"
    text = report.stopped or (report.errors[0] if report.errors else ended)
    return printable(" ".join(text.split()))[:REASON_CHARACTERS]


def _decode_with_ffmpeg(
    paths: Sequence[str], framers: Sequence[MelFramer], decoders: Decoders, config: Config, timeout_seconds: float
) -> Report:
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
        for path in paths:
            argv += input_arguments(path)
        for number, output in enumerate(outputs):
            argv += ["-map", f"{number}:a:0", "-af", filters, "-f", "f32le", f"pipe:{output}"]
        return argv

    exit_code, stopped, messages = run_decoder(command, paths, framers, timeout_seconds, absurd_rate)
    report = Report(exit_code, stopped, [])
    read_messages(messages, report)
    return report


def _decode_with_sox(
    paths: Sequence[str], framers: Sequence[MelFramer], decoders: Decoders, config: Config, timeout_seconds: float
) -> Report:
    if len(paths) > 1:  # sox would mix or join them
        return Report(1, "", ["sox reads one file at a time"])

    stated_rate_hz = wav_rate_hz(paths[0])
    if stated_rate_hz is not None and stated_rate_hz < LEAST_RATE_HZ:
        framers[0].reset()
        return Report(1, absurd(stated_rate_hz), [])

    def command(outputs: Sequence[int]) -> list[str]:
        # an absolute path, else sox runs a name that begins with "|" as a command
        rate = str(config.sample_rate_hz)
        argv = [decoders.sox, "--no-glob", "-D", "-V2", os.path.abspath(paths[0])]
        return [*argv, "-t", "f32", "-L", "-c", "1", "-r", rate, f"/dev/fd/{outputs[0]}"]

    exit_code, stopped, messages = run_decoder(command, paths, framers, timeout_seconds)
    failures = [line.partition(" FAIL ")[2] for line in messages.split("\n") if " FAIL " in line]
    return Report(exit_code, stopped, failures)
