"""Telegram messages about photos without a picture: takes the webhooks of PhotoChanger and passes failures on to a bot.

TELEGRAM_TOKEN=… TELEGRAM_CHAT=… WEBHOOK_SECRETS=whsec_…,whsec_… python examples/telegram_relay.py [PORT]

Listens on 127.0.0.1, port 8099 by default. Needs only Python; a message is sent at most once a minute for each slot.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import sys
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

MAX_BODY = 64 * 1024
PAUSE_SECONDS = 60
TELEGRAM = os.environ.get("TELEGRAM_URL", "https://api.telegram.org")


def is_genuine(headers: dict[str, str], body: bytes) -> bool:
    """Whether one of the secrets has signed this call within the last five minutes."""
    stamp = headers.get("webhook-timestamp", "")
    if not stamp.isdecimal() or abs(time.time() - int(stamp)) > 300:
        return False
    signed = f"{headers.get('webhook-id', '')}.{stamp}.".encode() + body
    for secret in os.environ["WEBHOOK_SECRETS"].split(","):
        key = base64.b64decode(secret.strip().removeprefix("whsec_"))
        expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        if hmac.compare_digest(headers.get("webhook-signature", ""), expected):
            return True
    return False


def send(text: str) -> None:
    """Send a message to the chat; raise URLError if Telegram does not take it."""
    message = {"chat_id": os.environ["TELEGRAM_CHAT"], "text": text}
    call = urllib.request.Request(
        f"{TELEGRAM}/bot{os.environ['TELEGRAM_TOKEN']}/sendMessage",
        data=json.dumps(message).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(call, timeout=8):
        pass


class Relay(BaseHTTPRequestHandler):
    """Answers 204 once a message is sent or none is needed; PhotoChanger repeats calls with other answers."""

    last_sent: dict[str, float] = {}  # noqa: RUF012 - shared by all requests on purpose

    def do_POST(self) -> None:
        size = int(self.headers.get("content-length", "0"))
        if size > MAX_BODY:
            return self.answer(413)
        body = self.rfile.read(size)
        if not is_genuine({name.lower(): value for name, value in self.headers.items()}, body):
            return self.answer(401)
        job = json.loads(body)["data"]
        if job["state"] in ("failed", "timed_out") or (job["result"] or {}).get("outcome") == "fallback":
            slot, now = job["slot_id"], time.monotonic()
            if now - self.last_sent.get(slot, -PAUSE_SECONDS) >= PAUSE_SECONDS:
                try:
                    send(f"PhotoChanger: {slot}: no picture ({job['error_code'] or job['state']}), job {job['job_id']}")
                except OSError as failure:
                    print(f"Telegram did not take the message: {failure.__class__.__name__}", file=sys.stderr)
                    return self.answer(502)
                self.last_sent[slot] = now
        return self.answer(204)

    def answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        """Log nothing: every call of PhotoChanger would be a line."""


if __name__ == "__main__":
    server = HTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 8099), Relay)
    print(f"The relay listens on http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
