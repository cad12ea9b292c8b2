"""An older version with data: what `scripts/previous-release` stores with one, and what upgrades must keep."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx

from tests.support import photos
from tests.support.plain_http import NO_TLS

ADMIN = {"username": "owner", "password": "a password from before"}
INGEST_PASSWORD = "cameras from before"
SLOT_PASSWORD = "the camera of slot three"
PROVIDER_KEY = "a-key-of-a-provider-from-before"
GUESTS = ("Ada", "Grace", "Зоя")
RETENTION_HOURS = 87_000
"""Nearly ten years: the pictures are there whenever upgrades are tested."""

WEBHOOK = "https://studio.example/photos"
HANG_SECONDS = 180


def environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PHOTOCHANGER_")}
    own = {"HOME": str(home), "PORT": "0", "METRICS_PORT": "0", "SYNC_RESPONSE_SECONDS": "60", "WORKERS": "1"}
    first = {
        "ADMIN_USERNAME": ADMIN["username"],
        "ADMIN_PASSWORD": ADMIN["password"],
        "INGEST_PASSWORD": INGEST_PASSWORD,
    }
    return kept | {f"PHOTOCHANGER_{name}": value for name, value in (own | first).items()}


def checked(answer: httpx.Response) -> Any:
    """The JSON of a successful response."""
    if not answer.is_success:
        sys.exit(f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text}")
    return answer.json() if answer.headers.get("content-type", "").endswith("json") else answer.content


def configure(client: httpx.Client) -> None:
    """A studio's configuration: slots, a key, a template picture, a webhook."""
    token = checked(client.post("/api/login", json=ADMIN))["access_token"]
    client.headers["Authorization"] = f"Bearer {token}"

    def change(slot_id: str, **fields: Any) -> None:
        slot = client.get(f"/api/slots/{slot_id}")
        document = checked(slot) | fields
        checked(client.put(f"/api/slots/{slot_id}", json=document, headers={"If-Match": slot.headers["etag"]}))

    comic = {"provider_id": "local", "operation_id": "stylize", "settings": {"look": "comic"}}
    plain = {"provider_id": "local", "operation_id": "enhance", "settings": {}}
    change("slot-002", name="Комикс", route=[comic, plain])
    change("slot-003", name="Own password", ingest_password=SLOT_PASSWORD)
    change("slot-004", active=False)
    stored = client.get("/api/settings")
    changes = {"provider_keys": {"gemini": PROVIDER_KEY}, "result_retention_hours": RETENTION_HOURS}
    checked(client.put("/api/settings", json=changes, headers={"If-Match": stored.headers["etag"]}))
    form = {"name": "Frame from before"}
    checked(client.post("/api/template-media/register", data=form, files={"fileToUpload": photos.png(64, 48)}))
    checked(
        client.put("/api/slots/slot-005/webhook", json={"url": WEBHOOK})
    )  # a slot without photos: nothing is called


def photograph(client: httpx.Client) -> None:
    """A photo of each guest, and one for the slot with a password of its own."""
    for guest in GUESTS:
        form = {"password": INGEST_PASSWORD, "guest": guest}
        photo = {"fileToUpload": photos.jpeg(160 + len(guest), 120)}
        key = {"Idempotency-Key": guest.encode().hex()}
        checked(client.post("/ingest/slot-002", data=form, files=photo, headers=key))
    photo = {"fileToUpload": photos.png(96, 64)}
    checked(client.post("/ingest/slot-003", data={"password": SLOT_PASSWORD}, files=photo))


def main(program: str, home: Path, backup: Path) -> None:
    """Use the service of an older version, and make its backup."""
    home.mkdir()
    with tempfile.TemporaryFile("w+") as log:
        command = (program, "serve")
        process = subprocess.Popen(command, env=environment(home), stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            assert process.stdout is not None
            listens = next(line for line in process.stdout if line.startswith("PhotoChanger listens on"))
            with httpx.Client(base_url=listens.split()[-1], verify=NO_TLS, timeout=HANG_SECONDS) as client:
                configure(client)
                photograph(client)
                print(json.dumps(checked(client.get("/api/stats/slot-002"))["summary"]))
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(HANG_SECONDS)
    subprocess.run((program, "backup", str(backup)), env=environment(home), check=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
