"""A small, seeded share of the suite that `make torture` runs."""

from __future__ import annotations

import pytest

from torture.__main__ import attack, parts_here

SEED = 0
ATTACKS = {"audio": 1, "names": 1, "tables": 15, "folders": 12}  # part -> attacks where they are not SOME
SOME = 3
SECONDS = 60.0  # an end for a slow machine


@pytest.mark.slow
@pytest.mark.parametrize("name", parts_here())
def test_it_stands_the_attack(name, tmp_path):
    tally = attack(name, SEED, tmp_path / "the attack", ATTACKS.get(name, SOME), SECONDS)
    assert not tally.failures, "\n\n".join(tally.failures)
    assert tally.tried
