"""Whole services whose media store is a bucket of a real server, by way of a relay that counts requests."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from tests.support.s3_relay import S3Relay
from tests.support.seaweedfs import SeaweedServer
from tests.support.service import HANG_SECONDS

from .bucket import Bucket


@pytest.fixture
def relay(seaweedfs: SeaweedServer) -> Iterator[S3Relay]:
    """In a thread of its own: a service is started and watched by blocking calls."""
    relay = S3Relay(seaweedfs.url)
    loop = asyncio.new_event_loop()
    ready, ended = threading.Event(), asyncio.Event()

    async def run() -> None:
        async with relay.running():
            ready.set()
            await ended.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    assert ready.wait(HANG_SECONDS)
    try:
        yield relay
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()


@pytest.fixture
def bucket(seaweedfs: SeaweedServer, relay: S3Relay) -> Bucket:
    """A prefix of its own in the bucket of the tests."""
    return Bucket(seaweedfs, relay)
