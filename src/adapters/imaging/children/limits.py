"""How much memory and time one task in a child process may take, and how many there are (ADR 52)."""

from __future__ import annotations

import os
from datetime import timedelta

import msgspec

MIB = 1024 * 1024

MAX_PIXELS_IN_WORK = 100_000_000
"""Pixels of all pictures that the children of one process decode at the same time; a larger picture is alone."""

MAX_CHILDREN = 4
"""More children than that would wait for the pixels of each other."""

MAX_FILE_BYTES = 512 * MIB
"""What a child may write into one file: a result."""


class TaskLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of one task; those of memory and processor time grow with the pixels that it claims.

    Attributes:
        memory_bytes: private memory of the child without pixels: the interpreter, libraries, the encoded picture.
        memory_bytes_per_pixel: measured are 19 for a picture that is decoded, turned and encoded at full size.
        cpu_seconds, cpu_seconds_per_megapixel: measured are 0.1 for a HEIC, which takes longest.
        wall: how long the task may take, without its wait for pixels of others.
    """

    memory_bytes: int = 256 * MIB
    memory_bytes_per_pixel: int = 20
    cpu_seconds: float = 10.0
    cpu_seconds_per_megapixel: float = 0.3
    wall: timedelta = timedelta(seconds=60)

    def memory(self, pixels: int) -> int:
        """The most private memory, in bytes, of a child that works on this many pixels."""
        return self.memory_bytes + self.memory_bytes_per_pixel * pixels

    def cpu(self, pixels: int) -> float:
        """The most seconds of processor time for this many pixels."""
        return self.cpu_seconds + self.cpu_seconds_per_megapixel * pixels / 1_000_000


TASK_LIMITS = TaskLimits()


def number_of_children() -> int:
    """One for each processor that this process may use, at least two: a long task must not hold up all others."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(max(cores, 2), MAX_CHILDREN)


def memory_of_all(children: int = MAX_CHILDREN, *, max_pixels: int = MAX_PIXELS_IN_WORK) -> int:
    """The most memory, in bytes, of the children of one process together; `max_pixels` is that of one picture."""
    pixels = max(MAX_PIXELS_IN_WORK, max_pixels)
    return children * TASK_LIMITS.memory_bytes + TASK_LIMITS.memory_bytes_per_pixel * pixels
