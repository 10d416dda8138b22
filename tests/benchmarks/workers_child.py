"""The trainer as one of several workers, with another number of steps between two exchanges; for workers.py.

    python tests/benchmarks/workers_child.py STEPS OUTPUT.json ARGUMENTS OF spectrogram_doc2vec.py...

Reads   TF_CONFIG.
Writes  OUTPUT.json: CPU seconds of the training and bytes over the loopback device meanwhile. STEPS 0: no averages, the
        gradients of every step are exchanged instead.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the shared modules lie in the repository root

from learning import supervisor, workers

BY_GRADIENTS_STEPS = 16  # after so many the workers hear whether anybody was told to stop


def loopback_bytes() -> int:
    lines = Path("/proc/net/dev").read_text().splitlines()
    return int(next(line for line in lines if line.strip().startswith("lo:")).split()[1])


def measure(train, output: Path):
    def measured(*arguments):
        seconds, transferred = time.process_time(), loopback_bytes()
        reason = train(*arguments)
        found = {"seconds": time.process_time() - seconds, "bytes": loopback_bytes() - transferred}
        output.write_text(json.dumps(found))
        return reason

    return measured


def exchange_gradients() -> None:
    """Put a model into the trainer that takes its steps by everybody's mean gradients."""
    from learning import model, peers, together

    class ByGradients(model.Model):
        """Each step is compiled in two halves, and the exchange stands between them."""

        def __init__(self, config, state) -> None:
            super().__init__(config, state)
            self._first_half = model.tf.function(self._train_step, jit_compile=True, autograph=False)
            self._second_half = model.tf.function(super()._adam, jit_compile=True, autograph=False)

        def _adam(self, count, networks, gradients):
            return dict(gradients), {}, {}  # handed out instead of being applied

        def train(self, block) -> np.ndarray:
            costs = []
            for place in range(max(block.steps, 1)):
                drawn = (each[place] for each in (block.inputs, block.song, block.keep_frame, block.tilt, block.noise))
                drawn = [model.tf.constant(each) for each in drawn]
                step = model.tf.constant(self.step, model.tf.int32)
                cost, halves, songs = self._first_half(
                    step, *drawn, self.networks, (self._vectors, self._vector_squares)
                )
                if not block.steps:  # a block of no step is there to compile
                    self._second_half(step + 1, self.networks, halves[0])
                    break
                gradients = ByGradients.peers.mean(halves[0])
                self.networks = self._second_half(step + 1, self.networks, gradients)
                for view in self.views:
                    name = f"{view.prefix}log_scale"
                    highest = np.float32(np.log(self.config.most_logit_scale))
                    self.networks[0][name] = model.tf.minimum(self.networks[0][name], highest)
                self._vectors, self._vector_squares = songs
                self.step += 1
                costs.append(cost.numpy())
            return np.array(costs, np.float32)

    class Meeting(peers.Peers):
        def __init__(self, *arguments) -> None:
            super().__init__(*arguments)
            ByGradients.peers = self

        def average(self, _model) -> None:
            """All networks are alike already."""

    model.Model, peers.Peers = ByGradients, Meeting
    together.STEPS_PER_ROUND = BY_GRADIENTS_STEPS


def main(argv: list[str]) -> int:
    steps, output, *arguments = argv
    workers.STEPS_PER_ROUND = int(steps) or BY_GRADIENTS_STEPS
    from learning import together, training

    together.train_together = measure(together.train_together, Path(output))
    training.train = measure(training.train, Path(output))
    if not int(steps):
        exchange_gradients()
    # This process is the one that is measured, so nobody supervises it
    os.environ[supervisor.PIPE] = str(os.open(os.devnull, os.O_WRONLY))
    import spectrogram_doc2vec

    return spectrogram_doc2vec.main(arguments)


if __name__ == "__main__":
    exit_code = main(sys.argv[1:])
    import utils

    utils.leave(exit_code)
