"""Which of several machines this one is, by TF_CONFIG, and what is dealt out to it. No TensorFlow.

Every machine runs the same command and trains on songs of its own: their vectors, and the state of those, are touched
by nobody else. What they share are the networks, see together.py.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import re
from dataclasses import dataclass

import numpy as np

from learning.pools import LEAST_POOL_SONGS, Corpus, Pools
from learning.streams import uniform_of_name
from utils import UserError, in_words, plural

TF_CONFIG = "TF_CONFIG"  # the environment variable
CHIEF = 0  # the worker that decides, and the only one that writes
END = -1  # what the chief tells instead of a save's number where there is nothing more to do
STEPS_PER_ROUND = 64  # of every worker between two averages of the networks (tests/benchmarks/RESULTS.md)
STEPS_OF_A_WORKER = 1 << 44  # the draws of worker w begin at about w times so many steps: no two draw the same
DEAL = b"deal to workers"

_EXAMPLE = '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", "index": 0}}'
_ADDRESS = re.compile(r"[^\s:/]+:\d{1,5}|\[[0-9a-fA-F:.]+\]:\d{1,5}")


@dataclass(frozen=True)
class Place:
    """This worker among all of them."""

    index: int
    addresses: tuple[str, ...]  # host:port of every worker; the chief's first

    @property
    def workers(self) -> int:
        return len(self.addresses)

    @property
    def is_chief(self) -> bool:
        return self.index == CHIEF

    def __str__(self) -> str:
        return self.name_of(self.index)

    def name_of(self, worker: int) -> str:
        return f"worker {worker} ({self.addresses[worker]})"


def read_place(text: str | None) -> Place | None:
    """Return the place that a TF_CONFIG gives to this process; None where it trains alone.

    TensorFlow's own form: the cluster's workers, of which the first is the chief where no job of that name is there,
    and which of them this is. Raises UserError where the text is something else.
    """
    if not text or not text.strip():
        return None
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _malformed(f"is no JSON ({error})") from None
    if not isinstance(content, dict):
        raise _malformed(f"holds {in_words(content)}, expected an object")
    cluster, task = content.get("cluster") or {}, content.get("task") or {}
    if not isinstance(cluster, dict) or not isinstance(task, dict):
        raise _malformed("expected objects as cluster and task")
    if not cluster:
        return None
    if strange := set(cluster) - {"chief", "worker"}:
        raise _malformed(f"cluster: the job {in_words(min(strange))} has no part in this training, only worker has")
    jobs = {job: _addresses(job, cluster.get(job, [])) for job in ("chief", "worker")}
    addresses = (*jobs["chief"], *jobs["worker"])
    if len(jobs["chief"]) > 1 or not addresses:
        raise _malformed(f"cluster: holds {plural(len(addresses), 'worker')}, {plural(len(jobs['chief']), 'chief')}")
    if len(set(addresses)) < len(addresses):
        raise _malformed("cluster: two workers have one address")
    kind, index = task.get("type", "worker"), task.get("index", None)
    if kind not in tuple(jobs):
        raise _malformed(f"task: type {in_words(kind)} is not worker")
    if isinstance(index, str) and index.isdecimal():  # as some launchers write it
        index = int(index)
    if type(index) is not int or not 0 <= index < len(jobs[kind]):
        raise _malformed(f"task: index {in_words(index)} is none of the {plural(len(jobs[kind]), kind)}")
    if len(addresses) == 1:
        return None
    return Place(index + (len(jobs["chief"]) if kind == "worker" else 0), addresses)


def _addresses(job: str, value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(each, str) and _ADDRESS.fullmatch(each) for each in value):
        raise _malformed(f"cluster: {job}: {in_words(value)} is no list of HOST:PORT")
    return value


def _malformed(what: str) -> UserError:
    return UserError(f"{TF_CONFIG}: {what}; write it as {_EXAMPLE}, or unset it to train on this machine alone")


def deal(names: list[str], workers: int, seed: int) -> list[np.ndarray]:
    """Deal songs out by name: of each worker the rows of its songs, rising. Counts differ by one song at most.

    Songs lie in the order of a hash of their names, and each worker has an equal stretch of it. So when the folder
    grows all but few songs stay with their worker, and its disk cache.
    """
    hashes = np.array([uniform_of_name(name, seed, DEAL) for name in names])
    order = np.argsort(hashes, kind="stable")
    bounds = np.arange(workers + 1) * len(names) // workers
    return [np.sort(order[start:stop]) for start, stop in itertools.pairwise(bounds)]


def require_songs_for_all(corpus: Corpus, place: Place) -> None:
    """Raise UserError where a worker would have fewer songs than can be told apart."""
    if len(corpus.names) < LEAST_POOL_SONGS * place.workers:
        raise UserError(
            f"{corpus.folder}: holds {plural(len(corpus.names), 'usable song')}, and {place.workers} workers need "
            f"{LEAST_POOL_SONGS} each; name fewer workers in {TF_CONFIG}"
        )


def part_of(corpus: Corpus, rows: np.ndarray) -> Corpus:
    """Return the corpus of some songs."""
    stamps = None if corpus.stamps is None else corpus.stamps[rows]
    names = [corpus.names[row] for row in rows]
    return dataclasses.replace(corpus, names=names, frames=corpus.frames[rows], stamps=stamps)


def first_draw(place: Place, pools: Pools) -> int:
    """Return the step at whose draws a worker's own begin: the first of a round of its pools."""
    return place.index * (STEPS_OF_A_WORKER // pools.steps_per_round) * pools.steps_per_round


def what_all_must_share(corpus: Corpus, *more: object) -> list[tuple[str, int]]:
    """Return (what, number) of everything that must be the same on every worker."""
    songs = hashlib.blake2b(digest_size=7)
    for name in corpus.names:
        songs.update(name.encode("utf-8", "surrogateescape") + b"\n")
    songs.update(np.ascontiguousarray(corpus.frames).tobytes() + np.ascontiguousarray(corpus.stamps).tobytes())
    rest = hashlib.blake2b(repr((corpus.bins, corpus.config, more)).encode(), digest_size=7)
    return [
        ("another number of songs in the mel folder", len(corpus.names)),
        ("other songs, or of other lengths or dates, in the mel folder", int.from_bytes(songs.digest(), "little")),
        ("another configuration, other flags or another TensorFlow", int.from_bytes(rest.digest(), "little")),
    ]
