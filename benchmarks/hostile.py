"""What strangers cost: the service's memory and a camera's answers in each scenario of the hostile-client suite,
and the work for one request that is refused."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from shutil import disk_usage
from typing import Any

from photochanger.adapters.postgres import EmbeddedServer, migrate

from tests.support import photos
from tests.support.hostile import files, scenarios
from tests.support.hostile.camera import ADDRESS, Camera, Shot
from tests.support.hostile.crowd import STRANGERS, Crowd, post
from tests.support.hostile.scenarios import ENDLESS, WRONG, Scenario
from tests.support.hostile.siege import assert_answered, large_result
from tests.support.hostile.target import MIB, Target, limited

from .ingest import percentiles

ADMIN_PASSWORD = "an-administrators-password"

_REFUSED = 40
_KIND_SECONDS = 30.0
"""Requests of one kind that are sent one after the other, and the time after which there are no more."""

_AT_ONCE = 16
_IDLE_SECONDS = 5.0
_FREE_BYTES = 700 * MIB
"""How much more than the floor of free space there is while large forms arrive."""

_PATIENCE_SECONDS = 100.0
"""After which a scenario ends, where the camera's answers are slow."""


def measure(folder: Path, *, shots: int, only: str) -> dict[str, Any]:
    """Scenarios whose name contains `only`, each on a service of its own, with `shots` photos of the camera."""
    rows: list[dict[str, Any]] = []
    chosen = [scenario for scenario in _scenarios() if only in scenario.name]
    server = EmbeddedServer.start(folder / "postgres")
    try:
        services = _Services(server, folder)
        for scenario in chosen:
            floor = {"min_free_bytes": str(max(0, disk_usage(folder).free - _FREE_BYTES))}
            with services.one(**(floor if "MiB" in scenario.name else {})) as target:
                rows.append(_row(target, scenario, shots))
            print(rows[-1], flush=True)
        figures: dict[str, Any] = {"scenarios": rows}
        if only in "refused requests":
            with services.one() as target:
                figures["refused"] = _refused(target)
        if only in "passwords":
            with services.one(admin_username="admin", admin_password=ADMIN_PASSWORD) as target:
                figures["login_after_150_wrong_s"] = _login(target)
            with services.one() as target:
                figures["first_photo_after_restart_s"] = _first_photo(target)
        return figures
    finally:
        server.close()


def _scenarios() -> list[Scenario]:
    return [
        Scenario(name="nobody", attack=scenarios.connections()[0].attack, strangers=0),
        *itertools.chain.from_iterable(scenarios.pictures().values()),
        *scenarios.large_forms(),
        *scenarios.connections(),
        *scenarios.wrong_passwords(),
        *scenarios.guesses_from_afar(),
    ]


class _Services:
    """Services under limits, each with a database and a folder of its own."""

    def __init__(self, server: EmbeddedServer, folder: Path) -> None:
        self._server = server
        self._folder = folder
        self._started = 0

    @contextmanager
    def one(self, **settings: str) -> Iterator[Target]:
        self._started += 1
        name = f"hostile_{self._started}"
        self._server.ensure_database(name)
        url = self._server.url(name)
        migrate(url)
        with limited(self._folder / name, url, **settings) as target:
            yield target


def _row(target: Target, scenario: Scenario, shots: int) -> dict[str, Any]:
    camera = Camera(target.port)
    before = camera.shoot(2)
    assert_answered(*before)
    path = large_result(camera)
    target.watch.reset()
    idle = target.watch.peak_memory
    crowd = Crowd(
        target.port,
        scenario.attack(path),
        strangers=scenario.strangers,
        addresses=scenario.addresses,
        rounds=scenario.rounds,
    )
    with crowd.around():
        started = time.monotonic()
        during: list[Shot] = []
        while len(during) < shots and time.monotonic() - started < _PATIENCE_SECONDS:
            during += camera.shoot(2)
        if scenario.rounds != ENDLESS:
            crowd.finish()
            during += camera.shoot(2)
    return {
        "scenario": scenario.name,
        "photos": len(during),
        "pictures": sum(shot.is_answered for shot in during),
        "camera_s": percentiles([shot.seconds for shot in during]),
        "slowest_s": round(max(shot.seconds for shot in during), 2),
        "failures": sorted({_failure(shot) for shot in during if not shot.is_answered}),
        "memory_before_mib": idle // MIB,
        "memory_peak_mib": target.watch.peak_memory // MIB,
        "descriptors": target.watch.peak_descriptors,
        "stored_mib": target.watch.peak_stored // MIB,
        "answers": {str(status): count for status, count in crowd.answers.items()},
    }


