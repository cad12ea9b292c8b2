"""Where the bucket is, who may use it, and the bounds of a call to it."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlsplit

import msgspec


class S3Settings(msgspec.Struct, frozen=True, kw_only=True):
    """A bucket and the access to it.

    `endpoint` is the URL of the service (None: AWS in `region`), `prefix` what every key begins with. Without
    `access_key_id` the credentials come from where the AWS tools find them (`credentials.py`).
    """

    bucket: str
    endpoint: str | None = None
    region: str = "us-east-1"
    prefix: str = ""
    access_key_id: str | None = None
    secret_access_key: str | None = None

    def __repr__(self) -> str:
        return f"S3Settings({self.where})"

    @property
    def address(self) -> str:
        """The URL of the service, without a slash at its end."""
        return (self.endpoint or f"https://s3.{self.region}.amazonaws.com").rstrip("/")

    def key(self, name: str) -> str:
        """The whole key of a name below the prefix."""
        prefix = self.prefix.strip("/")
        return f"{prefix}/{name}" if prefix else name

    @property
    def where(self) -> str:
        """The place for readers: bucket and prefix, service, region."""
        return f"{self.bucket}/{self.key('')} at {self.host} ({self.region})"

    @property
    def host(self) -> str:
        """The service for readers, without what a URL may hold of credentials."""
        return urlsplit(self.address).netloc.rpartition("@")[2]


class S3Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of calls in time, of memory and of disk."""

    connect: timedelta = timedelta(seconds=3)
    call: timedelta = timedelta(seconds=10)
    """A whole call, without the time for the body that it sends (`sent_bytes_per_second`)."""

    inactivity: timedelta = timedelta(seconds=5)
    """Between two pieces of a body, in either direction."""

    sent_bytes_per_second: int = 512 * 1024
    """The slowest connection on which files can be stored."""

    read_attempts: int = 6
    """How often a reading that breaks is continued without a byte in between."""

    cleaning: timedelta = timedelta(seconds=2)
    """How long a write that ended early waits for its own cleaning, which goes on after that."""

    part_bytes: int = 5 * 1024 * 1024
    """Size of a part of a multipart upload, the smallest that S3 takes. Smaller files are stored by one call."""

    local_bytes: int = 1024 * 1024 * 1024
    """Files on this machine's disk at the same time (`MediaStore.local`)."""

    def seconds_for(self, body_bytes: int) -> float:
        """The bound of a call that sends such a body."""
        return self.call.total_seconds() + body_bytes / self.sent_bytes_per_second


DEFAULT_BOUNDS = S3Bounds()
