"""Models that a service runs for their makers: each has its own names for the fields of its input, and its own price.

A `Preset` in the data file of the provider says how a model is called; a model that is not in the file is called by the
names that the entry's settings give. What a model does not take is left out and named in the remarks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar

from msgspec import Meta, Struct

from ...core.domain.costs.call_cost import CallCost, Charged, ModelStatus
from ...core.domain.errors import InvalidSettings
from ...core.domain.field_errors import FieldError, FieldErrorCode
from ...core.domain.media import Picture, PictureNeeds
from ...core.domain.routing.failure_cause import FailureCause
from ...core.domain.routing.provider_check import ProviderFinding
from ...core.domain.slots.slot import RouteEntry
from ...core.domain.validation import parse_fields
from ...core.ports.provider import OperationInfo, ProviderRequest, Rejected
from .catalogue import Catalogue
from .schemas import unknown_operation
from .wire import model_finding

MEGAPIXEL = 1024 * 1024
"""What services bill as one megapixel; a part of one counts as a whole one."""

PICTURE = "picture"
FIRST_MEGAPIXEL = "first megapixel"
FURTHER_MEGAPIXEL = "further megapixel"
EACH_MEGAPIXEL = "megapixel"
SECOND = "second"
UNIT = "billed unit"
"""The names of prices in the data files. A picture in another resolution is `picture 2K`, by the field `resolution`; a
`billed unit` is what the service counts in its answers."""

_MIMES = ("image/jpeg", "image/png", "image/webp")
_MAX_BYTES = 8 * 1024 * 1024
_MAX_PIXELS: Mapping[str, int] = {"image_edit": MEGAPIXEL, "image_edit_large": 4 * MEGAPIXEL}
_ROLES = ("face", "reference", "style")
_MOST_PICTURES = 4

FieldName = Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}(?!\n)$")]


class Preset(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a model is called.

    Attributes:
        photo_field: the field of its input that takes the photo.
        many: the field takes a list: the photo, then the templates; `max_pictures` in all.
        bills_input: each megapixel of the pictures in its input is billed.
        accepts: which of these settings it takes.
        output_formats: the types of file that it writes, with its own names for them; none: it has no such field.
        input: fields that are always sent.
    """

    photo_field: FieldName
    many: bool = False
    max_pictures: Annotated[int, Meta(ge=1, le=32)] = 1
    bills_input: bool = False
    accepts: tuple[Literal["seed", "negative_prompt"], ...] = ()
    output_formats: dict[Literal["jpeg", "png", "webp"], str] = {}
    input: dict[FieldName, Any] = {}


class HostedSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A photo changed by a model as a prompt says."""

    model: str
    prompt: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=10_000,
            title="Prompt",
            description=(
                "What is to become of the photo. A model that takes several pictures sees the photo first, then the "
                "slot's templates `face`, `reference` and `style`, those that there are, in this order."
            ),
        ),
    ]
    negative_prompt: Annotated[
        str,
        Meta(
            max_length=4000,
            title="Negative prompt",
            description="What shall not be in the picture, for models that take one.",
        ),
    ] = ""
    seed: Annotated[
        Annotated[int, Meta(ge=0, le=2**31 - 1)] | None,
        Meta(title="Seed", description="The same number gives a similar picture again; none: each is another."),
    ] = None
    output_format: Annotated[
        Literal["jpeg", "png", "webp"] | None,
        Meta(title="File type", description="Type of the finished file; without it, jpeg where the model writes it."),
    ] = None
    photo_field: Annotated[
        FieldName | None,
        Meta(
            title="Field of the photo",
            description="Field of the model's input that takes the photo. Needed for models that are not in the list.",
        ),
    ] = None
    photo_list: Annotated[
        bool | None,
        Meta(title="Field is a list", description="Whether that field takes a list of pictures."),
    ] = None
    input: Annotated[
        dict[FieldName, str | int | float | bool],
        Meta(max_length=32, title="Further fields", description="Further fields of the model's input."),
    ] = {}


_S = TypeVar("_S", bound=HostedSettings)


class HostedCall(Struct, frozen=True, kw_only=True):
    """One call of a model.

    Attributes:
        pictures: those that the model takes, the photo first.
        ignored: settings and templates that it does not take.
        cost: what it probably costs; None where no price is known.
    """

    model: str
    settings: HostedSettings
    preset: Preset
    pictures: tuple[Picture, ...]
    ignored: tuple[str, ...]
    cost: CallCost | None

    def input(self, pictures: Sequence[Any]) -> dict[str, Any]:
        """Return the model's input, with the pictures in the form in which they are sent."""
        settings, preset = self.settings, self.preset
        fields: dict[str, Any] = {**preset.input, "prompt": settings.prompt}
        if settings.negative_prompt and "negative_prompt" in preset.accepts:
            fields["negative_prompt"] = settings.negative_prompt
        if settings.seed is not None and "seed" in preset.accepts:
            fields["seed"] = settings.seed
        if (kind := preset.output_formats.get(settings.output_format or "jpeg")) is not None:
            fields["output_format"] = kind
        return {**fields, **settings.input, preset.photo_field: [*pictures] if preset.many else pictures[0]}


