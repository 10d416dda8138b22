"""Which tracks are learned from and which are tested on: repeated stratified folds that no group crosses."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence

import numpy as np

from judging.labels import encode
from judging.quiet import no_warnings

FOLDS, REPEATS = 5, 2  # ten folds in all: enough to show the spread, cheap enough for thousands of tracks
FOLD_ATTEMPTS = 10  # draws for each repetition before fewer folds are tried, see make_folds

Folds = list[tuple[np.ndarray, np.ndarray]]  # (rows to learn from, rows to test on), int64


def class_members(labels: Sequence[str], groups: Sequence[str] | None = None) -> dict[str, int]:
    """Return the number of tracks of each class, or of different groups where groups are given; sorted by class."""
    members = range(len(labels)) if groups is None else groups
    counts = Counter(label for label, _ in set(zip(labels, members, strict=True)))
    return dict(sorted(counts.items()))


def large_classes(
    labels: Sequence[str], groups: Sequence[str] | None = None, least: int = FOLDS
) -> tuple[np.ndarray, list[str]]:
    """Find the tracks of the classes that have at least so many members: groups where given, else tracks.

    least    at least 2. With fewer members than folds a class has all folds be fewer, see `make_folds`.
    Returns  (tracks,) bool, and the names of the classes that are smaller.
    """
    members = class_members(labels, groups)
    return np.array([members[label] >= least for label in labels], bool), [c for c in members if members[c] < least]


def make_folds(labels: Sequence[str], groups: Sequence[str] | None = None, seed: int = 0) -> Folds:
    """Return repeated stratified folds: REPEATS times FOLDS, or fewer where the smallest class has fewer members.

    labels   one for each track; every class has at least two members (see large_classes).
    groups   one for each track, or None: no group is ever on both sides.
    Returns  REPEATS * n pairs of rows, 2 <= n <= FOLDS. In each repetition a track is tested once, and what is learnt
             from holds every class.
    Raises   ValueError for fewer than two classes, a class of one member, or groups that cannot be separated so.
    """
    members = class_members(labels, groups)
    if len(members) < 2:
        found = f"one class only, {next(iter(members))!r}" if members else "no class of two or more members"
        raise ValueError(f"{found}: there is nothing to tell apart; two classes of two members are the least")
    smallest = min(members, key=members.__getitem__)
    if members[smallest] < 2:
        raise ValueError(f"class {smallest!r} has one member only: it cannot be both learnt and tested")
    classes, codes = encode(labels)
    group_codes = None if groups is None else encode(groups)[1]
    random = np.random.default_rng(seed % 2**64)
    # Stratification by group is greedy: it can leave a fold empty or hold back all groups of a class, and does so in
    # each draw where groups are few. Then groups drawn without regard to their classes are the second choice.
    for split in (_stratified,) if groups is None else (_stratified, _random_groups):
        for count in range(min(FOLDS, members[smallest]), 1, -1):
            drawn = (split(codes, group_codes, count, random) for _ in range(REPEATS * FOLD_ATTEMPTS))
            whole = (
                folds
                for folds in drawn
                if all(len(test) and len(np.unique(codes[train])) == len(classes) for train, test in folds)
            )
            taken = list(itertools.islice(whole, REPEATS))
            if len(taken) == REPEATS:
                return list(itertools.chain.from_iterable(taken))
    raise ValueError("the groups cannot be divided so that every class is on both sides; merge classes or drop groups")


def _stratified(codes: np.ndarray, groups: np.ndarray | None, count: int, random: np.random.Generator) -> Folds:
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    with no_warnings():
        return list(kind(count, shuffle=True, random_state=int(random.integers(2**31))).split(codes, codes, groups))


def _random_groups(codes: np.ndarray, groups: np.ndarray, count: int, random: np.random.Generator) -> Folds:
    fold = random.permutation(np.arange(groups.max() + 1) % count)[groups]  # (tracks,)
    return [(np.flatnonzero(fold != number), np.flatnonzero(fold == number)) for number in range(count)]
