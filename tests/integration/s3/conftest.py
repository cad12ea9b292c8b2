"""The store in a bucket of a real server, by way of a relay that can spoil requests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from photochanger.adapters.s3.store import S3MediaStore

from tests.support.s3_relay import S3Relay
from tests.support.seaweedfs import PATIENT, SeaweedServer


@pytest.fixture
async def relay(seaweedfs: SeaweedServer, anyio_backend: str) -> AsyncIterator[S3Relay]:
    async with S3Relay(seaweedfs.url).running() as relay:
        yield relay


@pytest.fixture
async def store(seaweedfs: SeaweedServer, relay: S3Relay, tmp_path: Path) -> AsyncIterator[S3MediaStore]:
    settings = seaweedfs.settings(endpoint=relay.url)
    async with S3MediaStore.connect(settings, bounds=PATIENT, temporary=tmp_path / "copies") as store:
        yield store
