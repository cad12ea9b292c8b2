"""Rows with values that this version does not know, as a host of a newer one writes them: everything is still read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from uuid import uuid4

import psycopg
import pytest
from photochanger.core.domain.accounts import COMMAND_LINE, Admin, Permission
from photochanger.core.domain.audit import AuditAction, audit_entry
from photochanger.core.domain.costs.ledger import LedgerCall
from photochanger.core.domain.ingest_request import PasswordCheck
from photochanger.core.domain.job import JobState, LogEntry, LogEvent
from photochanger.core.domain.pagination import JobFilter, JobOrder
from photochanger.core.domain.routing.provider_check import ProviderCheck, ProviderFinding, ProviderFindingCode
from photochanger.core.domain.settings import StoredSettings
from photochanger.core.domain.slots.slot import shipped_slots
from photochanger.core.ports.repositories.settings_repository import SettingsUpdate

from tests.support.builders import ingest_request, media_object, new_job, outcome_failed, outcome_succeeded, webhook
from tests.support.postgres_backend import open_backend

pytestmark = pytest.mark.anyio

NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)
NEW = "of_tomorrow"


@pytest.fixture
async def backend(postgres_url: str, anyio_backend: str) -> AsyncIterator[SimpleNamespace]:
    async with open_backend(postgres_url) as opened:
        await opened.slots.add_missing(shipped_slots())
        yield opened


def write(url: str, *statements: str) -> None:
    """Change rows as the newer version would."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            assert connection.execute(statement, {"new": NEW}).rowcount > 0, statement


async def test_jobs_with_newer_sources_reasons_and_answers(backend: SimpleNamespace, postgres_url: str) -> None:
    job = await backend.queue.enqueue(new_job(), max_active=9)
    await backend.queue.mark_finalized(job.id, outcome_failed(job), claim=None)
    write(
        postgres_url,
        "update photochanger.jobs set source = %(new)s, failure_reason = %(new)s",
        "update photochanger.job_routes set"
        """ route = route || '{"failure_answer": "of_tomorrow", "response_mode": "of_tomorrow", "verse": 1}'""",
        "update photochanger.processing_logs set event = %(new)s where event = 'received'",
        "update photochanger.stats_ended set outcome = %(new)s",
    )
    read = await backend.jobs.get(job.id)
    assert (read.source, read.failure_reason, read.route.failure_answer) == (NEW, NEW, NEW)
    page = await backend.jobs.find(JobFilter(), order=JobOrder.NEWEST, limit=9)
    assert [*page.items] == [read]
    assert [entry.event for entry in await backend.log.entries(job.id)] == [NEW, LogEvent.FINALIZED]
    assert NEW in [event.entry.event for event in await backend.log.events(after=0, limit=9)]
    now = datetime.now(UTC)
    bounds = (now - HOUR, now + HOUR)
    assert [cell.outcome for cell in await backend.stats.cells(bounds)] == [NEW]
    assert [cell.outcome for cell in (await backend.stats.cells_by_slot(bounds))["slot-001"]] == [NEW]
    assert await backend.stats.outcomes_by_slot(*bounds, marks={}) == {"slot-001": {NEW: 1}}
    records = await backend.slot_records.read(now=now, ended_since=now - HOUR)
    assert [ended.failure_reason for ended in records.ended] == [NEW]
    assert await backend.stats.rebuild(before=now + HOUR) == 1
    assert [cell.outcome for cell in await backend.stats.cells(bounds)] == ["errors"]


async def test_states_of_a_newer_version_are_those_that_they_are_handled_like(
    backend: SimpleNamespace, postgres_url: str
) -> None:
    live, failed, succeeded = [await backend.queue.enqueue(new_job(), max_active=9) for _ in range(3)]
    await backend.queue.mark_finalized(failed.id, outcome_failed(failed), claim=None)
    await backend.queue.mark_finalized(succeeded.id, outcome_succeeded(succeeded), claim=None)
    write(
        postgres_url,
        "update photochanger.jobs set state = %(new)s",
        """update photochanger.processing_logs set detail = '{"state": "of_tomorrow"}' where event = 'finalized'""",
    )
    states = [(await backend.jobs.get(job.id)).state for job in (live, failed, succeeded)]
    assert states == [JobState.PROCESSING, JobState.FAILED, JobState.SUCCEEDED]
    depth = await backend.queue.depth()
    assert (depth.pending, depth.processing) == (0, 1)
    events = await backend.log.events(after=0, limit=9)
    assert [event.state for event in events if event.entry.event is LogEvent.FINALIZED] == [NEW, NEW]


