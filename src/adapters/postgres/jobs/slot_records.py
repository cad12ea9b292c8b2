"""The SlotRecordReader port on PostgreSQL: sums made by the database, a few rows for each slot."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ....core.domain.job import FailureReason, JobSource, JobState
from ....core.domain.slots.activity import EndedJobs, EndedLatency, LiveJobs, NewestPicture, SlotRecords
from ....core.domain.stats.summary import BUCKET_BOUNDS_MS
from ....core.domain.stored_values import from_row
from ..database import Database
from ..stats.sql import PLAN_FOR_THIS

# By slot and outcome, and by latency alone: the rows of the second kind have no slot.
_ENDED = """
select slot_id, minute, failure_reason, fallback, bucket, count(*)
from (
    select slot_id, date_trunc('minute', finalized_at, 'UTC') as minute, failure_reason,
        coalesce((result ->> 'fallback')::boolean, false) as fallback,
        case when state = %(succeeded)s then width_bucket(
            floor(extract(epoch from finalized_at - created_at) * 1000)::bigint, %(buckets)s::bigint[]
        ) end as bucket
    from photochanger.jobs
    where finalized_at is not null and finalized_at >= %(since)s and source <> %(test)s
) as ended
group by grouping sets ((slot_id, minute, failure_reason, fallback), (minute, bucket))
having slot_id is not null or bucket is not null
"""

# The newest photo and the newest picture of each slot, each by an index that begins with the slot. Of pictures of the
# same microsecond any will do: the index has no id, and a sort for each slot costs as much as all of the rest.
_OF_SLOTS = """
select slots.id, photo.created_at, picture.*
from photochanger.slots
left join lateral (
    select created_at from photochanger.jobs
    where slot_id = slots.id and source <> %(test)s
    order by created_at desc, id desc limit 1
) as photo on true
left join lateral (
    select id as job_id, finalized_at as completed_at, result_expires_at as expires_at,
        result #>> '{picture,mime}' as mime, (result #>> '{picture,file,size_bytes}')::bigint as size_bytes
    from photochanger.jobs
    where slot_id = slots.id and finalized_at is not null and result_stem is not null and result_purged_at is null
        and result_expires_at > %(now)s and erased_at is null
    order by finalized_at desc limit 1
) as picture on true
where photo.created_at is not null or picture.job_id is not null
"""

_LIVE = """
select slot_id, count(*) filter (where state = %(pending)s), count(*) filter (where state = %(processing)s)
from photochanger.jobs where finalized_at is null and source <> %(test)s group by slot_id
"""

_VALUES: dict[str, Any] = {
    "buckets": [*BUCKET_BOUNDS_MS],
    "pending": JobState.PENDING,
    "processing": JobState.PROCESSING,
    "succeeded": JobState.SUCCEEDED,
    "test": JobSource.TEST,
}


class PostgresSlotRecords:
    """Reads `jobs`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, *, now: datetime, ended_since: datetime) -> SlotRecords:
        values = {**_VALUES, "now": now, "since": ended_since}
        async with self._database.begin() as connection:
            await connection.exec_driver_sql(PLAN_FOR_THIS)
            ended: Any = (await connection.exec_driver_sql(_ENDED, values)).all()
            of_slots: Any = (await connection.exec_driver_sql(_OF_SLOTS, values)).all()
            live: Any = (await connection.exec_driver_sql(_LIVE, values)).all()
        return SlotRecords(
            ended=tuple(
                EndedJobs(slot_id, minute, reason and from_row(FailureReason, reason), fallback, count)
                for slot_id, minute, reason, fallback, _, count in ended
                if slot_id is not None
            ),
            latencies=tuple(
                EndedLatency(minute, bucket, count) for slot_id, minute, _, _, bucket, count in ended if slot_id is None
            ),
            live={slot_id: LiveJobs(pending, processing) for slot_id, pending, processing in live},
            last_photos={slot_id: at for slot_id, at, *_ in of_slots if at is not None},
            newest={
                slot_id: NewestPicture(
                    job_id=job_id, completed_at=completed_at, expires_at=expires_at, mime=mime, size_bytes=size_bytes
                )
                for slot_id, _, job_id, completed_at, expires_at, mime, size_bytes in of_slots
                if job_id is not None
            },
        )
