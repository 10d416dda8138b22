"""What an audio file's own structure says of its length and its end, where no decoder says so. No sound is decoded."""

from __future__ import annotations

import contextlib
import os
import struct
import zlib
from dataclasses import dataclass
from typing import BinaryIO

from files import never_waiting
from mels.parsed_headers import parse_headers

MPEG_SUFFIXES = frozenset([".mp1", ".mp2", ".mp3", ".mpga", ".aac"])  # frame after frame, without a container
MOST_CHUNKS = 1000  # of a wav before its sound, tags and objects of others too: more is an attack
TAIL_BYTES = 1 << 17  # of a file's end: room for two Ogg pages of the greatest size
LEAST_BITS_PER_SECOND = 2000  # where speech codecs end, and only silence takes less: a length that needs less is none


@dataclass(frozen=True)
class Missing:
    """What is missing at a file's end, in words, and the share of the file that is there, where that is known."""

    text: str
    share: float | None = None


def wav_seconds(path: str) -> float | None:
    """Return the duration that a RIFF wav's header states; None for other files, and for headers of streamed ones.

    Neither decoder says so when a wav is cut short: both go by the size of the file.
    """
    size, _, bytes_per_second = _wav_header(path)
    # a recorder that could not seek back leaves 0 or about 2**31 or 2**32
    return size / bytes_per_second if bytes_per_second and 0 < size < 0x7FFFF000 else None


def wav_rate_hz(path: str) -> int | None:
    """Return the sample rate that a RIFF wav's header states; None for other files."""
    _, rate_hz, bytes_per_second = _wav_header(path)
    return rate_hz if bytes_per_second else None


def _wav_header(path: str) -> tuple[int, int, int]:
    """Return the size of the sound, its sample rate and bytes per second as a RIFF wav states them; zeros elsewhere."""
    rate_hz = bytes_per_second = 0
    with contextlib.suppress(OSError, struct.error), open(path, "rb", opener=never_waiting) as file:
        if _is_riff_wav(file):
            for _ in range(MOST_CHUNKS):
                name, size = struct.unpack("<4sI", file.read(8))
                if name == b"fmt ":
                    rate_hz, bytes_per_second = struct.unpack("<4xII", file.read(12))
                    file.seek(size - 12, os.SEEK_CUR)
                elif name == b"data":
                    return size, rate_hz, bytes_per_second
                else:
                    file.seek(size + size % 2, os.SEEK_CUR)
    return 0, 0, 0


def _is_riff_wav(file: BinaryIO) -> bool:
    """Tell by the next twelve bytes of a file, which are its first."""
    start = file.read(12)
    return start[:4] == b"RIFF" and start[8:] == b"WAVE"


def header_seconds(path: str, parsed: object | None = None) -> float | None:
    """Return the duration that a file's headers state, in any format that mutagen reads.

    parsed  what mutagen.File made of the file, where that is known already.
    None where they state none, or one that no file of that size can have, as headers of streams do.
    """
    try:
        with open(path, "rb", opener=never_waiting) as file:
            is_riff_wav, most_seconds = _is_riff_wav(file), 8 * os.path.getsize(path) / LEAST_BITS_PER_SECOND
        if is_riff_wav:
            seconds = wav_seconds(path)
        else:
            seconds = float((parse_headers(path) if parsed is None else parsed).info.length)
    except Exception:  # of a broken file anything, and it is only asked to have a guess
        return None
    return seconds if seconds is not None and 0 < seconds <= most_seconds else None


def missing_end(path: str) -> Missing | None:
    """Tell what is missing at the end of an Ogg, ASF (wma) or bare MPEG file (mp3, aac); None where nobody can tell.

    Only what is certain: a whole file with tags or garbage behind its sound is never taken for a part of one.
    """
    try:
        with open(path, "rb", opener=never_waiting) as file:
            magic = file.read(16)
            if magic[:4] == OGG_PAGE:
                return _missing_of_ogg(file)
            if magic == ASF_HEADER:
                return _missing_of_asf(file)
            if os.path.splitext(path)[1].lower() in MPEG_SUFFIXES:
                return _missing_of_mpeg(file)
    except (OSError, struct.error):
        pass
    return None


def _tail(file: BinaryIO) -> bytes:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - TAIL_BYTES))
    return file.read()


# Ogg. Reference: RFC 3533, section 6.

OGG_PAGE = b"OggS"
OGG_HEADER_BYTES = 27  # before the table of segments
OGG_LAST_PAGE = 0x04  # flag: the last page of its stream
OGG_CRC_AT = 22
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))  # a byte with its bits in the opposite order


def _missing_of_ogg(file: BinaryIO) -> Missing | None:
    """The last page of a file is the last of its stream, whatever streams there are, and flagged as such."""
    tail = _tail(file)
    place = len(tail)
    while (place := tail.rfind(OGG_PAGE, 0, place)) >= 0:
        page = _ogg_page(tail, place)
        if page is None:  # begun, and not ended: only the newest can be
            continue
        if _ogg_crc(page) != int.from_bytes(page[OGG_CRC_AT : OGG_CRC_AT + 4], "little"):
            return None  # damaged, or no page at all
        behind = tail[place + len(page) :]
        if behind and (behind.startswith(OGG_PAGE) or OGG_PAGE.startswith(behind)):
            return Missing("the file ends inside a page of its Ogg stream")
        return None if page[5] & OGG_LAST_PAGE else Missing("the Ogg stream's last page is missing")
    return None


def _ogg_page(content: bytes, start: int) -> bytes | None:
    """Return the page at a place, None where the content ends before the page does."""
    if len(content) < start + OGG_HEADER_BYTES:
        return None
    body = start + OGG_HEADER_BYTES + content[start + OGG_HEADER_BYTES - 1]
    end = body + sum(content[start + OGG_HEADER_BYTES : body])
    return content[start:end] if end <= len(content) else None


