"""Pages from elsewhere: kept out unless the operator names where they come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.administration import described
from tests.support.http_server import Service, serving

pytestmark = pytest.mark.anyio

STUDIO = {"Origin": "https://studio.example"}
PREFLIGHT = STUDIO | {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization"}


def allowed(headers: object) -> set[str]:
    """The CORS headers of an answer."""
    return {name for name in headers if name.lower().startswith("access-control-")}  # type: ignore[attr-defined]


async def test_nothing_is_said_to_other_origins_unless_configured(service: Service) -> None:
    for method, path in (("GET", "/healthz"), ("GET", "/api/me"), ("POST", "/api/login")):
        answer = await service.client.request(method, path, headers=STUDIO)
        assert not allowed(answer.headers), path
    assert not allowed((await service.client.options("/api/settings", headers=PREFLIGHT)).headers)


async def test_a_named_origin_may_call_and_reads_errors_too(tmp_path: Path) -> None:
    async with serving(tmp_path, cors_origins=("https://studio.example",)) as service:
        preflight = await service.client.options("/api/settings", headers=PREFLIGHT)
        assert preflight.status_code == 204
        assert preflight.headers["access-control-allow-origin"] == "https://studio.example"
        assert "PUT" in preflight.headers["access-control-allow-methods"]
        asked = "authorization, content-type, if-match, if-none-match, idempotency-key, last-event-id, prefer"
        for name in asked.split(", "):
            preflight = await service.client.options(
                "/api/events", headers=PREFLIGHT | {"Access-Control-Request-Headers": name}
            )
            assert name in preflight.headers["access-control-allow-headers"].lower()
        answer = await service.client.get("/api/me", headers=STUDIO)
        described(answer, 401, "invalid_token")
        assert answer.headers["access-control-allow-origin"] == "https://studio.example"
        other = await service.client.get("/api/me", headers={"Origin": "https://elsewhere.example"})
        assert other.headers.get("access-control-allow-origin") != "https://elsewhere.example"
        assert "access-control-allow-credentials" not in answer.headers


async def test_security_headers_are_on_every_answer(service: Service) -> None:
    for path in ("/healthz", "/api/me", "/nowhere", "/public/gallery/slot-001"):
        headers = (await service.client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["referrer-policy"] == "no-referrer", path
        assert headers["x-frame-options"] == "DENY", path
        others = "cross-origin" if path.startswith("/public/") else "same-origin"
        assert headers["cross-origin-resource-policy"] == others, path
        assert "default-src 'none'" in headers["content-security-policy"], path
