"""The contract against a live server under hostile requests, which schemathesis generates."""

from __future__ import annotations

import asyncio
import copy
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import yaml
from photochanger.core.domain.deadlines import DEFAULT_SYNC_RESPONSE
from photochanger.core.domain.pagination import Position
from photochanger.entrypoints.http.ops.contract_file import contract_path
from photochanger.entrypoints.http.protocol.query import cursor_of

from tests.support.http_server import ADMIN_PASSWORD, FORM, PASSWORD, form, serving
from tests.support.plain_http import NO_TLS
from tests.support.service import HANG_SECONDS


@pytest.fixture
def live(tmp_path: Path) -> Iterator[str]:
    """The address of a service on a thread of its own."""
    address: list[str] = []
    started, stop = threading.Event(), threading.Event()

    async def serve() -> None:
        window = DEFAULT_SYNC_RESPONSE  # a generated route may lead to a provider that never answers
        async with serving(tmp_path / "home", metrics_token="m" * 32, sync_response=window) as service:
            address.append(f"http://127.0.0.1:{service.port}")
            started.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert started.wait(HANG_SECONDS)
    yield address[0]
    stop.set()
    thread.join(HANG_SECONDS)


def contract_of(live: str) -> dict[str, Any]:
    """The contract narrowed to what opens doors here: the right password, and a job that has a picture."""
    joined = httpx.post(
        f"{live}/ingest/slot-001", verify=NO_TLS, timeout=HANG_SECONDS, content=form(), headers={"Content-Type": FORM}
    )
    assert joined.status_code == 200
    contract: dict[str, Any] = copy.deepcopy(yaml.safe_load(contract_path().read_text()))
    camera_form = contract["components"]["requestBodies"]["CameraForm"]
    fields = camera_form["content"]["multipart/form-data"]["schema"]
    fields["properties"]["fileToUpload"]["format"] = "photo"
    for path in ("/ingest/{slot_id}/k/{key}", "/ingest/by/{style}/k/{key}"):
        # With the key in the address no password is needed, and any is ignored.
        without = contract["paths"][path]["post"]["requestBody"] = copy.deepcopy(camera_form)
        del without["content"]["multipart/form-data"]["schema"]["properties"]["password"]
    fields["properties"]["password"] = {"const": PASSWORD}
    fields["required"] = ["password", "fileToUpload"]
    parameters = contract["components"]["parameters"]
    parameters["PublicJobId"]["schema"] = {"type": "string", "enum": [joined.headers["x-job-id"]]}
    parameters["JobId"]["schema"] = {"type": "string", "enum": [joined.headers["x-job-id"]]}
    # Wrong passwords are counted by address, and after too many of them the right one is refused as well.
    credentials = contract["components"]["schemas"]["Credentials"]["properties"]
    credentials["username"], credentials["password"] = {"const": "admin"}, {"const": ADMIN_PASSWORD}
    # What is configured is not what photos come in on: no request closes the door that another one goes through.
    slot_id = copy.deepcopy(parameters["SlotId"])
    slot_id["schema"] = {"type": "string", "enum": ["slot-001", "slot-002"]}
    for path in ("/ingest/{slot_id}", "/ingest/{slot_id}/k/{key}"):
        contract["paths"][path]["post"]["parameters"][0] = slot_id
    parameters["Style"]["schema"] = {"type": "string", "enum": ["slot-001", "SLOT 002"]}
    parameters["IngestKeyInPath"]["schema"] = {"type": "string", "enum": [PASSWORD]}
    parameters["SlotId"]["schema"] = {"type": "string", "enum": ["slot-005", "slot-006"]}
    settings = contract["components"]["schemas"]["SettingsChange"]["properties"]
    settings["ingest_password"] = {"const": PASSWORD}
    settings["max_upload_bytes"]["minimum"] = settings["max_image_pixels"]["minimum"] = 1_000_000
    settings["max_active_jobs"]["minimum"] = 64
    settings["budget_per_day"]["minimum"] = 1_000_000
    parameters["AdminName"]["schema"] = {"type": "string", "enum": ["grace"]}  # who is not this run's administrator
    parameters["Cursor"]["schema"] = {"type": "string", "enum": [cursor_of(Position(datetime.now(UTC), uuid4()))]}
    for path in ("/api/media/register", "/api/template-media/register", "/api/slots/{slot_id}/test-run"):
        form_schema = contract["paths"][path]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
        form_schema["properties"]["fileToUpload"]["format"] = "photo"
    return contract


