"""`photochanger send` that ends half-way, by Ctrl-C or a full disk, or cannot begin with its environment."""

from __future__ import annotations

import shutil
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import photos
from tests.support.http_server import PICTURE, Gate, Service, serving
from tests.support.sender import Studio, answer, answering, finished, held, read_until, url_of

pytestmark = pytest.mark.anyio


class GateAfterOne(Gate):
    """Lets the first photo through."""

    async def __call__(self, request: Any) -> bytes:
        if self.waiting == 0 and not self._passed:
            self._passed = True
            return PICTURE
        return await super().__call__(request)

    _passed = False


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with serving(tmp_path / "home") as running:
        yield running


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path / "studio")


async def test_after_ctrl_c_the_report_says_what_came_back_what_was_under_way_and_what_was_not_sent(
    service: Service, studio: Studio
) -> None:
    service.provider.script = gate = GateAfterOne()
    names = [studio.photo(f"{letter}.jpg", photos.jpeg(160 + 8 * at, 120)) for at, letter in enumerate("abc")]
    process = await studio.start(*names, "--at-once", "1", "--json", url=url_of(service))
    await held(gate, 1)
    process.send_signal(signal.SIGINT)
    done = await finished(process)
    assert done.code == 130
    assert [(sent["outcome"], sent["code"]) for sent in done.sent] == [
        ("picture", None),
        ("no_answer", "interrupted"),
        ("not_sent", "interrupted"),
    ]
    assert done.interrupted
    assert studio.pictures() == [Path(done.sent[0]["file"]).name]
    assert len(service.database.jobs) == 2


async def test_ctrl_c_ends_the_pause_before_another_try(studio: Studio) -> None:
    async with answering(answer(429, Retry_After="50")) as stub:
        process = await studio.start(studio.photo(), url=stub.url)
        seen = await read_until(process, b"http_429, retry in 50 s")
        process.send_signal(signal.SIGINT)
        done = await finished(process, seen)
    assert done.code == 130
    assert "IMG_0001.JPG: 429 http_429: Too Many Requests." in done.out
    assert "0 of 1 photos came back as pictures" in done.out


async def test_ctrl_c_that_is_ignored_stays_so(service: Service, studio: Studio) -> None:
    """A shell starts what it puts in the background like that."""
    service.provider.script = gate = Gate()
    process = await studio.start(studio.photo(), "--json", url=url_of(service), ctrl_c=signal.SIG_IGN)
    await held(gate, 1)
    process.send_signal(signal.SIGINT)
    gate.opened.set()
    done = await finished(process)
    assert done.code == 0, done.out
    assert not done.interrupted


async def test_once_a_picture_cannot_be_saved_its_link_is_shown_and_no_more_are_made(
    service: Service, studio: Studio
) -> None:
    service.provider.script = gate = Gate()
    names = (studio.photo("a.jpg"), studio.photo("b.jpg"))
    process = await studio.start(*names, "--at-once", "1", "--json", url=url_of(service))
    await held(gate, 1)
    shutil.rmtree(studio.output)
    gate.opened.set()
    done = await finished(process)
    assert done.code == 1
    assert [(sent["outcome"], sent["code"]) for sent in done.sent] == [
        ("not_saved", "not_saved"),
        ("not_sent", "not_saved"),
    ]
    assert done.sent[0]["link"] == f"{url_of(service)}/public/results/{(await service.only_job()).id}"


@pytest.mark.parametrize("proxy", ["http://user:secret@host:port", "ftp://user:secret@host", "socks5://127.0.0.1:9"])
async def test_an_invalid_proxy_gives_a_one_line_error(studio: Studio, proxy: str) -> None:
    done = await studio.send(studio.photo(), url="http://127.0.0.1:9", http_proxy=proxy)
    assert done.code == 2
    assert done.errors.startswith("photochanger: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY: one of them is not the http")
    assert len(done.errors.splitlines()) == 1
    assert "secret" not in done.errors


async def test_unreadable_certificates_name_their_variable(studio: Studio) -> None:
    done = await studio.send(studio.photo(), url="https://127.0.0.1:9", SSL_CERT_FILE="nowhere.pem")
    assert done.code == 2
    assert done.errors == "photochanger: SSL_CERT_FILE, SSL_CERT_DIR: cannot be used: No such file or directory\n"
