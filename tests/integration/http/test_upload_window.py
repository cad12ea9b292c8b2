"""The sync window begins with the first byte of a request, not when its photo has arrived."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from tests.support.http_server import form, head, serving
from tests.support.raw_http import connected

pytestmark = pytest.mark.anyio


async def test_the_deadline_counts_from_the_head_of_the_request(tmp_path: Path) -> None:
    window = timedelta(seconds=50)
    async with serving(tmp_path, sync_response=window) as service, connected(service.port) as camera:
        body = form()
        asked = {"Expect": "100-continue", "Prefer": "respond-async"}
        await camera.send(head("slot-001", len(body), headers=asked))
        assert b"100" in await camera.reader.readuntil(b"\r\n\r\n"), "the head has arrived"
        head_was_there = datetime.now(UTC)
        await camera.send(body)
        answer = await camera.answer()
        assert answer.status == 202
        assert datetime.fromisoformat(msgspec.json.decode(answer.body)["expires_at"]) < head_was_there + window


@pytest.mark.parametrize("headers", [{}, {"Prefer": "respond-async"}])
async def test_an_upload_slower_than_the_window_is_refused_and_leaves_nothing(
    tmp_path: Path, headers: dict[str, str]
) -> None:
    async with serving(tmp_path, sync_response=timedelta(milliseconds=300)) as service, connected(service.port) as slow:
        body = form()
        await slow.send(head("slot-001", len(body), headers=headers) + body[:-40])
        answer = await slow.answer()
        assert (answer.status, answer.problem["code"]) == (408, "upload_interrupted")
        assert service.database.jobs == {}
        assert [path for path in (tmp_path / "media").rglob("*") if path.is_file()] == []
