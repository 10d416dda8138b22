"""What ffmpeg is told whoever runs it, and what it says: nothing of a file is believed that is not sound of its own."""

from __future__ import annotations

import re
import resource
import signal
from dataclasses import dataclass, field

from mels.decoder_process import MEMORY_BYTES

# Containers that hold their own samples. Whatever names other files or addresses (playlists, ffconcat, manifests, image
# lists) and whatever is text (subtitles) stays closed, in an audio file's clothes too.
DEMUXERS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,asf_o,au,avi,caf,dsf,dts,dtshd,eac3,flac,flv,gsm,iff,loas,matroska,mov,mp3,"
    "mpc,mpc8,mpeg,mpegts,ogg,rm,shn,tak,tta,voc,w64,wav,wv"
)
LEAST_RATE_HZ = 100  # below it there is no sound, and seconds without end in a few bytes

_NOT_OPENED = "Format not on whitelist"
_LINE = re.compile(r"^(?:\[[^\]]* @ [^\]]*\] )*\[(info|warning|error|fatal|panic)\] (.*)$")
_INPUT = re.compile(r"Input #(\d+), ")
_PICTURE = re.compile(r"  Stream #.*: Video: (?!.*\(attached pic\))")
_DURATION = re.compile(r"  Duration: (\d+):(\d\d):(\d\d\.\d+)")
_RATE = re.compile(r"^(?:\[[^\]]* @ [^\]]*\] )*\[info\]   Stream #.*?: Audio: .*?, (\d+) Hz,", re.MULTILINE)


def input_arguments(path: str) -> list[str]:
    """Return how ffmpeg is given an audio file, so that it opens nothing but that file.

    One thread a decoder: with one each core, files that are decoded together would want gigabytes on a large machine.
    """
    return ["-protocol_whitelist", "file", "-format_whitelist", DEMUXERS, "-threads", "1", "-i", f"file:{path}"]


def what_is_said(text: str) -> str:
    """Return a message of ffmpeg in words of ours where its own would not help."""
    return "no audio, or of a format that is not read" if _NOT_OPENED in text else text


def absurd_rate(messages: str) -> str:
    """Return what is wrong with the sample rates that ffmpeg's log names; empty where nothing is."""
    rates = [int(rate) for rate in _RATE.findall(messages)]
    return next((absurd(rate) for rate in rates if rate < LEAST_RATE_HZ), "")


def absurd(rate_hz: int) -> str:
    return f"its header states a sample rate of {rate_hz} Hz"


# Never in a line that a file's name is in
_NO_THREAD = re.compile(r"^(?!.*file:).*: Resource temporarily unavailable(\. Try to increase .*)?$")
_NO_MEMORY = re.compile(r"^(?!.*file:).*(Cannot allocate memory|[Oo]ut of memory|Failed to reallocate .*)$")


@dataclass
class Report:
    """What a decoder said of its inputs."""

    exit_code: int
    stopped: str  # why it was killed by us, empty where it ended by itself
    errors: list[str]  # messages of level error and above
    stated_seconds: dict[int, float] = field(default_factory=dict)  # input -> duration that its header states
    estimated_seconds: dict[int, float] = field(default_factory=dict)  # input -> duration guessed from its bit rate

    @property
    def is_clean(self) -> bool:
        return self.exit_code == 0 and not self.stopped and not self.errors


def lacks_memory(report: Report) -> bool:
    """Tell whether a decoder has ended because this machine, or whoever limits us, gives it too little memory.

    What a file alone can do is to use up what a decoder may have, MEMORY_BYTES: that ends with its own words.
    """
    killed = report.exit_code == -signal.SIGKILL and not report.stopped
    if killed or any(_NO_THREAD.search(error) for error in report.errors):
        return True
    limits = [resource.getrlimit(kind)[0] for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA)]
    is_limited = any(limit != resource.RLIM_INFINITY and limit < 2 * MEMORY_BYTES for limit in limits)
    return is_limited and (report.exit_code < 0 or any(_NO_MEMORY.search(error) for error in report.errors))


def read_messages(messages: str, report: Report) -> None:
    """Take from ffmpeg's log the errors, and what it takes for the duration of each input.

    The duration is nowhere but in this text; whatever does not look like it is left alone. Tags of a file cannot pass
    for it: ffmpeg indents them further.
    """
    current, estimated = -1, False
    for line in messages.split("\n"):
        match = _LINE.match(line)
        if not match:
            continue
        level, text = match.groups()
        if level in ("error", "fatal", "panic"):
            report.errors.append(what_is_said(text))
        elif "Estimating duration" in text:  # said before the input's own line
            estimated = True
        elif found := _INPUT.match(text):
            current = int(found[1])
        elif (found := _DURATION.match(text)) and current >= 0:
            hours, minutes, seconds = found.groups()
            known = report.estimated_seconds if estimated else report.stated_seconds
            known.setdefault(current, int(hours) * 3600 + int(minutes) * 60 + float(seconds))
            estimated = False
        elif _PICTURE.match(text):  # a film may be longer than its sound
            report.stated_seconds.pop(current, None)
