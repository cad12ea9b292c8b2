"""The camera's form: the ingest password, the photo, and text fields that become the job's metadata."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

from ....core.domain.errors import InvalidMultipart, MissingField
from ....core.domain.ingest_request import PASSWORD_FIELD
from ....core.domain.media import Photo
from ....core.domain.slot import is_field_name
from ..protocol.multipart import (
    NULL_OBSERVER,
    FormObserver,
    Receive,
    read_form,
)


class _CameraForm:
    """The FormReader of an ingest."""

    def __init__(
        self,
        check_password: Callable[[str], Awaitable[None]],
        receive_photo: Callable[[AsyncIterator[bytes]], Awaitable[Photo]],
        discard_photo: Callable[[Photo], Awaitable[object]],
    ) -> None:
        self.metadata: dict[str, str] = {}
        self._check_password = check_password
        self._receive_photo = receive_photo
        self._discard_photo = discard_photo
        self._password_right = False

    async def field(self, name: str, text: str) -> None:
        if name == PASSWORD_FIELD:
            await self._check_password(text)
            self._password_right = True
        elif not is_field_name(name):
            raise InvalidMultipart(f"The field name {name[:64]!r} cannot be used.")
        else:
            self.metadata[name] = text

    async def file(self, data: AsyncIterator[bytes], filename: str | None) -> Photo:
        return await self._receive_photo(data)

    async def discard(self, kept: Photo) -> None:
        await self._discard_photo(kept)

    def end(self) -> None:
        if not self._password_right:
            raise MissingField(PASSWORD_FIELD, f"The form has no field {PASSWORD_FIELD!r}.")


async def read_camera_form(
    receive: Receive,
    content_type: str,
    *,
    max_bytes: int,
    check_password: Callable[[str], Awaitable[None]],
    receive_photo: Callable[[AsyncIterator[bytes]], Awaitable[Photo]],
    discard_photo: Callable[[Photo], Awaitable[object]],
    watch: FormObserver = NULL_OBSERVER,
) -> tuple[Photo, dict[str, str]]:
    """The photo, already stored, and the metadata. A wrong password that comes first is refused at once.

    Raises what `read_form`, `check_password` and `receive_photo` raise.
    """
    form = _CameraForm(check_password, receive_photo, discard_photo)
    photo = await read_form(receive, content_type, max_bytes=max_bytes, reader=form, watch=watch)
    return photo, form.metadata
