"""Webhooks of slots, and their deliveries."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from dishka.integrations.litestar import FromDishka, inject
from litestar import Request, delete, get, post, put
from litestar.params import FromPath
from litestar.types import ASGIApp

from ....core.domain.accounts import Permission
from ....core.domain.errors import WebhookNotFound
from ....core.domain.validation import parse_fields
from ....core.domain.webhook import DeliveryState, Webhook
from ....core.services.webhooks.service import WebhookService
from ..auth.access import actor_of
from ..protocol.etag import json_response, no_content, personal_response
from ..protocol.json_body import read_json
from ..protocol.path_ids import UNKNOWN_ID
from ..protocol.query import DEFAULT_PAGE, Cursor, Limit, cursor_of, position_of, read_query, several

_PATH = "/api/slots/{slot_id:str}/webhook"


class WebhookDocument(msgspec.Struct, frozen=True):
    """The URL that is called when jobs end."""

    url: str


class WebhookBody(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A webhook; `secret` only in the response to the request that created it."""

    slot_id: str
    url: str
    key_id: str
    changed_at: datetime
    changed_by: str
    secret: str | None = None

    def __repr__(self) -> str:
        return f"WebhookBody({self.slot_id})"


class DeliveryQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The filters of the list. `state` is one state or several, separated by commas."""

    state: str | None = None
    slot_id: str | None = None
    limit: Limit = DEFAULT_PAGE
    cursor: Cursor | None = None


@get(_PATH, opt={"access": Permission.SLOTS_READ})
@inject
async def get_webhook(
    request: Request[Any, Any, Any], slot_id: FromPath[str], webhooks: FromDishka[WebhookService]
) -> ASGIApp:
    """The slot's webhook, without its secret."""
    return personal_response(request, _body(await webhooks.get(slot_id)))


@put(_PATH, opt={"access": Permission.SLOTS_WRITE})
@inject
async def put_webhook(
    request: Request[Any, Any, Any], slot_id: FromPath[str], webhooks: FromDishka[WebhookService]
) -> ASGIApp:
    """Create or change the webhook; the response contains the secret if the webhook is new."""
    document = parse_fields(WebhookDocument, await read_json(request))
    webhook, secret = await webhooks.put(slot_id, document.url, by=actor_of(request))
    return json_response(_body(webhook, secret))


@post(f"{_PATH}/secret", opt={"access": Permission.SLOTS_WRITE})
@inject
async def rotate_webhook_secret(
    request: Request[Any, Any, Any], slot_id: FromPath[str], webhooks: FromDishka[WebhookService]
) -> ASGIApp:
    """Replace the signing secret."""
    webhook, secret = await webhooks.rotate_secret(slot_id, by=actor_of(request))
    return json_response(_body(webhook, secret))


@delete(_PATH, status_code=200, opt={"access": Permission.SLOTS_WRITE})
@inject
async def delete_webhook(
    request: Request[Any, Any, Any], slot_id: FromPath[str], webhooks: FromDishka[WebhookService]
) -> ASGIApp:
    """Remove the webhook."""
    await webhooks.remove(slot_id, by=actor_of(request))
    return no_content()


@get("/api/webhooks/deliveries", opt={"access": Permission.SLOTS_READ})
@inject
async def list_deliveries(request: Request[Any, Any, Any], webhooks: FromDishka[WebhookService]) -> ASGIApp:
    """A page of deliveries, newest first; `state=dead` is the dead-letter list."""
    query = read_query(request, DeliveryQuery)
    page = await webhooks.deliveries(
        states=several(query.state, DeliveryState, name="state") or tuple(DeliveryState),
        slot_id=query.slot_id,
        limit=query.limit,
        after=position_of(query.cursor),
    )
    return personal_response(request, {"items": page.items, "next_cursor": cursor_of(page.next)})


@post(
    "/api/webhooks/deliveries/{delivery_id:str}/redeliver",
    opt={"access": Permission.SLOTS_WRITE, UNKNOWN_ID: WebhookNotFound("There is no such delivery.")},
)
@inject
async def redeliver(delivery_id: FromPath[UUID], webhooks: FromDishka[WebhookService]) -> ASGIApp:
    """Repeat a delivery immediately."""
    return json_response(await webhooks.redeliver(delivery_id), status=202)


def _body(webhook: Webhook, secret: str | None = None) -> WebhookBody:
    return WebhookBody(
        slot_id=webhook.slot_id,
        url=webhook.url,
        key_id=webhook.key_id,
        changed_at=webhook.changed_at,
        changed_by=webhook.changed_by,
        secret=secret,
    )
