"""Uploads whose password is not known: few bytes, few per address, and never at the expense of a known camera."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

import pytest
from photochanger.adapters.memory import FakeClock, MemoryMediaStore
from photochanger.core.domain.errors import InvalidPassword, StorageUnavailable, TooManyUploads
from photochanger.core.services.auth.known_addresses import KnownAddresses
from photochanger.core.services.media.disk_space import DiskSpace, MinFreeBytes
from photochanger.core.services.media.upload_budget import (
    MAX_BYTES_PER_SECOND,
    MAX_WAIT,
    MaxUnauthenticatedBytes,
    Upload,
    UploadBudget,
)

pytestmark = pytest.mark.anyio

FLOOR = 100
NOW = timedelta(0)


class Booth:
    """A budget of 1,000 bytes, of which strangers may have 750, and the uploads that clients send."""

    def __init__(self, *, free_bytes: int | None = None) -> None:
        self.clock = FakeClock()
        self.store = MemoryMediaStore(room_bytes=free_bytes)
        self.space = DiskSpace(self.store, self.clock, floor_bytes=MinFreeBytes(FLOOR))
        self.known = KnownAddresses(self.clock)
        self.budget = UploadBudget(self.space, self.known, self.clock, max_bytes=MaxUnauthenticatedBytes(1000))

    def client(self, address: str, *, size_bytes: int = 0) -> Client:
        return Client(self, address, size_bytes)

    async def settle(self, passing: timedelta = NOW) -> None:
        """Let every client get as far as it can in that time."""
        await self.clock.advance(passing)


class Client:
    """An upload that does one step after the other, as a test says."""

    def __init__(self, booth: Booth, address: str, size_bytes: int) -> None:
        self._booth = booth
        self._steps: asyncio.Queue[Callable[[Upload], Awaitable[None]]] = asyncio.Queue()
        self._task = asyncio.ensure_future(self._run(address, size_bytes))

    async def _run(self, address: str, size_bytes: int) -> None:
        async with self._booth.budget.upload(address, size_bytes=size_bytes) as upload:
            while True:
                step = await self._steps.get()
                await step(upload)
                self._steps.task_done()

    async def send(self, size_bytes: int) -> bool:
        """Send bytes of the file; whether they were taken at once."""
        return await self._do(lambda upload: upload.take(size_bytes))

    async def authenticate(self) -> bool:
        return await self._do(lambda upload: upload.authenticate())

    async def _do(self, step: Callable[[Upload], Awaitable[None]]) -> bool:
        done = asyncio.Event()

        async def stepped(upload: Upload) -> None:
            await step(upload)
            done.set()

        self._steps.put_nowait(stepped)
        await self._booth.settle()
        return done.is_set()

    @property
    def error(self) -> BaseException | None:
        """What ended the upload; None while it goes on."""
        return self._task.exception() if self._task.done() and not self._task.cancelled() else None

    @property
    def refused(self) -> bool:
        return isinstance(self.error, TooManyUploads)

    async def hang_up(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])
        await self._booth.settle()


@asynccontextmanager
async def booth_with(*, free_bytes: int | None = None) -> AsyncIterator[tuple[Booth, Callable[..., Client]]]:
    """A booth and a maker of its clients, which hang up at the end."""
    booth = Booth(free_bytes=free_bytes)
    async with AsyncExitStack() as stack:

        def client(address: str, **options: int) -> Client:
            made = booth.client(address, **options)
            stack.push_async_callback(made.hang_up)
            return made

        yield booth, client
    assert booth.budget.held_bytes == 0


async def test_bytes_of_all_strangers_together_are_bounded_and_the_oldest_gives_way() -> None:
    async with booth_with() as (booth, client):
        uploads = [client(f"192.0.2.{number}") for number in range(5)]
        assert [await upload.send(250) for upload in uploads[:3]] == [True] * 3
        assert booth.budget.held_bytes == 750
        assert await uploads[3].send(250)
        assert [upload.refused for upload in uploads] == [True, False, False, False, False]
        assert booth.budget.held_bytes == 750
        assert await uploads[4].send(100)
        assert [upload.refused for upload in uploads] == [True, True, False, False, False]
        assert booth.budget.held_bytes == 600


async def test_oldest_upload_that_wants_more_than_there_is_gives_way_itself() -> None:
    async with booth_with() as (_, client):
        oldest, newer = client("192.0.2.1"), client("192.0.2.2")
        assert await oldest.send(400)
        assert await newer.send(350)
        assert not await oldest.send(1)
        assert (oldest.refused, newer.refused) == (True, False)
        error = oldest.error
        assert isinstance(error, TooManyUploads)
        assert error.retry_after > 0
        assert "password before the photo" in error.detail


async def test_bytes_are_free_as_soon_as_the_password_is_right() -> None:
    async with booth_with() as (booth, client):
        first, second = client("192.0.2.1"), client("192.0.2.2")
        assert await first.send(700)
        assert await first.authenticate()
        assert booth.budget.held_bytes == 0
        assert await second.send(700)
        assert await first.send(100_000)
        assert not first.refused


async def test_third_upload_of_an_address_waits_for_one_of_the_others() -> None:
    async with booth_with() as (booth, client):
        first, second, third = (client("192.0.2.1") for _ in range(3))
        assert await first.send(10)
        assert await second.send(10)
        assert not await third.send(10)
        assert await client("192.0.2.2").send(10)
        assert await second.authenticate()
        await booth.settle()
        assert booth.budget.held_bytes == 30
        assert not third.refused


async def test_third_upload_of_an_address_is_refused_when_none_ends_in_time() -> None:
    async with booth_with() as (booth, client):
        uploads = [client("2001:db8::1"), client("2001:db8::2"), client("2001:db8::3")]
        assert [await upload.send(10) for upload in uploads] == [True, True, False]
        await booth.settle(MAX_WAIT - timedelta(milliseconds=1))
        assert not uploads[2].refused
        await booth.settle(timedelta(milliseconds=1))
        assert [upload.refused for upload in uploads] == [False, False, True]


async def test_uploads_that_wait_go_on_once_their_address_is_known() -> None:
    async with booth_with() as (booth, client):
        cameras = [client("192.0.2.1") for _ in range(5)]
        assert [await camera.send(10) for camera in cameras] == [True, True, False, False, False]
        booth.known.note("192.0.2.1")
        assert await cameras[0].authenticate()
        await booth.settle()
        assert booth.budget.held_bytes == 40


async def test_known_addresses_are_not_counted_and_have_a_share_of_their_own() -> None:
    async with booth_with() as (booth, client):
        booth.known.note("192.0.2.99")
        strangers = [client(f"192.0.2.{number}") for number in range(15)]
        assert all([await stranger.send(50) for stranger in strangers])
        cameras = [client("192.0.2.99") for _ in range(5)]
        assert all([await camera.send(50) for camera in cameras])
        assert booth.budget.held_bytes == 1000
        assert not any(upload.refused for upload in (*cameras, *strangers))


async def test_strangers_give_way_to_known_addresses_however_new_they_are() -> None:
    async with booth_with() as (booth, client):
        booth.known.note("192.0.2.99")
        camera = client("192.0.2.99")
        assert await camera.send(250)
        strangers = [client(f"192.0.2.{number}") for number in range(3)]
        assert all([await stranger.send(250) for stranger in strangers])
        assert await camera.send(600)
        assert [stranger.refused for stranger in strangers] == [True, True, True]
        assert not await client("192.0.2.50").send(200)
        assert not camera.refused


async def test_known_addresses_share_the_budget_as_strangers_do() -> None:
    async with booth_with() as (booth, client):
        booth.known.note("192.0.2.99")
        uploads = [client("192.0.2.99") for _ in range(3)]
        assert [await upload.send(450) for upload in uploads] == [True, True, True]
        assert [upload.refused for upload in uploads] == [True, False, False]


async def test_upload_whose_password_is_being_verified_does_not_give_way() -> None:
    async with booth_with() as (booth, client):
        verifying, other, newer = (client(f"192.0.2.{number}") for number in range(3))
        verified = asyncio.Event()

        async def verify(upload: Upload) -> None:
            with upload.verification():
                await verified.wait()
            await upload.authenticate()

        assert await verifying.send(500)
        assert await other.send(100)
        await verifying._do(verify)
        assert not await newer.send(300)
        assert (verifying.refused, other.refused) == (False, True)
        verified.set()
        await booth.settle()
        assert booth.budget.held_bytes == 300
        assert not newer.refused


async def test_eviction_is_taken_back_where_the_password_has_arrived() -> None:
    async with booth_with() as (_, client):
        upload = client("192.0.2.1")

        async def evicted_at_the_last_moment(upload: Upload) -> None:
            upload._budget._evict(upload)
            with upload.verification():
                await asyncio.sleep(0)
            await upload.authenticate()

        assert await upload.send(10)
        assert await upload._do(evicted_at_the_last_moment)
        assert await upload.send(10_000)


async def test_upload_that_is_larger_than_all_may_be_is_refused_at_its_first_byte() -> None:
    async with booth_with() as (booth, client):
        assert await client("192.0.2.1").send(700)
        large = client("192.0.2.2", size_bytes=751)
        assert not await large.send(1)
        assert large.refused
        assert booth.budget.held_bytes == 700


async def test_strangers_have_half_of_the_spare_disk_space_at_most() -> None:
    async with booth_with(free_bytes=FLOOR + 400) as (booth, client):
        uploads = [client(f"192.0.2.{number}") for number in range(4)]
        assert [await upload.send(50) for upload in uploads] == [True] * 4
        assert booth.budget.held_bytes <= 150


async def test_strangers_give_way_when_a_camera_reserves_the_disk() -> None:
    async with booth_with(free_bytes=FLOOR + 2000) as (booth, client):
        strangers = [client(f"192.0.2.{number}") for number in range(3)]
        assert all([await stranger.send(250) for stranger in strangers])
        camera = client("192.0.2.99", size_bytes=1500)
        assert await camera.authenticate()
        assert booth.budget.held_bytes == 250
        assert [stranger.refused for stranger in strangers] == [True, True, False]


async def test_camera_never_lacks_the_space_that_strangers_hold() -> None:
    async with booth_with(free_bytes=FLOOR + 2000) as (booth, client):
        strangers = [client(f"192.0.2.{number}") for number in range(3)]
        assert all([await stranger.send(250) for stranger in strangers])
        booth.store.room_bytes = FLOOR + 1250
        await booth.settle(timedelta(seconds=2))
        assert await booth.space.spare_bytes() == 2000
        booth.store.room_bytes = FLOOR - 10  # what running jobs stored meanwhile
        await booth.settle(timedelta(seconds=2))
        await booth.space.require()
        camera = client("192.0.2.99", size_bytes=740)
        assert await camera.authenticate()
        refused = client("192.0.2.98", size_bytes=1)
        assert not await refused.authenticate()
        assert isinstance(refused.error, StorageUnavailable)


async def test_strangers_are_slowed_down_together_and_known_addresses_are_not() -> None:
    booth = Booth()
    booth.known.note("192.0.2.99")
    much = MaxUnauthenticatedBytes(100 * MAX_BYTES_PER_SECOND)
    booth.budget = UploadBudget(booth.space, booth.known, booth.clock, max_bytes=much)
    first, second, camera = (booth.client(address) for address in ("192.0.2.1", "192.0.2.2", "192.0.2.99"))
    assert await first.send(MAX_BYTES_PER_SECOND)
    assert not await second.send(MAX_BYTES_PER_SECOND)
    assert await camera.send(MAX_BYTES_PER_SECOND)
    await booth.settle(timedelta(milliseconds=999))
    assert booth.budget.held_bytes == 2 * MAX_BYTES_PER_SECOND
    await booth.settle(timedelta(milliseconds=1))
    assert booth.budget.held_bytes == 3 * MAX_BYTES_PER_SECOND
    await booth.settle(timedelta(seconds=10))
    assert await first.send(MAX_BYTES_PER_SECOND)
    for client in (first, second, camera):
        await client.hang_up()


async def test_error_of_the_block_is_not_changed() -> None:
    async with booth_with() as (booth, _):

        async def upload_that_fails(error: Exception) -> None:
            async with booth.budget.upload("192.0.2.1", size_bytes=0) as upload:
                await upload.take(10)
                raise error

        for error in (InvalidPassword("The ingest password is wrong."), TimeoutError()):
            with pytest.raises(type(error)):
                await upload_that_fails(error)
