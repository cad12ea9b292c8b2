"""What the core offers: the driving ports that HTTP, the worker, the command line and embedding code call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from ..jobs import Claim, FailureReason, Job, JobFilter, JobOrder, JobSource, LogEntry
from ..media import ImageLimits, MediaObject, Photo, StoredFile, StoredPicture, TemplateMedia
from ..pages import Page, Position
from ..people import Actor, Admin, Identity, Permission
from ..results import PublicFile
from ..slots import Slot
from ..webhooks import Delivery, DeliveryState, Webhook


class JobService(Protocol):
    """Everything that is done with jobs. Methods may also raise QueueUnavailable and StorageUnavailable."""

    async def admit(self, slot_id: str) -> Slot:
        """The slot, if photos may come in on it; SlotNotFound, SlotDisabled, StorageUnavailable for lack of room."""
        ...

    async def receive_photo(self, slot: Slot, data: AsyncIterator[bytes]) -> Photo:
        """Store a photo while it arrives and read its header; nothing stays behind when it is refused.

        Raises PayloadTooLarge, UnsupportedMediaType (as soon as the first bytes show it), UndecodableImage,
        ImageTooLarge.
        """
        ...

    async def discard_photo(self, photo: Photo) -> None:
        """Remove a received photo that no job will be made of."""
        ...

    async def create(
        self,
        slot: Slot,
        photo: Photo,
        *,
        source: JobSource = JobSource.INGEST,
        metadata: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """Make a job of a received photo, or join the one that already does this work.

        Joined is a job of the same slot with the same idempotency key, or one of the same photo whose client hung up.
        The photo is taken over: where no job needs it, it is removed. Raises QueueFull.
        """
        ...

    async def submit(
        self,
        slot_id: str,
        data: AsyncIterator[bytes],
        *,
        source: JobSource = JobSource.LIBRARY,
        metadata: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """`admit`, `receive_photo` and `create` in one."""
        ...

    async def get(self, job_id: UUID) -> Job:
        """The job; JobNotFound."""
        ...

    async def wait(self, job_id: UUID, *, until: datetime | None = None, known: Job | None = None) -> Job:
        """Wait for the job's end, at most until its deadline (or `until`, where that is sooner: then it may be live).

        `known` is the job as it was just now, where the caller has it: then it is not looked at first.

        At the deadline the job is finalized here, so the answer is never later than that for want of a worker. Raises
        JobNotFound, and QueueUnavailable when the deadline passes while the queue cannot be reached.
        """
        ...

    async def abandon(self, job_id: UUID) -> None:
        """Note that the waiting client has hung up; the job goes on."""
        ...

    async def acquire_next_job(
        self, worker: str, *, n: int = 1, lease: timedelta | None = None, limits: Mapping[str, int] | None = None
    ) -> list[Claim]:
        """Take up to `n` jobs to work on."""
        ...

    async def store_picture(self, job: Job, data: bytes, *, limits: ImageLimits) -> StoredPicture:
        """Prove that bytes are a picture and store them as a job's result to be, both at once.

        Nothing stays behind where they are not. Raises UnsupportedMediaType, UndecodableImage, ImageTooLarge.
        """
        ...

    async def discard_picture(self, picture: StoredPicture) -> None:
        """Remove a stored picture that no job will be finalized with."""
        ...

    async def finalize_job(
        self, claim: Claim, picture: StoredPicture, *, provider_id: str, operation_id: str
    ) -> Job | None:
        """End a job with its picture, by compare-and-set. None: someone was first, and the picture is removed."""
        ...

    async def fail(
        self,
        job: Job,
        reason: FailureReason,
        *,
        error_code: str,
        detail: str,
        claim: Claim | None,
        provider_id: str | None = None,
        operation_id: str | None = None,
    ) -> Job | None:
        """End a job without its picture; the slot's failure answer is made and stored where it is one. None: someone
        was first."""
        ...

    async def cancel(self, job_id: UUID) -> Job:
        """End a live job as cancelled and stop its provider call. JobNotFound; JobFinalized where it has ended."""
        ...

    async def find(
        self, wanted: JobFilter, *, order: JobOrder = JobOrder.NEWEST, limit: int = 50, after: Position | None = None
    ) -> Page[Job]:
        """A page of jobs, beginning after this position."""
        ...

    async def logs(self, job_id: UUID) -> list[LogEntry]:
        """Everything that happened to the job, oldest first. JobNotFound."""
        ...

    async def gallery(self, slot: Slot, *, limit: int, after: Position | None = None) -> Page[Job]:
        """The slot's results that have not expired, newest first, without test runs. A page begins after this
        position (`finalized_at`, id)."""
        ...

    async def append_processing_logs(self, entries: Collection[LogEntry]) -> None:
        """Append to the processing log."""
        ...

    async def refresh_recent_results(self, slot_id: str) -> list[Job]:
        """The slot's ten newest results that have not expired."""
        ...

    async def clear_inline_preview(self, job_id: UUID) -> None:
        """Note that the synchronous answer was sent; its preview is not needed any more."""
        ...


