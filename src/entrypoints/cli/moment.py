"""Dates and times as options."""

from __future__ import annotations

from datetime import datetime

import click


class Moment(click.ParamType[datetime]):
    """A date, or a date and time, by ISO 8601; without a zone it is that of this machine."""

    name = "moment"

    def convert(self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            return datetime.fromisoformat(value).astimezone()
        except (ValueError, OverflowError):
            self.fail(f"{value[:40]!r} is no date and time; write 2026-05-01 or 2026-05-01T18:30.", param, ctx)
