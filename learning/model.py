"""The network, its objective and the training step; what imports TensorFlow, and with infer_songs.py all that uses it.

A frame A and a frame B of the same song, near each other, against frames of the whole corpus:

    P(local | A, B) = sigmoid((e(A) + s(A)) . c(B) * scale + bias)

e and c are two networks (dense, ReLU, dense), s is the vector of A's song. In a batch every pair is the positive one of
its own row and its context serves every other row as a negative. That those of the pair's own song are among them was
measured: left out, the vectors are no better, and steps slower (tests/benchmarks/RESULTS.md). With `logit: cosine` both
sides are unit vectors.

Reference   Mikolov et al. 2013, Distributed Representations of Words and Phrases (negative sampling);
            Le and Mikolov 2014, Distributed Representations of Sentences and Documents (PV-DM, PV-DBOW);
            Isola et al. 2015, Learning Visual Groups from Co-occurrences in Space and Time.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator

import numpy as np

from config import Config
from learning.sampling import NOISE_ROWS, TILT_TERMS, Block, HeldOut
from learning.streams import Purpose, generator
from learning.views import View, gather_inputs, views_of
from learning.weights import MEASURES, NETWORKS, parameter_shapes


@contextlib.contextmanager
def _stderr_closed() -> Iterator[None]:
    """Send what native code writes to stderr to nowhere: TensorFlow greets there, and cron would mail it."""
    saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
with _stderr_closed():
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")  # its advice on tracing is not for who runs a script
    tf.config.list_physical_devices()  # looks for a GPU, and says so
    tf.config.experimental.enable_op_determinism()

STEPS_PER_CALL = 16  # at most, of Python into TensorFlow: enough that the call costs nothing ...
PAIRS_PER_CALL = 8192  # ... and few enough that a signal is seen within a second or two
COST_CONTEXTS = 64  # columns of the batch that the training cost is read off: its logarithms cost more than its use
FRAMES_PER_CALL = 4096  # frames that go through a network at a time when a whole song is embedded
ADAM_MEAN_DECAY, ADAM_SQUARE_DECAY, ADAM_EPSILON = 0.9, 0.999, 1e-8  # Kingma and Ba 2015
ADAGRAD_EPSILON = 1e-12
NORM_EPSILON = 1e-8


Networks = tuple[dict[str, tf.Tensor], dict[str, tf.Tensor], dict[str, tf.Tensor]]


def use_device(name: str) -> str:
    """Let TensorFlow compute on "cpu" or on one "gpu"; return what it will use, in words. Before any tensor is made."""
    gpus = tf.config.list_physical_devices("GPU")
    with contextlib.suppress(RuntimeError):  # TensorFlow has begun already, in a process that trains twice
        tf.config.set_visible_devices(gpus[:1] if name == "gpu" else [], "GPU")
        if name == "gpu" and gpus:
            tf.config.experimental.set_memory_growth(gpus[0], True)
    if name == "gpu":
        return "gpu" if gpus else "cpu (TensorFlow finds no GPU)"
    return "cpu"


def steps_per_call(config: Config) -> int:
    """Return how many steps training takes in one call."""
    return max(1, min(STEPS_PER_CALL, PAIRS_PER_CALL // config.batch_size))


class Model:
    """The networks and the song vectors of one pool, in TensorFlow; everything else stays with the caller as NumPy."""

    def __init__(self, config: Config, state: dict[str, np.ndarray]) -> None:
        """state is that of `first_weights`, or what `state()` returned."""
        self.config = config
        self.views = views_of(config)
        self.bins = state["input_mean"].shape[0]
        self._names = list(parameter_shapes(config, self.bins))
        self._inputs = {
            name: tf.constant(state[name].astype(np.float32))
            for name in (view.prefix + name for view in self.views for name in MEASURES)
        }
        self._references = {f"{view.prefix}reference": state[f"{view.prefix}reference"] for view in self.views}
        self.parameters = self._take(state, "")
        self._means, self._squares = self._take(state, "adam_mean_"), self._take(state, "adam_square_")
        self.step = int(state["step"])
        self.learning_rate = config.learning_rate  # of the networks; set before the first step
        # (TILT_TERMS, bins): cosines over the bins, scaled so that unit coefficients give unit deviation over all bins
        places = (np.arange(self.bins) + 0.5) / self.bins
        cosines = np.cos(np.pi * np.arange(1, TILT_TERMS + 1)[:, None] * places) * np.sqrt(2.0 / TILT_TERMS)
        self._tilts = tf.constant((config.spectral_tilt * cosines).astype(np.float32))
        inputs = self.parameters["target_hidden_weights"].shape[0]
        noise = generator(config.seed, Purpose.NOISE, 0).standard_normal((NOISE_ROWS, inputs), np.float32)
        self._noise = tf.constant(np.float32(config.input_noise) * noise)
        # Plain TensorFlow, no AutoGraph: that would write a file for every function, and fail where it cannot.
        self._train = tf.function(self._train_steps, jit_compile=True, autograph=False)
        self._cost = tf.function(self._held_out_batch_cost, autograph=False)
        self._embed = tf.function(self._embed_frames, reduce_retracing=True, autograph=False)

    def _take(self, state: dict[str, np.ndarray], prefix: str) -> dict[str, tf.Tensor]:
        return {name: tf.constant(state[prefix + name]) for name in self._names}

    def state(self) -> dict[str, np.ndarray]:
        """Return all that an exact resume needs of the networks, as `first_weights` does."""
        state: dict[str, np.ndarray] = {}
        for name in self._names:
            state[name] = self.parameters[name].numpy()
            state[f"adam_mean_{name}"] = self._means[name].numpy()
            state[f"adam_square_{name}"] = self._squares[name].numpy()
        state |= {name: array.numpy() for name, array in self._inputs.items()}
        return state | self._references | {"step": np.array(self.step, np.int64)}

    # Training

    @property
    def networks(self) -> Networks:
        """What training moves beside the songs: the parameters, and Adam's two moments of each."""
        return self.parameters, self._means, self._squares

    @networks.setter
    def networks(self, networks: Networks) -> None:
        self.parameters, self._means, self._squares = networks

    def load_songs(self, vectors: np.ndarray, squares: np.ndarray) -> None:
        """Take a pool's song vectors (songs, dims) and their Adagrad state (songs, 1); `songs()` gives them back."""
        self._vectors, self._vector_squares = tf.constant(vectors), tf.constant(squares)

    def songs(self) -> tuple[np.ndarray, np.ndarray]:
        return self._vectors.numpy(), self._vector_squares.numpy()

    def train(self, block: Block) -> np.ndarray:
        """Run a block of steps on the songs that were loaded; return the cost of each, (steps,) float32, nats."""
        song_state = (self._vectors, self._vector_squares)
        networks = self.networks
        costs, networks, song_state = self._train(
            tf.constant(block.steps),
            tf.constant(self.step, tf.int32),
            *(tf.constant(each) for each in (block.inputs, block.song, block.keep_frame, block.tilt, block.noise)),
            networks,
            song_state,
        )
        costs = costs.numpy()[: block.steps]  # waits for the device
        self.networks = networks
        self._vectors, self._vector_squares = song_state
        self.step += block.steps
        return costs

    def _train_steps(self, steps, first_step, inputs, song, keep_frame, tilt, noise, networks, song_state):
        def one_more(place, costs, networks, song_state):
            drawn = (each[place] for each in (inputs, song, keep_frame, tilt, noise))
            cost, networks, song_state = self._train_step(first_step + place, *drawn, networks, song_state)
            return place + 1, tf.tensor_scatter_nd_update(costs, [[place]], [cost]), networks, song_state

        # `steps` is a tensor: with a Python number XLA would compile anew for every number of steps
        start = (tf.constant(0), tf.zeros(STEPS_PER_CALL), networks, song_state)
        return tf.while_loop(lambda place, *_: place < steps, one_more, start)[1:]

    def _train_step(self, step, inputs, song, keep_frame, tilt, noise, networks, song_state):
        """One step on one batch: a pair of each view in every row, and both of the row's song.

        inputs (views, 2, 1 or 3, batch, bins), song (batch,) int, keep_frame (batch, 1),
        tilt (views, 2, batch, TILT_TERMS), noise (views, 2, batch) int.
        """
        parameters = networks[0]
        batch_vectors = tf.gather(song_state[0], song)  # (batch, dims)
        learned = [parameters[name] for name in self._names]
        logits = []
        with tf.GradientTape() as tape:
            tape.watch([*learned, batch_vectors])
            for number, view in enumerate(self.views):
                seen = [
                    self._disturbed(view, *(each[number, side] for each in (inputs, tilt, noise))) for side in (0, 1)
                ]
                target, context = (self._network(parameters, view, *each) for each in zip(NETWORKS, seen, strict=True))
                target = keep_frame * target + batch_vectors[:, view.dims]
                logits.append(self.logits(parameters, view, target, context))  # (batch, batch)
        # From the gradient of the logits, which is simple, back; so the cost of a million pairs need not be computed.
        output_gradients = [cost_gradient(each) for each in logits]
        gradients = tape.gradient(logits, [*learned, batch_vectors], output_gradients)
        networks = self._adam(step + 1, networks, dict(zip(self._names, gradients[:-1], strict=True)))
        # A scale that grows on and on is how songs that are known by heart are told apart ever more surely.
        highest = math.log(self.config.most_logit_scale)
        for view in self.views:
            name = f"{view.prefix}log_scale"
            networks[0][name] = tf.minimum(networks[0][name], highest)
        cost = batch_cost(logits[0][:, :COST_CONTEXTS])  # of the fine view, as the held-out cost is
        return cost, networks, self._row_adagrad(song_state, song, gradients[-1])

    def _adam(self, count, networks, gradients):
        parameters, means, squares = networks
        count = tf.cast(count, tf.float32)
        rate = self.learning_rate
        rate *= tf.sqrt(1.0 - ADAM_SQUARE_DECAY**count) / (1.0 - ADAM_MEAN_DECAY**count)
        new_parameters, new_means, new_squares = {}, {}, {}
        for name, gradient in gradients.items():
            mean = ADAM_MEAN_DECAY * means[name] + (1.0 - ADAM_MEAN_DECAY) * gradient
            square = ADAM_SQUARE_DECAY * squares[name] + (1.0 - ADAM_SQUARE_DECAY) * tf.square(gradient)
            new_means[name], new_squares[name] = mean, square
            new_parameters[name] = parameters[name] - rate * mean / (tf.sqrt(square) + ADAM_EPSILON)
        return new_parameters, new_means, new_squares

    def _row_adagrad(self, song_state, song, gradient):
        """Adagrad (Duchi et al. 2011) with one state a row: a song that is not in the batch does not move."""
        vectors, squares = song_state
        total = tf.math.unsorted_segment_sum(gradient, song, tf.shape(vectors)[0])  # (pool songs, dims)
        squares += tf.reduce_mean(tf.square(total), axis=1, keepdims=True)
        step = total * tf.math.rsqrt(squares + ADAGRAD_EPSILON)
        return vectors - self.config.song_learning_rate * step, squares

    # The network

    def _features(self, view: View, inputs, tilt=0.0):
        """(1 or 3, rows, bins) as gather_inputs gives them -> (rows, inputs of the network), standardised."""
        inputs = tf.cast(inputs, tf.float32)
        mean, scale, difference_scale = (self._inputs[view.prefix + name] for name in MEASURES)
        spectrum = (inputs[0] - mean) / scale + tilt
        if not self.config.differences:
            return spectrum
        return tf.concat([spectrum, (inputs[2] - inputs[1]) / difference_scale], axis=-1)

    def _disturbed(self, view: View, inputs, tilt, noise):
        """The features of training frames: what differs at each sight cannot be learned by heart."""
        features = self._features(view, inputs, tf.matmul(tilt, self._tilts) if self.config.spectral_tilt else 0.0)
        return features + tf.gather(self._noise, noise) if self.config.input_noise else features

    def _network(self, parameters, view: View, network, features):
        name = view.prefix + network
        hidden = features @ parameters[f"{name}_hidden_weights"] + parameters[f"{name}_hidden_bias"]
        return tf.nn.relu(hidden) @ parameters[f"{name}_output_weights"] + parameters[f"{name}_output_bias"]

    def logits(self, parameters, view: View, target, context):
        """(..., targets, dims of the view), (..., contexts, the same) -> (..., targets, contexts)."""
        if self.config.logit == "cosine":
            target, context = unit(target), unit(context)
        similarity = tf.matmul(target, context, transpose_b=True)
        return similarity * tf.exp(parameters[f"{view.prefix}log_scale"]) + parameters[f"{view.prefix}bias"]

    # What is read off a trained model

    def held_out_cost(self, held_out: HeldOut, vectors: np.ndarray) -> float:
        """Return the mean cost of pairs that training never sees, in nats; vectors are those of the whole corpus."""
        costs = [
            self._cost(self.parameters, tf.constant(inputs), tf.constant(vectors[song])).numpy()
            for inputs, song in zip(held_out.inputs, held_out.song, strict=True)
        ]
        return float(np.mean(costs, dtype=np.float64))

    def _held_out_batch_cost(self, parameters, inputs, vectors):
        view = self.views[0]
        target, context = (
            self._network(parameters, view, network, self._features(view, inputs[side]))
            for side, network in enumerate(NETWORKS)
        )
        vectors = vectors[:, view.dims]
        without_frame = batch_cost(self.logits(parameters, view, vectors, context))
        with_frame = batch_cost(self.logits(parameters, view, target + vectors, context))
        dropout = self.config.frame_dropout
        return dropout * without_frame + (1.0 - dropout) * with_frame

    def embed(self, mel: np.ndarray) -> np.ndarray:
        """Return e of every frame of a song, of all views side by side: (frames, bins) -> (frames, dims) float32."""
        return np.concatenate([self.embed_view(view, view.frames(mel), "target") for view in self.views], axis=1)

    def embed_view(self, view: View, frames: np.ndarray, network: str) -> np.ndarray:
        """Return e ("target") or c ("context") of a song's frames as a view has them: (frames, dims of the view)."""
        pieces = [np.zeros((0, view.size), np.float32)]
        for start in range(0, len(frames), FRAMES_PER_CALL):
            some = np.arange(start, min(start + FRAMES_PER_CALL, len(frames)))
            bounds = np.zeros_like(some), np.full_like(some, len(frames) - 1)
            inputs = gather_inputs(frames, some, *bounds, view.reach, self.config.differences)
            pieces.append(self._embed(self.parameters, tf.constant(inputs), view.prefix, network).numpy())
        return np.concatenate(pieces)

    def embed_reference(self, view: View) -> tf.Tensor:
        """Return c of the frames that were stored to stand for the corpus: (frames, dims of the view)."""
        reference = tf.constant(self._references[f"{view.prefix}reference"])
        return self._embed(self.parameters, reference, view.prefix, "context")

    def _embed_frames(self, parameters, inputs, prefix, network):
        view = next(view for view in self.views if view.prefix == prefix)
        return self.embeddings(parameters, view, network, inputs)

    def embeddings(self, parameters, view: View, network: str, inputs) -> tf.Tensor:
        """Return e ("target") or c ("context"), (rows, dims of the view), of inputs as gather_inputs gives them."""
        return self._network(parameters, view, network, self._features(view, inputs))


