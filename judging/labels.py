"""What the scripts that judge vectors share: label tables, baselines, folds, clusters and their scores.

No argparse and no TensorFlow here; scikit-learn and faiss are imported where they are used, so that `--help` is quick.
Functions of arrays raise ValueError, functions of files raise UserError.
"""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import posixpath
import unicodedata
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mels.mel_folder import MEL_SUFFIX
from utils import UserError, examples, nearest, plural

FILENAME_COLUMN = "filename"
MFCC_COEFFICIENTS = 20
FOLDS, REPEATS = 5, 2  # ten folds in all: enough to show the spread, cheap enough for thousands of tracks
FOLD_ATTEMPTS = 10  # draws for each repetition before fewer folds are tried, see make_folds
SHUFFLES = 20  # random assignments whose mean is shown beside a clustering's scores
KMEANS_STARTS, KMEANS_ITERATIONS = 5, 25  # the best of five starts is kept; 25 iterations is where they settle
KMEANS_SAMPLE = 100_000  # vectors: where there are more, so many choose among the starts, and all of them the clusters
KMEANS_SAMPLE_EACH = 256  # vectors a cluster: the sample is never smaller; what faiss itself samples by default
DIRECTIONS_BLOCK = 1 << 16  # rows that are made float64 at a time

Folds = list[tuple[np.ndarray, np.ndarray]]  # (rows to learn from, rows to test on), int64


@dataclass(frozen=True)
class LabelTable:
    """A label table as it is written: every value is text, a field that a row lacks is empty."""

    path: Path
    columns: list[str]
    rows: list[dict[str, str]]


