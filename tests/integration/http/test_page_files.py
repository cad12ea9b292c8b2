"""The files of the page as they are served: addresses, caches, compression, what they may load."""

from __future__ import annotations

import gzip
import re
import struct
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from photochanger.core.ports.repositories.slot_repository import SlotRepository

from tests.support.http_server import Service

pytestmark = pytest.mark.anyio


async def addresses(service: Service, path: str = "/") -> list[str]:
    """What a page names in its head."""
    answer = await service.client.get(path)
    return re.findall(r'(?:src|href)="([^"]+)"', answer.text)


async def test_the_page_allows_only_its_own_files(service: Service) -> None:
    answer = await service.client.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", answer.text)


async def test_every_file_that_the_page_names_is_kept_for_good(service: Service) -> None:
    named = [path for path in await addresses(service) if path.startswith("/ui/")]
    assert any(path.endswith("/main.js") for path in named)
    for path in named:
        answer = await service.client.get(path)
        assert answer.status_code == 200, path
        assert "immutable" in answer.headers["cache-control"]
        again = await service.client.get(path, headers={"If-None-Match": answer.headers["etag"]})
        assert again.status_code == 304
        assert again.content == b""


async def test_scripts_come_compressed_to_whoever_takes_that(service: Service) -> None:
    (path,) = {path for path in await addresses(service) if path.endswith("/main.js")}
    plain = await service.client.get(path, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    async with service.client.stream("GET", path, headers={"Accept-Encoding": "gzip"}) as answer:
        raw = b"".join([chunk async for chunk in answer.aiter_raw()])
        assert answer.headers["content-encoding"] == "gzip"
    assert gzip.decompress(raw) == plain.content
    assert len(raw) < len(plain.content)
    assert "accept-encoding" in plain.headers["vary"].lower()


@pytest.mark.parametrize(
    "name", ["nothing.js", "index.html", "vendor/VENDORED.md", "../page.py", "..%2fpage.py", "%00"]
)
async def test_nothing_else_is_served(service: Service, name: str) -> None:
    (main,) = {path for path in await addresses(service) if path.endswith("/main.js")}
    answer = await service.client.get(main.replace("main.js", name))
    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"


async def test_files_of_another_version_are_gone(service: Service) -> None:
    assert (await service.client.get("/ui/0123456789abcdef/main.js")).status_code == 404


async def test_the_manifest_names_icons_of_the_sizes_that_it_says(service: Service) -> None:
    (address,) = {path for path in await addresses(service) if path.endswith(".webmanifest")}
    answer = await service.client.get(address)
    assert answer.headers["content-type"] == "application/manifest+json"
    assert answer.headers["cache-control"] == "no-cache"
    assert (await service.client.get(address, headers={"If-None-Match": answer.headers["etag"]})).status_code == 304
    manifest = answer.json()
    assert manifest["start_url"] == manifest["scope"] == manifest["id"] == "/"
    icons = {(icon["sizes"], icon["purpose"]): icon for icon in manifest["icons"]}
    assert {*icons} == {(size, purpose) for size in ("192x192", "512x512") for purpose in ("any", "maskable")}
    (touch,) = {path for path in await addresses(service) if "/icons/" in path}
    for size, path in [(size, icon["src"]) for (size, _), icon in icons.items()] + [("180x180", touch)]:
        picture = await service.client.get(path)
        assert (picture.status_code, picture.headers["content-type"]) == (200, "image/png"), path
        assert "immutable" in picture.headers["cache-control"]
        width, height = struct.unpack(">II", picture.content[16:24])
        assert f"{width}x{height}" == size


async def test_the_page_of_a_gallery_is_there_while_the_gallery_is_open(service: Service) -> None:
    slots: SlotRepository = await service.opened.container.get(SlotRepository)
    for slot_id in ("slot-001", "slot-016", "nonsense"):
        closed = await service.client.get(f"/gallery/{slot_id}")
        assert closed.status_code == 404
        assert closed.headers["content-type"].startswith("text/html")
    slot = await slots.get("slot-001")
    opened = msgspec.structs.replace(slot, gallery_open_until=datetime.now(UTC) + timedelta(hours=1))
    await slots.save(opened, expected_version=slot.version)
    assert (await service.client.get("/gallery/slot-001")).status_code == 200
