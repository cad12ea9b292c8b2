"""A process ends in bounded time, with the right status, whatever its threads and its event loop do.

Each test is a process of its own. Where its end must be forced, its graces are short; where it must not be, they are
longer than any test.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.support.service import HANG_SECONDS

SHORT, HANG, NEVER = 0.2, 2.0, 10.0**6

START = """
import asyncio, ctypes, logging, os, sys, threading, time
from datetime import timedelta
from photochanger.core.domain.errors import ConfigurationError
from photochanger.entrypoints.process import guard as process_guard
from photochanger.entrypoints.cli.runtime import run_async
from photochanger.entrypoints.logging_setup import set_up_logging

loop_kind, grace, exit_seconds, hang_limit = sys.argv[1], *map(float, sys.argv[2:])
if loop_kind == "asyncio":
    sys.modules["uvloop"] = None
process_guard.EXIT_LIMIT = timedelta(seconds=exit_seconds)
set_up_logging("console")

def stuck():
    time.sleep(10**6)

def say(word):
    print(word, flush=True)

async def work(guard, stop):
"""

END = """
async def main(guard):
    stop = asyncio.Event()
    async with guard.running():
        guard.on_stop(stop.set)
        await work(guard, stop)

options = dict(grace=timedelta(seconds=grace), hang_limit=timedelta(seconds=hang_limit), hurry_grace=timedelta(days=1))
with process_guard.ProcessGuard(**options | dict(OPTIONS)) as guard:
    run_async(main(guard))
"""

ON_BOTH_LOOPS = pytest.mark.parametrize("loop", ["asyncio", "uvloop"])


@contextlib.contextmanager
def guarded(
    work: str,
    *,
    loop: str = "uvloop",
    grace: float = NEVER,
    exit_seconds: float = NEVER,
    hang_limit: float = NEVER,
    stderr: int = subprocess.PIPE,
    options: str = "",
) -> Iterator[subprocess.Popen[str]]:
    """A process with this work, once it has said that it is ready; killed at the end if it is still there."""
    lines = "\n".join(f"    {line}" for line in work.strip().splitlines())
    process = subprocess.Popen(
        (
            sys.executable,
            "-c",
            START + lines + END.replace("OPTIONS", options),
            loop,
            str(grace),
            str(exit_seconds),
            str(hang_limit),
        ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )
    try:
        assert process.stdout is not None
        said = process.stdout.readline()
        assert said == "ready\n", said or ended(process)
        yield process
    finally:
        process.kill()
        process.communicate()


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """The status and the log of a process that must end by itself."""
    _, log = process.communicate(timeout=HANG_SECONDS)
    return process.returncode, log


@ON_BOTH_LOOPS
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_process_that_stops_by_itself_is_left_alone(loop: str, number: signal.Signals) -> None:
    with guarded("say('ready'); await stop.wait()", loop=loop) as process:
        process.send_signal(number)
        assert ended(process) == (0, "")


@ON_BOTH_LOOPS
def test_a_blocked_event_loop_does_not_keep_the_stop_signal_away(loop: str) -> None:
    with guarded("say('ready'); stuck()", loop=loop, grace=SHORT) as process:
        process.send_signal(signal.SIGTERM)
        status, log = ended(process)
    assert status == 0
    assert "stopping takes too long, threads still run: MainThread in stuck (<string>:" in log


@ON_BOTH_LOOPS
@pytest.mark.parametrize(
    "start",
    ["threading.Thread(target=stuck, name='booth').start()", "asyncio.get_running_loop().run_in_executor(None, stuck)"],
    ids=["own thread", "executor"],
)
def test_a_stuck_thread_does_not_keep_a_stopped_process_alive(loop: str, start: str) -> None:
    with guarded(f"{start}\nsay('ready'); await stop.wait()", loop=loop, exit_seconds=SHORT) as process:
        process.send_signal(signal.SIGTERM)
        status, log = ended(process)
    assert status == 0
    assert "in stuck (<string>:" in log


@pytest.mark.parametrize(
    ("error", "expected"), [("RuntimeError('a defect')", 1), ("ConfigurationError('X', 'wrong')", 2)]
)
def test_a_stuck_thread_does_not_change_the_status_of_an_error(error: str, expected: int) -> None:
    work = f"threading.Thread(target=stuck).start()\nsay('ready')\nraise {error}"
    with guarded(work, exit_seconds=SHORT) as process:
        assert ended(process)[0] == expected


def test_a_stop_for_an_error_ends_with_its_status_also_by_force() -> None:
    with guarded("guard.stop(1); say('ready'); stuck()", grace=SHORT) as process:
        assert ended(process)[0] == 1


@ON_BOTH_LOOPS
def test_the_second_signal_ends_a_process_at_once(loop: str) -> None:
    work = "guard.at_forced_end(lambda: say('last act'))\nsay('ready')\nawait stop.wait()\nsay('stopping'); stuck()"
    with guarded(work, loop=loop) as process:
        assert process.stdout is not None
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "stopping\n"
        process.send_signal(signal.SIGINT)
        out, log = process.communicate(timeout=HANG_SECONDS)
    assert process.returncode == 128 + signal.SIGINT
    assert out == "last act\n"
    assert "a further stop signal" in log


def test_a_signal_before_there_is_anything_to_stop_is_not_lost() -> None:
    work = "os.kill(os.getpid(), 15)\nwhile not guard._stopping: await asyncio.sleep(0)\n"
    work += "again = asyncio.Event()\nguard.on_stop(again.set)\nsay('ready')\nawait again.wait()"
    with guarded(work) as process:
        assert ended(process) == (0, "")


HURRY = """
guard.on_stop(lambda: say("stopping"), hurry=lambda: (say("hurrying"), stop.set()))
say("ready")
await stop.wait()
"""


def next_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@ON_BOTH_LOOPS
def test_a_second_signal_hurries_a_process_that_can(loop: str) -> None:
    with guarded(HURRY, loop=loop) as process:
        process.send_signal(signal.SIGINT)
        assert next_line(process) == "stopping"
        process.send_signal(signal.SIGINT)
        assert next_line(process) == "hurrying"
        assert ended(process) == (0, "")


def test_a_process_that_does_not_hurry_is_ended_by_the_third_signal() -> None:
    with guarded(HURRY.replace(", stop.set()", "")) as process:
        for said in ("stopping", "hurrying"):
            process.send_signal(signal.SIGTERM)
            assert next_line(process) == said
        process.send_signal(signal.SIGTERM)
        status, log = ended(process)
    assert status == 128 + signal.SIGTERM
    assert "a further stop signal" in log


def test_a_process_that_does_not_hurry_is_ended_after_its_grace() -> None:
    with guarded(HURRY.replace(", stop.set()", ""), options=f"hurry_grace=timedelta(seconds={SHORT})") as process:
        for said in ("stopping", "hurrying"):
            process.send_signal(signal.SIGTERM)
            assert next_line(process) == said
        status, log = ended(process)
    assert status == 0
    assert "stopping takes too long" in log


@ON_BOTH_LOOPS
def test_a_process_that_takes_no_signals_is_stopped_in_another_way(loop: str) -> None:
    work = """
