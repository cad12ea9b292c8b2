"""Values of the configuration that are addresses. Each function raises ValueError with what to do."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from urllib.parse import urlsplit

_HOST = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]+")
_API_VERSION = re.compile(r"(api-version=[A-Za-z0-9.-]{1,40})?")


def url(*schemes: str) -> Callable[[str], str]:
    """Return a parser of URLs that begin with one of these schemes."""

    def parse(text: str) -> str:
        with contextlib.suppress(ValueError):
            if urlsplit(text).scheme in schemes:
                return text.rstrip("/")
        raise ValueError("must be a URL that begins with " + " or ".join(f"{scheme}://" for scheme in schemes))

    return parse


def postgres_url(text: str) -> str:
    """A URL, or the keywords of libpq (`host=a,b dbname=photos`); libpq itself reads both."""
    return text if "://" not in text and "=" in text else url("postgresql", "postgres")(text)


def origins(text: str) -> tuple[str, ...]:
    return tuple(_origin(entry.strip()) for entry in text.split(",") if entry.strip())


def _origin(text: str) -> str:
    """The origin as browsers write it in `Origin`: in lower case, without the default port."""
    try:
        parts = urlsplit(text.lower().removesuffix("/"))
        host, port = parts.hostname, parts.port
    except ValueError:
        host = None
    default_ports = {"http": 80, "https": 443}
    if (
        not host
        or not _HOST.fullmatch(host)
        or parts.scheme not in default_ports
        or f"{parts.scheme}://{parts.netloc}" != parts.geturl()
        or "@" in parts.netloc
    ):
        raise ValueError(f"{text!r} is not an origin; write it as https://studio.example")
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + ("" if port in (None, default_ports[parts.scheme]) else f":{port}")


def service_url(text: str, *, is_query: Callable[[str], bool] = lambda query: not query) -> str:
    """Return the base URL of a service, without a slash at its end. `is_query` decides about its query."""
    address = url("http", "https")(text)
    parts = urlsplit(address)
    if not parts.hostname:
        raise ValueError("has no host name; write it as https://host")
    if parts.username is not None or parts.password is not None or parts.fragment or not is_query(parts.query):
        raise ValueError("must not contain a user name, password, query or fragment")
    return address


def openai_url(text: str) -> str:
    """A base URL that may name the API version of Azure."""
    return service_url(text, is_query=_is_api_version)


def _is_api_version(query: str) -> bool:
    return _API_VERSION.fullmatch(query) is not None
