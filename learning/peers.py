"""The other machines of a training: finding them, and what crosses the wire, all of it by TensorFlow's collectives.

TensorFlow keeps the cluster too: a worker that has died or does not answer for some ten seconds makes whatever the
others wait for fail, here with `GoneError`.

Reference   https://www.tensorflow.org/guide/distributed_training#TF_CONFIG (MultiWorkerMirroredStrategy).
"""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from learning.model import Model, tf
from learning.supervisor import HAVE_MET, LOOKS, GoneError, tell_supervisor
from learning.workers import CHIEF, END, TF_CONFIG, Place
from utils import STOP_SIGNALS, UserError, duration, shortened

T = TypeVar("T")

ROWS_AT_ONCE = 1 << 14  # of song vectors that are sent in one message
MOST_NUMBERS = 10_000  # in a row, and more than that
ALL, FIRST_PAIR = 1000, 1001  # numbers of the groups that exchange something: all workers; the chief and worker 1; ...


class Peers:
    """All workers, this one among them. Each method is called by all of them, in the same order. Made by `join`."""

    def __init__(self, place: Place, thread: ThreadPoolExecutor) -> None:
        self.place = place
        self._thread = thread
        self._keys: dict[object, int] = {}
        self._pack = tf.function(lambda arrays: tf.concat([tf.reshape(each, [-1]) for each in arrays], 0))

    def sum(self, array: np.ndarray) -> np.ndarray:
        """Return the sum of everybody's array, of one shape and type (int64 or floats)."""
        return self._wait(lambda: self._sum(tf.constant(array)).numpy())

    def tell(self, number: int) -> int:
        """Return the chief's number on all workers."""
        return int(self.sum(np.array(number if self.place.is_chief else 0, np.int64)))

    def average(self, model: Model) -> None:
        """Put the mean of everybody's networks, and of their optimizer's state, in the place of this worker's."""
        model.networks = self.mean(model.networks)

    def mean(self, tensors: T) -> T:
        """Return the mean of everybody's tensors, a structure of them. All go in one message."""
        arrays = tf.nest.flatten(tensors)
        total = self._wait(lambda: self._sum(self._pack(arrays)))
        parts = tf.split(total / self.place.workers, [tf.size(each) for each in arrays])
        means = [tf.reshape(part, each.shape) for part, each in zip(parts, arrays, strict=True)]
        return tf.nest.pack_sequence_as(tensors, means)

    def to_chief(self, worker: int, rows: np.ndarray) -> np.ndarray:
        """Return on the chief the rows, (songs, numbers) float32, of another worker.

        Only the chief and that worker call this. The chief's own `rows` say how many there are; they are written over.
        """
        for start in range(0, len(rows), ROWS_AT_ONCE):
            piece = rows[start : start + ROWS_AT_ONCE]
            if self.place.is_chief:
                piece[:] = self._wait(lambda piece=piece: self._receive(worker, piece.shape).numpy())
            else:
                self._wait(lambda piece=piece: self._send(tf.constant(piece)))
        return rows

    def end(self) -> None:
        """Only the chief: tell all that it is done, and part."""
        self.tell(END)
        self.part()

    def part(self) -> None:
        """Part after the last word: nobody may go while another still waits for him, so the chief goes last."""
        ended = np.zeros((1, 1), np.float32)
        others = range(1, self.place.workers) if self.place.is_chief else [self.place.index]
        for worker in others:
            try:
                self.to_chief(worker, ended)
            except GoneError:
                continue  # it has parted

    def require_alike(self, shared: list[tuple[str, int]], remedy: str) -> None:
        """Raise UserError, the same on all workers, where what all must share differs: (what, number) each."""
        table = np.zeros((self.place.workers, len(shared)), np.int64)
        table[self.place.index] = [number for _, number in shared]
        table = self.sum(table)
        for worker, row in enumerate(table):
            for (what, _), number, chiefs in zip(shared, row, table[CHIEF], strict=True):
                if number != chiefs:
                    self.part()
                    who, chief = self.place.name_of(worker), self.place.name_of(CHIEF)
                    raise UserError(f"{who} has {what} than {chief}; {remedy}")

    def _wait(self, work: Callable[[], T]) -> T:
        """Have the thread do it, so that a second signal can end this process meanwhile."""
        try:
            return self._thread.submit(work).result()
        except tf.errors.OpError as error:
            raise self._gone(error) from None

    def _gone(self, error: tf.errors.OpError) -> GoneError:
        found = re.search(r"/job:worker/(?:replica:0/)?task:(\d+)\b(?!/device)", error.message)
        named = int(found[1]) if found else CHIEF
        who = "another worker" if named == self.place.index else self.place.name_of(named)
        return GoneError(
            f"lost touch with {who}, which has ended or does not answer; the newest save is kept, so see what it says "
            "and run the same command again on every machine"
        )

    def _key(self, *what: object) -> int:
        """Return the number of an exchange: the same on all workers, since all come to it in the same order."""
        return self._keys.setdefault(what, len(self._keys) + 1)

    def _sum(self, tensor: tf.Tensor) -> tf.Tensor:
        with tf.device("CPU:0"):
            return tf.raw_ops.CollectiveReduceV2(
                input=tensor,
                group_size=self.place.workers,
                group_key=ALL,
                instance_key=self._key(tensor.dtype, *tensor.shape),
                ordering_token=[],
                merge_op="Add",
                final_op="Id",
                communication_hint="ring",
            )

    def _send(self, tensor: tf.Tensor) -> None:
        with tf.device("CPU:0"):
            tf.raw_ops.CollectiveBcastSendV2(input=tensor, **self._pair(self.place.index, tensor.shape))

    def _receive(self, worker: int, shape: tuple[int, ...]) -> tf.Tensor:
        with tf.device("CPU:0"):
            return tf.raw_ops.CollectiveBcastRecvV2(shape=shape, T=tf.float32, **self._pair(worker, shape))

    def _pair(self, worker: int, shape: tuple[int, ...]) -> dict[str, object]:
        # The chief exchanges more than this worker does, so the number of what two exchange is that of its shape alone
        key = int(shape[0]) * MOST_NUMBERS + int(shape[1])
        return {"group_size": 2, "group_key": FIRST_PAIR + worker, "instance_key": key, "communication_hint": "ring"}


def take_signals_back() -> None:
    """See to it that signals come to Python's handlers: TensorFlow's cluster puts one of its own in their place."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.getsignal(number))


def join(place: Place, seconds: float, report: Callable[[str], None]) -> Peers:
    """Meet all workers. Raises UserError where the own port is taken.

    seconds  that the supervisor waits for it.
    """
    report(f"waits for {place.workers} workers to be there, at most {duration(seconds)}")
    thread = ThreadPoolExecutor(1, "peers")

    def meet() -> tf.distribute.Strategy:
        cluster = tf.train.ClusterSpec({"worker": list(place.addresses)})
        task = {"task_type": "worker", "task_id": place.index}
        resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(cluster, **task)
        return tf.distribute.MultiWorkerMirroredStrategy(cluster_resolver=resolver)

    try:
        tell_supervisor(LOOKS)
        thread.submit(meet).result()
        take_signals_back()
        peers = Peers(place, thread)
        peers.tell(0)  # TensorFlow's own servers may be there before their workers are
        tell_supervisor(HAVE_MET)
    except (tf.errors.OpError, RuntimeError) as error:
        what = shortened(" ".join(str(error).split()))
        raise UserError(f"{TF_CONFIG}: {place} cannot begin ({what}); is its port taken?") from None
    return peers
