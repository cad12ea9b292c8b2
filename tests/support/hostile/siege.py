"""A scenario played around a camera."""

from __future__ import annotations

from tests.support import photos
from tests.support.hostile import files
from tests.support.hostile.camera import Camera, Shot
from tests.support.hostile.crowd import Crowd
from tests.support.hostile.scenarios import ENDLESS, Scenario
from tests.support.hostile.target import LARGE_SLOT, MEMORY_LIMIT, MIB, Target
from tests.support.service import PASSWORD

SHOTS = 3
"""Photos that the camera sends while strangers attack."""


def besiege(target: Target, scenario: Scenario) -> Crowd:
    """Play a scenario: every photo of the camera comes back as a picture, and the service stays within its limits."""
    target.watch.reset()
    camera = Camera(target.port)
    first = camera.shoot(1)
    crowd = Crowd(
        target.port,
        scenario.attack(large_result(camera) if scenario.reads else ""),
        strangers=scenario.strangers,
        addresses=scenario.addresses,
        rounds=scenario.rounds,
    )
    with crowd.around():
        during = camera.shoot(SHOTS)
        if scenario.rounds != ENDLESS:
            crowd.finish()
    assert_answered(*first, *during, *camera.shoot(1))
    assert target.watch.peak_memory <= MEMORY_LIMIT, (
        f"{target.watch.peak_memory // MIB} MiB; the most of each process: {target.watch.memory_by_process()}"
    )
    return crowd


def large_result(camera: Camera) -> str:
    """The path of a public picture of more than 2 MB."""
    large = camera.send(files.form(photos.jpeg(2000, 1500), before=PASSWORD), slot_id=LARGE_SLOT)
    assert large.is_answered, large
    assert len(large.picture) > 2 * MIB
    return large.result


def assert_answered(*shots: Shot) -> None:
    """Every photo came back as a picture."""
    assert all(shot.is_answered for shot in shots), shots
