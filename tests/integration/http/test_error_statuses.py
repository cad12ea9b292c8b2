"""The errors of the core against the table of the HTTP interface."""

from __future__ import annotations

from collections.abc import Iterator

from photochanger.core.domain.errors import PhotoChangerError
from photochanger.entrypoints.http.protocol.problems import STATUS

_SERVED = ("photochanger.core.", "photochanger.adapters.")
"""Where errors are raised that requests may meet; the command line has some of its own."""


def test_every_error_of_the_core_has_a_status() -> None:
    def kinds(kind: type[PhotoChangerError]) -> Iterator[type[PhotoChangerError]]:
        yield kind
        for below in kind.__subclasses__():
            yield from kinds(below)

    of_commands = {"configuration_error", "target_not_empty", "transfer_failed"}
    of_workers = {"claim_lost"}
    codes = {kind.code for kind in kinds(PhotoChangerError) if kind.__module__.startswith(_SERVED)}
    assert codes - of_commands - of_workers <= STATUS.keys()
