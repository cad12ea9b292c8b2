"""Which media store the settings lead to, and what is said where it cannot be made."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from photochanger.adapters.filesystem import FilesystemMediaStore
from photochanger.adapters.memory import MemoryMediaStore, MemoryTelemetry, memory_adapters
from photochanger.core.domain.errors import ConfigurationError
from photochanger.core.ports.media_store import MediaStore
from photochanger.core.services.media.recorded_store import RecordedMediaStore
from photochanger.entrypoints.config import Settings
from photochanger.entrypoints.container import make_container
from photochanger.entrypoints.media_wiring import open_store

pytestmark = pytest.mark.anyio

BUCKET = Settings(s3_bucket="photos", s3_endpoint="http://127.0.0.1:9", s3_access_key_id="a", s3_secret_access_key="b")


async def test_without_a_bucket_files_lie_in_the_folder(tmp_path: Path) -> None:
    async with open_store(Settings(home=tmp_path), MemoryTelemetry()) as store:
        assert isinstance(store, FilesystemMediaStore)
        assert await store.is_empty()
    assert (tmp_path / "media").is_dir()


async def test_with_a_bucket_there_is_no_folder_and_no_request_yet(tmp_path: Path) -> None:
    from photochanger.adapters.s3.store import S3MediaStore

    async with open_store(BUCKET, MemoryTelemetry()) as store:
        assert isinstance(store, S3MediaStore)
        assert store.bucket.settings.bucket == "photos"


async def test_a_bucket_without_the_extra_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("photochanger.adapters.s3.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(ConfigurationError, match=r"photochanger\[s3\]") as error:
        async with open_store(BUCKET, MemoryTelemetry()):
            pytest.fail("obstore is missing")
    assert "PHOTOCHANGER_S3_BUCKET" in error.value.detail
    assert "obstore" in error.value.detail


async def test_a_store_of_an_embedding_program_is_recorded_like_any_other() -> None:
    own = MemoryMediaStore()
    container = make_container(Settings(), memory_adapters() | {MediaStore: own})
    try:
        store = await container.get(MediaStore)
        assert isinstance(store, RecordedMediaStore)
        assert store.inner is own
    finally:
        await container.close()
