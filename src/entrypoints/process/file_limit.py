"""The operating system's limit on open files of this process."""

from __future__ import annotations

import logging
import resource

_log = logging.getLogger("photochanger.start")

_LESS_THAN_UNLIMITED = (1024 * 1024, 64 * 1024, 10_240)
"""Tried in this order where the hard limit is not one that can be set, as on macOS."""


def raise_file_limit() -> int:
    """Raise the soft limit to the hard one, as far as the system permits; returns the limit that now applies."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = hard == resource.RLIM_INFINITY
    for wanted in _LESS_THAN_UNLIMITED if unlimited else (hard, *_LESS_THAN_UNLIMITED):
        if soft != resource.RLIM_INFINITY and soft < wanted and (unlimited or wanted <= hard):
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            except (OSError, ValueError) as error:
                _log.info("file limit of %d refused: %s", wanted, error)
            else:
                break
    return file_limit()


def attainable_file_limit() -> int:
    """The limit that a service gets which is started as this process was."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY in (soft, hard)
    return max(file_limit(), _LESS_THAN_UNLIMITED[0]) if unlimited else hard


def file_limit() -> int:
    """How many files this process may open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _LESS_THAN_UNLIMITED[0] if soft == resource.RLIM_INFINITY else soft
