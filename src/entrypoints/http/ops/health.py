"""`/healthz` says that the process lives, `/readyz` that it can take photos and, where not, which part is missing."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import msgspec
from litestar import HttpMethod, Request, route
from litestar.response.base import ASGIResponse
from litestar.types import ASGIApp

from ....core.domain.errors import PhotoChangerError
from ...diagnostics.readiness import Check, Readiness
from ..auth.access import PublicAccess
from ..dependencies import HttpServices

_log = logging.getLogger("photochanger.http")

_CHECK_SECONDS = 2.0
_HEADERS = {"Cache-Control": "no-store"}
_READ = [HttpMethod.GET, HttpMethod.HEAD]  # probes ask with either; the server sends no body to HEAD


class Part(msgspec.Struct, frozen=True):
    """Whether a part works, and what is wrong where it does not."""

    ok: bool
    detail: str


@route("/healthz", http_method=_READ, opt={"access": PublicAccess.PUBLIC})
async def healthz() -> ASGIApp:
    """The process answers."""
    return ASGIResponse(body=b'{"status":"live"}', media_type="application/json", headers=_HEADERS)


@route("/readyz", http_method=_READ, opt={"access": PublicAccess.PUBLIC})
async def readyz(request: Request[Any, Any, Any]) -> ASGIApp:
    """200 where every part works, else 503; the body tells them apart."""
    services: HttpServices = request.app.state.services
    parts = await parts_of(services.readiness)
    ready = all(part.ok for part in parts.values())
    body = msgspec.json.encode({"status": "ready" if ready else "not_ready", "parts": parts})
    return ASGIResponse(body=body, status_code=200 if ready else 503, media_type="application/json", headers=_HEADERS)


async def parts_of(readiness: Readiness) -> dict[str, Part]:
    """How each part is, all looked at together, for two seconds at most."""
    troubles = await asyncio.gather(*(_trouble(check) for check in readiness.checks.values()))
    return {
        name: Part(trouble is None, trouble or "works")
        for name, trouble in zip(readiness.checks, troubles, strict=True)
    }


async def _trouble(check: Check) -> str | None:
    try:
        async with asyncio.timeout(_CHECK_SECONDS):
            await check()
    except PhotoChangerError as error:
        return error.detail
    except TimeoutError:
        return f"no answer within {_CHECK_SECONDS:g} s"
    except Exception:
        _log.exception("a readiness check failed in a way it should not")
        return "failed; the service's log says how"
    return None
