"""The errors that the core raises, each with a stable snake_case `code` that HTTP responses and logs carry.

Messages are written for the reader of the response; they never contain secrets or picture bytes.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from .field_errors import FieldError


class PhotoChangerError(Exception):
    """Base of every error that PhotoChanger raises on purpose.

    Attributes:
        code: stable snake_case name of the kind of error, the same in HTTP problems, logs and job rows.
        detail: one sentence for the reader of the response.
    """

    code: ClassVar[str] = "internal_error"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail

    @property
    def explanation(self) -> str:
        """The detail, with what only an operator may read: for commands and logs, not for responses."""
        return self.detail


class ConfigurationError(PhotoChangerError):
    """A configuration value is not valid; `variable` is the name of its environment variable or option."""

    code = "configuration_error"

    def __init__(self, variable: str, detail: str) -> None:
        super().__init__(f"{variable}: {detail}")
        self.variable = variable


class SlotNotFound(PhotoChangerError):
    """No slot has this ID."""

    code = "slot_not_found"


class SlotDisabled(PhotoChangerError):
    """The slot exists but is switched off."""

    code = "slot_disabled"


class InvalidSettings(PhotoChangerError):
    """Settings do not fit their schema; `errors` names each field and the reason."""

    code = "invalid_settings"

    def __init__(self, errors: Collection[FieldError], *, detail: str | None = None) -> None:
        super().__init__(detail or f"Invalid settings: {'; '.join(map(str, errors))}")
        self.errors = tuple(errors)


class InvalidPassword(PhotoChangerError):
    """The ingest password is wrong."""

    code = "invalid_password"


class InvalidCredentials(PhotoChangerError):
    """The user name or the password is wrong; the response does not reveal which one."""

    code = "invalid_credentials"


class InvalidToken(PhotoChangerError):
    """The access token is missing, expired, revoked, or not issued by this service."""

    code = "invalid_token"


class PermissionDenied(PhotoChangerError):
    """The token is valid but lacks the permission."""

    code = "permission_denied"


class CsrfRefused(PhotoChangerError):
    """A request with the session cookie may come from a page of another origin."""

    code = "csrf_refused"


class TooManyAttempts(PhotoChangerError):
    """Too many wrong passwords from one address; retry after `retry_after` seconds."""

    code = "too_many_attempts"

    def __init__(self, detail: str, *, retry_after: int) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class InvalidMultipart(PhotoChangerError):
    """The request body is not a well-formed multipart form."""

    code = "invalid_multipart"


class InvalidRequest(PhotoChangerError):
    """A header or parameter of the request is not valid; `errors` names each parameter and the reason."""

    code = "invalid_request"

    def __init__(self, detail: str, *, errors: Collection[FieldError] = ()) -> None:
        super().__init__(detail)
        self.errors = tuple(errors)


def invalid_query(errors: Collection[FieldError]) -> InvalidRequest:
    """InvalidRequest for these query parameters."""
    return InvalidRequest(f"Invalid query: {'; '.join(map(str, errors))}", errors=errors)


class InvalidJson(PhotoChangerError):
    """The body is not JSON, or is ambiguous JSON."""

    code = "invalid_json"


class MissingField(PhotoChangerError):
    """A required form field is missing."""

    code = "missing_field"

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail)
        self.field = field


class PayloadTooLarge(PhotoChangerError):
    """The request has more bytes than are accepted."""

    code = "payload_too_large"


class UploadInterrupted(PhotoChangerError):
    """The client stopped sending before the upload was complete."""

    code = "upload_interrupted"


class ImageTooLarge(PhotoChangerError):
    """The picture has more pixels or frames than are accepted."""

    code = "image_too_large"


class UnsupportedMediaType(PhotoChangerError):
    """The content is not a picture of an accepted type."""

    code = "unsupported_media_type"


class UndecodableImage(PhotoChangerError):
    """The content starts like a picture but cannot be decoded completely, or its structure is beyond the bounds."""

    code = "undecodable_image"


class QueueFull(PhotoChangerError):
    """The queue is full; retry after `retry_after` seconds."""

    code = "queue_full"

    def __init__(self, detail: str, *, retry_after: int) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class BudgetExhausted(PhotoChangerError):
    """A budget of the day is used up; retry after `retry_after` seconds."""

    code = "budget_exhausted"

    def __init__(self, detail: str, *, retry_after: int) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class ClaimLost(PhotoChangerError):
    """Another worker has the job: the lease of this claim ran out."""

    code = "claim_lost"


class ShuttingDown(PhotoChangerError):
    """The process ends before the answer is there. The job goes on where there is one."""

    code = "shutting_down"

    def __init__(self, detail: str, *, job_id: UUID | None = None, expires_at: datetime | None = None) -> None:
        super().__init__(detail)
        self.job_id = job_id
        self.expires_at = expires_at


class TooManyUploads(PhotoChangerError):
    """There is no room for a further upload whose password is not known yet; retry after `retry_after` seconds."""

    code = "too_many_uploads"

    def __init__(self, detail: str, *, retry_after: int) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class QueueUnavailable(PhotoChangerError):
    """The queue (its database) is unavailable."""

    code = "queue_unavailable"


class ChangeUnconfirmed(QueueUnavailable):
    """The database was lost while it stored a change, and whether it has could not be found out."""


class StorageUnavailable(PhotoChangerError):
    """The media store is unavailable."""

    code = "storage_unavailable"


class MediaNotFound(PhotoChangerError):
    """The file does not exist."""

    code = "not_found"


class MediaExpired(PhotoChangerError):
    """The file has expired."""

    code = "expired"


class JobNotFound(PhotoChangerError):
    """The job does not exist, or the link to it is wrong."""

    code = "job_not_found"


class JobFinalized(PhotoChangerError):
    """The job has already ended and cannot change."""

    code = "job_finalized"


class WorkerMissing(PhotoChangerError):
    """No worker of this service is running."""

    code = "worker_missing"


class CheckRunning(PhotoChangerError):
    """A readiness check is already running."""

    code = "check_running"


class VersionConflict(PhotoChangerError):
    """The object has been modified since it was read."""

    code = "version_conflict"


class VersionRequired(PhotoChangerError):
    """The request must name the version it is based on (`If-Match`)."""

    code = "version_required"


class TemplateInUse(PhotoChangerError):
    """The template is bound to slots or used by their active jobs; `slots` names them."""

    code = "template_in_use"

    def __init__(self, detail: str, *, slots: tuple[str, ...]) -> None:
        super().__init__(detail)
        self.slots = slots


def template_bound(slots: Collection[str]) -> TemplateInUse:
    """TemplateInUse for a template that is bound to these slots."""
    return TemplateInUse(f"The template is bound to {', '.join(slots)}.", slots=tuple(slots))


def template_under_way(slots: Collection[str]) -> TemplateInUse:
    """TemplateInUse for a template that active jobs of these slots use."""
    detail = f"Active jobs of {', '.join(slots)} use the template. Try again in a minute."
    return TemplateInUse(detail, slots=tuple(slots))


class BindingTaken(PhotoChangerError):
    """The slot already has a template with this setting key."""

    code = "binding_taken"


class TemplateNotFound(PhotoChangerError):
    """No template has this ID."""

    code = "template_not_found"


class ProviderNotFound(PhotoChangerError):
    """No provider has this ID."""

    code = "provider_not_found"


class WebhookNotFound(PhotoChangerError):
    """The slot has no webhook, or the delivery does not exist."""

    code = "webhook_not_found"


class AdminNotFound(PhotoChangerError):
    """No administrator has this name."""

    code = "admin_not_found"


class AdminExists(PhotoChangerError):
    """An administrator with this name already exists."""

    code = "admin_exists"


class JobFailure(PhotoChangerError):
    """A job ended without a picture; raised to the caller that waits for it.

    Attributes:
        job_id: the job.
        expires_at: its deadline.
    """

    def __init__(self, detail: str, *, job_id: UUID, expires_at: datetime) -> None:
        super().__init__(detail)
        self.job_id = job_id
        self.expires_at = expires_at


class SyncTimeout(JobFailure):
    """The sync window ended before a picture was ready."""

    code = "sync_timeout"


class ProviderFailed(JobFailure):
    """Every entry of the route failed before the window ended."""

    code = "provider_failed"


class JobCancelled(JobFailure):
    """The job was cancelled."""

    code = "job_cancelled"


class PhotoUndecodable(JobFailure):
    """The worker found that the photo cannot be decoded completely."""

    code = "undecodable_image"


class PhotoTooLarge(JobFailure):
    """The worker found that the photo has more pixels than are accepted."""

    code = "image_too_large"


class JobStorageUnavailable(JobFailure):
    """The media store failed while the job ran."""

    code = "storage_unavailable"


class WebhookUnreachable(PhotoChangerError):
    """The receiver of a webhook did not answer."""

    code = "webhook_unreachable"
