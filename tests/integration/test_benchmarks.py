"""What `make bench` measures is there: its processes start, take the camera's form, and answer with a picture."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from photochanger.adapters.postgres import Database

from benchmarks import ingest
from benchmarks.baseline_queue import BaselineProcess
from benchmarks.processes import DELAYS_MS, PASSWORD, process
from benchmarks.queue import job_of, result_of
from benchmarks.scaling import PoolProcess
from tests.support import photos
from tests.support.service import eventually, rows


def test_the_processes_that_are_measured_take_a_photo(tmp_path: Path, postgres_url: str) -> None:
    settings = {
        "PHOTOCHANGER_HOME": str(tmp_path),
        "PHOTOCHANGER_DATABASE_URL": postgres_url,
        "PHOTOCHANGER_INGEST_PASSWORD": PASSWORD,
    }
    ingest.prepare(settings)
    slot_id = next(iter(DELAYS_MS))
    body = ingest.form(photos.jpeg(160, 120))
    with process("bare", {}) as (bare, _), process("http", settings) as (http, _), process("worker", settings):
        assert ingest.Camera(bare).send("/ingest/bare?wait_ms=0", body)[0] == 200
        assert ingest.Camera(http).send(f"/ingest/{slot_id}", body)[0] == 200


@pytest.mark.anyio
@pytest.mark.parametrize("by_hand", [False, True])
async def test_the_processes_of_both_sides_bring_photos_to_their_end(postgres_url: str, by_hand: bool) -> None:
    measured: PoolProcess | BaselineProcess = PoolProcess(Database(postgres_url))
    if by_hand:
        measured = BaselineProcess(postgres_url, job_of=job_of, result_of=result_of)
    await measured.open(2)
    running = asyncio.create_task(measured.run(2))
    ended = "select count(*) from photochanger.jobs where state = 'succeeded' and result_stem is not null"
    await asyncio.to_thread(eventually, lambda: measured.photos >= 5 and rows(postgres_url, ended)[0][0] >= 5)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert measured.acquires >= 1
