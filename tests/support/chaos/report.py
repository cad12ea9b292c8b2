"""What a campaign found: violations with what is needed to see them again, and figures."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec

MAX_DETAILED = 3
"""Violations of one check in one round that are shown with their logs; the others are one line each."""

LOST = ("lost job", "lost picture", "another picture", "not final", "never answered")
"""The checks whose violation means a lost photo."""

_NAMED_LINES, _LAST_LINES = 8, 12


class Violation(msgspec.Struct, frozen=True):
    """A promise that was broken in a round, with lines of logs."""

    round: int
    check: str
    text: str
    details: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n    ".join([f"[round {self.round}] {self.check}: {self.text}", *self.details])


class Report:
    """Collects violations and figures of one form."""

    def __init__(self, form: str, seed: int, faults: int) -> None:
        self.form = form
        self.seed = seed
        self.faults = faults
        self.round = 0
        self.planned: dict[int, str] = {0: "the start"}
        """The faults of each round so far, in words."""

        self.violations: list[Violation] = []
        self.figures: Counter[str] = Counter()
        self.happened: Counter[str] = Counter()
        """Faults by kind."""

        self.longest_answer = 0.0
        self.first_pictures: list[float] = []
        """Seconds from each `kill -9` of serve to the first picture."""

    def violated(self, check: str, text: str, *details: str) -> None:
        """Note it, unless it was noted in an earlier round."""
        if all((check, text) != (found.check, found.text) for found in self.violations):
            self.violations.append(Violation(self.round, check, text, details))

    def wants_details(self, check: str) -> bool:
        """Whether logs help: not again and again for the same check in the same round."""
        return sum((found.round, found.check) == (self.round, check) for found in self.violations) < MAX_DETAILED

    def number_of(self, *checks: str) -> int:
        return sum(violation.check in checks for violation in self.violations)

    def command(self) -> str:
        return f'make chaos ARGS="--seed {self.seed} --faults {self.faults} --form {self.form}"'

    def summary(self) -> str:
        """The figures, and every violation."""
        counts = ", ".join(f"{name} {count}" for name, count in sorted(self.figures.items()))
        broken = Counter(violation.check for violation in self.violations)
        restored = ", ".join(f"{seconds:.1f}" for seconds in self.first_pictures) or "none"
        lines = [
            f"{self.form}: seed {self.seed}, {self.figures['faults']} faults in {self.round} rounds",
            f"  {counts}",
            f"  longest answer {self.longest_answer:.1f} s; from kill -9 of serve to the first picture: {restored} s",
            f"  hangs {broken['hang']}, lost {self.number_of(*LOST)}, doubled {broken['doubled']}, orphans "
            f"{broken['orphans']}, refused inside the window {broken['refused inside its window']}",
            f"  violations: {dict(broken) or 'none'}",
        ]
        if self.violations:
            lines += [f"  again: {self.command()}"]
            for number, planned in self.planned.items():
                own = [violation for violation in self.violations if violation.round == number]
                if own:
                    lines += [f"round {number}: {planned}", *map(str, own)]
        return "\n".join(lines)


def lines_naming(log: Path, words: list[str]) -> list[str]:
    """The last lines of a log with one of these words."""
    named = [line for line in _lines(log) if any(word in line for word in words)]
    return [f"{log.name}: {line}" for line in named[-_NAMED_LINES:]]


def tail(log: Path) -> list[str]:
    """The last lines of a log."""
    return [f"{log.name}: {line}" for line in _lines(log)[-_LAST_LINES:]]


def _lines(log: Path) -> list[str]:
    return [line[:400] for line in log.read_text(errors="replace").splitlines()] if log.exists() else []