def read_label_table(path: Path) -> LabelTable:
    """Read a comma- or tab-separated table, UTF-8 with or without BOM; other bytes survive as they do in file names.

    Raises UserError where the file is missing, or a line cannot be told apart into the header's columns.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8-sig", "surrogateescape")
    except FileNotFoundError:
        raise UserError(f"{path}: no such label table; write a CSV with the columns filename,genre") from None
    delimiter = "\t" if "\t" in text.partition("\n")[0] else ","
    # strict: a quote that never closes would otherwise swallow the rows after it without a word
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    remedy = "put double quotes around a field that holds a comma or a quote, and write a quote inside it twice"
    rows = []
    try:
        columns = [column.strip() for column in next(lines, ())]
        for fields in lines:
            if any(fields[len(columns) :]):
                count = f"{len(fields)} fields where the header has {len(columns)}"
                raise UserError(f"{path}, line {lines.line_num}: {count}; {remedy}")
            if any(fields):
                rows.append(dict(itertools.zip_longest(columns, fields[: len(columns)], fillvalue="")))
    except csv.Error as error:
        raise UserError(f"{path}, line {lines.line_num}: {error}; {remedy}") from None
    return LabelTable(Path(path), columns, rows)


def require_columns(table: LabelTable, columns: Sequence[str]) -> None:
    """Raise UserError, naming the nearest one, where the table lacks a column or has it twice."""
    for column in columns:
        if column not in table.columns:
            raise UserError(f"{table.path}: no column {column!r}{nearest(column, table.columns)}")
        if table.columns.count(column) > 1:
            raise UserError(f"{table.path}: two columns are named {column!r}; rename one")


@dataclass(frozen=True)
class LabelledSongs:
    """The songs that have a label (and a group, where a group column was asked for), in the order of their names."""

    songs: np.ndarray  # (labelled,) int64, positions in the list of names
    labels: list[str]
    groups: list[str] | None
    songs_without_row: list[str]
    songs_with_empty: list[str]  # their row has an empty label or group
    rows_without_song: list[str]  # filenames

    def summary(self, listed: bool = False) -> str:
        """Return in one line how many songs are labelled and what was left out; `listed` names each of that too."""
        counts = [
            (self.songs_without_row, "song", "without a row in the table"),
            (self.songs_with_empty, "song", "with an empty " + ("label" if self.groups is None else "label or group")),
            (self.rows_without_song, "row", "without a song"),
        ]
        left_out = ", ".join(f"{plural(len(which), noun)} {why}" for which, noun, why in counts if which)
        total = len(self.songs) + len(self.songs_without_row) + len(self.songs_with_empty)
        line = f"{len(self.songs):,} of {plural(total, 'song')} labelled; left out: {left_out or 'nothing'}"
        if not listed:
            return line
        names = [f"{noun} {why}: {name.removesuffix(MEL_SUFFIX)}" for which, noun, why in counts for name in which]
        return "\n".join([line, *names])


def label_songs(
    table: LabelTable, names: Sequence[str], label_column: str, group_column: str | None = None
) -> LabelledSongs:
    """Give each song of a run its label. Songs without a row, rows without a song and empty labels are left out.

    names   as in music_list.txt; see match_rows for how they are found in the table.
    Raises  UserError for a missing column, for one song with two different labels, and where no song has a label.
    """
    columns = [label_column] if group_column is None else [label_column, group_column]
    found = match_rows(table, names, columns)
    songs = [song for song in range(len(names)) if all(found.get(song, ("",)))]
    if not songs:
        raise _no_label(table, names, found, label_column)
    return LabelledSongs(
        np.array(songs, np.int64),
        [found[song][0] for song in songs],
        None if group_column is None else [found[song][1] for song in songs],
        [name for song, name in enumerate(names) if song not in found],
        [name for song, name in enumerate(names) if not all(found.get(song, ("-",)))],
        [key for key in found if isinstance(key, str)],
    )


def match_rows(table: LabelTable, names: Sequence[str], columns: Sequence[str]) -> dict[int | str, tuple[str, ...]]:
    """Return what the table says in some columns: of a song under its position, else under the row's filename.

    names   as in music_list.txt. A filename matches its song with or without .npy, with './' or '\\', and whether its
            letters are composed or decomposed (macOS); an exact match wins. Where no path matches, the base name
            does, if one song and one filename alone have it: tables hold paths of another machine.
    Returns values on one line each, empty where no row of the song has one.
    Raises  UserError for a missing column, and for one song with two different values.
    """
    require_columns(table, [FILENAME_COLUMN, *columns])
    find_song = _song_finder(names, [row[FILENAME_COLUMN] for row in table.rows])
    found: dict[int | str, tuple[str, ...]] = {}
    for row in table.rows:
        filename = row[FILENAME_COLUMN]
        song = find_song(filename)
        key = _match_key(filename) if song is None else song
        values = tuple(" ".join(row[column].split()) for column in columns)  # a label is one line
        known = found.get(key, values)
        for one, other in zip(known, values, strict=True):
            if one and other and one != other:
                what = f"{filename!r} has two rows, with {one!r} and with {other!r}"
                raise UserError(f"{table.path}: {what}; keep the right one")
        found[key] = tuple(one or other for one, other in zip(known, values, strict=True))
    return found


def _no_label(table: LabelTable, names: Sequence[str], found: dict, label_column: str) -> UserError:
    if any(isinstance(key, int) for key in found):
        return UserError(f"{table.path}: column {label_column!r} is empty for every song of the run; fill it in")
    return no_row_matches(table, names, found)


def no_row_matches(table: LabelTable, names: Sequence[str], found: dict[int | str, tuple[str, ...]]) -> UserError:
    """Return the error for a table in which `match_rows` found no song of the run."""
    if not found:
        return UserError(f"{table.path}: holds no row; write one row for each audio file")
    ours = names[0].removesuffix(MEL_SUFFIX) if names else ""
    return UserError(
        f"{table.path}: no filename belongs to a song of the run; the table has {next(iter(found))!r}, the run "
        f"{ours!r}: write paths relative to the audio folder"
    )


def _match_key(name: str) -> str:
    path = unicodedata.normalize("NFC", name.strip().replace("\\", "/")).removesuffix(MEL_SUFFIX)
    return posixpath.normpath(path)


def _song_finder(names: Sequence[str], filenames: Sequence[str]) -> Callable[[str], int | None]:
    exact = {name: song for song, name in enumerate(names)}
    by_key = _unique({song: _match_key(name) for song, name in enumerate(names)})
    by_base = _unique({song: posixpath.basename(_match_key(name)) for song, name in enumerate(names)})
    rows_of_base = Counter(posixpath.basename(key) for key in {_match_key(filename) for filename in filenames})

    def find_song(filename: str) -> int | None:
        for name in (filename + MEL_SUFFIX, filename):
            if name in exact:
                return exact[name]
        key = _match_key(filename)
        base = posixpath.basename(key)
        return by_key[key] if key in by_key else by_base.get(base) if rows_of_base[base] == 1 else None

    return find_song


def _unique(keys: dict[int, str]) -> dict[str, int | None]:
    """Turn song -> key around; None where several songs share a key, which only an exact match tells apart."""
    songs: dict[str, int | None] = {}
    for song, key in keys.items():
        songs[key] = None if key in songs else song
    return songs


def encode(values: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """Return the different values, sorted, and (values,) int64 positions in them."""
    classes = sorted(set(values))
    position = {value: code for code, value in enumerate(classes)}
    return classes, np.array([position[value] for value in values], np.int64)


def mean_log_mel(mel: np.ndarray) -> np.ndarray:
    """Return the mean of each mel bin over a track: (frames, mel_bins) -> (mel_bins,) float64."""
    _require_frames(mel)
    return np.asarray(mel, np.float64).mean(axis=0)


def mfcc_statistics(mel: np.ndarray) -> np.ndarray:
    """Describe a track by statistics of its mel-frequency cepstral coefficients (MFCC), without any training.

    mel      (frames, mel_bins), natural log of mel magnitude, at least one frame.
    Returns  (140,) float64: of each of 20 coefficients the mean and standard deviation, those of its first difference
             in time (0 where there is one frame only), and the median, minimum and maximum. Fewer than 20 mel bins
             give as many coefficients as bins.
    Raises   ValueError where there is no frame.

    The coefficients are an orthonormal DCT-II over the mel bins (Davis and Mermelstein 1980; here of log magnitude,
    where they took log energy: twice that). The statistics follow the features of the FMA data set (Defferrard,
    Benzi, Vandergheynst and Bresson 2017) with differences in the place of skewness and kurtosis.
    """
    from scipy.fft import dct

    _require_frames(mel)
    coefficients = dct(np.asarray(mel, np.float64), type=2, norm="ortho", axis=1)[:, :MFCC_COEFFICIENTS]
    differences = np.diff(coefficients, axis=0) if len(mel) > 1 else np.zeros_like(coefficients)
    return np.concatenate(
        [
            coefficients.mean(axis=0),
            coefficients.std(axis=0),
            differences.mean(axis=0),
            differences.std(axis=0),
            np.median(coefficients, axis=0),
            coefficients.min(axis=0),
            coefficients.max(axis=0),
        ]
    )


def _require_frames(mel: np.ndarray) -> None:
    if mel.ndim != 2 or not mel.size:
        raise ValueError(f"a mel of shape {mel.shape} holds no frame")


def class_members(labels: Sequence[str], groups: Sequence[str] | None = None) -> dict[str, int]:
    """Return the number of tracks of each class, or of different groups where groups are given; sorted by class."""
    members = range(len(labels)) if groups is None else groups
    counts = Counter(label for label, _ in set(zip(labels, members, strict=True)))
    return dict(sorted(counts.items()))


def usable_classes(labels: Sequence[str], groups: Sequence[str] | None = None) -> tuple[np.ndarray, list[str]]:
    """Tell which tracks belong to a class of at least two members (groups, where given), and name the other classes.

    Returns  (tracks,) bool, and the names of the classes that are too small to be learnt and tested.
    """
    members = class_members(labels, groups)
    return np.array([members[label] > 1 for label in labels], bool), [c for c in members if members[c] < 2]


def left_out_classes(small: Sequence[str], by_group: bool) -> str:
    """Return in one line that classes of too few members, see `usable_classes`, were left out."""
    what = f"{plural(len(small), 'label')} with fewer than two {'groups' if by_group else 'tracks'}"
    return f"left out: {what} ({examples(small)})"


def make_folds(labels: Sequence[str], groups: Sequence[str] | None = None, seed: int = 0) -> Folds:
    """Return repeated stratified folds: REPEATS times FOLDS, or fewer where the smallest class has fewer members.

    labels   one for each track; every class has at least two members (see usable_classes).
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


