"""The cost of one call to an image service. Amounts are whole millionths of a US dollar, in which services bill."""

from __future__ import annotations

import enum
from datetime import date

import msgspec

from ..stored_values import StoredEnum

MICROS_PER_USD = 1_000_000


class Charged(StoredEnum):
    """Whether the service bills a call: a refusal may be free, a call that was given up may be billed all the same."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class CallCost(msgspec.Struct, frozen=True, kw_only=True):
    """What one call costs.

    Attributes:
        usd_micros: the amount, 0 or more, if the service bills the call.
        exact: from the service's own usage figures; otherwise estimated from the price table.
    """

    usd_micros: int
    exact: bool = False
    charged: Charged = Charged.YES


FREE = CallCost(usd_micros=0, exact=True, charged=Charged.NO)


class PriceUnit(enum.StrEnum):
    """What a price is for."""

    PICTURE = "picture"
    MEGAPIXEL = "megapixel"
    MILLION_TOKENS = "million_tokens"
    SECOND = "second"


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a provider's price table.

    Attributes:
        what: the thing that is billed, such as `image output` or `text input`.
        usd_micros: per unit.
        source, checked: where the price was read, and when; None where the operator set it.
    """

    model: str
    what: str
    unit: PriceUnit
    usd_micros: int
    source: str | None = None
    checked: date | None = None


class ModelStatus(enum.StrEnum):
    """What is known of a model without asking the service."""

    CURRENT = "current"
    DEPRECATED = "deprecated"
    RETIRED = "retired"


class ModelInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A model that a provider knows by name; others may be used all the same.

    Attributes:
        aliases: older or other names that mean this model.
        retires_on: when the service ends it, if announced.
        replacement: the model to use instead of a deprecated one.
    """

    id: str
    title: str = ""
    status: ModelStatus = ModelStatus.CURRENT
    aliases: tuple[str, ...] = ()
    retires_on: date | None = None
    replacement: str | None = None
