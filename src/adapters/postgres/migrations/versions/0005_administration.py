"""Administrators, audit log, signing keys, counts of wrong passwords, template media, webhooks, lists of jobs."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_UP = (
    """
    create table photochanger.admins (
        username text primary key,
        password_hash text not null,
        permissions text[] not null,
        created_at timestamptz not null,
        tokens_from timestamptz not null,
        disabled_at timestamptz
    )
    """,
    """
    create table photochanger.audit_log (
        id uuid primary key,
        at timestamptz not null,
        action text not null,
        actor text not null,
        address text,
        target text,
        detail jsonb not null default '{}'
    )
    """,
    "create index audit_log_at on photochanger.audit_log (at, id)",
    """
    create table photochanger.signing_keys (
        id text primary key,
        sealed text not null,
        created_at timestamptz not null,
        retired_at timestamptz
    )
    """,
    "create unique index signing_keys_current on photochanger.signing_keys ((true)) where retired_at is null",
    """
    create table photochanger.password_failures (
        key text primary key,
        since timestamptz not null,
        failures integer not null
    ) with (fillfactor = 50)
    """,
    "create index password_failures_since on photochanger.password_failures (since)",
    "alter table photochanger.app_settings add column version integer not null default 1",
    """
    create table photochanger.template_media (
        id uuid primary key,
        media_key text not null,
        size_bytes bigint not null,
        sha256 text not null,
        mime text not null,
        width integer not null,
        height integer not null,
        name text not null,
        created_at timestamptz not null,
        created_by text not null
    )
    """,
    """
    create table photochanger.slot_templates (
        slot_id text not null references photochanger.slots (id) on delete cascade,
        setting_key text not null,
        media_id uuid not null references photochanger.template_media (id),
        primary key (slot_id, setting_key)
    )
    """,
    "create index slot_templates_media on photochanger.slot_templates (media_id)",
    # No template could be stored before, so no slot can have one bound: what an embedder wrote there is dangling.
    "update photochanger.slots set route = route - 'templates'",
    "alter table photochanger.slots add column stats_reset_at timestamptz",
    """
    create table photochanger.webhooks (
        slot_id text primary key references photochanger.slots (id) on delete cascade,
        url text not null,
        key_id text not null,
        sealed_secret text not null,
        changed_at timestamptz not null,
        changed_by text not null
    )
    """,
    """
    create table photochanger.webhook_deliveries (
        id uuid primary key default gen_random_uuid(),
        slot_id text not null references photochanger.webhooks (slot_id) on delete cascade,
        job_id uuid not null,
        state text not null default 'pending',
        created_at timestamptz not null,
        next_at timestamptz not null,
        attempts integer not null default 0,
        last_status integer,
        last_error text,
        ended_at timestamptz
    ) with (fillfactor = 70)
    """,
    "create index webhook_deliveries_due on photochanger.webhook_deliveries (next_at) where state = 'pending'",
    "create index webhook_deliveries_list on photochanger.webhook_deliveries (created_at, id)",
    "create index webhook_deliveries_ended on photochanger.webhook_deliveries (ended_at) where ended_at is not null",
    "create index jobs_created on photochanger.jobs (created_at, id)",
    "create index jobs_slot_created on photochanger.jobs (slot_id, created_at, id)",
    "create index jobs_finalized on photochanger.jobs (finalized_at, id) where finalized_at is not null",
    "create index jobs_failed on photochanger.jobs (created_at, id) where failure_reason is not null",
)

_DOWN = (
    "drop index photochanger.jobs_failed",
    "drop index photochanger.jobs_finalized",
    "drop index photochanger.jobs_slot_created",
    "drop index photochanger.jobs_created",
    "drop table photochanger.webhook_deliveries",
    "drop table photochanger.webhooks",
    "alter table photochanger.slots drop column stats_reset_at",
    "update photochanger.slots set route = route || '{\"templates\": []}'",
    "drop table photochanger.slot_templates",
    "drop table photochanger.template_media",
    "alter table photochanger.app_settings drop column version",
    "drop table photochanger.password_failures",
    "drop table photochanger.signing_keys",
    "drop table photochanger.audit_log",
    "drop table photochanger.admins",
)


def upgrade() -> None:
    """Add the tables, columns and indexes."""
    for statement in _UP:
        op.execute(statement)


def downgrade() -> None:
    """Take them away."""
    for statement in _DOWN:
        op.execute(statement)
