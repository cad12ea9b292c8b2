"""The sweeper deletes what has expired or has no owner, and never what is in use."""

from __future__ import annotations

from datetime import timedelta

import pytest
from photochanger.core.domain.accounts import Actor
from photochanger.core.domain.audit import AuditAction, audit_entry
from photochanger.core.domain.deadlines import ORPHAN_GRACE
from photochanger.core.domain.errors import QueueUnavailable, StorageUnavailable
from photochanger.core.domain.job import FailureReason, JobState
from photochanger.core.domain.media import MediaKind
from photochanger.core.domain.settings import AppSettings
from photochanger.core.domain.webhook import DEAD_LIFE, DELIVERED_LIFE, DeliveryState
from photochanger.core.services.maintenance.sweeper import INTERVAL, SweepReport

from tests.support.builders import webhook
from tests.support.world import SECOND, ScriptedProvider, World, chunks, never, picture

pytestmark = pytest.mark.anyio

HOUR = timedelta(hours=1)
MILLISECOND = timedelta(milliseconds=1)
NOTHING = SweepReport()


async def orphan(world: World, kind: MediaKind, name: str) -> str:
    """A file that no job and no media object knows of."""
    return str((await world.recorded_store.put(kind, name, chunks(b"left behind"), max_bytes=100)).key)


async def test_there_is_nothing_to_do_in_a_fresh_world() -> None:
    world = World()
    assert await world.sweeper.sweep_expired() == NOTHING
    assert await world.sweeper.sweep_orphans() == NOTHING


async def test_abandoned_jobs_are_ended_at_their_deadline() -> None:
    world = World()
    await world.slot()
    pending = await world.submit(picture("1"))
    await world.clock.advance(48 * SECOND - MILLISECOND)
    assert await world.sweeper.sweep_expired() == NOTHING
    fresh = await world.submit(picture("2"))
    await world.clock.advance(MILLISECOND)
    assert await world.sweeper.sweep_expired() == SweepReport(jobs_timed_out=1)
    ended = await world.jobs.get(pending.id)
    assert (ended.state, ended.failure_reason, ended.error_code) == (
        JobState.TIMED_OUT,
        FailureReason.TIMEOUT,
        "sync_timeout",
    )
    assert await world.files() == [str(fresh.photo.file.key)]
    assert await world.sweeper.sweep_expired() == NOTHING


async def test_a_job_whose_worker_died_is_ended_too() -> None:
    world = World()
    await world.slot()
    await world.submit()
    claim = await world.claim()
    await world.clock.advance(48 * SECOND)
    assert (await world.sweeper.sweep_expired())["jobs_timed_out"] == 1
    assert (await world.jobs.get(claim.job.id)).state is JobState.TIMED_OUT
    assert await world.files() == []


async def test_more_than_one_batch_is_swept_in_one_go() -> None:
    world = World(settings=AppSettings(max_active_jobs=1000))
    await world.slot()
    for number in range(201):
        await world.submit(picture(str(number)))
    await world.clock.advance(48 * SECOND)
    assert (await world.sweeper.sweep_expired())["jobs_timed_out"] == 201
    assert await world.files() == []


async def test_expired_results_go_with_their_previews() -> None:
    world = World(settings=AppSettings(result_retention=HOUR))
    await world.slot()
    await world.submit(picture("1"))
    old = await world.work(within=timedelta(0))
    await world.clock.advance(10 * SECOND)
    await world.submit(picture("2"))
    young = await world.work(within=timedelta(0))
    assert old.result is not None
    assert young.result is not None
    await world.clock.advance(old.result.expires_at - world.clock.now() - MILLISECOND)
    assert (await world.sweeper.sweep_expired())["guests"] == 0
    assert len(await world.files()) == 6
    await world.clock.advance(MILLISECOND)
    assert (await world.sweeper.sweep_expired())["guests"] == 1
    assert {name.split("/")[1].rsplit(".", 1)[0] for name in await world.files()} == {
        young.result.file.key.name.rsplit(".", 1)[0]
    }
    assert (await world.jobs.get(old.id)).result_purged_at == world.clock.now()
    assert (await world.sweeper.sweep_expired())["guests"] == 0


async def test_expired_media_objects_go() -> None:
    world = World()
    media = await world.media.register(chunks(picture()), mime="image/jpeg", max_bytes=1000)
    await world.clock.advance(10 * SECOND)
    young = await world.media.register(chunks(picture()), mime="image/jpeg", max_bytes=1000)
    await world.clock.advance(38 * SECOND)
    assert media.expires_at == world.clock.now()
    assert await world.sweeper.sweep_expired() == SweepReport(media_objects=1)
    assert await world.files() == [str(young.file.key)]
    assert await world.sweeper.sweep_expired() == NOTHING