class MediaService(Protocol):
    """Files with public links. The clock decides what has expired, whether or not the file still lies there."""

    async def register(
        self, data: AsyncIterator[bytes], *, mime: str, max_bytes: int, job: Job | None = None
    ) -> MediaObject:
        """Store a temporary file and give it a public link that ends with its time to live, with its job at the
        latest.

        Raises UnsupportedMediaType for a type that is not accepted, PayloadTooLarge.
        """
        ...

    async def register_upload(self, data: AsyncIterator[bytes]) -> MediaObject:
        """The same for a picture from outside, whose type is told by its content.

        Raises PayloadTooLarge, UnsupportedMediaType, UndecodableImage, ImageTooLarge; nothing stays behind then.
        """
        ...

    async def remove(self, media_id: UUID) -> None:
        """Remove a media object before its time; its link ends now."""
        ...

    async def drop(self, job_id: UUID) -> None:
        """Remove the media objects that were registered for a job."""
        ...

    async def public_media(self, media_id: UUID) -> PublicFile:
        """A media object by its link; MediaNotFound, MediaExpired."""
        ...

    async def public_result(self, job_id: UUID) -> PublicFile:
        """A job's finished picture by its link; MediaNotFound, MediaExpired."""
        ...

    async def public_thumbnail(self, job_id: UUID) -> PublicFile:
        """A small WebP of the finished picture; made now if it is not there. MediaNotFound, MediaExpired."""
        ...

    async def keep_photo(self, job: Job, photo: bytes) -> None:
        """Keep a small WebP of the photo that a job's result was made of, for as long as the result.

        `photo` is the photo as a provider took it. Raises MediaNotFound, MediaExpired, UndecodableImage.
        """
        ...

    async def job_photo(self, job_id: UUID) -> PublicFile:
        """That WebP, for those who may see jobs; JobNotFound, MediaNotFound where none was kept, MediaExpired."""
        ...

    async def make_thumbnail(self, job: Job) -> StoredFile:
        """Make and store the thumbnail of a job's result, and offer it to the job as its inline preview.

        Raises MediaNotFound, MediaExpired, UndecodableImage.
        """
        ...


class SlotService(Protocol):
    """The slots, for those who configure them. Methods may also raise QueueUnavailable.

    A document is a slot as JSON tells of it (see `core.slots.slot_document`); every write is checked whole.
    """

    async def list(
        self, *, provider_id: str | None = None, operation_id: str | None = None, search: str | None = None
    ) -> list[Slot]:
        """The slots by id: those with a route entry of this provider and operation, whose id or name holds the text
        (letters large or small)."""
        ...

    async def get(self, slot_id: str) -> Slot:
        """SlotNotFound."""
        ...

    async def check(self, slot_id: str, document: Mapping[str, Any]) -> Slot:
        """The slot as it would be with this document; nothing is stored. SlotNotFound, InvalidSettings."""
        ...

    async def put(self, slot_id: str, document: Mapping[str, Any], *, expected_version: int, by: Actor) -> Slot:
        """Store the slot; jobs that are under way keep what they began with.

        SlotNotFound, InvalidSettings (field by field), VersionConflict.
        """
        ...

    async def reset_stats(self, slot_id: str, *, by: Actor) -> None:
        """Count the slot's statistics from now on; history is kept. SlotNotFound."""
        ...


