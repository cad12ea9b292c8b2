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
with asked as (
    update photochanger.jobs set asked_at = clock_timestamp() where id = any(%(ids)s) and finalized_at is null
    returning id
),
notified as (
    select pg_notify('photochanger_finalized', string_agg(id::text, ',')) from asked having count(*) > 0
)
select asked.id from asked left join notified on true
"""

UNCONFIRMED = "select id from photochanger.jobs where id = any(%(ids)s) and asked_at is not null"

CONFIRM = """
with confirmed as (
    update photochanger.jobs set asked_at = null where id = %(id)s and asked_at is not null
    returning id
),
notified as (
    select pg_notify('photochanger_finalized', id::text) from confirmed
)
select confirmed.id from confirmed left join notified on true
"""
