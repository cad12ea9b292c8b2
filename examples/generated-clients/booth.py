r"""A booth in Python, with a client that openapi-python-client generated from the contract.

curl --remote-name http://127.0.0.1:8000/openapi.yaml
openapi-python-client generate --path openapi.yaml --config python-client.yaml --meta none \
    --output-path photochanger_client
export PHOTOCHANGER_INGEST_PASSWORD=… PHOTOCHANGER_ADMIN_PASSWORD=…
python booth.py http://127.0.0.1:8000 slot-002 photo.jpg finished.jpg
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TypeVar

from photochanger_client import AuthenticatedClient, Client
from photochanger_client.api.administration import login
from photochanger_client.api.ingest import ingest
from photochanger_client.api.jobs import get_job
from photochanger_client.api.public import get_result
from photochanger_client.api.slots import list_slots
from photochanger_client.api.statistics import get_slot_stats
from photochanger_client.models import Credentials, IngestBody, JobDetail, SlotList, SlotStats, Token
from photochanger_client.types import File, Response

Parsed = TypeVar("Parsed")
PATIENCE_SECONDS = 75
"""Longer than any sync window."""


def parsed(answer: Response[object], kind: type[Parsed]) -> Parsed:
    """The body of a successful response; otherwise exit with the problem."""
    if isinstance(answer.parsed, kind):
        return answer.parsed
    sys.exit(f"{answer.status_code.value}: {answer.parsed}")


def main(address: str, slot_id: str, photo: Path, finished: Path) -> None:
    """Send a photo with a guest's answers, then look at what became of it as an administrator."""
    booth = Client(address, timeout=PATIENCE_SECONDS)
    with photo.open("rb") as file:
        form = IngestBody(File(file, photo.name), os.environ["PHOTOCHANGER_INGEST_PASSWORD"])
        form["guest"], form["Favourite colour"] = "Ада", "ultramarine"
        answer = ingest.sync_detailed(slot_id, client=booth, body=form)
    picture = parsed(answer, File).payload.read()
    finished.write_bytes(picture)
    job_id = answer.headers["X-Job-Id"]
    print(f"picture: {len(picture)} bytes")
    public = parsed(get_result.sync_detailed(job_id, client=booth), File).payload.read()
    print(f"public link: {'the same picture' if public == picture else 'another picture'}")

    who = Credentials(os.environ.get("PHOTOCHANGER_ADMIN_USERNAME", "admin"), os.environ["PHOTOCHANGER_ADMIN_PASSWORD"])
    token = parsed(login.sync_detailed(client=booth, body=who), Token).access_token
    admin = AuthenticatedClient(address, token, timeout=PATIENCE_SECONDS)
    slots = parsed(list_slots.sync_detailed(client=admin), SlotList)
    print(f"slots: {len(slots.items)}")
    job = parsed(get_job.sync_detailed(job_id, client=admin), JobDetail)
    print(f"job: {job.state.value}, {dict(sorted(job.metadata.additional_properties.items()))}")
    stats = parsed(get_slot_stats.sync_detailed(slot_id, client=admin), SlotStats)
    print(f"statistics: {stats.summary.success} of {stats.slot_id}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
