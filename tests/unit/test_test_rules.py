"""Rules of the tests themselves: none depends on the speed of the machine."""

from __future__ import annotations

import re
from pathlib import Path

from hypothesis import HealthCheck, settings

TESTS = Path(__file__).parents[1]

MAY_SLEEP = {
    "integration/s3/test_server_down.py",  # the pause before a write is tried again, as the service makes one
    "support/chaos/pace.py",  # the length of a fault, the distance between two photos, how often `until` looks
    "support/cluster/__main__.py",  # how long a killed part is away
    "support/cluster/cameras.py",  # the pause before a camera sends a photo again
    "support/fault_relay.py",  # delays what it passes on, as a slow network does
    "support/hostile/camera.py",  # a camera sends a photo every second
    "support/hostile/crowd.py",  # strangers that send slowly, or come again
    "support/photobooth_app.py",  # how often `until` looks
    "support/retrying_proxy.py",  # the pause of a load balancer when no service takes a request
    "support/seaweedfs.py",  # how often `_until` looks
    "support/service.py",  # how often `eventually` looks
    "support/steady_cameras.py",  # cameras send their photos at a pace
    "support/standins/behaviours.py",  # a service that drips its answer
    "support/stuck_provider.py",  # a thread that never ends
    "unit/examples/test_photobooth_plugin.py",  # an answer that comes byte by byte
    "unit/entrypoints/test_process_guard.py",  # the same
    "unit/entrypoints/worker/test_worker_process.py",  # the same; how often `until` looks; the turn of a process
}


def test_nothing_sleeps_to_wait_for_something() -> None:
    slept = re.compile(r"\b(?:time|asyncio|anyio)\.sleep\((?!0\))")
    found = {
        str(path.relative_to(TESTS))
        for path in TESTS.rglob("*.py")
        if path != Path(__file__) and slept.search(path.read_text(encoding="utf-8"))
    }
    assert found == MAY_SLEEP


def test_generated_examples_may_take_as_long_as_they_need() -> None:
    assert settings.default.deadline is None
    assert HealthCheck.too_slow in settings.default.suppress_health_check
