"""What Turbotext can do: the settings of each operation, and the form that its method wants for them."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Generic, TypeVar

from msgspec import Meta, Struct

Prompt = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=4000,
        title="Prompt",
        description="What shall become of the photo. May hold {field}, filled in from the request.",
    ),
]
_AnyText = Annotated[str, Meta(max_length=4000)]


class FaceDirection(enum.StrEnum):
    """Whose face goes where."""

    GUEST_ONTO_TEMPLATE = "guest_onto_template"
    TEMPLATE_ONTO_GUEST = "template_onto_guest"


class ImageEditSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The photo, changed as the prompt says."""

    prompt: Prompt
    negative_prompt: Annotated[
        _AnyText, Meta(title="Negative prompt", description="What shall not be in the picture.")
    ] = ""
    strength: Annotated[
        int,
        Meta(ge=0, le=80, title="Strength", description="How far the picture may go from the photo: 0 is not at all."),
    ] = 40
    scale: Annotated[
        float,
        Meta(ge=0.1, le=20, title="Scale", description="How closely the prompt is followed; more is closer."),
    ] = 7.5
    seed: Annotated[
        Annotated[int, Meta(ge=1, le=10**10)] | None,
        Meta(title="Seed", description="The same number gives a similar picture again; none: each is another."),
    ] = None
    original_language: Annotated[
        str,
        Meta(pattern="^[a-z]{2}$", title="Language of the prompt", description="Two letters, such as ru or en."),
    ] = "ru"
    user_id: Annotated[
        int, Meta(ge=1, le=2**53, title="User", description="The number that the service files the work under.")
    ] = 1


class StyleTransferSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The photo in the style of the template `style`."""

    prompt: Annotated[
        _AnyText,
        Meta(title="Prompt", description="Strengthens the effect. May hold {field}, filled in from the request."),
    ] = ""


class IdentityTransferSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A face goes from one picture onto another: from the photo, or from the template `face`."""

    direction: Annotated[
        FaceDirection,
        Meta(
            title="Whose face goes where",
            description=(
                "guest_onto_template: the guest's face goes onto the person of the template `face`, the template is "
                "the picture that comes out. template_onto_guest: the face of the template goes onto the guest, the "
                "photo is the picture that comes out."
            ),
        ),
    ] = FaceDirection.GUEST_ONTO_TEMPLATE
    face_restore: Annotated[
        bool, Meta(title="Restore the face", description="Sharpen the face after it was put in.")
    ] = True


_Settings = TypeVar("_Settings", bound=Struct)


class Method(Struct, Generic[_Settings], frozen=True, kw_only=True):
    """An operation as the service has it.

    Attributes:
        name: the last part of the method's path.
        form: from settings, link of the photo and link of the template (empty without a role) to the method's fields.
        template_role: the setting key of the template that the method cannot do without.
        prompts: the settings that may hold `{field}`.
    """

    name: str
    title: str
    settings: type[_Settings]
    form: Callable[[_Settings, str, str], dict[str, str]]
    template_role: str | None = None
    prompts: tuple[str, ...] = ()


def _image_edit(settings: ImageEditSettings, photo_url: str, template_url: str) -> dict[str, str]:
    form = {
        "url": photo_url,
        "content": settings.prompt,
        "strength": str(settings.strength),
        "scale": str(settings.scale),
        "original_language": settings.original_language,
        "user_id": str(settings.user_id),
    }
    if settings.negative_prompt:
        form["negative_prompt"] = settings.negative_prompt
    if settings.seed is not None:
        form["seed"] = str(settings.seed)
    return form


def _style_transfer(settings: StyleTransferSettings, photo_url: str, template_url: str) -> dict[str, str]:
    form = {"url_image_target": photo_url, "url": template_url}
    if settings.prompt:
        form["content"] = settings.prompt
    return form


def _identity_transfer(settings: IdentityTransferSettings, photo_url: str, template_url: str) -> dict[str, str]:
    # `url` is the picture that comes out, with the face of `url_image_target` in it.
    match settings.direction:
        case FaceDirection.GUEST_ONTO_TEMPLATE:
            picture, face = template_url, photo_url
        case FaceDirection.TEMPLATE_ONTO_GUEST:
            picture, face = photo_url, template_url
    return {"url": picture, "url_image_target": face, "face_restore": "True" if settings.face_restore else "False"}


METHODS: Mapping[str, Method[Any]] = {
    "image_edit": Method(
        name="generate_image2image",
        title="Change by prompt",
        settings=ImageEditSettings,
        form=_image_edit,
        prompts=("prompt",),
    ),
    "style_transfer": Method(
        name="mix_images",
        title="Style of a template",
        settings=StyleTransferSettings,
        form=_style_transfer,
        template_role="style",
        prompts=("prompt",),
    ),
    "identity_transfer": Method(
        name="deepfake_photo",
        title="Change of faces",
        settings=IdentityTransferSettings,
        form=_identity_transfer,
        template_role="face",
    ),
}
"""The operations of the provider by id."""
