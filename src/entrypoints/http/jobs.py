"""`GET /api/jobs/{job_id}`: what became of a job, for whoever holds its unguessable link."""

from __future__ import annotations

import hmac
from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, get
from litestar.response.base import ASGIResponse
from litestar.types import ASGIApp

from ...core.errors import JobNotFound
from .answers import job_body
from .links import Links
from .services import HttpServices


@get("/api/jobs/{job_id:str}")
async def get_job(request: Request[Any, Any, Any]) -> ASGIApp:
    """The job; a wrong token is told the same as a job that does not exist."""
    services: HttpServices = request.app.state.services
    try:
        known = UUID(request.path_params["job_id"])
    except ValueError:
        raise JobNotFound("There is no such job.") from None
    job = await services.jobs.get(known)
    token = str(request.query_params.get("token", ""))
    if not hmac.compare_digest(token.encode("utf-8", "surrogatepass"), job.access_token.encode()):
        raise JobNotFound("There is no such job.")
    body = msgspec.json.encode(job_body(job, Links(request.scope, services.public_base_url)))
    return ASGIResponse(body=body, media_type="application/json", headers={"Cache-Control": "no-store"})