def operations(schema: dict[str, Any]) -> tuple[OperationInfo, ...]:
    """Return the operations of a provider whose settings have this schema.

    They differ in the photo alone: models that bill each megapixel of it do not get a larger one.
    """
    titles = {"image_edit": "Edit by prompt", "image_edit_large": "Edit by prompt, photo up to 4 megapixels"}
    return tuple(
        OperationInfo(
            id=operation_id,
            title=titles[operation_id],
            settings_schema=schema,
            needs=PictureNeeds(mimes=_MIMES, max_bytes=_MAX_BYTES, max_pixels=max_pixels),
            template_roles=_ROLES,
            prompts=("prompt", "negative_prompt"),
        )
        for operation_id, max_pixels in _MAX_PIXELS.items()
    )


class HostedModels:
    """The models of a provider: its settings, and the calls that they make."""

    def __init__(self, provider_id: str, catalogue: Catalogue[Preset], settings: type[HostedSettings]) -> None:
        self._provider_id = provider_id
        self._catalogue = catalogue
        self._settings = settings

    def checked(self, operation_id: str, values: Mapping[str, Any]) -> HostedSettings:
        """Return settings that fit. InvalidSettings names the fields that do not."""
        if operation_id not in _MAX_PIXELS:
            raise unknown_operation(self._provider_id, operation_id)
        settings = parse_fields(self._settings, self._catalogue.filled(values))
        model = self._catalogue.model(settings.model)
        if settings.photo_field is None and model is None:
            raise InvalidSettings([FieldError("photo_field", FieldErrorCode.REQUIRED)])
        if model is not None and model.preset.bills_input and _MAX_PIXELS[operation_id] > MEGAPIXEL:
            allowed = [model.id for model in self._catalogue.models if not model.preset.bills_input]
            raise InvalidSettings([FieldError("model", FieldErrorCode.NOT_ONE_OF, {"allowed": allowed})])
        return settings

    def call(self, request: ProviderRequest) -> HostedCall:
        """Return what a request asks for; Rejected where its settings do not fit."""
        try:
            settings = self.checked(request.operation_id, request.settings)
        except InvalidSettings as error:
            raise Rejected(error.detail, cause=FailureCause.SETTINGS_INVALID) from error
        preset = self._preset(settings)
        offered = [("", request.photo), *sorted(request.templates.items())]
        taken = offered[: preset.max_pictures if preset.many else 1]
        given = {"negative_prompt": settings.negative_prompt != "", "seed": settings.seed is not None}
        ignored = [name for name, is_given in given.items() if is_given and name not in preset.accepts]
        if settings.output_format is not None and settings.output_format not in preset.output_formats:
            ignored.append("output_format")
        pictures = tuple(picture for _, picture in taken)
        return HostedCall(
            model=self._id(settings),
            settings=settings,
            preset=preset,
            pictures=pictures,
            ignored=(*ignored, *(role for role, _ in offered[len(taken) :])),
            cost=self._estimate(settings, preset, [picture.width * picture.height for picture in pictures]),
        )

    def expected_cost(self, operation_id: str, values: Mapping[str, Any]) -> CallCost | None:
        """See Provider.expected_cost; the photo is taken to be as large as it may be."""
        try:
            settings = self.checked(operation_id, values)
        except InvalidSettings:
            return None
        return self._estimate(settings, self._preset(settings), [_MAX_PIXELS[operation_id]])

    def by_units(self, call: HostedCall, units: float) -> CallCost | None:
        """Return what so many units cost that the service has counted; None where the price of one is unknown."""
        price = self._catalogue.price(call.model, UNIT)
        return None if price is None else CallCost(usd_micros=round(price * units), exact=True)

    def by_seconds(self, call: HostedCall, seconds: float) -> CallCost | None:
        """Return what so much time of a machine costs; None where the model is not billed by time."""
        price = self._catalogue.price(call.model, SECOND)
        return None if price is None else CallCost(usd_micros=round(price * seconds))

    def names(self, used: Iterable[RouteEntry]) -> list[str]:
        """Return the models of this provider's entries."""
        own = [entry for entry in used if entry.provider_id == self._provider_id]
        values = [self._catalogue.filled(entry.settings).get("model") for entry in own]
        known = {name: self._catalogue.model(name) for name in values if isinstance(name, str)}
        return sorted({name if model is None else model.id for name, model in known.items()})

    def finding(self, name: str, *, offered: bool | None = None) -> ProviderFinding | None:
        """Return what is wrong with a model; `offered`: whether the service has it, None where it does not tell."""
        model = self._catalogue.model(name)
        if offered is None:
            offered = model is None or model.status is not ModelStatus.RETIRED
        return model_finding(name, self._catalogue, offered=offered)

    def _id(self, settings: HostedSettings) -> str:
        model = self._catalogue.model(settings.model)
        return settings.model if model is None else model.id

    def _preset(self, settings: HostedSettings) -> Preset:
        model = self._catalogue.model(settings.model)
        if model is None:
            kind = settings.output_format
            return Preset(
                photo_field=settings.photo_field or "",
                many=settings.photo_list or False,
                max_pictures=_MOST_PICTURES,
                bills_input=True,
                accepts=("seed", "negative_prompt"),
                output_formats={} if kind is None else {kind: kind},
            )
        preset = model.preset
        return Preset(
            photo_field=settings.photo_field or preset.photo_field,
            many=preset.many if settings.photo_list is None else settings.photo_list,
            max_pictures=preset.max_pictures,
            bills_input=preset.bills_input,
            accepts=preset.accepts,
            output_formats=preset.output_formats,
            input=preset.input,
        )

    def _estimate(self, settings: HostedSettings, preset: Preset, pixels: Sequence[int]) -> CallCost | None:
        resolution = {**preset.input, **settings.input}.get("resolution")

        def price(what: str) -> int | None:
            return self._catalogue.price(settings.model, what)

        each = price(f"{PICTURE} {resolution}") or price(PICTURE)
        if each is not None:
            return CallCost(usd_micros=each)
        billed = 1 + (sum(-(-count // MEGAPIXEL) for count in pixels) if preset.bills_input else 0)
        first, further = price(FIRST_MEGAPIXEL), price(FURTHER_MEGAPIXEL)
        if first is not None:
            return CallCost(usd_micros=first + (further or first) * (billed - 1))
        each = price(EACH_MEGAPIXEL)
        return None if each is None else CallCost(usd_micros=each * billed)


def charged(cost: CallCost | None, whether: Charged) -> CallCost | None:
    """Return the cost of a call of which this is known."""
    return None if cost is None else CallCost(usd_micros=cost.usd_micros, exact=cost.exact, charged=whether)
