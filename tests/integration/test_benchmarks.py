"""What `make bench` measures is there: its processes start, take the camera's form, and answer with a picture."""

from __future__ import annotations

from pathlib import Path

from benchmarks import ingest
from benchmarks.processes import DELAYS_MS, PASSWORD, process
from tests.support import photos


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
