"""Lists of keys: only of prefixes that hold few objects, and never for a request."""

from __future__ import annotations

from xml.etree import ElementTree

from .bucket import Bucket
from .faults import S3Unavailable
from .signing import Request


async def list_keys(bucket: Bucket, prefix: str, *, limit: int) -> list[str]:
    """The first keys with this prefix, at most `limit` (up to 1,000) of them. S3Unavailable."""
    query = {"list-type": "2", "prefix": prefix, "max-keys": str(limit)}
    answer = await bucket.ask(Request("GET", "", query=query))
    try:
        root = ElementTree.fromstring(answer.body)
    except ElementTree.ParseError:
        raise S3Unavailable("The object store answers in another language than S3.") from None
    return [element.text or "" for element in root.iter() if element.tag.rpartition("}")[2] == "Key"]