def _ogg_crc(page: bytes) -> int:
    """Return a page's checksum: zlib's polynomial, from the other end of each byte, and without the inversions."""
    content = (page[:OGG_CRC_AT] + bytes(4) + page[OGG_CRC_AT + 4 :]).translate(_MIRRORED)
    crc = zlib.crc32(content, 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{crc:032b}"[::-1], 2)


# ASF, the container of wma. Reference: Microsoft, Advanced Systems Format Specification, sections 3.1, 3.2 and 5.

ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
ASF_BROADCAST = 0x01  # flag: written to a stream, so that the counts were not known
ASF_DATA_HEADER_BYTES = 50


def _missing_of_asf(file: BinaryIO) -> Missing | None:
    """The header counts the packets, all of one size, that follow it."""
    size = file.seek(0, os.SEEK_END)
    file.seek(len(ASF_HEADER))
    header_bytes, objects = struct.unpack("<QI2x", file.read(14))
    for _ in range(min(objects, MOST_CHUNKS)):
        name, object_bytes = struct.unpack("<16sQ", file.read(24))
        if name == ASF_FILE_PROPERTIES:
            packets, flags, least, most = struct.unpack("<32xQ24xIII", file.read(76))
            break
        if not 24 <= object_bytes <= size:  # no file has it, and seek cannot even be asked for some
            return None
        file.seek(object_bytes - 24, os.SEEK_CUR)
    else:
        return None
    there = (size - header_bytes - ASF_DATA_HEADER_BYTES) // most if most else 0
    if flags & ASF_BROADCAST or least != most or not packets or there >= packets:
        return None
    share = max(0, there) / packets
    return Missing(f"the file ends before the {packets:,} packets that its header names", share)


# MPEG audio and ADTS: frames of which each one's header tells its length.
# Reference: ISO/IEC 11172-3, section 2.4.1.3, and 13818-7, section 6.2.

FRAME_HEADER_BYTES = 6  # as many as ADTS needs to tell its length
LEAST_FRAMES = 4  # that follow each other without a gap: less could be chance
LENGTH_MARKS = (b"Xing", b"Info", b"VBRI")  # of a first frame that tells the number of all: the decoder goes by it
LENGTH_MARK_WITHIN = 4096  # bytes from the end of the tags at the start

_KILOBITS = {  # (MPEG 1?, layer) -> by the header's number of the bit rate; 0 is "free"
    (True, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES_HZ = {0: (11025, 12000, 8000), 2: (22050, 24000, 16000), 3: (44100, 48000, 32000)}  # MPEG 2.5, 2, 1


def _missing_of_mpeg(file: BinaryIO) -> Missing | None:
    """A file that is cut inside a frame; one that is cut between two frames cannot be told from a whole one."""
    file.seek(_tags_bytes(file))
    start = file.read(LENGTH_MARK_WITHIN)
    if any(mark in start for mark in LENGTH_MARKS):
        return None
    tail = _tail(file)
    place = 0
    while (place := tail.find(b"\xff", place)) >= 0:
        end, frames = _follow_frames(tail, place)
        if frames >= LEAST_FRAMES and end > len(tail):
            return Missing("the file ends inside a frame")
        place = end if frames >= LEAST_FRAMES else place + 1
    return None


def _tags_bytes(file: BinaryIO) -> int:
    """Return how many bytes of ID3v2 tags a file begins with; of more than anybody writes, those of the first."""
    place = 0
    for _ in range(MOST_CHUNKS):
        file.seek(place)
        header = file.read(10)
        if header[:3] != b"ID3" or len(header) < 10:
            return place
        size = 0
        for byte in header[6:]:  # seven bits each
            size = size << 7 | byte & 0x7F
        place += 10 + size + (10 if header[5] & 0x10 else 0)
    return place


def _follow_frames(content: bytes, start: int) -> tuple[int, int]:
    """Go from frame to frame as long as they are of one kind.

    Returns where they end, which is behind the content where the last one is cut, and the number of whole ones.
    """
    place, frames, kind = start, 0, None
    while place + FRAME_HEADER_BYTES <= len(content):
        header = content[place : place + FRAME_HEADER_BYTES]
        length = frame_bytes(header)
        kind = kind or _frame_kind(header)
        if not length or _frame_kind(header) != kind:
            break
        place += length
        frames += place <= len(content)
    return place, frames


def _frame_kind(header: bytes) -> tuple[int, int]:
    """Return what stays from frame to frame: version, layer, protection, sample rate, and of ADTS the profile too."""
    is_adts = not header[1] & 0x06
    return header[1], header[2] & (0xFC if is_adts else 0x0C)


def frame_bytes(header: bytes) -> int:
    """Return the length of an MPEG audio or ADTS frame from its first six bytes; 0 where they are none."""
    if header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return 0
    version, layer_code = header[1] >> 3 & 3, header[1] >> 1 & 3
    if layer_code == 0:  # ADTS, whose mark has twelve bits
        length = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
        return length if header[1] & 0xF0 == 0xF0 and length > FRAME_HEADER_BYTES else 0
    layer, rate_code, bits_code = 4 - layer_code, header[2] >> 2 & 3, header[2] >> 4
    if version == 1 or rate_code == 3 or bits_code in (0, 15):
        return 0
    bits, rate_hz = 1000 * _KILOBITS[version == 3, layer][bits_code], _RATES_HZ[version][rate_code]
    padding = header[2] >> 1 & 1
    if layer == 1:
        return (12 * bits // rate_hz + padding) * 4
    return (72 if layer == 3 and version != 3 else 144) * bits // rate_hz + padding
