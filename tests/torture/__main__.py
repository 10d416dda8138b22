"""Attack the tool harder than life does, and print what was tried and what failed.

    python tests/torture
    python tests/torture --minutes 5 --seed 3 --only killed disks --keep /tmp/torture

Each part has its share of the time: kills, signals, full disks, two at once, histories, nights without anybody, long
runs and large folders, hostile audio, names and tables, damaged folders. The seed decides what is drawn; instants of
kills are drawn in time, so a second run does not hit the same ones. What failed is printed with its command.
"""

from __future__ import annotations

import importlib
import importlib.util
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[0:0] = [str(ROOT), str(ROOT / "tests")]  # the shared modules lie in the repository root

from torture.tally import Tally
from utils import command, positive_float, script_parser

# name of the module -> share of the time
PARTS = {
    "killed": 11,
    "signals": 2,
    "disks": 3,
    "two_at_once": 2,
    "histories": 5,
    "unattended": 1,
    "soak": 3,
    "load": 3,
    "audio": 4,
    "names": 1,
    "tables": 1,
    "folders": 3,
}
ALL = 10**9  # attacks: as many as there is time for


def parts_here() -> list[str]:
    return [name for name in PARTS if importlib.util.find_spec(f"torture.{name}")]


def attack(name: str, seed: int, folder: Path, count: int, seconds: float) -> Tally:
    """Run one part in a folder of its own; what the part itself raises is a failure too."""
    part = importlib.import_module(f"torture.{name}")
    tally = Tally(part.NAME)
    folder.mkdir(parents=True)
    try:
        part.attack(tally, random.Random(f"{seed} {name}"), folder, count, seconds)
    except Exception as error:
        tally.check(False, f"{name}, seed {seed}: the attack itself ended: {type(error).__name__}: {error}")
    return tally


def build_parser():
    parser = script_parser(__doc__)
    parser.add_argument("--minutes", type=positive_float, default=30.0, metavar="M", help="for all parts together")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--only", nargs="+", choices=parts_here(), metavar="NAME", help="these parts alone")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="attack in this new folder, and leave it")
    return parser


@command
def main(argv: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    names = arguments.only or parts_here()
    folder = Path(arguments.keep or tempfile.mkdtemp(prefix="torture "))
    shares = sum(PARTS[name] for name in names)
    failed = False
    print(f"{'part':<14}{'tried':>8}{'failed':>8}{'seconds':>9}", flush=True)
    try:
        for name in names:
            begun = time.monotonic()
            tally = attack(name, arguments.seed, folder / name, ALL, 60 * arguments.minutes * PARTS[name] / shares)
            taken = time.monotonic() - begun
            print(f"{tally.name:<14}{tally.tried:>8,}{len(tally.failures):>8,}{taken:>9.0f}", flush=True)
            for line in [*tally.notes, *(f"FAILED {each}" for each in tally.failures)]:
                print("  " + line.replace("\n", "\n    "), flush=True)
            failed = failed or bool(tally.failures)
            if not arguments.keep:
                shutil.rmtree(folder / name)
    finally:
        if not arguments.keep:
            shutil.rmtree(folder, ignore_errors=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