class TemplateService(Protocol):
    """Permanent pictures for slots. Methods may also raise QueueUnavailable and StorageUnavailable."""

    async def add(self, data: AsyncIterator[bytes], *, name: str, by: Actor) -> TemplateMedia:
        """Store a picture and its thumbnail, bound to nothing yet.

        Raises PayloadTooLarge, UnsupportedMediaType, UndecodableImage, ImageTooLarge; nothing stays behind then.
        """
        ...

    async def add_bound(
        self, data: AsyncIterator[bytes], *, name: str, slot_id: str, setting_key: str, by: Actor
    ) -> TemplateMedia:
        """`add` and bind to a slot, both or neither. Also raises SlotNotFound, BindingTaken, and InvalidSettings where
        no entry of the slot's route takes a template under this key."""
        ...

    async def add_replacing(
        self, data: AsyncIterator[bytes], *, name: str, slot_id: str, setting_key: str, by: Actor
    ) -> TemplateMedia:
        """The same in place of what is bound there; that template is kept."""
        ...

    async def list(
        self, *, slot_id: str | None = None, setting_key: str | None = None
    ) -> list[tuple[TemplateMedia, tuple[tuple[str, str], ...]]]:
        """The templates, newest first, each with all its bindings (slot id, setting key)."""
        ...

    async def get(self, template_id: UUID) -> TemplateMedia:
        """TemplateNotFound."""
        ...

    async def thumbnail(self, template_id: UUID) -> StoredFile:
        """A small WebP of it; made now if it is not there. TemplateNotFound."""
        ...

    async def remove(self, template_id: UUID, *, besides: tuple[str, str] | None = None, by: Actor) -> None:
        """Remove a template that no slot and no live job uses, with its files; `besides` (slot id, setting key) names a
        binding that may go with it. TemplateNotFound, TemplateInUse."""
        ...

    async def remove_bound(self, template_id: UUID, *, by: Actor) -> None:
        """Remove it and its bindings, whatever uses it. TemplateNotFound."""
        ...


class AdminService(Protocol):
    """Administrators and their tokens. Methods may also raise QueueUnavailable."""

    async def login(self, username: str, password: str, *, address: str) -> tuple[str, Identity]:
        """A token and what it says. InvalidCredentials (whatever was wrong, in the same time), TooManyAttempts."""
        ...

    async def identify(self, token: str) -> Identity:
        """Who a token speaks for. InvalidToken: it was not made here, has ended, or its administrator is disabled or
        has another password since."""
        ...

    async def list(self) -> list[Admin]:
        """Everyone, by name."""
        ...

    async def add(
        self, username: str, password: str, *, permissions: Collection[Permission] = tuple(Permission), by: Actor
    ) -> Admin:
        """AdminExists; InvalidSettings for a name or password that cannot be used."""
        ...

    async def set_password(self, username: str, password: str, *, by: Actor) -> None:
        """Tokens from before hold no more. AdminNotFound, InvalidSettings."""
        ...

    async def disable(self, username: str, *, by: Actor) -> None:
        """No login any more, and tokens end within a second. AdminNotFound."""
        ...

    async def enable(self, username: str, *, by: Actor) -> None:
        """Login is possible again; tokens from before stay void. AdminNotFound."""
        ...

    async def ensure_first(self, username: str | None, password: str | None) -> tuple[str, str] | None:
        """At the first start: add an administrator (named `admin` unless said otherwise).

        Returns name and password where the password was generated, to be told once; None otherwise.
        """
        ...


class WebhookService(Protocol):
    """Webhooks of slots, and what became of their deliveries. Methods may also raise QueueUnavailable."""

    async def get(self, slot_id: str) -> Webhook:
        """SlotNotFound, WebhookNotFound."""
        ...

    async def put(self, slot_id: str, url: str, *, by: Actor) -> tuple[Webhook, str | None]:
        """Tell this URL of the slot's ended jobs from now on; with the signing secret (`whsec_...`) if it was made now.

        SlotNotFound, InvalidSettings.
        """
        ...

    async def rotate_secret(self, slot_id: str, *, by: Actor) -> tuple[Webhook, str]:
        """A new signing secret and key id; the old one is used no more. SlotNotFound, WebhookNotFound."""
        ...

    async def remove(self, slot_id: str, *, by: Actor) -> None:
        """SlotNotFound, WebhookNotFound."""
        ...

    async def deliveries(
        self,
        *,
        states: Collection[DeliveryState] = tuple(DeliveryState),
        slot_id: str | None = None,
        limit: int = 50,
        after: Position | None = None,
    ) -> Page[Delivery]:
        """A page of deliveries, newest first."""
        ...

    async def redeliver(self, delivery_id: UUID) -> Delivery:
        """Try a delivery again, now. WebhookNotFound."""
        ...
