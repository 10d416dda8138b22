"""Random draws that depend on (seed, purpose, index) alone, never on a generator that runs on."""

from __future__ import annotations

import enum
import hashlib
import os

import numpy as np


class Purpose(enum.IntEnum):
    """What a random generator is for: the same index means another stream for each. Runs depend on the numbers."""

    STEP = 0  # the draws of a training step
    POOL = 1  # the order of the songs in a round of pools
    EXCERPT = 2  # where in a long song the excerpt of a pool lies
    SAMPLE = 3  # the frames that the inputs are measured on
    HELD_OUT = 4  # the pairs of the held-out cost
    FIRST_WEIGHTS = 200
    NOISE = 201  # the table of input noise
    INFERENCE = 202  # the pairs that an inferred song vector is found by


HELD_OUT_POSITION = b""  # of a song's held-out frames in the song; a run keeps them for life, so this stays as it is
HELD_OUT_CHOICE = b"held-out choice"  # which songs the held-out cost looks at


def generator(seed: int, purpose: Purpose, index: int) -> np.random.Generator:
    """Return a generator that depends on its arguments alone (counter-based: Salmon et al. 2011, Philox)."""
    return np.random.Generator(np.random.Philox(key=np.array([seed, (int(purpose) << 56) + index], np.uint64)))


def uniform_of_name(name: str, seed: int, purpose: bytes) -> float:
    """Return a number in [0, 1) that depends on its arguments alone: a song keeps it when the corpus grows.

    purpose  at most 16 bytes: numbers for two purposes know nothing of each other.
    """
    key = seed.to_bytes(8, "little")
    digest = hashlib.blake2b(os.fsencode(name), digest_size=8, key=key, person=purpose).digest()
    return int.from_bytes(digest, "little") / 2.0**64
