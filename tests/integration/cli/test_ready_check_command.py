"""`photochanger ready-check` with a real service: a slot that works, one whose provider has no key, and no worker."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.support.service import command, environment, eventually, rows, serving


def ready_check(home: Path, *options: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command("ready-check", *options),
        env=environment(home, **settings),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def test_active_slots_are_tested_through_a_running_service(tmp_path: Path, postgres_url: str) -> None:
    with serving(tmp_path, database_url=postgres_url) as service:
        with service.client() as client:
            eventually(lambda: client.get("/readyz").status_code == 200)
        rows(postgres_url, "update photochanger.slots set active = id in ('slot-001', 'slot-002') returning id")
        good = ready_check(tmp_path, "--json", database_url=postgres_url)
        assert good.returncode == 0, good.stdout + good.stderr
        lines = [json.loads(line) for line in good.stdout.splitlines()]
        assert [line["kind"] for line in lines] == ["begin", "slot", "slot", "end"]
        assert {line["provider_id"] for line in lines[1:3]} == {"local"}
        assert all(line["calls"] == 1 and line["latency_ms"] > 0 for line in lines[1:3])

        rows(
            postgres_url,
            "update photochanger.slots set route = jsonb_set(route, '{entries}',"
            ' \'[{"provider_id": "gemini", "operation_id": "image_edit", "settings": {"prompt": "x"}}]\')'
            " where id = 'slot-002' returning id",
        )
        bad = ready_check(tmp_path, database_url=postgres_url)
        assert bad.returncode == 1, bad.stdout + bad.stderr
        assert "1 of 2 active slots are ready" in bad.stdout
        assert "missing" in bad.stdout  # gemini's key
        assert service.stop() == 0
    alone = ready_check(tmp_path, "--json", database_url=postgres_url)
    assert alone.returncode == 1
    assert {json.loads(line).get("code") for line in alone.stdout.splitlines()} == {None, "worker_missing"}
