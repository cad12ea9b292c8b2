"""Template media: pictures that slots use, such as frames and backgrounds."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from datetime import datetime
from typing import IO, Any
from uuid import UUID

import msgspec
from anyio import to_thread
from dishka.integrations.litestar import FromDishka, inject
from litestar import Request, delete, get, post
from litestar.params import FromPath
from litestar.types import ASGIApp

from ....core.domain.accounts import Permission
from ....core.domain.errors import (
    InvalidMultipart,
    InvalidSettings,
    MissingField,
    PayloadTooLarge,
    TemplateNotFound,
    invalid_query,
)
from ....core.domain.field_errors import FieldError, FieldErrorCode
from ....core.domain.media import MIME_EXTENSIONS, TemplateMedia
from ....core.ports.media_store import MediaStore
from ....core.services.media.disk_space import DiskSpace
from ....core.services.settings.service import SettingsService
from ....core.services.slots.templates import TemplateService
from ...config import Settings
from ..auth.access import actor_of
from ..protocol.etag import json_response, no_content, tagged_response
from ..protocol.file_response import serve_stored
from ..protocol.links import UrlBuilder
from ..protocol.multipart import announced_bytes, read_form
from ..protocol.path_ids import UNKNOWN_ID
from ..protocol.query import read_query

NO_TEMPLATE = TemplateNotFound("There is no such template.")

_FIELDS = ("name", "slot_id", "setting_key", "replace")
_PRIVATE = {"Cache-Control": "private, no-cache", "Vary": "Authorization, Cookie"}
_CHUNK_BYTES = 256 * 1024
_IN_MEMORY_BYTES = 1024 * 1024


class BindingBody(msgspec.Struct):
    """A slot that uses the template, and under which setting key."""

    slot_id: str
    setting_key: str


class TemplateBody(msgspec.Struct, kw_only=True):
    """A template as JSON; its links require a token."""

    id: UUID
    name: str
    mime: str
    width: int
    height: int
    size_bytes: int
    sha256: str
    created_at: datetime
    created_by: str
    url: str
    thumbnail_url: str
    bindings: list[BindingBody]


class TemplateFilter(msgspec.Struct, frozen=True):
    """The filters of the list, by binding."""

    slot_id: str | None = None
    setting_key: str | None = None


class RemoveQuery(TemplateFilter, frozen=True):
    """The one binding that is removed with the template, both of its parts; `force`: remove all bindings."""

    force: bool = False


class _TemplateForm:
    """The FormReader of an upload. The picture is spooled until all fields are known."""

    def __init__(self, max_bytes: int) -> None:
        self.fields: dict[str, str] = {}
        self._max_bytes = max_bytes

    @property
    def binding(self) -> tuple[str, str] | None:
        """Slot and setting key, if the form names them."""
        return (self.fields["slot_id"], self.fields["setting_key"]) if "slot_id" in self.fields else None

    async def field(self, name: str, text: str) -> None:
        if name not in _FIELDS or name in self.fields:
            raise InvalidMultipart(
                f"The form must contain a picture and {', '.join(_FIELDS)}, each at most once; not {name[:64]!r}."
            )
        self.fields[name] = text

    async def file(self, data: AsyncIterator[bytes], filename: str | None) -> IO[bytes]:
        spooled = tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES)  # noqa: SIM115
        size = 0
        try:
            async for chunk in data:
                size += len(chunk)
                if size > self._max_bytes:
                    raise PayloadTooLarge(f"The picture must not exceed {self._max_bytes} bytes.")
                await to_thread.run_sync(spooled.write, chunk)
        except BaseException:
            spooled.close()
            raise
        return spooled

    async def discard(self, stored: IO[bytes]) -> None:
        stored.close()

    async def end(self) -> None:
        if ("slot_id" in self.fields) != ("setting_key" in self.fields):
            missing = "setting_key" if "slot_id" in self.fields else "slot_id"
            raise MissingField(missing, "slot_id and setting_key must be given together.")
        if self.fields.get("replace", "false") not in ("true", "false"):
            raise InvalidSettings([FieldError("replace", FieldErrorCode.WRONG_TYPE, {"expected": "boolean"})])


@post("/api/template-media/register", opt={"access": Permission.MEDIA_WRITE})
@inject
async def register_template(
    request: Request[Any, Any, Any],
    templates: FromDishka[TemplateService],
    space: FromDishka[DiskSpace],
    settings: FromDishka[SettingsService],
    config: FromDishka[Settings],
) -> ASGIApp:
    """Store a picture and, if the form names a binding, bind it to the slot: both or neither."""
    max_bytes = (await settings.current()).max_upload_bytes
    form = _TemplateForm(max_bytes)
    async with space.reserve(announced_bytes(request, max_bytes)) as room:
        spooled = await read_form(request, form, room=room, max_file_bytes=max_bytes)
    by = actor_of(request)
    name = form.fields.get("name", "")
    try:
        await to_thread.run_sync(spooled.seek, 0)
        if form.binding is None:
            template = await templates.add(_chunks(spooled), name=name, by=by)
        else:
            slot_id, setting_key = form.binding
            replaces = form.fields.get("replace") == "true"
            bind = templates.add_replacing if replaces else templates.add_bound
            template = await bind(_chunks(spooled), name=name, slot_id=slot_id, setting_key=setting_key, by=by)
    finally:
        spooled.close()
    bound = () if form.binding is None else (form.binding,)
    links = UrlBuilder(request.scope, config.public_base_url)
    headers = {"Location": links.template(template.id)}
    return json_response(_body(template, bound, links), status=201, headers=headers)


@get("/api/template-media", opt={"access": Permission.MEDIA_READ})
@inject
async def list_templates(
    request: Request[Any, Any, Any], templates: FromDishka[TemplateService], config: FromDishka[Settings]
) -> ASGIApp:
    """The templates, newest first."""
    wanted = read_query(request, TemplateFilter)
    found = await templates.list(slot_id=wanted.slot_id, setting_key=wanted.setting_key)
    links = UrlBuilder(request.scope, config.public_base_url)
    return tagged_response(request, {"items": [_body(template, bound, links) for template, bound in found]})


@get("/api/template-media/{template_id:str}", opt={"access": Permission.MEDIA_READ, UNKNOWN_ID: NO_TEMPLATE})
@inject
async def get_template(
    request: Request[Any, Any, Any],
    template_id: FromPath[UUID],
    templates: FromDishka[TemplateService],
    store: FromDishka[MediaStore],
) -> ASGIApp:
    """The picture itself."""
    template = await templates.get(template_id)
    name = f"template-{template.id}.{MIME_EXTENSIONS[template.mime]}"
    return await serve_stored(request, store, template.file, mime=template.mime, download_name=name, headers=_PRIVATE)


@get("/api/template-media/{template_id:str}/thumbnail", opt={"access": Permission.MEDIA_READ, UNKNOWN_ID: NO_TEMPLATE})
@inject
async def get_template_thumbnail(
    request: Request[Any, Any, Any],
    template_id: FromPath[UUID],
    templates: FromDishka[TemplateService],
    store: FromDishka[MediaStore],
) -> ASGIApp:
    """A small WebP of the picture."""
    file = await templates.thumbnail(template_id)
    name = f"template-{template_id}-thumbnail.webp"
    return await serve_stored(request, store, file, mime="image/webp", download_name=name, headers=_PRIVATE)


@delete(
    "/api/template-media/{template_id:str}",
    status_code=200,
    opt={"access": Permission.MEDIA_WRITE, UNKNOWN_ID: NO_TEMPLATE},
)
@inject
async def delete_template(
    request: Request[Any, Any, Any], template_id: FromPath[UUID], templates: FromDishka[TemplateService]
) -> ASGIApp:
    """Remove a template. If slots use it, name its only binding or use `force`."""
    query = read_query(request, RemoveQuery)
    by = actor_of(request)
    if (query.slot_id is None) != (query.setting_key is None):
        missing = "slot_id" if query.slot_id is None else "setting_key"
        raise invalid_query([FieldError(missing, FieldErrorCode.REQUIRED)])
    if query.force:
        await templates.remove_bound(template_id, by=by)
    else:
        binding = None if query.slot_id is None or query.setting_key is None else (query.slot_id, query.setting_key)
        await templates.remove(template_id, except_binding=binding, by=by)
    return no_content()


async def _chunks(file: IO[bytes]) -> AsyncIterator[bytes]:
    while chunk := await to_thread.run_sync(file.read, _CHUNK_BYTES):
        yield chunk


def _body(template: TemplateMedia, bindings: tuple[tuple[str, str], ...], links: UrlBuilder) -> TemplateBody:
    return TemplateBody(
        id=template.id,
        name=template.name,
        mime=template.mime,
        width=template.width,
        height=template.height,
        size_bytes=template.file.size_bytes,
        sha256=template.file.sha256,
        created_at=template.created_at,
        created_by=template.created_by,
        url=links.template(template.id),
        thumbnail_url=f"{links.template(template.id)}/thumbnail",
        bindings=[BindingBody(slot_id, setting_key) for slot_id, setting_key in bindings],
    )