@contextlib.contextmanager
def no_warnings() -> Iterator[None]:
    """Keep scikit-learn from talking to the user of a script."""
    # scikit-learn takes few tracks of many classes for a regression, and says so on each call; and a linear SVM that
    # stops short of its tolerance is as good a classifier for our purpose.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def check_directions(names: Sequence[str], vectors: np.ndarray) -> None:
    """Raise ValueError, naming the first song, where a vector is zero or not finite and so has no direction."""
    norms = _norms(vectors)
    bad = np.flatnonzero((norms == 0) | ~np.isfinite(norms))
    if len(bad):
        more = f" (and {plural(len(bad) - 1, 'other')})" if len(bad) > 1 else ""
        what = "zero" if np.isfinite(vectors[bad[0]]).all() else "not finite"
        raise ValueError(f"the vector of {names[bad[0]]!r}{more} is {what}; remove that mel, or train anew")


def _norms(vectors: np.ndarray) -> np.ndarray:
    return np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))


def directions(vectors: np.ndarray) -> np.ndarray:
    """Return vectors (rows, dims), none of them zero, scaled to length 1: float32."""
    scaled = np.empty(vectors.shape, np.float32)
    norms = _norms(vectors)[:, None]
    for start in range(0, len(vectors), DIRECTIONS_BLOCK):
        rows = slice(start, start + DIRECTIONS_BLOCK)
        scaled[rows] = vectors[rows] / norms[rows]
    return scaled


