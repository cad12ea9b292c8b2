"""What processes may not write to their logs, whatever happens to them."""

from __future__ import annotations

from collections import defaultdict

from tests.support.chaos.form import Form
from tests.support.chaos.report import Report

FORBIDDEN = ("never retrieved", "Fatal Python error", "was never awaited", "Unclosed")
_TRACEBACK = "Traceback (most recent call last)"
_LINES_AROUND = 14


class Logs:
    """Reads what was added since the last look."""

    def __init__(self, form: Form, report: Report) -> None:
        self._form = form
        self._report = report
        self._read: dict[str, int] = defaultdict(int)

    def check(self) -> None:
        """Report errors that nothing handled; count tracebacks."""
        for managed in self._form.managed:
            if not managed.log.exists():
                continue
            lines = managed.log.read_text(errors="replace").splitlines()
            new = lines[self._read[managed.name] :]
            self._read[managed.name] = len(lines)
            self._report.figures["tracebacks"] += sum(_TRACEBACK in line for line in new)
            for number, line in enumerate(new):
                if any(words in line for words in FORBIDDEN):
                    self._report.violated("log", f"{managed.name}: {line[:300]}", *new[number : number + _LINES_AROUND])
