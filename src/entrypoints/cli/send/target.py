"""Where `send` and `watch` send photos to, from options and environment, and what stops them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO
from urllib.parse import urlsplit

import click

from ....core.domain.errors import ConfigurationError
from ...config import PREFIX
from ..runtime import MAX_INPUT_BYTES
from .client import SendTarget
from .response import printable

_SLOT = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}\Z")
_RESERVED_FIELDS = ("password", "fileToUpload", "file")


def ingest_password(file: TextIO | None) -> str:
    """Read from the file, else from the environment, else prompt at a terminal. ConfigurationError."""
    if file is not None:
        try:
            return file.read(MAX_INPUT_BYTES).rstrip("\r\n")
        except UnicodeDecodeError:
            raise ConfigurationError("--password-file", "is not UTF-8") from None
    if password := os.environ.get(PREFIX + "INGEST_PASSWORD"):
        return password
    if not sys.stdin.isatty():
        raise ConfigurationError(PREFIX + "INGEST_PASSWORD", "is not set; set it or pass --password-file")
    return str(click.prompt("Ingest password", hide_input=True, err=True))


def make_target(url: str, slot_id: str, *, password: str, fields: Iterable[str], timeout_seconds: float) -> SendTarget:
    """Check where to send to. `fields` are written as name=value. ConfigurationError."""
    if not password or not _encodable(password):
        raise ConfigurationError("the password", "must be text, and not empty")
    if not _SLOT.match(slot_id):
        raise ConfigurationError("--slot", f"{printable(slot_id[:64])!r} is not the id of a slot")
    address = f"{base_of(url)}/ingest/{slot_id}"
    named = dict(_field(text) for text in fields)
    return SendTarget(address=address, password=password, fields=named, timeout_seconds=timeout_seconds)


def prepare_output(output: Path, *, verb: str = "sent") -> None:
    """Create the folder and check that it is writable, before any photo costs anything. ConfigurationError."""
    try:
        output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=output, prefix=".photochanger-"):
            pass
    except OSError as error:
        reason = error.strerror or type(error).__name__
        detail = f"{printable(str(output))} is not writable ({reason}); nothing was {verb}"
        raise ConfigurationError("--output", detail) from error


@contextlib.contextmanager
def stopped_by_signals(*signals: signal.Signals) -> Iterator[asyncio.Event]:
    """An event that the first of the signals sets. One that is ignored (in the background of a shell) stays ignored."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def remove() -> None:
        with contextlib.suppress(NotImplementedError):
            for number in signals:
                loop.remove_signal_handler(number)

    def interrupted() -> None:
        stop.set()
        remove()

    with contextlib.suppress(NotImplementedError):  # on Windows Ctrl-C ends the command at once
        for number in signals:
            if signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, interrupted)
    try:
        yield stop
    finally:
        remove()


def base_of(url: str) -> str:
    """The URL of the service without a final slash; a path prefix is kept. ConfigurationError."""
    try:
        parts = urlsplit(url)
        whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        whole = False
    if not whole or not url.isascii() or not url.isprintable() or " " in url:
        raise ConfigurationError("--url", "must look like http://host:8000 or https://host/prefix")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ConfigurationError("--url", "must not contain a user name, password, query or fragment")
    return url.rstrip("/")


def _field(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not _FIELD.match(name) or not _encodable(value):
        raise ConfigurationError("--field", "must look like name=value, with a name of letters, digits and underscores")
    if name in _RESERVED_FIELDS:
        raise ConfigurationError("--field", f"{name} is a reserved field")
    return name, value


def _encodable(text: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in text)