def spherical_kmeans(vectors: np.ndarray, clusters: int, seed: int = 0) -> np.ndarray:
    """Assign each vector to one of `clusters` directions, so that the sum of cosines is large. All vectors are used.

    The best of five starts is kept. More than 100,000 vectors (or 256 a cluster) are too many for that: a sample of so
    many chooses the start, and from there the iterations go over all vectors.

    vectors  (songs, dims), finite and not zero; only their directions count.
    Returns  (songs,) int64 in [0, clusters), the same for the same seed on any number of cores. A cluster can stay
             empty where vectors coincide.
    Raises   ValueError for more clusters than vectors.

    Reference: Dhillon and Modha 2001, by faiss (Johnson, Douze and Jegou 2017).
    """
    rows = directions(vectors)
    return nearest_centroids(rows, learn_centroids(rows, clusters, seed))


def learn_centroids(rows: np.ndarray, clusters: int, seed: int = 0) -> np.ndarray:
    """Return the (clusters, dims) float32 directions that `spherical_kmeans` finds for rows of length 1, float32."""
    check_cluster_count(clusters, len(rows))
    sample = sample_rows(rows, max(KMEANS_SAMPLE, KMEANS_SAMPLE_EACH * clusters), seed)
    centroids = _train_kmeans(sample, clusters, seed, KMEANS_STARTS, None)
    return centroids if len(sample) == len(rows) else _train_kmeans(rows, clusters, seed, 1, centroids)


def check_cluster_count(clusters: int, songs: int) -> None:
    """Raise ValueError for more clusters than songs."""
    if not 1 <= clusters <= songs:
        raise ValueError(f"{clusters} clusters of {plural(songs, 'song')}: ask for 1 to {songs}")


