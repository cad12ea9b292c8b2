"""The HTTP API from another program: send a photo, poll until its picture is ready, download it; or watch the service.

PHOTOCHANGER_INGEST_PASSWORD=… python examples/client.py http://127.0.0.1:8000 slot-002 photo.jpg finished.jpg
PHOTOCHANGER_ADMIN_USERNAME=… PHOTOCHANGER_ADMIN_PASSWORD=… python examples/client.py http://127.0.0.1:8000 --admin
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import httpx2

POLL_SECONDS = 0.5


def hand_in(client: httpx2.Client, slot_id: str, photo: Path, finished: Path) -> None:
    """Send a photo without a waiting request: the response links to the job, and the job to its picture."""
    form = {"password": os.environ["PHOTOCHANGER_INGEST_PASSWORD"]}
    with photo.open("rb") as file:
        answer = client.post(
            f"ingest/{slot_id}", data=form, files={"fileToUpload": file}, headers={"Prefer": "respond-async"}
        )
    check(answer)
    link = answer.headers["location"]
    while (job := check(client.get(link)).json())["finalized_at"] is None:
        time.sleep(POLL_SECONDS)
    if job["result"] is None:
        sys.exit(f"no picture: {job['error_code']}: {job['error_detail']}")
    picture = check(client.get(job["result"]["url"])).content
    finished.write_bytes(picture)
    print(f"{job['state']}: {len(picture)} bytes of {job['result']['mime']} in {finished}")


def watch(client: httpx2.Client) -> None:
    """Log in, list the slots, and print events until Ctrl-C; after a reconnect no event is lost."""
    who = {name: os.environ[f"PHOTOCHANGER_ADMIN_{name.upper()}"] for name in ("username", "password")}
    token = check(client.post("api/login", json=who)).json()["access_token"]
    client.headers["Authorization"] = f"Bearer {token}"
    for slot in check(client.get("api/slots")).json()["items"]:
        print(slot["id"], "active" if slot["active"] else "off", slot["name"])
    last = ""
    while True:
        try:
            with client.sse("api/events", headers={"Last-Event-ID": last} if last else {}) as events:
                check(events.response)
                for event in events:
                    last = event.id or last
                    if event.data:
                        print(event.event, event.data, flush=True)
        except httpx2.TransportError as error:
            print(f"connection lost: {error}", file=sys.stderr)
        time.sleep(POLL_SECONDS)


def check(answer: httpx2.Response) -> httpx2.Response:
    """Return a successful response; otherwise exit with the code and detail of the problem."""
    if answer.is_success:
        return answer
    if not answer.headers["content-type"].startswith("application/problem+json"):
        sys.exit(f"the service answered {answer.status_code}")
    answer.read()
    problem = answer.json()
    sys.exit(f"{problem['code']}: {problem['detail']}")


def main(url: str, *arguments: str) -> None:
    with httpx2.Client(base_url=url, timeout=75) as client:
        if arguments == ("--admin",):
            watch(client)
        elif len(arguments) == 3:
            slot_id, photo, finished = arguments
            hand_in(client, slot_id, Path(photo), Path(finished))
        else:
            sys.exit(__doc__)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
