"""What strangers do, one scenario for each way in which a stranger could once stop the service."""

from __future__ import annotations

import itertools
import json
import ssl
from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from tests.support import photos
from tests.support.hostile import files
from tests.support.hostile.camera import ADDRESS as CAMERA
from tests.support.hostile.crowd import STRANGERS, Attack, Wire
from tests.support.service import PASSWORD

WRONG = "not-the-password"
FEW, MANY = 16, 1_100
ENDLESS = 1_000
"""More rounds than any test lasts."""

SLOW_SECONDS = 1.0
"""Between two bytes of a slow client."""

_HEAD = b"HTTP/1.1\r\nHost: 127.0.0.1\r\n"


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """An attack, and how many strangers take part in it. One that `reads` gets the path of a large public picture."""

    name: str
    attack: Callable[[str], Attack]
    strangers: int
    addresses: Sequence[str] = STRANGERS
    rounds: int = ENDLESS
    reads: bool = False


def together(*scenarios: Scenario) -> Scenario:
    """All of these attacks in one: its strangers take them in turn."""

    def attack(path: str) -> Attack:
        turns = itertools.cycle([scenario.attack(path) for scenario in scenarios])
        return lambda wire: next(turns)(wire)

    return Scenario(
        name="; ".join(scenario.name for scenario in scenarios),
        attack=attack,
        strangers=sum(scenario.strangers for scenario in scenarios),
        addresses=scenarios[0].addresses,
        rounds=max(scenario.rounds for scenario in scenarios),
    )


def _posting(build: Callable[[], bytes]) -> Callable[[str], Attack]:
    """Send a request, which is built once when the attack begins."""

    def attack(_: str) -> Attack:
        request = build()
        return lambda wire: wire.post(request)

    return attack


def _form(
    photo: Callable[[], bytes], *, before: str | None = None, after: str | None = None, chunked: bool = False
) -> bytes:
    return files.request(files.form(photo(), before=before, after=after), chunked=chunked)


def _photo() -> bytes:
    return photos.jpeg(320, 240)


def _large_photo() -> bytes:
    return files.padded(photos.jpeg(800, 600), 60 * files.MIB)


def _holding(attack: Attack) -> Callable[[str], Attack]:
    return lambda _: attack


def pictures() -> dict[str, list[Scenario]]:
    """Files that are dear to decode, without a password, with a wrong one at the end, and with the right one."""
    dear = {
        "zipped texts": (files.zipped_texts, 4),
        "empty chunks": (files.empty_chunks, 2),
        "many scans": (files.many_scans, 4),
    }
    passwords = {"no password": None, "wrong password last": WRONG, "right password": PASSWORD}
    return {
        what: [
            Scenario(
                name=f"{what}, {which}",
                attack=_posting(partial(_form, file, after=password)),
                strangers=strangers,
                rounds=2,
            )
            for which, password in passwords.items()
        ]
        for what, (file, strangers) in dear.items()
    }


def large_forms(*, addresses: Sequence[str] = STRANGERS) -> list[Scenario]:
    """Sixteen forms of 60 MiB at once without a right password."""
    return [
        Scenario(
            name=f"16 forms of 60 MiB, {which}, {'chunked' if chunked else 'declared'}",
            attack=_posting(partial(_form, _large_photo, before=before, after=after, chunked=chunked)),
            strangers=FEW,
            addresses=addresses,
            rounds=1,
        )
        for which, before, after, chunked in (
            ("no password", None, None, True),
            ("no password", None, None, False),
            ("wrong password first", WRONG, None, False),
            ("wrong password last", None, WRONG, True),
        )
    ]


async def _silent(wire: Wire) -> None:
    await wire.until_closed()


async def _half_a_second_head(wire: Wire) -> None:
    await wire.send(b"GET /healthz " + _HEAD + b"\r\n")
    await wire.status()
    await wire.send(b"GET /healthz " + _HEAD)
    await wire.until_closed()


async def _slow_head(wire: Wire) -> None:
    await wire.send(b"GET /healthz " + _HEAD)
    await wire.drip(b"X-Slow: " + b"a" * 10_000, every=SLOW_SECONDS)


async def _slow_body(wire: Wire) -> None:
    request = files.request(files.form(photos.jpeg(800, 600)))
    start = request.index(b"IMG_0001.JPG") + 40
    await wire.send(request[:start])
    await wire.drip(request[start:], every=SLOW_SECONDS)


