"""The parts of a stop fit into each other, and all of them into the time that a service manager waits."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import yaml
from photochanger.entrypoints.process.guard import EXIT_LIMIT
from photochanger.entrypoints.process.stop_limits import (
    ANSWER_LIMIT,
    HURRY_LIMIT,
    LONGEST_WORK,
    RELEASE_LIMIT,
    SERVE_GRACE,
    WORKER_GRACE,
    WORKER_KILL_AFTER,
)
from photochanger.entrypoints.worker.pool import GRACE

DEPLOY = Path(__file__).parents[3] / "deploy"
MANAGER = timedelta(seconds=90)


def test_each_part_ends_before_the_one_that_waits_for_it_loses_patience() -> None:
    assert GRACE < WORKER_GRACE
    assert RELEASE_LIMIT + EXIT_LIMIT < WORKER_KILL_AFTER
    assert ANSWER_LIMIT + WORKER_KILL_AFTER < HURRY_LIMIT
    assert LONGEST_WORK + ANSWER_LIMIT + WORKER_KILL_AFTER < SERVE_GRACE
    assert WORKER_GRACE + EXIT_LIMIT < MANAGER
    assert SERVE_GRACE + EXIT_LIMIT < MANAGER


def test_the_files_for_containers_wait_that_long() -> None:
    for name in ("compose.yml", "compose.host.yml"):
        compose = yaml.safe_load((DEPLOY / name).read_text())
        assert compose["services"]["photochanger"]["stop_grace_period"] == "90s"
    for name in ("serve", "worker"):
        pod = next(iter(yaml.safe_load_all((DEPLOY / "kubernetes" / f"{name}.yaml").read_text())))
        spec = pod["spec"]["template"]["spec"]
        hook = spec["containers"][0].get("lifecycle", {}).get("preStop", {"sleep": {"seconds": 0}})
        # The pause before the stop signal is part of the time that the cluster waits.
        assert spec["terminationGracePeriodSeconds"] >= hook["sleep"]["seconds"] + MANAGER.total_seconds()
