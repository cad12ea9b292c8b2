"""Webhooks of slots, and what became of their deliveries."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, delete, get, post, put
from litestar.response.base import ASGIResponse
from litestar.types import ASGIApp

from ....core.domain.accounts import Permission
from ....core.domain.errors import WebhookNotFound
from ....core.domain.validation import parse_fields
from ....core.domain.webhook import DeliveryState, Webhook
from ..auth.access import actor_of
from ..dependencies import HttpServices
from ..protocol.etag import json_response, personal_response
from ..protocol.json_body import read_json
from ..protocol.query import (
    DEFAULT_PAGE,
    Cursor,
    Limit,
    cursor_of,
    position_of,
    read_query,
    several,
)

_PATH = "/api/slots/{slot_id:str}/webhook"


class WebhookDocument(msgspec.Struct, frozen=True):
    """Where to tell of ended jobs."""

    url: str


class WebhookBody(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A webhook as it may be shown; `secret` once, in the answer to the request that made it."""

    slot_id: str
    url: str
    key_id: str
    changed_at: datetime
    changed_by: str
    secret: str | None = None

    def __repr__(self) -> str:
        return f"WebhookBody({self.slot_id})"


class DeliveryQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The filters of the list. `state` holds one state or several, with commas between them."""

    state: str | None = None
    slot_id: str | None = None
    limit: Limit = DEFAULT_PAGE
    cursor: Cursor | None = None


@get(_PATH, opt={"access": Permission.SLOTS_READ})
async def get_webhook(request: Request[Any, Any, Any]) -> ASGIApp:
    """The slot's webhook, without its secret."""
    services: HttpServices = request.app.state.services
    return personal_response(request, _body(await services.webhooks.get(request.path_params["slot_id"])))


@put(_PATH, opt={"access": Permission.SLOTS_WRITE})
async def put_webhook(request: Request[Any, Any, Any]) -> ASGIApp:
    """Tell this URL from now on; the secret is in the answer if it was made now."""
    services: HttpServices = request.app.state.services
    document = parse_fields(WebhookDocument, await read_json(request))
    webhook, secret = await services.webhooks.put(request.path_params["slot_id"], document.url, by=actor_of(request))
    return json_response(_body(webhook, secret))


@post(f"{_PATH}/secret", opt={"access": Permission.SLOTS_WRITE})
async def rotate_webhook_secret(request: Request[Any, Any, Any]) -> ASGIApp:
    """A new signing secret."""
    services: HttpServices = request.app.state.services
    webhook, secret = await services.webhooks.rotate_secret(request.path_params["slot_id"], by=actor_of(request))
    return json_response(_body(webhook, secret))


@delete(_PATH, status_code=200, opt={"access": Permission.SLOTS_WRITE})
async def delete_webhook(request: Request[Any, Any, Any]) -> ASGIApp:
    """Tell nobody any more."""
    services: HttpServices = request.app.state.services
    await services.webhooks.remove(request.path_params["slot_id"], by=actor_of(request))
    return ASGIResponse(status_code=204, headers={"Cache-Control": "no-store"})


@get("/api/webhooks/deliveries", opt={"access": Permission.SLOTS_READ})
async def list_deliveries(request: Request[Any, Any, Any]) -> ASGIApp:
    """A page of deliveries, newest first; `state=dead` is the dead-letter list."""
    services: HttpServices = request.app.state.services
    query = read_query(request, DeliveryQuery)
    page = await services.webhooks.deliveries(
        states=several(query.state, DeliveryState, name="state") or tuple(DeliveryState),
        slot_id=query.slot_id,
        limit=query.limit,
        after=position_of(query.cursor),
    )
    return personal_response(request, {"items": page.items, "next_cursor": cursor_of(page.next)})


@post("/api/webhooks/deliveries/{delivery_id:str}/redeliver", opt={"access": Permission.SLOTS_WRITE})
async def redeliver(request: Request[Any, Any, Any]) -> ASGIApp:
    """Try a delivery again, now."""
    services: HttpServices = request.app.state.services
    try:
        delivery_id = UUID(request.path_params["delivery_id"])
    except ValueError:
        raise WebhookNotFound("There is no such delivery.") from None
    return json_response(await services.webhooks.redeliver(delivery_id), status=202)


def _body(webhook: Webhook, secret: str | None = None) -> WebhookBody:
    return WebhookBody(
        slot_id=webhook.slot_id,
        url=webhook.url,
        key_id=webhook.key_id,
        changed_at=webhook.changed_at,
        changed_by=webhook.changed_by,
        secret=secret,
    )
