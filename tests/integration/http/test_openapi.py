"""`GET /openapi.json`: a file that is built with the package, so that serving it parses no YAML."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from photochanger.entrypoints.http.ops import contract_file
from photochanger.entrypoints.http.ops.contract_file import ContractNotBuilt, contract_json_path, contract_path

from tests.support.http_server import Service

pytestmark = pytest.mark.anyio

SERVE = """
import asyncio, sys, tempfile, yaml
from pathlib import Path
from photochanger import Settings, create_app
from photochanger.adapters.memory import memory_adapters

def parse(*_):
    raise AssertionError("YAML is parsed")

yaml.load = yaml.safe_load = parse

async def main():
    app = create_app(Settings(home=Path(tempfile.mkdtemp()), workers=0), adapters=memory_adapters())
    sent = []
    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}
    async def send(message):
        sent.append(message)
    scope = {"type": "http", "method": "GET", "path": "/openapi.json", "raw_path": b"/openapi.json", "root_path": "",
             "query_string": b"", "scheme": "http", "http_version": "1.1", "client": ("127.0.0.1", 1),
             "headers": [(b"host", b"127.0.0.1")], "server": ("127.0.0.1", 80), "asgi": {"version": "3.0"}}
    async with app.lifespan():
        await app(scope, receive, send)
    assert sent[0]["status"] == 200, sent
    sys.stdout.buffer.write(sent[1]["body"])

asyncio.run(main())
"""


def test_openapi_json_is_served_without_parsing_yaml() -> None:
    served = subprocess.run((sys.executable, "-c", SERVE), check=True, capture_output=True, cwd="/").stdout
    assert json.loads(served) == yaml.safe_load(contract_path().read_text())


async def test_contract_is_compressed_for_clients_that_accept_it(service: Service) -> None:
    for path in ("/openapi.json", "/openapi.yaml", "/docs/swagger-ui.css"):
        plain = await service.client.get(path, headers={"Accept-Encoding": "identity"})
        small = await service.client.get(path, headers={"Accept-Encoding": "gzip"})
        assert "content-encoding" not in plain.headers
        assert small.headers["content-encoding"] == "gzip"
        assert small.content == plain.content
        assert small.headers["etag"] == plain.headers["etag"]
        assert int(small.headers["content-length"]) < len(plain.content) / 4


async def test_missing_or_outdated_json_says_what_to_run(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = tmp_path / "photochanger.json"
    monkeypatch.setattr(contract_file, "_BUILT", built)
    answer = await service.client.get("/openapi.json")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert answer.json()["detail"] == "photochanger.json is missing. Run `make contract`."
    built.write_text("{}")
    assert contract_json_path() == built
    os.utime(built, (0, 0))
    with pytest.raises(ContractNotBuilt, match=r"older than photochanger\.yaml. Run `make contract`"):
        contract_json_path()
