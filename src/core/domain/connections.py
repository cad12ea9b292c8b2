"""Why the server refused or cut a client's connection."""

from __future__ import annotations

import enum


class ConnectionEnd(enum.StrEnum):
    """The reasons, as in logs and metrics.

    Attributes:
        TOO_MANY: all places for connections were taken by requests in progress.
        TOO_MANY_OF_ADDRESS: the address had its share of connections, all with requests in progress.
        REPLACED: the connection waited for a request when its place was needed for a new one.
        NO_REQUEST: no complete request head arrived in time.
        BAD_REQUEST: what arrived is not an HTTP request, or its head is too large.
        SLOW_READER: the client stopped reading a response.
    """

    TOO_MANY = "too_many"
    TOO_MANY_OF_ADDRESS = "too_many_of_address"
    REPLACED = "replaced"
    NO_REQUEST = "no_request"
    BAD_REQUEST = "bad_request"
    SLOW_READER = "slow_reader"