def _failure(shot: Shot) -> str:
    return str(shot.status) if shot.status else shot.problem[:60]


def _refused(target: Target) -> list[dict[str, Any]]:
    """CPU of one request that is refused, and memory while some of them are in work."""
    assert Camera(target.port).shoot(1)[0].is_answered
    photo = files.padded(photos.jpeg(1600, 1200), 2_000_000)
    kinds = {
        "2 MB, no password": files.form(photo),
        "2 MB, wrong password first": files.form(photo, before=WRONG),
        "2 MB, wrong password last": files.form(photo, after=WRONG),
        "zipped texts, no password": files.form(files.zipped_texts()),
        "empty chunks, no password": files.form(files.empty_chunks()),
        "many scans, no password": files.form(files.many_scans()),
    }
    idle = _cpu_of(target, lambda: time.sleep(_IDLE_SECONDS)) / _IDLE_SECONDS
    return [_refusal(target, kind, files.request(body), idle) for kind, body in kinds.items()]


def _refusal(target: Target, kind: str, request: bytes, idle: float) -> dict[str, Any]:
    """Requests of one kind, one after the other, then some at once. `idle`: CPU seconds of each second without any."""
    _settled(target)
    target.watch.reset()
    before = target.watch.peak_memory
    statuses: list[int | None] = []

    def in_turn() -> None:
        until = time.perf_counter() + _KIND_SECONDS
        addresses = itertools.takewhile(lambda _: time.perf_counter() < until, STRANGERS[:_REFUSED])
        statuses.extend(post(target.port, request, address) for address in addresses)

    started = time.perf_counter()
    used = _cpu_of(target, in_turn) - idle * (time.perf_counter() - started)
    one = target.watch.peak_memory - before
    _settled(target)
    target.watch.reset()
    before = target.watch.peak_memory
    with ThreadPoolExecutor(_AT_ONCE) as clients:
        others = STRANGERS[100 : 100 + _AT_ONCE]
        at_once = list(clients.map(lambda address: post(target.port, request, address), others))
    row = {
        "request": kind,
        "cpu_ms": round(used / len(statuses) * 1000, 1),
        "memory_mib": round(one / MIB, 1),
        "memory_of_each_at_once_mib": round((target.watch.peak_memory - before) / MIB / _AT_ONCE, 1),
        "answers": sorted({str(status) for status in (*statuses, *at_once)}),
    }
    print(row, flush=True)
    return row


def _cpu_of(target: Target, work: Callable[[], object]) -> float:
    before = target.watch.cpu_seconds()
    work()
    return target.watch.cpu_seconds() - before


def _settled(target: Target) -> None:
    """Wait until the service computes nothing more for those who have been answered."""
    for _ in range(120):
        if _cpu_of(target, lambda: time.sleep(1.0)) < 0.2:
            return


def _login(target: Target) -> float:
    """Seconds of a right login while 150 wrong ones wait."""
    request = scenarios.login("admin", WRONG)
    crowd = Crowd(target.port, lambda wire: wire.post(request), strangers=150, rounds=1)
    with crowd.around():
        started = time.perf_counter()
        status = post(target.port, scenarios.login("admin", ADMIN_PASSWORD), ADDRESS, patience=300)
        taken = time.perf_counter() - started
    assert status in (200, 201), status
    return round(taken, 2)


def _first_photo(target: Target) -> float:
    """Seconds of the first photo after the start of a service that gets 120 wrong passwords at once."""
    request = files.request(files.form(photos.jpeg(320, 240), before=WRONG))
    with Crowd(target.port, lambda wire: wire.post(request), strangers=120, rounds=1).around():
        shot = Camera(target.port).shoot(1)[0]
    return round(shot.seconds, 2)
