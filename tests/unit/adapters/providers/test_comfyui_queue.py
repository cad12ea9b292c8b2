"""The queue of ComfyUI, read in pieces of any size without holding or parsing it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from photochanger.adapters.providers.comfyui.queue_reader import Queue, QueueReader

from tests.support.standins.comfyui_nodes import workflow


def item(number: float, prompt_id: str, text: str = "an oil painting") -> list[Any]:
    return [number, prompt_id, workflow(n3={"text": text}), {"client_id": "c-9", "seeds": [7, "x"]}, ["8"]]


def read(document: bytes, size: int) -> Queue:
    reader = QueueReader()
    for start in range(0, len(document), size):
        reader.feed(document[start : start + size])
    return reader.finish()


@pytest.mark.parametrize("size", [1, 7, 64, 159, 161, 1000, 10**6])
@pytest.mark.parametrize("separators", [None, (",", ":")])
def test_the_jobs_are_found_however_the_answer_arrives(size: int, separators: tuple[str, str] | None) -> None:
    hostile = 'said: [1, "fake", {"queue_pending": []}'
    queue = {
        "queue_running": [item(3, "runs", hostile)],
        "queue_pending": [item(9, "later", hostile), item(-1, "first"), item(8.5, "ours")],
    }
    found = read(json.dumps(queue, separators=separators).encode(), size)
    assert found.whole
    assert found.running == {"runs"}
    assert found.pending == {"later": 9.0, "first": -1.0, "ours": 8.5}
    assert (found.ahead_of("ours"), found.ahead_of("first"), found.ahead_of("runs")) == (2, 1, None)
    assert "ours" in found
    assert "fake" not in found


def test_an_empty_queue_is_one() -> None:
    found = read(b'{"queue_running": [], "queue_pending": []}\n', 5)
    assert found == Queue(frozenset(), {})


@pytest.mark.parametrize("text", [b"", b"<html>queue_pending</html>", b'{"queue_running": [], "queue_pen', b"{}"])
def test_what_is_no_queue_is_not_whole(text: bytes) -> None:
    assert not read(text, 10).whole


def test_what_is_kept_of_a_queue_is_bounded() -> None:
    reader = QueueReader()
    reader.feed(b'{"queue_running": [], "queue_pending": [')
    for start in range(0, 30_000, 100):
        reader.feed(b"".join(b'[%d, "id-%d", {}, {}, []],' % (n, n) for n in range(start, start + 100)))
    assert len(reader.finish().pending) == 10_000
