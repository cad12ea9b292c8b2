"""The errors that the core raises, each with a stable snake_case `code` that HTTP answers and logs carry.

Messages are written for the person who reads the answer; they never contain secrets or picture bytes.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import ClassVar
from uuid import UUID


class PhotoChangerError(Exception):
    """Base of every error that PhotoChanger raises on purpose.

    Attributes:
        code: stable snake_case name of the kind of error, the same in HTTP problems, logs and job rows.
        detail: one sentence for the reader of the answer.
    """

    code: ClassVar[str] = "internal_error"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class ConfigurationError(PhotoChangerError):
    """A setting cannot be used; `variable` names it as the operator wrote it."""

    code = "configuration_error"

    def __init__(self, variable: str, detail: str) -> None:
        super().__init__(f"{variable}: {detail}")
        self.variable = variable


class SlotNotFound(PhotoChangerError):
    """There is no slot with this id."""

    code = "slot_not_found"


class SlotDisabled(PhotoChangerError):
    """The slot exists, but its administrator has switched it off."""

    code = "slot_disabled"


class InvalidSettings(PhotoChangerError):
    """Settings do not fit their schema; `errors` pairs a field path with what is wrong there."""

    code = "invalid_settings"

    def __init__(self, detail: str, errors: tuple[tuple[str, str], ...]) -> None:
        super().__init__(detail)
        self.errors = errors


class InvalidPassword(PhotoChangerError):
    """The ingest password is missing its match."""

    code = "invalid_password"


class InvalidCredentials(PhotoChangerError):
    """User name and password do not belong together; which of them is wrong is not told."""

    code = "invalid_credentials"


class InvalidToken(PhotoChangerError):
    """The access token is missing, expired, revoked, or was not made here."""

    code = "invalid_token"


class PermissionDenied(PhotoChangerError):
    """The token is good, but its owner may not do this."""

    code = "permission_denied"


class CsrfRefused(PhotoChangerError):
    """The session's cookie came with a request that a page of another origin may have caused."""

    code = "csrf_refused"


class TooManyAttempts(PhotoChangerError):
    """Too many wrong passwords from one address; try again after `retry_after` seconds."""

    code = "too_many_attempts"

    def __init__(self, detail: str, *, retry_after: int) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class InvalidMultipart(PhotoChangerError):
    """The request body is not a well-formed multipart form."""

    code = "invalid_multipart"


class InvalidRequest(PhotoChangerError):
    """A header or parameter of the request cannot be used; `errors` pairs parameters with what is wrong there."""

    code = "invalid_request"

    def __init__(self, detail: str, *, errors: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(detail)
        self.errors = errors


class InvalidJson(PhotoChangerError):
    """The body is not JSON, or JSON that could be understood in two ways."""

    code = "invalid_json"


class MissingField(PhotoChangerError):
    """A field that the form needs is not in it."""

    code = "missing_field"

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail)
        self.field = field


class PayloadTooLarge(PhotoChangerError):
    """More bytes arrived than are accepted."""

    code = "payload_too_large"


class UploadInterrupted(PhotoChangerError):
    """The client stopped sending before the photo was whole."""

    code = "upload_interrupted"


class ImageTooLarge(PhotoChangerError):
    """The picture has more pixels or frames than are accepted."""

    code = "image_too_large"


class UnsupportedMediaType(PhotoChangerError):
    """The content is not a picture of a type that is accepted."""

    code = "unsupported_media_type"


class UndecodableImage(PhotoChangerError):
    """The content starts like a picture but cannot be decoded whole."""

    code = "undecodable_image"


class QueueFull(PhotoChangerError):
    """As many jobs are active as are allowed; try again after `retry_after` seconds."""

    code = "queue_full"

    def __init__(self, detail: str, *, retry_after: int) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class QueueUnavailable(PhotoChangerError):
    """The queue (its database) cannot be reached right now."""

    code = "queue_unavailable"


class StorageUnavailable(PhotoChangerError):
    """The media store cannot be read or written right now."""

    code = "storage_unavailable"


class MediaNotFound(PhotoChangerError):
    """There is no such file, or never was."""

    code = "not_found"


class MediaExpired(PhotoChangerError):
    """The file existed, and its time is over."""

    code = "expired"


class JobNotFound(PhotoChangerError):
    """There is no such job, or the link to it is not the right one."""

    code = "job_not_found"


class JobFinalized(PhotoChangerError):
    """The job has ended already; nothing can change it any more."""

    code = "job_finalized"


class WorkerMissing(PhotoChangerError):
    """No worker of this service is running."""

    code = "worker_missing"


class CheckRunning(PhotoChangerError):
    """A readiness check is under way already."""

    code = "check_running"


class VersionConflict(PhotoChangerError):
    """Somebody changed it since it was read; read it again."""

    code = "version_conflict"


class VersionRequired(PhotoChangerError):
    """The change has to say which version it was made from (`If-Match`)."""

    code = "version_required"


class TemplateInUse(PhotoChangerError):
    """The template is bound to slots, or photos of theirs that are under way began with it; `slots` names them."""

    code = "template_in_use"

    def __init__(self, detail: str, *, slots: tuple[str, ...]) -> None:
        super().__init__(detail)
        self.slots = slots


def template_bound(slots: Collection[str]) -> TemplateInUse:
    """The template of these slots."""
    return TemplateInUse(f"The template is bound to {', '.join(slots)}.", slots=tuple(slots))


def template_under_way(slots: Collection[str]) -> TemplateInUse:
    """The template of jobs of these slots that have not ended."""
    told = f"Photos of {', '.join(slots)} that are under way began with the template; in a minute they have ended."
    return TemplateInUse(told, slots=tuple(slots))


class BindingTaken(PhotoChangerError):
    """The slot has a template of this setting key already, and nobody said to replace it."""

    code = "binding_taken"


class TemplateNotFound(PhotoChangerError):
    """There is no such template."""

    code = "template_not_found"


class WebhookNotFound(PhotoChangerError):
    """The slot has no webhook, or there is no such delivery."""

    code = "webhook_not_found"


class AdminNotFound(PhotoChangerError):
    """There is no administrator of this name."""

    code = "admin_not_found"


class AdminExists(PhotoChangerError):
    """There is an administrator of this name already."""

    code = "admin_exists"


class JobFailure(PhotoChangerError):
    """A job ended without a picture; raised to whoever waited for it.

    Attributes:
        job_id: the job.
        expires_at: its deadline.
    """

    def __init__(self, detail: str, *, job_id: UUID, expires_at: datetime) -> None:
        super().__init__(detail)
        self.job_id = job_id
        self.expires_at = expires_at


class SyncTimeout(JobFailure):
    """The window ended before a picture was there."""

    code = "sync_timeout"


class ProviderFailed(JobFailure):
    """Every entry of the route gave up before the window ended."""

    code = "provider_failed"


class JobCancelled(JobFailure):
    """Somebody cancelled the job."""

    code = "job_cancelled"


class PhotoUndecodable(JobFailure):
    """The worker found that the photo cannot be decoded whole."""

    code = "undecodable_image"


class PhotoTooLarge(JobFailure):
    """The worker found that the photo decodes to more than is accepted."""

    code = "image_too_large"


class JobStorageUnavailable(JobFailure):
    """The media store failed while the job ran."""

    code = "storage_unavailable"


class WebhookUnreachable(PhotoChangerError):
    """The receiver of a webhook did not answer."""

    code = "webhook_unreachable"