say("ready")
await asyncio.to_thread(os.read, 0, 1)
say("still here")
guard.stop()
await stop.wait()
"""
    with guarded(work, loop=loop, options="signals=False") as process:
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
        assert process.stdin is not None
        process.stdin.write("x")
        process.stdin.flush()
        assert next_line(process) == "still here"
        assert ended(process) == (0, "")


@ON_BOTH_LOOPS
def test_a_blocked_event_loop_ends_a_watched_process_with_its_stack_in_the_log(loop: str) -> None:
    with guarded("say('ready')\nwith guard.watching():\n    stuck()", loop=loop, hang_limit=HANG) as process:
        status, log = ended(process)
    assert status == 1
    assert "event loop blocked for 2 s" in log
    assert "in stuck" in log


def test_a_loop_is_watched_only_inside_the_block() -> None:
    work = "with guard.watching(): await asyncio.sleep(0)\nsay('ready')\nawait stop.wait()\nstuck()"
    with guarded(work, grace=3 * HANG, hang_limit=HANG) as process:
        process.send_signal(signal.SIGTERM)
        status, log = ended(process)
    assert status == 0
    assert "event loop blocked" not in log


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers of the kernel")
def test_the_kernel_ends_a_process_in_which_no_python_code_can_run() -> None:
    work = "say('ready')\nwith guard.watching(by_kernel=True):\n    ctypes.PyDLL(None).sleep(10**6)"
    with guarded(work, hang_limit=HANG) as process:
        assert ended(process)[0] == -signal.SIGALRM


def test_a_standard_error_that_nothing_reads_does_not_keep_a_process_alive() -> None:
    read, write = os.pipe()
    os.set_blocking(write, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(write, b"x" * 65536)
    os.set_blocking(write, True)
    try:
        with guarded("say('ready'); stuck()", grace=SHORT, stderr=write) as process:
            process.send_signal(signal.SIGTERM)
            assert process.wait(HANG_SECONDS) == 0
    finally:
        os.close(read)
        os.close(write)
