"""What quality.py and quality_all.py train, and the scores of it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from quality_inputs import (
    CHANCE,
    LOG_MEL,
    PLAIN,
    SEEN,
    SEEN_GROUPS,
    SONG_VECTORS,
    UNSEEN,
    UNSEEN_GROUPS,
    UNTRAINED,
    Inputs,
    read_mels,
)
from quality_scores import SECONDS, Scores, chance, first_folds, judge, judge_left_out

from config import CONFIG_NAME, build_config, read_config_file, to_yaml
from files import write_file
from judging import baselines
from mels.mel_folder import list_mels, read_mel
from runs.run_folder import newest_save, read_costs
from runs.vectors import read_song_vectors
from utils import ROOT, UserError

Kinds = dict[str, list[Scores]]  # kind of vectors -> its scores, of each seed; one in all where nothing is random


def seeds_of(arguments) -> range:
    first = arguments.seed or 0
    return range(first, first + arguments.seeds)


def train(arguments, mel_folder: Path, run: Path, seed: int, *flags: str) -> None:
    """Run the trainer as a user would. Raises UserError where it fails, after it has said why."""
    argv = [mel_folder, run, "--quiet", "--seed", seed]
    if arguments.config:
        argv += ["--config", arguments.config]
    for setting in [*arguments.settings, "keep_vectors=100000"]:
        argv += ["--set", setting]
    exit_code = run_trainer([*map(str, argv), *flags])
    if exit_code:
        raise UserError(f"{mel_folder}: the training ended with exit code {exit_code}, see above")


def run_trainer(argv: list[str]) -> int:
    trainer = [sys.executable, str(ROOT / "spectrogram_doc2vec.py")]
    return subprocess.run([*trainer, *argv], check=False, stdout=subprocess.DEVNULL).returncode


def trained_vectors(run: Path, names: list[str]) -> np.ndarray:
    """Return the newest song vectors of songs named, (names, dims)."""
    found = read_song_vectors(run)
    rows = {name: row for row, name in enumerate(found.names)}
    return found.vectors[[rows[name] for name in names]]


def link_mels(mel_folder: Path, names: list[str], folder: Path) -> None:
    """Put links to mels into a bare mel folder, under their names."""
    for name in names:
        link = folder / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to((mel_folder / name).resolve())


def untrained_vectors(inputs: Inputs, run: Path) -> np.ndarray:
    """Return song vectors (labelled, dims) inferred with the networks of a run as they were before its training."""
    from learning.infer_songs import infer_song_vectors
    from learning.model import Model
    from learning.pools import Corpus
    from learning.sampling import sample_inputs
    from learning.weights import first_weights

    folder, labels = inputs.collection.mel_folder, inputs.labels
    mels = list_mels(folder)
    config = build_config(read_config_file(run / CONFIG_NAME), str(run / CONFIG_NAME))
    corpus = Corpus(folder, labels.names, mels.frames[mels.frames > 0], mels.bins, config)
    model = Model(config, first_weights(config, mels.bins, sample_inputs(corpus)))
    return np.stack(list(infer_song_vectors(model, (read_mel(folder / name) for name in labels.labelled_names))))


def vectors_of_left_out(inputs: Inputs, left_out: set[str], seed: int, arguments) -> np.ndarray:
    """Train without some songs, then infer theirs with the networks frozen: (labelled, dims), of one space."""
    folder, labels = inputs.collection.mel_folder, inputs.labels
    with tempfile.TemporaryDirectory() as scratch:
        part, run = Path(scratch) / "mels", Path(scratch) / "run"
        link_mels(folder, [name for name in labels.names if name not in left_out], part)
        if (folder / CONFIG_NAME).exists():
            write_file(part / CONFIG_NAME, (folder / CONFIG_NAME).read_bytes())
        train(arguments, part, run, seed, "--max-minutes", str(arguments.minutes))
        link_mels(folder, [name for name in labels.names if name in left_out], part)
        train(arguments, part, run, seed, "--add-only")
        return trained_vectors(run, labels.labelled_names)


def judge_unseen(inputs: Inputs, whole: np.ndarray, seed: int, arguments) -> dict[str, Scores]:
    """Return the scores of tracks left out of the training, and in the same folds those of `whole`, trained on all."""
    labels, scores = inputs.labels, {}
    names = labels.labelled_names
    asked = [(UNSEEN, SEEN, "plain")] * arguments.unseen
    asked += [(UNSEEN_GROUPS, SEEN_GROUPS, labels.strictest)] * arguments.unseen_groups
    for unseen, seen, which in asked:
        vectors, folds = [], first_folds(labels, which)
        for number, (_, test) in enumerate(folds, start=1):
            vectors.append(vectors_of_left_out(inputs, {names[row] for row in test}, seed, arguments))
            print(f"seed {seed}: {unseen}, fold {number} of {len(folds)}", file=sys.stderr, flush=True)
        scores[unseen] = judge_left_out(vectors, folds, labels)
        scores[seen] = judge_left_out([whole] * len(folds), folds, labels)
    return scores


def judge_baselines(inputs: Inputs) -> Kinds:
    """Return the scores of what needs no training here, the added vectors among it."""
    labels, names = inputs.labels, inputs.labels.labelled_names
    kinds = {CHANCE: [chance(labels)]}
    means = [baselines.mean_log_mel(mel) for mel in read_mels(inputs.collection.mel_folder, names)]
    kinds[LOG_MEL] = [judge(np.stack(means), labels)]
    for kind, folder in inputs.mfcc_folders.items():
        statistics = [baselines.mfcc_statistics(mel) for mel in read_mels(folder, names)]
        kinds[kind] = [judge(np.stack(statistics), labels, scaled=True)]
    for kind, vectors in inputs.added.items():
        kinds[kind] = [judge(vectors, labels)]
    return kinds


def judge_trainings(inputs: Inputs, arguments) -> Kinds:
    """Train with each seed; return the scores of what was trained."""
    kinds: Kinds = {}
    folder, labels = inputs.collection.mel_folder, inputs.labels
    for place, seed in enumerate(seeds_of(arguments)):
        with tempfile.TemporaryDirectory() as scratch:
            run = Path(scratch) / "run"
            train(arguments, folder, run, seed, "--max-minutes", str(arguments.minutes))
            # inferring all vectors takes as long as training, and seeds of untrained networks differ little
            found = {} if place else {UNTRAINED: untrained_vectors(inputs, run)}
            if not arguments.no_plain:
                from plain_model import train_plain

                names, vectors, _ = train_plain(folder, 60 * arguments.minutes, seed)
                rows = {name: row for row, name in enumerate(names)}
                found[PLAIN] = vectors[[rows[name] for name in labels.labelled_names]]
            found[SONG_VECTORS] = trained_vectors(run, labels.labelled_names)
            save, seconds = newest_save(run), read_costs(run)[-1].seconds
        for kind, vectors in found.items():
            kinds.setdefault(kind, []).append(judge(vectors, labels))
        add_seconds(kinds[SONG_VECTORS][-1], inputs, seconds)
        print(f"seed {seed}: stopped at save {save}, {seconds:.0f} s of training", file=sys.stderr, flush=True)
        if place < arguments.unseen_seeds:
            for kind, scores in judge_unseen(inputs, found[SONG_VECTORS], seed, arguments).items():
                kinds.setdefault(kind, []).append(scores)
    return kinds


def add_seconds(scores: Scores, inputs: Inputs, seconds: float) -> None:
    scores |= {(folds, SECONDS): seconds for folds in inputs.labels.folds}


def judge_together(several: list[Inputs], audio: dict[str, object], arguments) -> list[list[Scores]]:
    """Train with each seed on all collections as one; return of each collection the scores of each seed.

    audio  the keys of the one corpus's config.yaml; none where all folders are bare.
    """
    found: list[list[Scores]] = [[] for _ in several]
    with tempfile.TemporaryDirectory() as scratch:
        corpus = Path(scratch) / "mels"
        for inputs in several:
            link_mels(inputs.collection.mel_folder, inputs.labels.names, corpus / inputs.collection.name)
        if audio:
            write_file(corpus / CONFIG_NAME, to_yaml(audio))
        for seed in seeds_of(arguments):
            run = Path(scratch) / f"run {seed}"
            train(arguments, corpus, run, seed, "--max-minutes", str(arguments.minutes))
            seconds = read_costs(run)[-1].seconds
            for inputs, scores in zip(several, found, strict=True):
                names = [f"{inputs.collection.name}/{name}" for name in inputs.labels.labelled_names]
                scores.append(judge(trained_vectors(run, names), inputs.labels))
                add_seconds(scores[-1], inputs, seconds)
            stopped = f"stopped at save {newest_save(run)}, {seconds:.0f} s of training"
            print(f"seed {seed}, together: {stopped}", file=sys.stderr, flush=True)
    return found
