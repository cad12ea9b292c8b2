"""Where a service keeps its finished pictures: another origin than its API, which must never see the key."""

from __future__ import annotations

from .server import CREDENTIALS, Answer, Received, StandInServer


class PictureOrigin(StandInServer):
    """A server of pictures. It ends with an AssertionError where it has seen a key, or where a redirect was followed.

    Attributes:
        secrets: the keys that must not come here.
        fetched: how often each picture was fetched, by its path.
        faults: what was wrong with requests; empty after a test where all went right.
    """

    def __init__(self, *secrets: str) -> None:
        super().__init__()
        self.secrets = list(secrets)
        self.fetched: dict[str, int] = {}
        self.faults: list[str] = []
        self._pictures: dict[str, tuple[bytes, str]] = {}

    def put(self, picture: bytes, mime: str = "image/png") -> str:
        """Keep a picture; returns its address, which is signed as those of services are."""
        path = f"/results/{len(self._pictures)}-result.png"
        self._pictures[path] = (picture, mime)
        return f"{self.url}{path}?sig=3f%2Fa1%3D&se=2026-11-29T12%3A10%3A00Z"

    def redirecting(self, status: int = 302) -> Answer:
        """A redirect to a place of this origin that no client may ask for."""
        return Answer(status, headers={"Location": f"{self.url}/elsewhere"})

    def check(self, request: Received) -> Answer | None:
        if self._shows_a_key(request):
            self.faults.append(f"{request.method} {request.path} shows a key")
        if request.path == "/elsewhere":
            self.faults.append("a redirect was followed")
        if request.method != "GET":
            self.faults.append(f"{request.method} instead of GET")
        if request.path not in self._pictures:
            return Answer(404)
        if set(request.query) != {"sig", "se"}:
            return Answer(403, b"<Error><Code>SignatureDoesNotMatch</Code></Error>", {"Content-Type": "text/xml"})
        return None

    def answer(self, request: Received) -> Answer:
        self.fetched[request.path] = self.fetched.get(request.path, 0) + 1
        picture, mime = self._pictures[request.path]
        return Answer(200, picture, {"Content-Type": mime})

    async def __aexit__(self, *raised: object) -> None:
        await super().__aexit__(*raised)
        if not raised or raised[0] is None:
            assert self.faults == []

    def _shows_a_key(self, request: Received) -> bool:
        said = [request.path, *request.query.values(), *request.headers.values(), request.body.decode("latin-1")]
        shown = any(secret in text for secret in self.secrets for text in said)
        return shown or bool(CREDENTIALS & request.headers.keys())


EXPIRED = Answer(403, b"<Error><Code>AuthenticationFailed</Code></Error>", {"Content-Type": "application/xml"})
"""What a store answers to a signed address whose time is over."""

GONE = Answer(404)
