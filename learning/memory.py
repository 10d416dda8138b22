"""How much memory a training takes, and how much there is."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from learning.background import BLOCKS_AHEAD
from learning.pools import Corpus

TENSORFLOW_BYTES = 800_000_000  # resident before the first song: the libraries, the compiled step
SONGS_TRIED = 10  # for one that can be read, to learn how its numbers are stored


def memory_estimate(corpus: Corpus) -> int:
    """Return about how many bytes a training of this corpus will hold resident."""
    config, songs, views = corpus.config, len(corpus.names), len(corpus.views)
    frame = corpus.bins * item_size(corpus)
    pool = min(int(corpus.frames.sum()), config.pool_frames, min(songs, config.pool_songs) * int(corpus.frames.max()))
    pools = 3 * pool * frame * views  # the present one, the next one, and the pieces that it is put together from
    table = songs * (3 * 4 * config.output_vector_size + 400)  # vectors, their copy in a save; names and their index
    block = 16 * config.batch_size * 6 * frame * views * (BLOCKS_AHEAD + 2)
    step = views * 8 * 4 * config.batch_size * (config.batch_size + 2 * config.hidden_size + 4 * corpus.bins)
    return TENSORFLOW_BYTES + pools + table + block + step


def item_size(corpus: Corpus) -> int:
    """Return the bytes of a number of a mel: 2 in what spectrify_all.py wrote, up to 8 in features of one's own."""
    for song in range(min(len(corpus.names), SONGS_TRIED)):
        with contextlib.suppress(OSError, ValueError):
            return corpus.read(song, 0, 1).itemsize
    return np.dtype(np.float16).itemsize


def available_memory(root: Path = Path("/")) -> int | None:
    """Return how many bytes a program can still take, by the kernel and its control groups; None where nobody says.

    Of a control group what it holds of files counts as there, as in the kernel's own MemAvailable: it goes when wanted.
    The limit of every group above the process's own counts too.

    root  what stands for / : the folder that holds proc and sys.
    """
    limits = []
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = (root / "proc/meminfo").read_text().splitlines()
        limits.append(1024 * int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1]))
    for group, limit, usage, prefix in _memory_groups(root):
        with contextlib.suppress(OSError, ValueError):  # "max": no limit here
            room = int((group / limit).read_text()) - int((group / usage).read_text())
            stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
            limits.append(room + sum(int(stat.get(prefix + name, 0)) for name in _RECLAIMABLE))
    return max(0, min(limits)) if limits else None


_RECLAIMABLE = ("inactive_file", "active_file", "slab_reclaimable")  # of memory.stat


def _memory_groups(root: Path) -> Iterator[tuple[Path, str, str, str]]:
    """Yield the folder of each control group that the process is in, with its names of limit, usage and the totals.

    Where the process's path is not to be seen, as in some containers, the folders that are there are those of its own.
    """
    lines: list[str] = []
    with contextlib.suppress(OSError):
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:  # version 2
            top, names = root / "sys/fs/cgroup", ("memory.max", "memory.current", "")
        elif "memory" in controllers.split(","):
            top, names = root / "sys/fs/cgroup/memory", ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_")
        else:
            continue
        parts = [part for part in path.split("/") if part not in ("", "..")]
        for depth in range(len(parts), -1, -1):
            yield (top.joinpath(*parts[:depth]), *names)
