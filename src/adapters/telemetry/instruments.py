"""Every figure that PhotoChanger keeps: name, kind, unit, labels. docs/metrics.md is this table for people."""

from __future__ import annotations

import enum

import msgspec

_UNIT_WORDS = {"s": "seconds", "By": "bytes"}


class Kind(enum.StrEnum):
    """How a figure moves: it only rises, it is what it is now, or it is spread over buckets."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """One figure.

    Attributes:
        name: as OpenTelemetry has it.
        unit: in UCUM (`s`, `By`); empty where it counts things.
        labels: what its series differ by; each takes few values, and none from outside.
        buckets: upper bounds of a histogram's, in its unit.
    """

    name: str
    kind: Kind
    unit: str = ""
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def prometheus_name(self) -> str:
        """The same name as Prometheus has it, without the suffix of counters."""
        unit = f"_{_UNIT_WORDS[self.unit]}" if self.unit else ""
        name = self.name.replace(".", "_")
        return name if name.endswith(unit) else name + unit


_WINDOW = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 7.5, 10.0, 15.0, 20.0, 25.0, 30.0, 40.0, 48.0, 60.0)
_WAIT = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 60.0)

INGEST_DURATION = Instrument(
    name="photochanger.ingest.duration",
    kind=Kind.HISTOGRAM,
    unit="s",
    help="From a camera's request to the beginning of its answer.",
    labels=("slot_id", "outcome"),
    buckets=_WINDOW,
)
QUEUE_WAIT = Instrument(
    name="photochanger.queue.wait",
    kind=Kind.HISTOGRAM,
    unit="s",
    help="From a job's making until a worker took it for the first time.",
    labels=("slot_id",),
    buckets=_WAIT,
)
PHOTOS_REFUSED = Instrument(
    name="photochanger.photos.refused",
    kind=Kind.COUNTER,
    help="Photos that were refused with queue_full, by why.",
    labels=("slot_id", "reason"),
)
JOBS_ENDED = Instrument(
    name="photochanger.jobs.ended",
    kind=Kind.COUNTER,
    help="Jobs that ended, by how.",
    labels=("slot_id", "source", "outcome"),
)
CALL_DURATION = Instrument(
    name="photochanger.provider.call.duration",
    kind=Kind.HISTOGRAM,
    unit="s",
    help="How long calls to providers took, by what they came to.",
    labels=("provider_id", "verdict"),
    buckets=_WINDOW,
)
RETRIES = Instrument(
    name="photochanger.provider.retries",
    kind=Kind.COUNTER,
    help="Calls to a provider after the first one of a job.",
    labels=("provider_id",),
)
COST = Instrument(
    name="photochanger.provider.cost.usd",
    kind=Kind.COUNTER,
    help="US dollars of calls that were billed or may have been.",
    labels=("provider_id", "slot_id"),
)
MEDIA_STORED = Instrument(
    name="photochanger.media.stored",
    kind=Kind.COUNTER,
    unit="By",
    help="Bytes that were written to the media store.",
    labels=("kind",),
)
MEDIA_REMOVED = Instrument(
    name="photochanger.media.removed",
    kind=Kind.COUNTER,
    unit="By",
    help="Bytes that were removed from a media folder; an object store does not say how many.",
    labels=("kind",),
)
SWEPT = Instrument(
    name="photochanger.sweeper.removed",
    kind=Kind.COUNTER,
    help="What the sweeper removed or ended.",
    labels=("what",),
)
SWEEPER_LAG = Instrument(
    name="photochanger.sweeper.lag",
    kind=Kind.GAUGE,
    unit="s",
    help="Since the sweeper last got through to its end.",
)
JOBS_ACTIVE = Instrument(
    name="photochanger.jobs.active",
    kind=Kind.GAUGE,
    help="Jobs that have not ended, of all hosts.",
    labels=("state",),
)
JOBS_LIMIT = Instrument(
    name="photochanger.jobs.limit",
    kind=Kind.GAUGE,
    help="How many jobs may be active at once, of all hosts.",
)
WORKERS_ALIVE = Instrument(
    name="photochanger.workers.alive",
    kind=Kind.GAUGE,
    help="Worker processes with a recent heartbeat, on all hosts.",
)
WORKERS_REPLACED = Instrument(
    name="photochanger.workers.replaced",
    kind=Kind.COUNTER,
    help="Worker processes of a service that ended or were killed without a stop, and were replaced.",
    labels=("cause",),
)
BREAKER = Instrument(
    name="photochanger.provider.breaker.state",
    kind=Kind.GAUGE,
    help="1 at the state that a provider's circuit breaker is in, 0 at the others.",
    labels=("provider_id", "state"),
)
MEDIA_BYTES = Instrument(
    name="photochanger.media.bytes",
    kind=Kind.GAUGE,
    unit="By",
    help="Bytes of the files that rows of the database own, without previews and thumbnails.",
    labels=("kind",),
)
MEDIA_FREE = Instrument(
    name="photochanger.media.free",
    kind=Kind.GAUGE,
    unit="By",
    help="How many more bytes the media store can take.",
)
MEDIA_FLOOR = Instrument(
    name="photochanger.media.floor",
    kind=Kind.GAUGE,
    unit="By",
    help="No photo is taken while less than this is free in the media store.",
)
CONNECTIONS_OPEN = Instrument(
    name="photochanger.connections.open",
    kind=Kind.GAUGE,
    help="Connections of clients that are open.",
)
CONNECTIONS_LIMIT = Instrument(
    name="photochanger.connections.limit",
    kind=Kind.GAUGE,
    help="How many connections of clients may be open at once.",
)
CONNECTIONS_ENDED = Instrument(
    name="photochanger.connections.ended",
    kind=Kind.COUNTER,
    help="Connections of clients that the server refused or cut, by why.",
    labels=("reason",),
)
BUDGET_LIMIT = Instrument(
    name="photochanger.budget.limit.usd",
    kind=Kind.GAUGE,
    help="US dollars that may be spent today: on a slot, or on all.",
    labels=("slot_id",),
)
BUDGET_SPENT = Instrument(
    name="photochanger.budget.spent.usd",
    kind=Kind.GAUGE,
    help="US dollars of a budget that are spent today, calls under way included.",
    labels=("slot_id",),
)
CLOCK_OFFSET = Instrument(
    name="photochanger.clock.offset",
    kind=Kind.GAUGE,
    unit="s",
    help="How far the clock of this machine is ahead of the database's, whose clock jobs follow.",
    labels=("process",),
)

GAUGES = (
    SWEEPER_LAG,
    JOBS_ACTIVE,
    JOBS_LIMIT,
    WORKERS_ALIVE,
    BREAKER,
    MEDIA_BYTES,
    MEDIA_FREE,
    MEDIA_FLOOR,
    CONNECTIONS_OPEN,
    CONNECTIONS_LIMIT,
    CLOCK_OFFSET,
    BUDGET_LIMIT,
    BUDGET_SPENT,
)
INSTRUMENTS = (
    INGEST_DURATION,
    QUEUE_WAIT,
    PHOTOS_REFUSED,
    JOBS_ENDED,
    CALL_DURATION,
    RETRIES,
    COST,
    MEDIA_STORED,
    MEDIA_REMOVED,
    SWEPT,
    CONNECTIONS_ENDED,
    WORKERS_REPLACED,
    *GAUGES,
)
