"""layout.json: what layout.csv was made of, so that no map is made twice, and each grows from the one before.

It is written before layout.csv, and tells of the one that is coming and of the one that is still there. Each is known
by the checksum of its bytes: whichever of the two a killed run has left, the next one finds what belongs to it.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from files import write_if_changed
from static_web_viewer.page.page_folder import LAYOUT_NAME, LAYOUT_ORIGIN_NAME, STATE_NAME, json_bytes, read_json

KEYS = ("kind", "hash", "made")  # as --layout has it; of what the places were made of; in words, how


def read_origin(out: Path) -> dict[str, str]:
    """Return kind, hash and made of the layout.csv that is there; {} where there is none, or nobody knows.

    One whose bytes are not known was edited by hand, and is taken for the newest.
    """
    there, origins = _checksum_there(out), _read_origins(out)
    if not there or not origins:
        return {}
    found = next((origin for origin in origins if origin.get("layout") == there), origins[0])
    return {key: found[key] for key in KEYS} if found.keys() >= set(KEYS) else {}


def write_layout(out: Path, table: bytes, origin: dict[str, str]) -> None:
    """Put a layout in the place of the one before, with what it was made of. Needs OUT's lock.

    table   as layout_table returns it.
    origin  its kind, hash and made.
    """
    there, coming = _checksum_there(out), {"layout": hashlib.sha256(table).hexdigest(), **origin}
    if _read_origins(out)[:1] != [coming]:
        before = {"layout": there, **read_origin(out)}
        known = [coming, before] if there and before != coming else [coming]
        write_if_changed(out / LAYOUT_ORIGIN_NAME, json_bytes(known), durable=True)
    write_if_changed(out / LAYOUT_NAME, table, durable=True)


def _read_origins(out: Path) -> list[dict[str, str]]:
    """Return what layout.json says, the newest first."""
    origins = read_json(out / LAYOUT_ORIGIN_NAME)
    if not isinstance(origins, list):
        state = read_json(out / STATE_NAME)  # pages of older versions have it there
        origins = [state.get("layout")] if isinstance(state, dict) else []
    dicts = [origin for origin in origins if isinstance(origin, dict)]
    return [origin for origin in dicts if all(isinstance(value, str) for value in origin.values())]


def _checksum_there(out: Path) -> str:
    """Return the checksum of layout.csv, "" where there is none."""
    try:
        return hashlib.sha256((out / LAYOUT_NAME).read_bytes()).hexdigest()
    except FileNotFoundError:
        return ""
