"""The servers that a connection URL of libpq names."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

_PRIMARY = (None, "any", "read-write", "primary")
_DEFAULT_PORT = "5432"


class Server(msgspec.Struct, frozen=True):
    """One server of a URL."""

    name: str
    """Host and port, for logs."""

    conninfo: str
    """How to connect to this server alone, with the password."""

    def __repr__(self) -> str:
        return f"Server({self.name!r})"


def servers_of(url: str) -> tuple[Server, ...]:
    """The servers among which the primary must be found, in the order of the URL.

    None where the URL names one server, where it asks for a standby, and where libpq cannot read it.
    """
    try:
        parameters = conninfo_to_dict(url)
    except psycopg.Error:  # the attempt to connect says what is wrong
        return ()
    places = _places(parameters)
    if len(places) < 2 or parameters.get("target_session_attrs") not in _PRIMARY:
        return ()
    common = {name: value for name, value in parameters.items() if name not in ("host", "hostaddr", "port")}
    common |= {"target_session_attrs": "any", "load_balance_hosts": "disable"}
    return tuple(
        Server(
            f"{place.get('host') or place.get('hostaddr')}:{place.get('port') or _DEFAULT_PORT}",
            make_conninfo("", **common, **place),
        )
        for place in places
    )


def _places(parameters: dict[str, Any]) -> list[dict[str, str]]:
    """Host, address and port of each server, as far as given. One port is that of every server."""
    named = {name: str(parameters[name]).split(",") for name in ("host", "hostaddr") if parameters.get(name)}
    count = max(map(len, named.values()), default=0)
    if any(len(values) != count for values in named.values()):
        return []  # libpq refuses it
    ports = str(parameters.get("port") or "").split(",")
    if len(ports) == 1:
        ports *= count
    elif len(ports) != count:
        return []
    lists = {**named, "port": ports}
    return [
        {name: value for name, value in zip(lists, values, strict=True) if value}
        for values in itertools.zip_longest(*lists.values(), fillvalue="")
    ]
