"""The tables, as SQLAlchemy describes them to the repositories and to Alembic; the schema is `photochanger`.

Indexes that the hot path needs cover live rows only, so any number of finished jobs costs it nothing.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from .stats.tables import add_tables

SCHEMA = "photochanger"

metadata = MetaData(schema=SCHEMA)
add_tables(metadata)

_moment = DateTime(timezone=True)

slots = Table(
    "slots",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("route", JSONB, nullable=False),
    Column("version", Integer, nullable=False),
    Column("max_upload_bytes", BigInteger),
    Column("gallery_open_until", _moment),
    Column("ingest_password", JSONB(none_as_null=True)),
    Column("updated_at", _moment),
    Column("stats_reset_at", _moment),
    Column("budget", JSONB(none_as_null=True)),
    Column("gallery_title", Text),
)

template_media = Table(
    "template_media",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("media_key", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("mime", Text, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("created_at", _moment, nullable=False),
    Column("created_by", Text, nullable=False),
)

slot_templates = Table(
    "slot_templates",
    metadata,
    Column("slot_id", Text, ForeignKey(slots.c.id, ondelete="CASCADE"), primary_key=True),
    Column("setting_key", Text, primary_key=True),
    Column("media_id", Uuid, ForeignKey(template_media.c.id), nullable=False),
)
Index("slot_templates_media", slot_templates.c.media_id)

job_routes = Table(
    "job_routes",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("route", JSONB, nullable=False),
    Column("used_at", _moment, nullable=False),
)

# First what is written once, then what a worker changes, the end, and what follows it: an update logs the row from the
# first column that differs to the last one.
jobs = Table(
    "jobs",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("created_at", _moment, nullable=False),
    Column("expires_at", _moment, nullable=False),
    Column("slot_id", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("route_provider", Text, nullable=False),
    Column("route_id", Uuid, nullable=False),
    Column("photo", JSONB, nullable=False),
    Column("payload_key", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("access_token", Text, nullable=False),
    Column("metadata", JSONB, nullable=False),
    Column("idempotency_key", Text),
    Column("trace", Text),
    Column("held_by", Uuid),
    Column("state", Text, nullable=False),
    Column("attempt", Integer, nullable=False, server_default=text("0")),
    Column("provider_job_entry", Integer),
    Column("acquired_at", _moment),
    Column("lease_until", _moment),
    Column("worker", Text),
    Column("places", ARRAY(Text), nullable=False, server_default=text("'{}'::text[]")),
    Column("provider_job_reference", Text),
    Column("finalized_at", _moment),
    Column("failure_reason", Text),
    Column("error_code", Text),
    Column("error_detail", Text),
    Column("provider_id", Text),
    Column("operation_id", Text),
    Column("result", JSONB),
    Column("result_stem", Text),
    Column("result_expires_at", _moment),
    Column("late_call_until", _moment),
    Column("answered_at", _moment),
    Column("abandoned_at", _moment),
    Column("asked_at", _moment),
    Column("hidden_at", _moment),
    Column("result_purged_at", _moment),
    Column("erased_at", _moment),
    Column("forgotten_at", _moment),
    postgresql_with={"fillfactor": "70"},
)

_live = text("finalized_at IS NULL")
_kept = text("result_stem IS NOT NULL AND result_purged_at IS NULL")
Index("jobs_live", jobs.c.expires_at, postgresql_where=_live)
Index(
    "jobs_idempotency",
    jobs.c.slot_id,
    jobs.c.idempotency_key,
    unique=True,
    postgresql_where=text("idempotency_key IS NOT NULL"),
)
Index("jobs_abandoned", jobs.c.slot_id, jobs.c.sha256, postgresql_where=text("abandoned_at IS NOT NULL"))
Index("jobs_result_expiry", jobs.c.result_expires_at, postgresql_where=_kept)
Index(
    "jobs_without_result",
    jobs.c.finalized_at,
    postgresql_where=text("finalized_at IS NOT NULL AND result_stem IS NULL AND forgotten_at IS NULL"),
)
Index("jobs_erased", jobs.c.erased_at, postgresql_where=text("erased_at IS NOT NULL AND forgotten_at IS NULL"))
Index("jobs_recent_results", jobs.c.slot_id, jobs.c.finalized_at, postgresql_where=_kept)
Index("jobs_results", jobs.c.finalized_at, jobs.c.id, postgresql_where=_kept)
Index("jobs_hidden", jobs.c.finalized_at, jobs.c.id, postgresql_where=text("hidden_at IS NOT NULL"))

Index("jobs_created", jobs.c.created_at, jobs.c.id)
Index("jobs_slot_created", jobs.c.slot_id, jobs.c.created_at, jobs.c.id)
Index(
    "jobs_tests",
    jobs.c.slot_id,
    jobs.c.created_at,
    jobs.c.id,
    postgresql_where=text("source = 'test'"),
)
Index("jobs_finalized", jobs.c.finalized_at, jobs.c.id, postgresql_where=text("finalized_at IS NOT NULL"))
Index("jobs_failed", jobs.c.created_at, jobs.c.id, postgresql_where=text("failure_reason IS NOT NULL"))

processing_logs = Table(
    "processing_logs",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("job_id", Uuid, nullable=False),
    Column("at", _moment, nullable=False),
    Column("event", Text, nullable=False),
    Column("detail", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
)
Index("processing_logs_job", processing_logs.c.job_id)

media_objects = Table(
    "media_objects",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("job_id", Uuid, ForeignKey(jobs.c.id, ondelete="CASCADE")),
    Column("media_key", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("mime", Text, nullable=False),
    Column("created_at", _moment, nullable=False),
    Column("expires_at", _moment, nullable=False),
    Column("removed_at", _moment),
)
_present = text("removed_at IS NULL")
Index("media_objects_job", media_objects.c.job_id, postgresql_where=_present)
Index("media_objects_of_job", media_objects.c.job_id, postgresql_where=text("job_id IS NOT NULL"))
Index("media_objects_key", media_objects.c.media_key, postgresql_where=_present)
Index("media_objects_expiry", media_objects.c.expires_at, postgresql_where=_present)

begun_files = Table(
    "begun_files",
    metadata,
    Column("media_key", Text, nullable=False),
    Column("begun_at", _moment, nullable=False),
)

app_settings = Table(
    "app_settings",
    metadata,
    Column("id", SmallInteger, primary_key=True),
    Column("settings", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("ingest_password", JSONB),
    Column("version", Integer, nullable=False, server_default=text("1")),
)

admins = Table(
    "admins",
    metadata,
    Column("username", Text, primary_key=True),
    Column("password_hash", Text, nullable=False),
    Column("password_digest", Text),
    Column("permissions", ARRAY(Text), nullable=False),
    Column("created_at", _moment, nullable=False),
    Column("tokens_from", _moment, nullable=False),
    Column("disabled_at", _moment),
    Column("last_login_at", _moment),
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("at", _moment, nullable=False),
    Column("action", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("address", Text),
    Column("target", Text),
    Column("detail", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
)
Index("audit_log_at", audit_log.c.at, audit_log.c.id)
Index("audit_log_action", audit_log.c.action, audit_log.c.at)

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("sealed", Text, nullable=False),
    Column("created_at", _moment, nullable=False),
    Column("retired_at", _moment),
    # It names no column, so it finds its table only here.
    Index("signing_keys_current", text("(true)"), unique=True, postgresql_where=text("retired_at IS NULL")),
)

secret_key = Table(
    "secret_key",
    metadata,
    Column("one_row", Boolean, primary_key=True, server_default=text("true")),
    Column("fingerprint", Text, nullable=False),
)

password_failures = Table(
    "password_failures",
    metadata,
    Column("key", Text, primary_key=True),
    Column("since", _moment, nullable=False),
    Column("failures", Integer, nullable=False),
    postgresql_with={"fillfactor": "50"},
)
Index("password_failures_since", password_failures.c.since)

revoked_tokens = Table(
    "revoked_tokens",
    metadata,
    Column("token_id", Text, primary_key=True),
    Column("expires_at", _moment, nullable=False),
    Column("revoked_at", _moment, nullable=False, server_default=text("clock_timestamp()")),
)
Index("revoked_tokens_revoked_at", revoked_tokens.c.revoked_at)

ingest_keys = Table(
    "ingest_keys",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("digest", Text, nullable=False, unique=True),
    Column("created_at", _moment, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("used_at", _moment),
    Column("used_slot_id", Text),
    Column("used_address", Text),
)

webhooks = Table(
    "webhooks",
    metadata,
    Column("slot_id", Text, ForeignKey(slots.c.id, ondelete="CASCADE"), primary_key=True),
    Column("url", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("sealed_secret", Text, nullable=False),
    Column("changed_at", _moment, nullable=False),
    Column("changed_by", Text, nullable=False),
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("id", Uuid, primary_key=True, server_default=text("gen_random_uuid()")),
    Column("slot_id", Text, ForeignKey(webhooks.c.slot_id, ondelete="CASCADE"), nullable=False),
    Column("job_id", Uuid, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'pending'::text")),
    Column("created_at", _moment, nullable=False),
    Column("next_at", _moment, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("last_status", Integer),
    Column("last_error", Text),
    Column("ended_at", _moment),
    postgresql_with={"fillfactor": "70"},
)
Index("webhook_deliveries_due", webhook_deliveries.c.next_at, postgresql_where=text("state = 'pending'"))
Index("webhook_deliveries_list", webhook_deliveries.c.created_at, webhook_deliveries.c.id)
Index("webhook_deliveries_ended", webhook_deliveries.c.ended_at, postgresql_where=text("ended_at IS NOT NULL"))

provider_secrets = Table(
    "provider_secrets",
    metadata,
    Column("provider_id", Text, primary_key=True),
    Column("sealed", Text, nullable=False),
    Column("changed_at", _moment, nullable=False),
    Column("changed_by", Text, nullable=False),
)

provider_usage = Table(
    "provider_usage",
    metadata,
    Column("provider_id", Text, primary_key=True),
    Column("usage", JSONB, nullable=False),
    postgresql_with={"fillfactor": "50"},
)

history = Table(
    "history",
    metadata,
    Column("id", SmallInteger, primary_key=True),
    Column("jobs_kept_from", _moment),
)

workers = Table(
    "workers",
    metadata,
    Column("name", Text, primary_key=True),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("concurrency", Integer, nullable=False),
    Column("running", Integer, nullable=False),
    Column("version", Text, nullable=False),
    Column("started_at", _moment, nullable=False),
    Column("seen_at", _moment, nullable=False),
    Column("clock_ahead_seconds", Float),
    postgresql_with={"fillfactor": "50"},
)

idle_workers = Table(
    "idle_workers",
    metadata,
    Column("channel", Text, primary_key=True),
    Column("idle_since", _moment),
    Column("seen_at", _moment, nullable=False),
    Column("places", Integer, nullable=False, server_default=text("1")),
    postgresql_with={"fillfactor": "50"},
    prefixes=["UNLOGGED"],
)

provider_checks = Table(
    "provider_checks",
    metadata,
    Column("provider_id", Text, primary_key=True),
    Column("checked_at", _moment, nullable=False),
    Column("result", JSONB, nullable=False),
    postgresql_with={"fillfactor": "50"},
)

ingest_requests = Table(
    "ingest_requests",
    metadata,
    Column("slot_id", Text, primary_key=True),
    Column("received_at", _moment, nullable=False),
    Column("request", JSONB, nullable=False),
    postgresql_with={"fillfactor": "50"},
)
