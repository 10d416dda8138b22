"""Random draws that depend on (seed, purpose, index) alone, never on a generator that runs on."""

from __future__ import annotations

import hashlib
import os

import numpy as np

# What a random generator is for: the same index means another stream for each.
_STEP, _POOL, _EXCERPT, _SAMPLE, _HELD_OUT = range(5)


def generator(seed: int, purpose: int, index: int) -> np.random.Generator:
    """Return a generator that depends on its arguments alone (counter-based: Salmon et al. 2011, Philox)."""
    return np.random.Generator(np.random.Philox(key=np.array([seed, (purpose << 56) + index], np.uint64)))


def uniform_of_name(name: str, seed: int) -> float:
    """Return a number in [0, 1) that depends on a song's name and the seed: it survives the growth of the corpus."""
    digest = hashlib.blake2b(os.fsencode(name), digest_size=8, key=seed.to_bytes(8, "little")).digest()
    return int.from_bytes(digest, "little") / 2.0**64
