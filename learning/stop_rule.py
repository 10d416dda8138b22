"""When training saves, and when it stops: pure functions of the costs so far. No files and no TensorFlow."""

from __future__ import annotations

import math
from collections.abc import Sequence

from config import Config
from runs.run_folder import CostRow


def should_stop(costs: Sequence[float], patience: int, least_improvement: float) -> bool:
    """Tell whether training has come to its end: the stop rule.

    costs              held-out cost of each scheduled save on the present songs, oldest first.
    patience           so many newest saves are given the chance to improve on all before them.
    least_improvement  share by which the best of them must lie below the best before them.
    """
    if len(costs) <= patience:
        return False
    return min(costs[-patience:]) > min(costs[:-patience]) * (1.0 - least_improvement)


def patience(config: Config, frames: int) -> int:
    """Return how many newest saves the stop rule looks at: enough for so many passes over the corpus' frames too.

    Without that a corpus of millions of frames, of which a few saves see little, would be given up before it began.
    """
    return max(config.patience_saves, math.ceil(config.patience_passes * frames / config.pairs_per_save))


def next_save_pairs(pairs: int, config: Config) -> int:
    """Return the pairs at the next scheduled save: at the first step to reach a multiple of pairs_per_save."""
    multiple = (pairs // config.pairs_per_save + 1) * config.pairs_per_save
    return pairs + math.ceil((multiple - pairs) / config.batch_size) * config.batch_size


def is_scheduled(pairs: int, config: Config) -> bool:
    """Tell whether a save at this many pairs is one on schedule, not forced by a signal or by --max-minutes."""
    return pairs > 0 and pairs // config.pairs_per_save > (pairs - config.batch_size) // config.pairs_per_save


def rule_memory(rows: list[CostRow], first_save: int, config: Config) -> list[float]:
    """Return what the stop rule looks at: the costs of the scheduled saves since the song list last changed.

    The training cost where songs are too short to hold anything out.
    """
    rows = [row for row in rows if row.epoc >= first_save and is_scheduled(row.pairs, config)]
    return [row.cost if math.isnan(row.held_out_cost) else row.held_out_cost for row in rows]


def why_flat(rows: list[CostRow], first_save: int, config: Config, frames: int) -> str:
    """Return in words why the stop rule says stop, empty where it does not: flattened, or rising after its lowest.

    frames  of the whole corpus.
    """
    memory = rule_memory(rows, first_save, config)
    if not should_stop(memory, patience(config, frames), config.least_improvement):
        return ""
    if memory[-1] <= min(memory) * (1.0 + config.least_improvement):
        return "the held-out cost has flattened"
    best = min((row for row in rows if row.epoc >= first_save), key=lambda row: _or_infinity(row.held_out_cost))
    return f"the held-out cost rises since save {best.epoc}: this is over-training"


def _or_infinity(cost: float) -> float:
    return math.inf if math.isnan(cost) else cost
