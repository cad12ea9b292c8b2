"""PhotoChanger's HTTP API mounted under /photos of another ASGI app, which here says hello.

    uvicorn examples.mount:app
    curl -F password=… -F fileToUpload=@photo.jpg http://127.0.0.1:8000/photos/ingest/slot-001 -o finished.jpg

The ingest password is printed at the first start unless PHOTOCHANGER_INGEST_PASSWORD sets it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar import Litestar, asgi, get
from litestar.types import Receive, Scope, Send
from photochanger import Settings, create_app

photos = create_app(Settings.from_env())


@get("/")
async def hello() -> str:
    return "The photo API is at /photos."


@asgi("/photos", is_mount=True, copy_scope=True)
async def photo_api(scope: Scope, receive: Receive, send: Send) -> None:
    # Frameworks that follow the ASGI specification set root_path when mounting; links are built with it.
    await photos({**scope, "root_path": scope.get("root_path", "") + "/photos"}, receive, send)


@asynccontextmanager
async def open_photos(app: Litestar) -> AsyncIterator[None]:
    async with photos.lifespan():
        yield


app = Litestar([hello, photo_api], lifespan=[open_photos])
