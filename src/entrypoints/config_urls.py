"""Values of the configuration that are addresses. Each function raises ValueError with what to do."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from urllib.parse import urlsplit

_KEYWORD = re.compile(r"\s*[a-z_]+\s*=")
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
    """A URL of PostgreSQL, or the keywords of libpq (`host=a,b dbname=photos`); libpq itself reads both."""
    return text if _KEYWORD.match(text) else url("postgresql", "postgres")(text)


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