EXAMPLES = int(os.environ.get("PHOTOCHANGER_CONTRACT_EXAMPLES", "4"))
"""Generated requests for each operation, and sequences of requests. `make fuzz-contract` has 1,500."""

_HOOKS = """
import schemathesis

from tests.support import photos
from hypothesis import strategies
schemathesis.openapi.format("photo", strategies.sampled_from([photos.jpeg(32, 24), photos.png(16, 16)]))
"""

# JSON Schema cannot say "a picture", "an operation of that provider", "the version that is stored now",
# "both or neither", "a range of that file", "at most 90 days" or "not too often": what fits the schema may rightly get
# these answers. A generated form without its closing boundary is answered like an upload that was cut off (408).
_CONFIG = """
[generation]
allow-x00 = false

[checks]
positive_data_acceptance.expected-statuses = ["2xx", 304, 401, 404, 409, 410, 412, 415, 416, 422, 429]
negative_data_rejection.expected-statuses = [400, 401, 403, 404, 405, 406, 408, 409, 412, 415, 422, 428, 429, "5xx"]
missing_required_header.expected-statuses = [400, 401, 403, 422, 428]

[[operations]]
include-path-regex = "^/api/stats/"
checks.positive_data_acceptance.expected-statuses = ["2xx", 304, 400, 404]

# Deleting a job erases its guest; the job itself stays.
[[operations]]
include-path-regex = "^/api/jobs/"
checks.use_after_free.enabled = false

[[operations]]
include-path = "/api/overview"
checks.positive_data_acceptance.expected-statuses = ["2xx", 304, 400]

[[operations]]
include-path = "/api/template-media/{template_id}"
checks.positive_data_acceptance.expected-statuses = ["2xx", 304, 400, 404, 409, 416]
"""


def test_hostile_requests_get_answers_of_the_contract(live: str, tmp_path: Path) -> None:
    """Every check of schemathesis, with data that fits the contract and data that does not."""
    (tmp_path / "contract.yaml").write_text(yaml.safe_dump(contract_of(live)))
    (tmp_path / "hooks_of_this_run.py").write_text(_HOOKS)
    (tmp_path / "schemathesis.toml").write_text(_CONFIG)
    login = httpx.post(
        f"{live}/api/login", verify=NO_TLS, timeout=HANG_SECONDS, json={"username": "admin", "password": ADMIN_PASSWORD}
    )
    token = login.json()["access_token"]
    own = {"Authorization": f"Bearer {token}"}
    added = httpx.post(
        f"{live}/api/admins",
        verify=NO_TLS,
        timeout=HANG_SECONDS,
        headers=own,
        json={"username": "grace", "role": "viewer"},
    )
    assert added.status_code == 201
    found = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[3])])
    run = subprocess.run(
        (
            *(sys.executable, "-m", "schemathesis.cli", "run", "contract.yaml", "--url", live),
            *("--header", f"Authorization: Bearer {token}", "--exclude-path", "/api/events"),  # which never ends
            *("--exclude-path", "/api/logout", "--exclude-path", "/api/me/password"),  # which end the token of this run
            *("--header", "X-PhotoChanger-CSRF: 1", "--request-timeout", str(HANG_SECONDS)),
            *("--mode", "all", "--phases", "examples,coverage,fuzzing,stateful", "--max-examples", str(EXAMPLES)),
            *("--checks", "all", "--seed", "1", "--no-color", "--generation-database", "none"),
        ),
        cwd=tmp_path,
        env={**os.environ, "SCHEMATHESIS_HOOKS": "hooks_of_this_run", "PYTHONPATH": found},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[:2000] + run.stdout[-9000:] + run.stderr[-2000:]
