"""A small, seeded share of the suite that `make torture` runs."""

from __future__ import annotations

import pytest

from torture.__main__ import attack, parts_here

SEED = 0
ATTACKS = {"unattended": 1, "histories": 1, "disks": 5}
ATTACKS |= {"audio": 1, "names": 1, "tables": 15, "folders": 12}
SOME = 3  # of the others
SECONDS = 60.0  # an end for a slow machine
LONG = {"soak", "load"}  # what they look for shows in minutes only


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in parts_here() if name not in LONG])
def test_it_stands_the_attack(name, tmp_path):
    tally = attack(name, SEED, tmp_path / "the attack", ATTACKS.get(name, SOME), SECONDS)
    assert not tally.failures, "\n\n".join(tally.failures)
    assert tally.tried
