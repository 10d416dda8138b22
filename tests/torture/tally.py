"""What a part of the suite has tried, and what of it failed."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Tally:
    """Counts checks, and keeps of each that failed how to try it again: seed, command, folder, what was seen."""

    name: str
    tried: int = 0
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # figures, and what could not be tried here and why

    def check(self, good: bool, what: str) -> bool:
        self.tried += 1
        if not good:
            self.failures.append(what)
        return good

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)
