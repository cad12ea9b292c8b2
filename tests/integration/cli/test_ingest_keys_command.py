"""`photochanger ingest-keys` against a real database, and a key that another process revokes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx

from tests.support import photos
from tests.support.commands import run_command
from tests.support.plain_http import NO_TLS
from tests.support.service import HANG_SECONDS, environment, eventually, rows, serving


def run(*arguments: str, **options: Any) -> tuple[int, str, str]:
    home = options.pop("home")
    ended = run_command("ingest-keys", *arguments, env=environment(home, **options) | {"COLUMNS": "200"})
    return ended.returncode, ended.stdout, ended.stderr


def test_booths_get_keys_use_them_and_lose_them(tmp_path: Path, postgres_url: str) -> None:
    at: dict[str, Any] = {"home": tmp_path, "database_url": postgres_url}
    assert json.loads(run("list", "--json", **at)[1]) == []
    code, printed, _ = run("add", "Booth 1", **at)
    key = printed.strip()
    assert (code, len(key)) == (0, 36)
    assert run("add", "Booth 1", **at)[0] == 1
    assert run("revoke", "Booth 2", **at)[2].startswith("photochanger: There is no ingest key 'Booth 2'.")
    stored = str(rows(postgres_url, "select * from photochanger.ingest_keys"))
    assert "Booth 1" in stored
    assert key not in stored

    with serving(tmp_path, database_url=postgres_url) as service:
        photo = photos.jpeg(160, 120)

        def send() -> int:
            address = f"{service.address}/ingest/slot-001/k/{key}"
            return httpx.post(address, files={"fileToUpload": photo}, verify=NO_TLS, timeout=HANG_SECONDS).status_code

        assert send() == 200
        eventually(lambda: "slot-001" in run("list", **at)[1])
        assert run("revoke", "Booth 1", **at)[1] == "Ingest key of Booth 1 revoked.\n"
        eventually(lambda: send() == 401)
    assert json.loads(run("list", "--json", **at)[1]) == []
