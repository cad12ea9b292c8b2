"""Template media: pictures that slots keep, uploaded, bound, looked at and removed."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from datetime import datetime
from typing import IO, Any
from uuid import UUID

import msgspec
from anyio import to_thread
from litestar import Request, delete, get, post
from litestar.response.base import ASGIResponse
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
from ....core.domain.media import MIME_EXTENSIONS, StoredFile, TemplateMedia
from ..auth.access import actor_of
from ..dependencies import HttpServices
from ..protocol.etag import json_response, tagged_response
from ..protocol.file_response import serve_stored
from ..protocol.links import UrlBuilder
from ..protocol.multipart import FORM_OVERHEAD_BYTES, read_form
from ..protocol.query import read_query

_FIELDS = ("name", "slot_id", "setting_key", "replace")
_PRIVATE = {"Cache-Control": "private, no-cache", "Vary": "Authorization, Cookie"}
_CHUNK_BYTES = 256 * 1024
_IN_MEMORY_BYTES = 1024 * 1024


class BindingBody(msgspec.Struct):
    """Which slot uses a template, and as what."""

    slot_id: str
    setting_key: str


class TemplateBody(msgspec.Struct, kw_only=True):
    """A template on the wire; its links need a token."""

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
    """Which templates a list holds: those with such a binding."""

    slot_id: str | None = None
    setting_key: str | None = None


class RemoveQuery(TemplateFilter, frozen=True):
    """The binding that a template may be removed with, both of its parts; `force`: whatever uses it."""

    force: bool = False


class _TemplateForm:
    """The FormReader of an upload. The picture waits in a file of its own until it is known what to do with it."""

    def __init__(self, max_bytes: int) -> None:
        self.fields: dict[str, str] = {}
        self._max_bytes = max_bytes

    async def field(self, name: str, text: str) -> None:
        if name not in _FIELDS or name in self.fields:
            raise InvalidMultipart(f"The form takes a picture and {', '.join(_FIELDS)}, each once; not {name[:64]!r}.")
        self.fields[name] = text

    async def file(self, data: AsyncIterator[bytes], filename: str | None) -> IO[bytes]:
        kept = tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES)  # noqa: SIM115
        size = 0
        try:
            async for chunk in data:
                size += len(chunk)
                if size > self._max_bytes:
                    raise PayloadTooLarge(f"The picture has more than {self._max_bytes} bytes.")
                await to_thread.run_sync(kept.write, chunk)
        except BaseException:
            kept.close()
            raise
        return kept

    async def discard(self, kept: IO[bytes]) -> None:
        kept.close()

    def end(self) -> None:
        if ("slot_id" in self.fields) != ("setting_key" in self.fields):
            missing = "setting_key" if "slot_id" in self.fields else "slot_id"
            raise MissingField(missing, "slot_id and setting_key must be given together.")
        if self.fields.get("replace", "false") not in ("true", "false"):
            raise InvalidSettings([FieldError("replace", FieldErrorCode.WRONG_TYPE, {"expected": "boolean"})])


@post("/api/template-media/register", opt={"access": Permission.MEDIA_WRITE})
async def register_template(request: Request[Any, Any, Any]) -> ASGIApp:
    """Keep a picture and, where the form says so, bind it to a slot, both or neither."""
    services: HttpServices = request.app.state.services
    most = (await services.settings.current()).max_upload_bytes
    if (request.content_length or 0) > most + FORM_OVERHEAD_BYTES:
        raise PayloadTooLarge("The request is larger than is accepted.")
    form = _TemplateForm(most)
    content_type = request.headers.get("content-type", "")
    kept = await read_form(request.receive, content_type, max_bytes=most + FORM_OVERHEAD_BYTES, reader=form)
    by = actor_of(request)
    name = form.fields.get("name", "")
    try:
        await to_thread.run_sync(kept.seek, 0)
        if "slot_id" not in form.fields:
            template = await services.templates.add(_chunks(kept), name=name, by=by)
        else:
            replaces = form.fields.get("replace") == "true"
            bind = services.templates.add_replacing if replaces else services.templates.add_bound
            slot_id, setting_key = form.fields["slot_id"], form.fields["setting_key"]
            template = await bind(_chunks(kept), name=name, slot_id=slot_id, setting_key=setting_key, by=by)
    finally:
        kept.close()
    bound = ((form.fields["slot_id"], form.fields["setting_key"]),) if "slot_id" in form.fields else ()
    links = UrlBuilder(request.scope, services.public_base_url)
    headers = {"Location": links.template(template.id)}
    return json_response(_body(template, bound, links), status=201, headers=headers)


@get("/api/template-media", opt={"access": Permission.MEDIA_READ})
async def list_templates(request: Request[Any, Any, Any]) -> ASGIApp:
    """The templates, newest first."""
    services: HttpServices = request.app.state.services
    wanted = read_query(request, TemplateFilter)
    found = await services.templates.list(slot_id=wanted.slot_id, setting_key=wanted.setting_key)
    links = UrlBuilder(request.scope, services.public_base_url)
    return tagged_response(request, {"items": [_body(template, bound, links) for template, bound in found]})


@get("/api/template-media/{template_id:str}", opt={"access": Permission.MEDIA_READ})
async def get_template(request: Request[Any, Any, Any]) -> ASGIApp:
    """The picture itself."""
    services: HttpServices = request.app.state.services
    template = await services.templates.get(_id(request))
    name = f"template-{template.id}.{MIME_EXTENSIONS[template.mime]}"
    return await serve_stored(
        request, services.store, template.file, mime=template.mime, download_name=name, headers=_PRIVATE
    )


@get("/api/template-media/{template_id:str}/thumbnail", opt={"access": Permission.MEDIA_READ})
async def get_template_thumbnail(request: Request[Any, Any, Any]) -> ASGIApp:
    """A small WebP of it."""
    services: HttpServices = request.app.state.services
    template_id = _id(request)
    file: StoredFile = await services.templates.thumbnail(template_id)
    name = f"template-{template_id}-thumbnail.webp"
    return await serve_stored(request, services.store, file, mime="image/webp", download_name=name, headers=_PRIVATE)


@delete("/api/template-media/{template_id:str}", status_code=200, opt={"access": Permission.MEDIA_WRITE})
async def delete_template(request: Request[Any, Any, Any]) -> ASGIApp:
    """Remove a template; one that slots use only with the one binding that is named, or by `force`."""
    services: HttpServices = request.app.state.services
    query = read_query(request, RemoveQuery)
    template_id, by = _id(request), actor_of(request)
    if (query.slot_id is None) != (query.setting_key is None):
        missing = "slot_id" if query.slot_id is None else "setting_key"
        raise invalid_query([FieldError(missing, FieldErrorCode.REQUIRED)])
    if query.force:
        await services.templates.remove_bound(template_id, by=by)
    else:
        binding = None if query.slot_id is None or query.setting_key is None else (query.slot_id, query.setting_key)
        await services.templates.remove(template_id, except_binding=binding, by=by)
    return ASGIResponse(status_code=204, headers={"Cache-Control": "no-store"})


async def _chunks(kept: IO[bytes]) -> AsyncIterator[bytes]:
    while chunk := await to_thread.run_sync(kept.read, _CHUNK_BYTES):
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


def _id(request: Request[Any, Any, Any]) -> UUID:
    try:
        return UUID(request.path_params["template_id"])
    except ValueError:
        raise TemplateNotFound("There is no such template.") from None