async def test_orphans_go_once_they_are_older_than_the_grace() -> None:
    world = World()
    for kind in (MediaKind.PAYLOADS, MediaKind.RESULTS, MediaKind.PREVIEWS, MediaKind.MEDIA):
        await orphan(world, kind, "left")
    await world.clock.advance(ORPHAN_GRACE)
    young = await orphan(world, MediaKind.PAYLOADS, "arriving-right-now")
    assert await world.sweeper.sweep_orphans() == NOTHING
    await world.clock.advance(MILLISECOND)
    assert await world.sweeper.sweep_orphans() == SweepReport(orphans=4)
    assert await world.files() == [young]


async def test_templates_stay_for_good_and_files_of_none_go() -> None:
    world = World()
    template = await world.templates.add(chunks(picture()), name="Gold", by=Actor("ada"))
    await orphan(world, MediaKind.TEMPLATES, "01980000-0000-7000-8000-000000000000")
    await orphan(world, MediaKind.TEMPLATES, "01980000-0000-7000-8000-000000000000.webp")
    await world.clock.advance(timedelta(days=1000))
    assert await world.sweeper.sweep_orphans() == SweepReport(orphans=2)
    assert await world.files() == [f"templates/{template.id}", f"templates/{template.id}.webp"]


async def test_a_purge_of_media_objects_leaves_all_else() -> None:
    world = World(settings=AppSettings(result_retention=HOUR))
    await world.slot()
    await world.submit()
    await world.work(within=timedelta(0))
    await world.media.register(chunks(picture()), mime="image/jpeg", max_bytes=1000)
    await orphan(world, MediaKind.MEDIA, "left")
    await world.clock.advance(2 * HOUR)
    before = await world.files(MediaKind.RESULTS)
    assert await world.sweeper.sweep_media_objects() == SweepReport(media_objects=1, orphans=1)
    assert await world.files(MediaKind.MEDIA) == []
    assert await world.files(MediaKind.RESULTS) == before != []


async def test_the_audit_log_goes_back_four_hundred_days() -> None:
    world = World()
    for number in range(210):
        await world.audit.append(audit_entry(AuditAction.LOGIN, Actor(f"ada-{number}"), now=world.clock.now()))
    await world.clock.advance(timedelta(days=400))
    await world.audit.append(audit_entry(AuditAction.LOGIN, Actor("newest"), now=world.clock.now()))
    assert (await world.sweeper.sweep_expired())["audit_entries"] == 0
    await world.clock.advance(MILLISECOND)
    assert await world.sweeper.sweep_expired() == SweepReport(audit_entries=210)
    assert [entry.actor for entry in (await world.audit.find(limit=9)).items] == ["newest"]


async def test_wrong_passwords_are_in_the_audit_log_for_thirty_days() -> None:
    world = World()
    for action in (AuditAction.LOGIN, AuditAction.LOGIN_FAILED, AuditAction.INGEST_PASSWORD_FAILED):
        await world.audit.append(audit_entry(action, Actor("unknown"), now=world.clock.now()))
    await world.clock.advance(timedelta(days=30))
    assert await world.sweeper.sweep_expired() == NOTHING
    await world.clock.advance(MILLISECOND)
    assert await world.sweeper.sweep_expired() == SweepReport(failed_passwords=2)
    assert [entry.action for entry in (await world.audit.find(limit=9)).items] == [AuditAction.LOGIN]


async def test_counts_of_wrong_passwords_that_have_ended_are_forgotten() -> None:
    world = World()
    await world.failures.failed(["address 192.0.2.1", "account ada"], now=world.clock.now())
    await world.clock.advance(30 * SECOND)
    await world.failures.failed(["address 192.0.2.2"], now=world.clock.now())
    await world.clock.advance(40 * SECOND)
    assert await world.sweeper.sweep_expired() == SweepReport(failure_counts=2)
    assert await world.sweeper.sweep_expired() == NOTHING


async def test_nothing_that_is_in_use_is_ever_an_orphan() -> None:
    world = World(ScriptedProvider("cloud", never), settings=AppSettings(sync_response=timedelta(minutes=50)))
    await world.slot("cloud")
    await world.slot(id="slot-002")
    await world.submit(slot_id="slot-002")
    await world.work(within=timedelta(0))
    await world.submit(picture("being worked on"))
    work = await world.start_work()
    await world.submit(picture("waiting"))
    await world.media.register(chunks(picture()), mime="image/jpeg", max_bytes=1000)
    world.clock.set_back(-timedelta(minutes=40))  # 40 minutes older, without 300,000 polls of the running job
    await world.clock.advance(SECOND)
    before = await world.files()
    assert len(before) == 6  # a result with both its previews, two payloads, one media object
    assert await world.sweeper.sweep_orphans() == NOTHING
    assert await world.sweeper.sweep_orphans(grace=timedelta(0)) == NOTHING
    assert await world.files() == before
    assert not work.done()