def batch_cost(logits: tf.Tensor) -> tf.Tensor:
    """Return the cost of a batch in nats: the mean over its positives and the mean over its negatives, in equal parts.

    logits  (batch, contexts), contexts <= batch: entry (i, i) is a positive pair, every other a negative one. So the
    cost of a model that knows nothing is ln 2, whatever the size of the batch.
    """
    rows, columns = logits.shape
    positive = tf.linalg.diag_part(logits[:columns])
    negatives = tf.reduce_sum(tf.nn.softplus(logits)) - tf.reduce_sum(tf.nn.softplus(positive))
    return 0.5 * tf.reduce_mean(tf.nn.softplus(-positive)) + 0.5 * negatives / (columns * (rows - 1))


def cost_gradient(logits: tf.Tensor) -> tf.Tensor:
    """Return the derivative of `batch_cost` by its logits, (batch, batch)."""
    batch = logits.shape[0]
    positive = tf.linalg.diag_part(logits)
    negatives = tf.sigmoid(logits) * (0.5 / (batch * (batch - 1)))
    return tf.linalg.set_diag(negatives, (tf.sigmoid(positive) - 1.0) * (0.5 / batch))


def unit(vectors: tf.Tensor) -> tf.Tensor:
    """Return (..., dims) vectors of length 1, save where they are all but zero."""
    return vectors * tf.math.rsqrt(tf.reduce_sum(tf.square(vectors), axis=-1, keepdims=True) + NORM_EPSILON)