def sample_rows(rows: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Return `count` of the rows, drawn by the seed, in their order; all of them where there are not more."""
    if len(rows) <= count:
        return rows
    return rows[np.sort(np.random.default_rng(seed % 2**64).choice(len(rows), count, replace=False))]


def nearest_centroids(rows: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """Return for each row the centroid of the largest inner product, (rows,) int64; float32 both."""
    import faiss

    index = faiss.IndexFlatIP(centroids.shape[1])
    index.add(centroids)
    with _one_faiss_thread():
        return index.search(rows, 1)[1].ravel()


def _train_kmeans(rows: np.ndarray, clusters: int, seed: int, starts: int, centroids: np.ndarray | None) -> np.ndarray:
    import faiss

    kmeans = faiss.Kmeans(
        rows.shape[1],
        clusters,
        spherical=True,
        seed=seed % 2**31,
        nredo=starts,
        niter=KMEANS_ITERATIONS,
        min_points_per_centroid=1,  # no warning on stderr
        max_points_per_centroid=len(rows),  # no sampling
    )
    with _one_faiss_thread():
        kmeans.train(rows, init_centroids=centroids)
    return kmeans.centroids


@contextlib.contextmanager
def _one_faiss_thread() -> Iterator[None]:
    # The sums' order, and so the last bits, would depend on the number of cores; and where other programs use the
    # cores, faiss' threads wait for each other so long that one alone is ten times faster.
    import faiss

    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)


def hubness(vectors: np.ndarray, neighbours: int = 10) -> float:
    """Return the skewness of how often each track is among the `neighbours` nearest (by cosine) of the others.

    0 where all tracks are named alike; large where a few hubs are near everything, and so say nothing.

    vectors    (tracks, dims), finite and not zero; at least two tracks.
    Reference  Radovanovic, Nanopoulos and Ivanovic 2010, Hubs in Space.
    """
    import faiss

    rows = directions(vectors)
    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(rows)
    neighbours = min(neighbours, len(rows) - 1)
    nearest_tracks = index.search(rows, neighbours + 1)[1]  # itself among them, save where others coincide
    others = nearest_tracks[nearest_tracks != np.arange(len(rows))[:, None]]
    counts = np.bincount(others, minlength=len(rows)).astype(np.float64)
    deviation = counts.std()
    return float(((counts - counts.mean()) ** 3).mean() / deviation**3) if deviation else 0.0


def contingency(labels: np.ndarray, clusters: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Count the songs of each label in each cluster: two (songs,) int arrays below `shape` -> shape int64."""
    cells = np.ravel_multi_index((labels, clusters), shape)
    return np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape)


def clustering_scores(table: np.ndarray) -> dict[str, float]:
    """Return how well clusters agree with labels, from their (labels, clusters) counts.

    purity         share of songs that have the most frequent label of their cluster.
    NMI            mutual information over the arithmetic mean of the two entropies (Strehl and Ghosh 2002).
    adjusted Rand  pairs of songs on which both agree, corrected for chance (Hubert and Arabie 1985).
    NMI and adjusted Rand are 1 where labels and clusters are the same partition.
    """
    songs = table.sum()
    by_label, by_cluster = table.sum(axis=1), table.sum(axis=0)
    information = _entropy(by_label) + _entropy(by_cluster) - _entropy(table.ravel())
    entropies = (_entropy(by_label) + _entropy(by_cluster)) / 2
    together, in_label, in_cluster = (_pairs(counts) for counts in (table, by_label, by_cluster))
    expected = in_label * in_cluster / max(_pairs(songs), 1)
    room = (in_label + in_cluster) / 2 - expected
    return {
        "purity": float(table.max(axis=0).sum() / songs),
        "NMI": max(0.0, information / entropies) if entropies else 1.0,
        "adjusted Rand": (together - expected) / room if room else 1.0,
    }


def random_scores(labels: np.ndarray, clusters: np.ndarray, seed: int = 0) -> dict[str, float]:
    """Return the mean clustering scores over random assignments to clusters of the same sizes."""
    random = np.random.default_rng(seed % 2**64)
    shape = (int(labels.max()) + 1, int(clusters.max()) + 1)
    drawn = [clustering_scores(contingency(labels, random.permutation(clusters), shape)) for _ in range(SHUFFLES)]
    return {name: float(np.mean([scores[name] for scores in drawn])) for name in drawn[0]}


def _entropy(counts: np.ndarray) -> float:
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())


def _pairs(counts: np.ndarray) -> float:
    counts = np.asarray(counts, np.float64)
    return float((counts * (counts - 1) / 2).sum())