async def test_the_photo_of_a_job_that_took_long_goes_although_its_removal_failed() -> None:
    """Its record stays while the job lives: the photo is deleted after the end of its job was stored."""
    world = World(settings=AppSettings(sync_response=timedelta(minutes=50)))
    await world.slot()
    job = await world.submit()
    await world.clock.advance(ORPHAN_GRACE + MILLISECOND)
    assert await world.sweeper.sweep_orphans() == NOTHING
    world.store.faults["delete"] = StorageUnavailable("read-only")
    await world.jobs.cancel(job.id)
    assert await world.files() == [str(job.photo.file.key)]
    world.store.faults.clear()
    assert await world.sweeper.sweep_orphans() == SweepReport(orphans=1)
    assert await world.files() == []


async def test_files_of_a_removed_template_go_although_their_removal_failed() -> None:
    world = World()
    template = await world.templates.add(chunks(picture()), name="Gold", by=Actor("ada"))
    await world.clock.advance(timedelta(days=10))
    assert await world.sweeper.sweep_orphans() == NOTHING
    world.store.faults["delete"] = StorageUnavailable("read-only")
    await world.templates.remove(template.id, by=Actor("ada"))
    world.store.faults.clear()
    assert len(await world.files()) == 2
    await world.clock.advance(ORPHAN_GRACE + MILLISECOND)
    assert await world.sweeper.sweep_orphans() == SweepReport(orphans=2)
    assert await world.files() == []


async def test_records_of_files_that_have_owners_or_are_gone_are_removed_without_touching_a_file() -> None:
    world = World()
    await world.slot()
    await world.submit()
    await world.work(within=timedelta(0))
    later = world.clock.now() + HOUR
    begun = [await world.begun_files.before(later, kind, limit=10) for kind in MediaKind]
    assert [len(keys) for keys in begun] == [1, 1, 2, 0, 0]
    before = await world.files()
    await world.clock.advance(ORPHAN_GRACE + MILLISECOND)
    world.store.calls.clear()
    assert await world.sweeper.sweep_orphans() == NOTHING
    assert world.store.calls == ["noted", "size", "remove_partial"]  # the photo, which its job has deleted
    assert [await world.begun_files.before(later, kind, limit=10) for kind in MediaKind] == [[], [], [], [], []]
    assert await world.files() == before


async def test_files_begun_while_the_database_was_away_are_found_by_their_notes() -> None:
    world = World()
    world.begun_files.faults["add"] = QueueUnavailable("away")
    await orphan(world, MediaKind.PAYLOADS, "left")
    media = await world.media.register(chunks(picture()), mime="image/jpeg", max_bytes=1000)
    world.begun_files.faults.clear()
    assert len(await world.store.noted()) == 2
    assert await world.sweeper.sweep_orphans() == NOTHING
    assert await world.store.noted() == []
    await world.clock.advance(ORPHAN_GRACE + MILLISECOND)
    assert await world.sweeper.sweep_orphans() == SweepReport(orphans=1)
    assert await world.files() == [str(media.file.key)]


async def test_orphans_beyond_one_batch_go_beside_what_is_in_use() -> None:
    world = World(settings=AppSettings(max_active_jobs=1000))
    await world.slot()
    for number in range(210):
        await orphan(world, MediaKind.PAYLOADS, f"left-{number}")
        if number % 10 == 0:
            await world.submit(picture(str(number)))
    await world.clock.advance(ORPHAN_GRACE + MILLISECOND)
    assert (await world.sweeper.sweep_orphans())["orphans"] == 210
    assert len(await world.files()) == 21


async def test_what_interrupted_writes_left_is_removed_after_the_same_grace() -> None:
    world = World()
    asked = []

    async def remove_partial(*, older_than):  # type: ignore[no-untyped-def]
        asked.append(world.clock.now() - older_than)
        return 3

    world.store.remove_partial = remove_partial
    assert await world.sweeper.sweep_orphans() == SweepReport(partial_files=3)
    assert asked == [ORPHAN_GRACE]


