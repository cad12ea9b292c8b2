"""The currency in which amounts are shown and budgets are given. The ledger itself keeps US dollars."""

from __future__ import annotations

import re
from decimal import Decimal

import msgspec

MICROS = 1_000_000
"""Amounts are whole millionths."""

MIN_RATE, MAX_RATE = 0.000001, 1_000_000.0
"""The bounds of `usd_rate`."""

CODE_PATTERN = "^[A-Z]{3}$"
_CODE = re.compile(r"[A-Z]{3}\Z")


class Currency(msgspec.Struct, frozen=True):
    """A currency by its ISO 4217 code, and what one US dollar costs in it, in millionths."""

    code: str = "USD"
    rate_micros: int = MICROS

    @property
    def usd_rate(self) -> float:
        """What one US dollar costs."""
        return self.rate_micros / MICROS

    def to_usd_micros(self, micros: int) -> int:
        """An amount in millionths of this currency in millionths of a US dollar, rounded down."""
        return micros * MICROS // self.rate_micros

    def amount(self, usd_micros: int) -> Decimal:
        """An amount of the ledger in this currency, to the millionth."""
        return Decimal(usd_micros * self.rate_micros // MICROS) / MICROS


def is_currency_code(text: str) -> bool:
    """Whether a text has the form of an ISO 4217 code."""
    return bool(_CODE.match(text))


def micros_of(amount: float) -> int:
    """An amount of a JSON document in whole millionths."""
    return round(Decimal(str(amount)) * MICROS)


def shown_amount(micros: int) -> float | int:
    """An amount of millionths as a JSON number; an integer without a fraction."""
    return micros // MICROS if micros % MICROS == 0 else micros / MICROS
