"""How long the parts of a stop may take: together less than the 60 s after which a service manager kills (ADR 46)."""

from __future__ import annotations

from datetime import timedelta

HTTP_GRACE = timedelta(seconds=25)
"""How long requests that wait for their picture go on after the stop signal of `serve`; then its worker is stopped."""

WORKER_GRACE = timedelta(seconds=22)
"""When a worker process is ended by force: its jobs have 20 s, then it releases them and deletes its row."""

WORKER_KILL_AFTER = timedelta(seconds=28)
"""When `serve` kills a worker process that it has stopped: after that process had to end itself and exit."""

SERVE_GRACE = timedelta(seconds=54)
"""When `serve` is ended by force: after its requests and its worker, with a second for its database."""
