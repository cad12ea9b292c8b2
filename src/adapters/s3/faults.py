"""What went wrong at the object store, without what only its operator may read.

Neither URLs nor the service's sentences are kept: they may contain key ids and the text that was signed.
"""

from __future__ import annotations

import re

import obstore.exceptions

from ...core.domain.errors import StorageUnavailable

OBSTORE_ERRORS = (obstore.exceptions.BaseError, OSError, ValueError)
"""What obstore raises. It has OSError for a missing object, and ValueError for credentials that cannot be read."""

_CODE = re.compile(r"<Code>\s*([A-Za-z0-9.]{1,64})\s*</Code>")
_STATUS = re.compile(r"status code: (\d{3})")
_TIMEOUT = re.compile(r"kind: Timeout|TimedOut|operation timed out")

_NO_BUCKET = frozenset({"NoSuchBucket"})
_BUSY = frozenset({"SlowDown", "ServiceUnavailable", "TooManyRequests", "RequestLimitExceeded"})


class S3Unavailable(StorageUnavailable):
    """A call to the object store failed.

    `s3_code` is the error code of S3, `status` the HTTP status; None where there was no answer.
    """

    def __init__(self, detail: str, *, s3_code: str | None = None, status: int | None = None) -> None:
        super().__init__(detail)
        self.s3_code = s3_code
        self.status = status

    @property
    def is_refusal(self) -> bool:
        """Whether the credentials are wrong, expired, or lack a right."""
        return self.status in (401, 403)


def unreachable() -> S3Unavailable:
    """The error for a connection that cannot be made, or broke."""
    return S3Unavailable("The object store cannot be reached.")


def too_slow() -> S3Unavailable:
    """The error for an answer that did not come in time."""
    return S3Unavailable("The object store did not answer in time.")


def refused(status: int, code: str | None) -> S3Unavailable:
    """The error for an answer that is not a success."""
    named = f" ({code or f'status {status}'})"
    if code in _NO_BUCKET:
        detail = "The bucket of the media store does not exist."
    elif code == "RequestTimeTooSkewed":
        detail = "The clock of this machine differs from that of the object store. Synchronize it."
    elif status in (401, 403):
        detail = f"The object store refuses the access{named}."
    elif status in (429, 503) or code in _BUSY:
        detail = f"The object store is too busy{named}."
    elif status >= 500:
        detail = f"The object store failed{named}."
    else:
        detail = f"The object store refuses the request{named}."
    return S3Unavailable(detail, s3_code=code, status=status)


def error_code(text: str) -> str | None:
    """The error code in an answer of S3."""
    found = _CODE.search(text)
    return found[1] if found else None


def from_obstore(error: Exception) -> S3Unavailable:
    """The error for what obstore raised."""
    text = str(error)
    if (status := _STATUS.search(text)) is not None:
        return refused(int(status[1]), error_code(text))
    return too_slow() if _TIMEOUT.search(text) else unreachable()
