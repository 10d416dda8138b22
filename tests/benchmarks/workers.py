"""Measure what training on several machines costs and what it does to the vectors: processes on this one's loopback.

    python tests/benchmarks/workers.py MEL_FOLDER LABELS.csv --group-column artist --pairs 6400000

Reads   MEL_FOLDER and LABELS.csv as quality.py does.

Trains the same number of pairs in all with each number of workers and of steps between two averages of the networks
(0: no averages, the gradients of every step are exchanged instead), and prints of each: CPU seconds of all processes
inside training, bytes over the loopback device a million pairs and what they should be by the sizes of what is sent,
and the scores of the song vectors as quality.py has them, in the strictest folds. Other traffic on the loopback device
counts too: `unshare -n sh -c "ip link set lo up; python ..."` gives the measurement one of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the shared modules lie in the repository root

from quality_inputs import Collection, read_inputs
from quality_scores import CLASSIFIERS, NMI, judge
from quality_training import trained_vectors

from config import CONFIG_NAME, add_config_arguments, build_config, load_config, read_config_file
from learning.weights import parameter_shapes
from runs.run_folder import read_costs
from utils import EXIT_DONE, UserError, command, positive_int, script_parser

FIRST_PORT = 23400
CHILD = Path(__file__).with_name("workers_child.py")


def kind(text: str) -> tuple[int, int]:
    """argparse type: WORKERS or WORKERS:STEPS."""
    workers, _, steps = text.partition(":")
    return positive_int(workers), int(steps or 64)


def train(arguments, run: Path, workers: int, steps: int, port: int) -> tuple[float, int]:
    """Train by so many processes; return CPU seconds of all, and bytes that went over the loopback device."""
    addresses = [f"127.0.0.1:{port + index}" for index in range(workers)]
    argv = [str(arguments.mel_folder), str(run), "--quiet", "--forever", "--seed", str(arguments.seed or 0)]
    argv += ["--max-saves", str(-(-arguments.pairs // arguments.pairs_per_save))]
    for setting in [*arguments.settings, f"pairs_per_save={arguments.pairs_per_save}"]:
        argv += ["--set", setting]
    processes, outputs = [], [run.with_name(f"{run.name} {index}.json") for index in range(workers)]
    for index, output in enumerate(outputs):
        task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        environment = os.environ | {"TF_CONFIG": json.dumps(task)}
        started = [sys.executable, str(CHILD), str(steps), str(output), *argv]
        # A training among several ends when its stdin does
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL}
        processes.append(subprocess.Popen(started, env=environment, **pipes))
    if max(process.wait() for process in processes):
        raise UserError(f"{arguments.mel_folder}: a training failed, see above")
    found = [json.loads(output.read_text()) for output in outputs]
    return sum(each["seconds"] for each in found), max(each["bytes"] for each in found)


def expected_bytes(run: Path, workers: int, steps: int, pairs: int, saves: int) -> float:
    """Return the bytes that all workers together send: a ring's 2 (workers - 1) times the array, for each sum."""
    config = build_config(read_config_file(run / CONFIG_NAME), str(run))
    numbers = sum(int(np.prod(shape)) for shape in parameter_shapes(config, config.mel_bins).values())
    songs = len(np.load(run / "vector_at_1.npy", mmap_mode="r")) if (run / "vector_at_1.npy").exists() else 0
    taken = pairs / (config.batch_size * workers)
    exchanges = taken if not steps else taken / steps
    sent = exchanges * numbers * (1 if not steps else 3) * 4 * 2 * (workers - 1)
    return sent + saves * songs * (config.output_vector_size + 1) * 4 * (workers - 1) / workers


def build_parser():
    parser = script_parser(__doc__)
    parser.add_argument("mel_folder", type=Path, metavar="MEL_FOLDER")
    parser.add_argument("labels", type=Path, metavar="LABELS.csv")
    parser.add_argument("--label-column", default="genre", metavar="NAME", help="column that holds the labels")
    parser.add_argument("--group-column", metavar="NAME", help="column of what must not be on both sides, e.g. artist")
    parser.add_argument("--pairs", type=positive_int, default=6_400_000, metavar="N", help="of all workers together")
    parser.add_argument("--pairs-per-save", type=positive_int, default=800_000, metavar="N")
    kinds = "numbers of workers, and of steps between two averages; 0 exchanges the gradients of every step"
    default = [kind(text) for text in ("1", "2", "4")]
    parser.add_argument("--kinds", type=kind, nargs="+", default=default, metavar="WORKERS:STEPS", help=kinds)
    add_config_arguments(parser)
    return parser


@command
def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    config, _ = load_config(arguments)
    columns = arguments.label_column, arguments.group_column
    inputs = read_inputs(Collection("", arguments.mel_folder, arguments.labels, *columns), config, [])
    folds = inputs.labels.strictest
    print("| workers | steps | CPU s | s a million pairs | MB a million pairs | by sizes | held-out cost | "
          + " | ".join([*CLASSIFIERS, NMI]) + " |", flush=True)  # fmt: skip
    for place, (workers, steps) in enumerate(arguments.kinds):
        with tempfile.TemporaryDirectory() as scratch:
            run = Path(scratch) / "run"
            seconds, sent = train(arguments, run, workers, steps, FIRST_PORT + 10 * place)
            scores = judge(trained_vectors(run, inputs.labels.labelled_names), inputs.labels)
            last = read_costs(run)[-1]
            expected = expected_bytes(run, workers, steps, last.pairs, last.epoc) if workers > 1 else 0.0
        millions = last.pairs / 1e6
        row = [workers, steps if workers > 1 else "", f"{seconds:.0f}", f"{seconds / millions:.1f}"]
        row += [f"{each / millions / 1e6:.2f}" for each in (sent, expected)] + [f"{last.held_out_cost:.4f}"]
        row += [f"{scores[folds, name]:.3f}" for name in (*CLASSIFIERS, NMI)]
        print("| " + " | ".join(map(str, row)) + " |", flush=True)
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
