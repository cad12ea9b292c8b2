"""What must hold once the requests of a round have ended and the database is back."""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from tests.support.chaos.administrator import Administrator
from tests.support.chaos.cameras import Shot, Try
from tests.support.chaos.form import WINDOW, Form
from tests.support.chaos.jobs import JobRow, Jobs
from tests.support.chaos.listeners import EventReader
from tests.support.chaos.pace import until
from tests.support.chaos.report import Report, lines_naming, tail
from tests.support.service import command

ANSWER_MARGIN = timedelta(seconds=2)
"""How long after its window a request is answered at the latest; later ones are counted."""

BUSY_MARGIN = timedelta(seconds=4)
"""Room for a busy machine, several times as much where it is slow; an answer later than this counts as hung."""

PATIENCE = WINDOW + timedelta(seconds=30)
"""How long a camera waits for an answer, to see how late it is."""

_LATE_END = timedelta(seconds=10)
"""How long past its deadline a job ends at the latest, on a machine with nothing else to do."""

_OUTCOMES = {"success": "succeeded", "fallback": "fallback", "timeouts": "timed_out", "cancelled": "cancelled"}
_KINDS = ("payloads", "media", ".partial")


class Checks:
    """The checks after a round of a form."""

    def __init__(
        self,
        form: Form,
        jobs: Jobs,
        administrator: Administrator,
        events: EventReader,
        report: Report,
        *,
        settling_seconds: float = 40,
    ) -> None:
        self._form = form
        self._jobs = jobs
        self._administrator = administrator
        self._events = events
        self._report = report
        self._settling_seconds = settling_seconds

    async def after_round(
        self, shots: Sequence[Shot], *, every: Sequence[Shot], frozen_seconds: float = 0, slowness: float = 1
    ) -> None:
        """Check the requests of this round, and the records of all so far.

        `frozen_seconds` is how long processes were frozen, `slowness` how many times longer than usual work took.
        """
        room = BUSY_MARGIN * slowness + timedelta(seconds=frozen_seconds)
        await self._requests(shots, at_most=(WINDOW + ANSWER_MARGIN + room).total_seconds())
        rows = await self._finalized()
        await self._photos(rows, every, ended_within=_LATE_END + room)
        await self._files(rows)
        await self._statistics(rows)
        await self._announcements(rows)

    async def _requests(self, shots: Sequence[Shot], *, at_most: float) -> None:
        """Every request is answered in its window, with a picture or a problem that says why."""
        report = self._report
        for shot in shots:
            for made in shot.tries:
                report.figures["requests"] += 1
                if made.end == "hung" or (made.end == "answered" and made.seconds > at_most):
                    await self._violated("hang", str(shot), shot)
                if made.end != "answered":
                    report.figures[made.end] += 1
                    continue
                report.longest_answer = max(report.longest_answer, made.seconds)
                report.figures[f"{made.status} {made.code}".strip()] += 1
                if made.seconds > (WINDOW + ANSWER_MARGIN).total_seconds():
                    report.figures["answers later than the window + 2 s"] += 1
                if made.status >= 400 and not made.code:
                    await self._violated("no problem", str(shot), shot)
                if made.status == 200 and made.code:
                    await self._violated("no picture", str(shot), shot)
                if made.status == 500 or (made.status < 500 and made.status not in (200, 408, 429)):
                    await self._violated("unexpected answer", str(shot), shot)
                if _is_early_refusal(made, shot.reached_at):
                    await self._violated("refused inside its window", str(shot), shot)
            if shot.answer is None or shot.answer.status not in (200, 502, 504):
                await self._violated("never answered", str(shot), shot)
            report.figures["photos"] += 1
            report.figures["photos with a picture"] += shot.has_picture

    async def _finalized(self) -> list[JobRow]:
        """All jobs, each of which has ended by now."""

        async def ended() -> bool:
            return all(row.finalized_at for row in await self._jobs.all())

        await until(ended, seconds=self._settling_seconds)
        rows = await self._jobs.all()
        for row in rows:
            if row.finalized_at is None:
                await self._violated("not final", f"{row.id} {row.state} attempt {row.attempt}", row)
        return rows

    async def _photos(self, rows: Sequence[JobRow], shots: Sequence[Shot], *, ended_within: timedelta) -> None:
        """One picture per photo, the one that the client has; no job that a client knows is lost."""
        by_id = {str(row.id): row for row in rows}
        by_photo: dict[str, list[JobRow]] = defaultdict(list)
        for row in rows:
            by_photo[row.photo_sha256].append(row)
        for shot in shots:
            own = by_photo[shot.sha256]
            pictures = [row for row in own if row.result_stem]
            if len(pictures) > 1:
                await self._violated("doubled", f"{shot}: {[str(row.id) for row in pictures]}", shot, *pictures)
            for made in shot.tries:
                if made.job_id and made.job_id not in by_id:
                    await self._violated("lost job", str(shot), shot)
                if made.status == 200 and made.sha256 not in {row.result_sha256 for row in own}:
                    await self._violated("another picture", str(shot), shot, *own)
        for row in rows:
            assert row.finalized_at is not None or row.state in ("pending", "processing")
            if row.finalized_at is not None and row.finalized_at < row.created_at:
                await self._violated("ended before it began", f"{row.id}", row)
            if row.finalized_at is not None and row.finalized_at > row.expires_at + ended_within:
                late = (row.finalized_at - row.expires_at).total_seconds()
                await self._violated("ended late", f"{row.id} ended {late:.0f} s past its deadline", row)

    async def _files(self, rows: Sequence[JobRow]) -> None:
        """One file per result, with its checksum; no payload, media object or partial file stays after a sweep."""
        swept = await asyncio.to_thread(
            subprocess.run,
            command("sweep", "--grace", "0"),
            env=self._form.managed[-1].environ,
            capture_output=True,
            text=True,
            check=False,
        )
        if swept.returncode:
            await self._violated("sweep failed", swept.stderr[-500:])
        media = self._form.media
        left = [path for kind in _KINDS for path in (media / kind).iterdir()]

        async def none_stayed() -> bool:  # a probe of the store, or a write that ends, is gone by itself
            left[:] = [path for path in left if path.exists()]
            return not left

        if not await until(none_stayed, seconds=self._settling_seconds):
            await self._violated("orphans", f"{[str(path.relative_to(media)) for path in left]}")
        stored = await asyncio.to_thread(_checksums, media / "results")
        wanted = {row.result_stem: row for row in rows if row.result_stem}
        for stem, row in wanted.items():
            if stored.get(stem) != [row.result_sha256]:
                await self._violated("lost picture", f"{row.id}: {stored.get(stem)} for {row.result_sha256}", row)
        for stem in stored.keys() - wanted.keys():
            await self._violated("orphans", f"results/{stem}")

    async def _statistics(self, rows: Sequence[JobRow]) -> None:
        """The statistics count what the rows say."""
        states = Counter("fallback" if row.is_fallback else row.state for row in rows)
        wanted = {name: states[state] for name, state in _OUTCOMES.items()} | {"ingest_count": len(rows)}
        figures: dict[str, int] = {}

        async def equal() -> bool:
            nonlocal figures
            figures = await self._administrator.figures()
            return wanted.items() <= figures.items()

        if not await until(equal, seconds=self._settling_seconds):
            await self._violated("statistics", f"{figures} for {wanted}")

    async def _announcements(self, rows: Sequence[JobRow]) -> None:
        """Every ended job has a delivery to its webhook, and its end is among the events."""
        for row in rows:
            if not row.has_delivery:
                await self._violated("no webhook", f"{row.id}", row)

        async def complete() -> bool:
            return {str(row.id) for row in rows} <= self._events.ended.keys()

        if not await until(complete, seconds=self._settling_seconds):
            missing = [row for row in rows if str(row.id) not in self._events.ended]
            await self._violated("no event", f"{[str(row.id) for row in missing]}", *missing)
        after_end = [row for row in rows if str(row.id) in self._events.after_end]
        if after_end:
            await self._violated("attempt after the end", f"{[str(row.id) for row in after_end]}", *after_end)

    async def _violated(self, check: str, text: str, *about: Shot | JobRow) -> None:
        """Report it with the logs of the jobs and the processes."""
        if not self._report.wants_details(check):
            self._report.violated(check, text)
            return
        ids = [item.id for item in about if isinstance(item, JobRow)]
        photos = {item.sha256 for item in about if isinstance(item, Shot)}
        if photos:
            ids += [row.id for row in await self._jobs.all() if row.photo_sha256 in photos and row.id not in ids]
        details = await self._jobs.log(ids)
        for managed in self._form.managed:
            details += lines_naming(managed.log, [str(id) for id in ids])
        if not any(found.round == self._report.round for found in self._report.violations):
            for managed in self._form.managed:
                details += tail(managed.log)
        self._report.violated(check, text, *details)


def _is_early_refusal(made: Try, window_began: float) -> bool:
    """Whether a 503 came with time left, though the database was away for a while only, or the disk once the photo was
    stored. A disk that is full when the photo arrives is a reason. A request that is sent again joins the job of the
    first one, whose window it has.
    """
    refused = made.code == "queue_unavailable" or (made.code == "storage_unavailable" and made.job_id)
    took = made.started + made.seconds - window_began
    return bool(refused) and took < (WINDOW - timedelta(seconds=1)).total_seconds()


def _checksums(folder: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for path in folder.iterdir():
        found[path.stem].append(hashlib.sha256(path.read_bytes()).hexdigest())
    return found
