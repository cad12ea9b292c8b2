"""Work for child processes in tests: functions that look around, take long, take much, or die."""

from __future__ import annotations

import json
import os
import resource
import signal
import threading
import time
from pathlib import Path

from photochanger.adapters.imaging import picture_tasks
from photochanger.adapters.imaging.children import Answer, Call

HERE = __name__

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_kept: list[bytearray] = []


def echo(call: Call) -> Answer:
    """Give header and content back."""
    return Answer(call.header, [call.content(0)])


def echo_later(call: Call) -> Answer:
    """Give the header back, and the content after that."""
    return Answer(call.header, [], lambda: call.content(0))


def nothing_later(call: Call) -> Answer:
    """Give the header back, and nothing after that."""
    return Answer(call.header, [], lambda: None)


def die_later(call: Call) -> Answer:
    """Answer, then end by the signal in the header."""
    _note_attempt(call)
    return Answer(b"alive", [], lambda: os.kill(os.getpid(), int(call.header)))


def fail_later(call: Call) -> Answer:
    """Answer, then raise an error that nothing foresees."""

    def fail() -> bytes:
        raise ZeroDivisionError(call.header.decode())

    return Answer(b"alive", [], fail)


def wait_later(call: Call) -> Answer:
    """Claim a pixel, answer with the number of the process, and wait for ever."""
    call.claim(1)

    def wait() -> bytes:
        threading.Event().wait()
        raise AssertionError

    return Answer(str(os.getpid()).encode(), [], wait)


def process(call: Call) -> Answer:
    """The process: its number, its parent, environment, open files, limits, and how it takes signals."""
    own = Path("/proc/self/fd")
    files = {int(name): os.readlink(own / name) for name in os.listdir(own) if (own / name).exists()}
    facts = {
        "pid": os.getpid(),
        "parent": os.getppid(),
        "environment": dict(os.environ),
        "files": files,
        "memory": resource.getrlimit(resource.RLIMIT_DATA)[0],
        "ignores": [each.name for each in STOP_SIGNALS if signal.getsignal(each) == signal.SIG_IGN],
        "killed_first": Path("/proc/self/oom_score_adj").read_text().strip(),
    }
    return Answer(json.dumps(facts).encode())


def wait_for_ever(call: Call) -> Answer:
    """Claim the pixels in the header, write the number of the process into the file, and wait."""
    claim = int(call.header or b"0")
    if claim:
        call.claim(claim)
    call.path(0).write_text(str(os.getpid()))
    threading.Event().wait()
    raise AssertionError


def compute_for_ever(call: Call) -> Answer:
    """Note the attempt in the file, and use a processor."""
    _note_attempt(call)
    while True:
        pass


def compute(call: Call) -> Answer:
    """Use a processor for the seconds in the header; the number of the process."""
    end = time.process_time() + float(call.header)
    while time.process_time() < end:
        pass
    return Answer(str(os.getpid()).encode())


def take_memory(call: Call) -> Answer:
    """Claim a pixel, and allocate as many bytes as the header says, all of them used."""
    _note_attempt(call)
    call.claim(1)
    taken = bytearray(int(call.header))
    taken[:: resource.getpagesize()] = b"x" * len(range(0, len(taken), resource.getpagesize()))
    return Answer(b"")


def keep_memory(call: Call) -> Answer:
    """Allocate as much, and keep it; the number of the process."""
    _kept.append(bytearray(b"x") * int(call.header))
    return Answer(str(os.getpid()).encode())


def die(call: Call) -> Answer:
    """End by the signal in the header, as a decoder does that reads where it may not."""
    _note_attempt(call)
    os.kill(os.getpid(), int(call.header))
    raise AssertionError


def die_once(call: Call) -> Answer:
    """The same in the first attempt; the second one answers."""
    if _note_attempt(call) == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return Answer(b"alive")


def fail(call: Call) -> Answer:
    """Raise an error that nothing foresees."""
    raise ZeroDivisionError("the header was " + call.header.decode())


def measured(call: Call) -> Answer:
    """Perform a picture task; what it took of the process comes last: megabytes at the peak, seconds of processor."""
    answer = picture_tasks.perform(call)
    if answer.later is not None:
        answer.later()
    used = resource.getrusage(resource.RUSAGE_SELF)
    took = {"mib": used.ru_maxrss // 1024, "seconds": used.ru_utime + used.ru_stime}
    return Answer(answer.header, [*answer.contents, json.dumps(took).encode()])


def _note_attempt(call: Call) -> int:
    """Add a letter to the file; how many there are."""
    with call.path(0).open("a") as file:
        file.write("x")
    return call.path(0).stat().st_size
