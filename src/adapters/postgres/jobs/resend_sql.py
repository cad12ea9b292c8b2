"""The queue's statements about photos that are sent again: clients that have gone, and questions for them."""

from __future__ import annotations

ABANDON = """
with abandoned as (
    update photochanger.jobs set abandoned_at = now()
    where id = %(id)s and answered_at is null and abandoned_at is null
    returning id
)
insert into photochanger.processing_logs (job_id, at, event)
select id, now(), 'abandoned' from abandoned
"""

HELD = """
select id from photochanger.jobs
where slot_id = %(slot_id)s and sha256 = %(sha256)s and finalized_at is null and held_by <> %(held_by)s
    and expires_at > clock_timestamp() and id <> all(%(asked)s::uuid[])
order by created_at desc
limit %(limit)s
"""

ASK = """
update photochanger.jobs set asked_at = clock_timestamp() where id = any(%(ids)s) and finalized_at is null
returning id
"""

UNCONFIRMED = "select id from photochanger.jobs where id = any(%(ids)s) and asked_at is not null"

CONFIRM = """
update photochanger.jobs set asked_at = null where id = %(id)s and asked_at is not null returning id
"""
