"""Vectors that calc_all_vecs.py --level song has not made a save of yet."""

from __future__ import annotations

import numpy as np

from runs.inferred_run import JOURNAL_NAME, InferredRun, prepare_inferred_run
from runs.run_folder import SAVE_NUMBER_NAME

DIMS = 4


def begun(folder) -> InferredRun:
    prepare_inferred_run(folder)
    return InferredRun(folder, DIMS, "digest")


def test_what_a_killed_run_has_found_is_gone_on_from_unless_it_is_damaged(tmp_path):
    folder = tmp_path / "the songs"
    run = begun(folder)
    run.add("a.npy", 1, np.ones(DIMS, np.float32))
    run.close()
    again = begun(folder)
    assert again.holds("a.npy", 1)
    again.close()
    journal = folder / JOURNAL_NAME
    journal.write_bytes(np.full(DIMS, np.nan, np.float32).tobytes())
    damaged = begun(folder)
    assert not damaged.holds("a.npy", 1)
    damaged.close()
    assert journal.stat().st_size == 0
    assert not (folder / SAVE_NUMBER_NAME).exists()