async def test_webhook_deliveries_are_remembered_for_a_week_and_for_a_month_where_they_are_dead() -> None:
    world = World()
    await world.slot()
    await world.webhooks.save(webhook())
    for number in range(3):
        await world.submit(picture(str(number)))
        await world.work(within=timedelta(0))
    delivered, dead, _ = await world.outbox.acquire(n=3, lease=timedelta(0))
    await world.outbox.delivered(delivered, status=204)
    await world.outbox.failed(dead, error="The receiver is gone.", status=410, again_in=None)
    await world.clock.advance(DELIVERED_LIFE)
    assert (await world.sweeper.sweep_expired())["webhook_deliveries"] == 0
    await world.clock.advance(MILLISECOND)
    assert (await world.sweeper.sweep_expired())["webhook_deliveries"] == 1
    await world.clock.advance(DEAD_LIFE - DELIVERED_LIFE)
    assert (await world.sweeper.sweep_expired())["webhook_deliveries"] == 1
    (left,) = (await world.outbox.find(limit=10)).items
    assert left.state is DeliveryState.PENDING


async def test_it_sweeps_at_start_and_every_minute_and_looks_for_orphans_every_fifteen() -> None:
    world = World()
    await world.slot()
    await world.submit()
    await world.clock.advance(HOUR)
    await orphan(world, MediaKind.RESULTS, "left")
    running = await world.start(world.sweeper.run())
    assert await world.files() == ["results/left"]  # the job was ended at once, the orphan is too young
    await world.submit(picture("2"))
    await world.clock.advance(INTERVAL)
    assert await world.files() == ["results/left"]
    await world.clock.advance(13 * INTERVAL)
    assert await world.files() == ["results/left"]
    await world.clock.advance(INTERVAL)
    assert await world.files() == []
    running.cancel()


async def test_orphans_are_looked_for_at_start() -> None:
    world = World()
    await orphan(world, MediaKind.RESULTS, "left")
    await world.clock.advance(HOUR)
    running = await world.start(world.sweeper.run())
    assert await world.files() == []
    running.cancel()


@pytest.mark.parametrize("outage", [QueueUnavailable("away"), StorageUnavailable("read-only")])
async def test_it_goes_on_after_an_outage(outage: Exception, caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    await world.slot()
    job = await world.submit()
    await world.clock.advance(HOUR)
    world.queue.faults["release_expired"] = outage
    running = await world.start(world.sweeper.run())
    await world.clock.advance(3 * INTERVAL)
    assert (await world.jobs.get(job.id)).state is JobState.PENDING
    assert len([record for record in caplog.records if "sweep incomplete" in record.message]) == 4
    world.queue.faults.clear()
    await world.clock.advance(INTERVAL)
    assert (await world.jobs.get(job.id)).state is JobState.TIMED_OUT
    running.cancel()


async def test_a_file_that_cannot_be_removed_now_is_removed_later() -> None:
    world = World(settings=AppSettings(result_retention=HOUR))
    await world.slot()
    await world.submit()
    await world.work(within=timedelta(0))
    await world.clock.advance(2 * HOUR)
    world.store.faults["delete"] = StorageUnavailable("read-only")
    with pytest.raises(StorageUnavailable):
        await world.sweeper.sweep_expired()
    assert len(await world.files()) == 3
    world.store.faults.clear()
    assert (await world.sweeper.sweep_expired())["guests"] == 1
    assert await world.files() == []


async def test_a_task_that_fails_stops_no_other_task_and_its_error_is_raised(caplog: pytest.LogCaptureFixture) -> None:
    world = World(settings=AppSettings(result_retention=HOUR))
    await world.slot()
    await world.submit()
    await world.work(within=timedelta(0))
    await world.media.register(chunks(picture()), mime="image/jpeg", max_bytes=1000)
    await world.clock.advance(2 * HOUR)
    world.media_records.faults["expired"] = StorageUnavailable("read-only")
    world.guests.faults["due"] = TypeError("a defect")
    world.failures.faults["prune"] = KeyError("another defect")
    await world.failures.failed(["account ada"], now=world.clock.now())
    with pytest.raises(TypeError):
        await world.sweeper.sweep_expired()
    assert [name for name in world.failures.calls if name == "prune"] == ["prune"]
    assert "maintenance task guests failed: unforeseen error" in caplog.text
    assert "maintenance task media_objects failed: read-only" in caplog.text


async def test_a_sweep_ends_where_the_queue_is_unavailable() -> None:
    world = World()
    world.guests.faults["due"] = QueueUnavailable("away")
    with pytest.raises(QueueUnavailable):
        await world.sweeper.sweep_expired()
    assert "prune" not in world.failures.calls