def _unread(path: str) -> Attack:
    async def attack(wire: Wire) -> None:
        await wire.send(f"GET /{path} ".encode() + _HEAD + b"\r\n")
        await wire.never_read()

    return attack


def connections() -> list[Scenario]:
    """Connections that are held, and answers that are never read."""
    held = {
        "silent connections": (_holding(_silent), MANY),
        "halves of a second head": (_holding(_half_a_second_head), MANY),
        "slow heads": (_holding(_slow_head), MANY),
        "slow bodies": (_holding(_slow_body), MANY),
        "readers of a large picture that never read": (_unread, 600),
    }
    spread = [
        Scenario(name=f"{strangers} {what}", attack=attack, strangers=strangers, reads=attack is _unread)
        for what, (attack, strangers) in held.items()
    ]
    at_one_place = [
        Scenario(name=f"{MANY} silent connections from one address", attack=_holding(_silent), strangers=MANY,
                 addresses=STRANGERS[:1]),
        Scenario(name=f"{MANY} silent connections from the camera's address", attack=_holding(_silent),
                 strangers=MANY, addresses=[CAMERA]),
        Scenario(name="100 readers that never read, from the camera's address", attack=_unread, strangers=100,
                 addresses=[CAMERA], reads=True),
    ]  # fmt: skip
    return spread + at_one_place


def wrong_passwords() -> list[Scenario]:
    """Guesses at the ingest password from the camera's own address, before and behind the photo, and forms without."""
    late = partial(_form, _photo, after=WRONG)
    none = partial(_form, _photo)
    return [
        Scenario(name=f"{total} {what} from the camera's address", attack=_posting(build), strangers=strangers,
                 addresses=[CAMERA], rounds=total // strangers)
        for total, strangers, what, build in (
            (10, 10, "wrong passwords", guess),
            (200, 20, "wrong passwords", guess),
            (200, 20, "wrong passwords behind the photo", late),
            (200, 20, "forms without a password", none),
        )
    ]  # fmt: skip


def guesses_from_afar() -> list[Scenario]:
    """Guesses at the ingest password and at an administrator's from many addresses."""
    admin = partial(login, "admin", WRONG)
    return [
        Scenario(name="120 wrong passwords from 120 addresses", attack=_posting(guess), strangers=120, rounds=1),
        Scenario(name="150 wrong logins", attack=_posting(admin), strangers=150, rounds=1),
    ]


def guess() -> bytes:
    """A photo with a wrong password before it."""
    return _form(_photo, before=WRONG)


def login(username: str, password: str) -> bytes:
    """A request for a token."""
    body = json.dumps({"username": username, "password": password}).encode()
    head = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    return b"POST /api/login " + _HEAD + head + body


def client_hello() -> bytes:
    """What a browser sends first where it takes the port for one with TLS."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()
    raise AssertionError("a handshake without the other side")


def odd_requests() -> dict[str, bytes]:
    """Requests that are none, or nearly none."""
    get = b"GET /healthz " + _HEAD
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n"
    websocket = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" + (
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    return {
        "a head of 1 MB in one packet": get + b"X-Large: " + b"a" * 1_000_000 + b"\r\n\r\n",
        "20,000 headers": get + b"X: y\r\n" * 20_000 + b"\r\n",
        "an address of 200 kB": b"GET /" + b"a" * 200_000 + b" " + _HEAD + b"\r\n",
        "an offer of h2c": get + upgrade,
        "an offer of a websocket": get + websocket,
        "two hosts": get + b"Host: elsewhere.example\r\n\r\n",
        "no host": b"GET /healthz HTTP/1.1\r\n\r\n",
        "another host": b"GET /api/me HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n",
        "garbage": bytes(range(256)) * 16,
        "zeros": bytes(4096),
        "a TLS hello": client_hello(),
        "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9),
        "a length that is none": b"POST /ingest/slot-001 " + _HEAD + b"Content-Length: -1\r\n\r\n",
        "two lengths": b"POST /ingest/slot-001 " + _HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        "length and chunks": b"POST /ingest/slot-001 " + _HEAD
        + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "a chunk of endless size": b"POST /ingest/slot-001 " + _HEAD
        + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 200_000,
    }  # fmt: skip
