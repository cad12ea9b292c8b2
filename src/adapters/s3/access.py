"""What is asked of the bucket at the start of the service, and by `doctor`: whether all that is needed is permitted."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Awaitable, Callable
from xml.etree.ElementTree import Element

from ...core.domain.errors import ConfigurationError
from .bucket import Bucket
from .credentials import NoCredentials
from .faults import S3Unavailable
from .signing import Request
from .xml_answers import parse_xml

_PROBE = b"photochanger"
_REGION_CODES = frozenset(
    {"PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"}
)
_ENDED_CODES = frozenset({"ExpiredToken", "TokenRefreshRequired", "InvalidToken", "InvalidClientTokenId"})


async def require_access(bucket: Bucket) -> None:
    """Try each kind of request once; nothing is left in the bucket.

    Raises ConfigurationError, which names the variable to correct, where the bucket, the key or its rights are wrong;
    S3Unavailable where the service cannot be reached or fails.
    """
    key = bucket.settings.key(f"check/{secrets.token_hex(8)}")

    async def put() -> None:
        await bucket.ask(Request("PUT", key, body_sha256=hashlib.sha256(_PROBE).hexdigest()), _PROBE)

    async def read() -> None:
        await bucket.ask(Request("GET", key))

    async def ask_for_missing() -> None:
        if await bucket.write_id_of(f"{key}-missing") is not None:
            raise S3Unavailable("The object store has an object that was never stored.")

    async def upload() -> None:
        await bucket.abort_upload(key, await bucket.begin_upload(key, write_id="check"))

    async def list_uploads() -> None:
        async for _ in bucket.open_uploads(key):
            return

    async def delete() -> None:
        await bucket.ask(Request("DELETE", key))

    await _require(bucket, put, "store files", "s3:PutObject")
    await _require(bucket, read, "read files", "s3:GetObject")
    await _require(bucket, delete, "remove files", "s3:DeleteObject")
    await _require(bucket, ask_for_missing, "see that a file is missing", "s3:ListBucket")
    await _require(bucket, upload, "abort uploads", "s3:AbortMultipartUpload")
    await _require(bucket, list_uploads, "list interrupted uploads", "s3:ListBucketMultipartUploads")


async def days_until_uploads_are_aborted(bucket: Bucket) -> int | None:
    """After how many days the service itself removes interrupted uploads by a lifecycle rule; None without a rule.

    S3Unavailable, also where the key may not read the rules, or the service has none.
    """
    try:
        answer = await bucket.ask(Request("GET", "", query={"lifecycle": ""}))
    except S3Unavailable as error:
        if error.s3_code != "NoSuchLifecycleConfiguration":
            raise
        return None
    prefix = bucket.settings.key("")
    days = [_days(rule) for rule in parse_xml(answer.body).findall("Rule") if _covers(rule, prefix)]
    return min((each for each in days if each is not None), default=None)


async def _require(bucket: Bucket, ask: Callable[[], Awaitable[None]], what: str, right: str) -> None:
    try:
        await ask()
    except S3Unavailable as error:
        settings = bucket.settings
        code = error.s3_code
        if code == "NoSuchBucket" or (code is None and error.status == 404):
            raise _wrong(
                "BUCKET", f"there is no bucket {settings.bucket!r} at {settings.host}; create it or correct the name"
            ) from None
        if code == "InvalidBucketName":
            raise _wrong("BUCKET", f"{settings.bucket!r} is not a name of a bucket") from None
        if code in _REGION_CODES or error.status in (301, 307):
            raise _wrong("REGION", f"the bucket {settings.bucket!r} is not in {settings.region}") from None
        if isinstance(error, NoCredentials):
            raise _wrong("ACCESS_KEY_ID", "not set, and none of the usual places of AWS has credentials") from None
        if code == "InvalidAccessKeyId":
            raise _wrong("ACCESS_KEY_ID", f"{settings.host} does not know this key") from None
        if code == "SignatureDoesNotMatch":
            raise _wrong("SECRET_ACCESS_KEY", "does not belong to the key PHOTOCHANGER_S3_ACCESS_KEY_ID") from None
        if code in _ENDED_CODES:
            raise _wrong("ACCESS_KEY_ID", f"the credentials have expired or were revoked ({code})") from None
        if error.is_refusal and code != "RequestTimeTooSkewed":
            raise _wrong(
                "ACCESS_KEY_ID",
                f"the key may not {what} in the bucket {settings.bucket!r}; give it the right {right}",
            ) from None
        raise


def _wrong(name: str, detail: str) -> ConfigurationError:
    return ConfigurationError(f"PHOTOCHANGER_S3_{name}", detail)


def _covers(rule: Element, prefix: str) -> bool:
    named = rule.findtext("Filter/Prefix") or rule.findtext("Filter/And/Prefix") or rule.findtext("Prefix") or ""
    return rule.findtext("Status", "").strip() == "Enabled" and prefix.startswith(named.strip())


def _days(rule: Element) -> int | None:
    text = rule.findtext("AbortIncompleteMultipartUpload/DaysAfterInitiation", "").strip()
    return int(text) if text.isdecimal() else None