async def test_records_beside_jobs(backend: SimpleNamespace, postgres_url: str) -> None:
    job = await backend.queue.enqueue(new_job(), max_active=9)
    await backend.webhooks.save(webhook())
    await backend.queue.mark_finalized(job.id, outcome_succeeded(job), claim=None)
    call = LedgerCall(
        id=uuid4(), job_id=job.id, slot_id="slot-001", provider_id="gemini", operation_id="edit", attempt=1, entry=0,
        call=1, at=NOW, usd_micros=1,
    )  # fmt: skip
    await backend.ledger.reserve(call, [])
    await backend.audit.append(audit_entry(AuditAction.LOGIN, COMMAND_LINE, now=NOW))
    await backend.admins.add(Admin(username="ada", password_hash="$argon2id$", created_at=NOW, tokens_from=NOW))
    await backend.media.add(media_object(job_id=job.id))
    await backend.ingest_requests.put(ingest_request(password=PasswordCheck.RIGHT))
    finding = ProviderFinding(code=ProviderFindingCode.BROKEN, detail="It is broken.")
    await backend.provider_checks.put(ProviderCheck(provider_id="gemini", checked_at=NOW, findings=(finding,)))
    write(
        postgres_url,
        "update photochanger.call_costs set charged = %(new)s",
        "update photochanger.audit_log set action = %(new)s",
        "update photochanger.admins set permissions = permissions || %(new)s::text",
        "update photochanger.media_objects set media_key = %(new)s || '/x'",
        "update photochanger.webhook_deliveries set state = %(new)s",
        """update photochanger.ingest_requests set request = request || '{"password": "of_tomorrow"}'""",
        """update photochanger.provider_checks set result = jsonb_set(result, '{findings,0,code}', '"of_tomorrow"')""",
    )
    assert [one.charged for one in await backend.ledger.of_job(job.id)] == [NEW]
    assert [one.action for one in (await backend.audit.find(limit=9)).items] == [NEW]
    assert [one.permissions for one in await backend.admins.all()] == [(*Permission, NEW)]
    assert [str(one.file.key) for one in await backend.media.of_job(job.id)] == [f"{NEW}/x"]
    assert (await backend.outbox.find(limit=9)).items == (), "it is asked for by states that are known"
    assert [one.password for one in await backend.ingest_requests.all()] == [NEW]
    assert [one.findings[0].code for one in await backend.provider_checks.all()] == [NEW]
    await backend.log.append([LogEntry(job.id, NOW, LogEvent.ATTEMPT, {})])


async def test_what_a_newer_version_keeps_in_documents_stays(backend: SimpleNamespace, postgres_url: str) -> None:
    write(
        postgres_url,
        """update photochanger.app_settings set settings = '{"budget_at_limit": "of_tomorrow", "theme": "dark"}'""",
        """update photochanger.slots set route = route || '{"failure_answer": "of_tomorrow", "verse": {"lines": 4}}'""",
    )
    settings = await backend.settings.get()
    assert settings.budget_at_limit == NEW
    changed = StoredSettings(budget_at_limit=settings.budget_at_limit, max_active_jobs=7)
    assert await backend.settings.save(SettingsUpdate(settings=changed), expected_version=settings.version)
    slot = await backend.slots.get("slot-001")
    assert slot.route.failure_answer == NEW
    assert await backend.slots.save(slot, expected_version=slot.version)
    with psycopg.connect(postgres_url) as connection:
        document = connection.execute("select settings from photochanger.app_settings").fetchone()
        route = connection.execute("select route from photochanger.slots where id = 'slot-001'").fetchone()
    assert document is not None
    assert (document[0]["theme"], document[0]["budget_at_limit"], document[0]["max_active_jobs"]) == ("dark", NEW, 7)
    assert route is not None
    assert (route[0]["verse"], route[0]["failure_answer"]) == ({"lines": 4}, NEW)
