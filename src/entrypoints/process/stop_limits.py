"""How long the parts of a stop may take: together less than the 90 s after which a service manager kills (ADR 51)."""

from __future__ import annotations

from datetime import timedelta

from ...core.domain.deadlines import MAX_SYNC_RESPONSE

BEYOND_WINDOW = timedelta(seconds=5)
"""What is running at the stop signal may go on for the sync window and this."""

LONGEST_WORK = MAX_SYNC_RESPONSE + BEYOND_WINDOW
"""The most that what is running may go on, whatever the sync window is."""

LINGER = timedelta(seconds=0.5)
"""How long an idle connection stays open in a stop: a request may be on its way, and is answered."""

ANSWER_LIMIT = timedelta(seconds=3)
"""How long requests may take for their 503 once they are given up; then their connections are cut."""

RELEASE_LIMIT = timedelta(seconds=6)
"""How long a worker process may take to release its jobs and delete its row."""

WORKER_GRACE = LONGEST_WORK + RELEASE_LIMIT
"""When a worker process is ended by force."""

WORKER_KILL_AFTER = RELEASE_LIMIT + timedelta(seconds=6)
"""How much later than the time of its jobs `serve` kills a worker process: after it had to end itself and exit."""

HURRY_LIMIT = ANSWER_LIMIT + WORKER_KILL_AFTER + timedelta(seconds=2)
"""When a process that got a second stop signal is ended by force."""

SERVE_GRACE = LONGEST_WORK + HURRY_LIMIT
"""When `serve` is ended by force: after its requests and its worker, with two seconds for its database."""
