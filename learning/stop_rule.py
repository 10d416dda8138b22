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
    """Tell whether a save after a step to so many pairs is one on schedule, not forced by a signal or --max-minutes.

    For the step just taken, whose batch size is that of `config`; of saves long committed see `scheduled_rows`.
    """
    return pairs > 0 and pairs // config.pairs_per_save > (pairs - config.batch_size) // config.pairs_per_save


def rule_cost(row: CostRow) -> float:
    """Return the cost that the stop rule looks at: the training cost where songs are too short to hold anything out.

    nan where there is neither: the commit of a changed song list, which no step came before.
    """
    return row.cost if math.isnan(row.held_out_cost) else row.held_out_cost


def rule_memory(rows: list[CostRow], first_save: int, config: Config) -> list[CostRow]:
    """Return what the stop rule looks at: the scheduled saves since the song list last changed that have a cost."""
    scheduled = scheduled_rows(rows, config.pairs_per_save)
    return [row for row in scheduled if row.epoc >= first_save and not math.isnan(rule_cost(row))]


def scheduled_rows(rows: list[CostRow], pairs_per_save: int) -> list[CostRow]:
    """Return the rows of saves on schedule: between each and the last save of fewer pairs lies a multiple.

    That holds whatever the batch size was, which a row does not tell: no save comes between a multiple and the step
    that reaches it, so a forced save has passed one only where a scheduled save was due at that very step. The commit
    of a changed song list has the pairs of the save before, and is on schedule where that was.
    """
    scheduled, pairs_before, pairs = [], 0, 0
    for row in rows:
        if row.pairs != pairs:
            pairs_before, pairs = pairs, row.pairs
        if pairs // pairs_per_save > pairs_before // pairs_per_save:
            scheduled.append(row)
    return scheduled


def has_flattened(rows: list[CostRow], first_save: int, config: Config, frames: int) -> bool:
    """Tell whether the stop rule says stop.

    rows        of cost_list.csv, oldest first.
    first_save  the save from which the song list is as it is.
    frames      of the whole corpus.
    """
    costs = [rule_cost(row) for row in rule_memory(rows, first_save, config)]
    return should_stop(costs, patience(config, frames), config.least_improvement)


def best_save(rows: list[CostRow], first_save: int, config: Config) -> CostRow:
    """Return the row of the lowest cost that the stop rule has seen, the first of equal ones."""
    return min(rule_memory(rows, first_save, config), key=rule_cost)


def describe_end(rows: list[CostRow], first_save: int, config: Config) -> str:
    """Return in words how the cost came to its end where `has_flattened`: flattened, or rising after its lowest."""
    newest, best = rule_memory(rows, first_save, config)[-1], best_save(rows, first_save, config)
    kind = "cost (nothing is held out)" if math.isnan(newest.held_out_cost) else "held-out cost"
    if rule_cost(newest) <= rule_cost(best) * (1.0 + config.least_improvement):
        return f"the {kind} has flattened"
    return f"the {kind} rises since save {best.epoc}: this is over-training"
