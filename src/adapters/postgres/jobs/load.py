"""From the rows of the statement LOAD to the load of the queue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ....core.domain.routing.capacity import EntryKey, QueuedJob, QueueLoad
from ....core.domain.routing.provider_usage import ProviderHealth, Usage, health_of

_usages = msgspec.json.Decoder(Usage)


def queue_load(rows: Sequence[Mapping[str, Any]]) -> QueueLoad:
    """Return the load of the queue from rows of each kind, each oldest first."""
    jobs: list[QueuedJob] = []
    workers: list[int] = []
    finished: dict[EntryKey, tuple[int, ...]] = {}
    health: dict[str, ProviderHealth] = {}
    live = 0
    for row in rows:
        match row["kind"]:
            case "live":
                entries = tuple((provider_id, operation_id) for provider_id, operation_id in row["entries"] or ())
                jobs.append(QueuedJob(entries, row["span"], row["remaining"], row["running"]))
            case "ended":
                provider_id, operation_id = row["entries"][0]
                entry = (provider_id or "", operation_id or "")
                finished[entry] = (*finished.get(entry, ()), round(row["span"] * 1000))
            case "worker":
                workers.append(int(row["span"]))
            case "provider":
                ((provider_id,),) = row["entries"]
                health[provider_id] = health_of(_usages.decode(row["usage"]), now=row["at"])
            case _:
                live = int(row["span"])
    return QueueLoad(tuple(jobs), live, tuple(workers), health, finished)
