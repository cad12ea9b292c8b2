"""The checks of the harness find what they are for: defects planted after a round without faults."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.support.chaos.cameras import Shot, Try
from tests.support.chaos.campaign import running
from tests.support.chaos.plan import Round
from tests.support.chaos.run import Run

_SLOT = "slot-001"
_PICTURES, _MAX_ROUNDS = 6, 30
_PLANTED = """
delete from photochanger.stats_ended where id = (select max(id) from photochanger.stats_ended);
delete from photochanger.stats_quarters where count = 1;
update photochanger.jobs set finalized_at = created_at - interval '1 second' where id = '{backwards}';
update photochanger.jobs set sha256 = '{photo}' where id = '{second}';
delete from photochanger.webhook_deliveries where job_id = '{silent}';
delete from photochanger.jobs where id = '{lost}';
"""
_UNENDED = """
update photochanger.jobs set state = 'processing', finalized_at = null, worker = 'nobody',
    expires_at = now() + interval '1 hour', lease_until = now() + interval '1 hour'
where id = '{unended}'
"""


@pytest.mark.anyio
async def test_every_planted_defect_is_found(tmp_path: Path) -> None:
    async with running("embedded", tmp_path / "embedded", seed=1, faults=0) as run:
        answered: list[Shot] = []
        while len(answered) < _PICTURES:
            await run.round(Round(run.report.round + 1, ()))
            assert not run.report.violations, run.report.summary()
            assert run.report.round < _MAX_ROUNDS, "no pictures without any fault"
            answered = [shot for shot in run.shots if shot.has_picture]
        await plant(run, answered)
        odd = [odd_shot("hung", seconds=60), odd_shot("answered", 503, "queue_unavailable", seconds=1)]
        odd += [odd_shot("answered", 500, "", seconds=1)]
        checks = run.checks(settling_seconds=1)
        await checks.after_round(odd, every=run.shots)
        assert {violation.check for violation in run.report.violations} == {
            "hang",
            "refused inside its window",
            "no problem",
            "unexpected answer",
            "never answered",
            "not final",
            "doubled",
            "lost job",
            "another picture",
            "ended before it began",
            "orphans",
            "lost picture",
            "statistics",
            "no webhook",
            "no event",
            "attempt after the end",
        }
        assert "--seed 1" in run.report.summary()


async def plant(run: Run, answered: list[Shot]) -> None:
    """One defect of each sort."""
    jobs = [shot.tries[-1].job_id for shot in answered]
    backwards, second, silent, lost, unended, unannounced = jobs[:6]
    names = {"backwards": backwards, "second": second, "silent": silent, "lost": lost, "photo": answered[0].sha256}
    for statement in _PLANTED.format(**names).strip().split(";\n"):
        await run.form.database.rows(statement)
    await run.form.database.rows(_UNENDED.format(unended=unended))
    del run.events.ended[unannounced]
    run.events.after_end[silent] += 1
    (run.form.media / "payloads" / "not a key").write_bytes(b"a photo that no sweep removes")
    (picture,) = (run.form.media / "results").glob(f"{silent}-*")
    picture.unlink()


def odd_shot(end: str, status: int = 0, code: str = "", *, seconds: float) -> Shot:
    """A shot with one request that ended so."""
    shot = Shot(f"{end} {status}", _SLOT, f"{end} {status}".encode())
    shot.tries.append(Try(time.monotonic(), seconds, end, status, code))
    return shot
