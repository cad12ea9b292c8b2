"""The end of what children belong to: nothing outlives it. And programs that embed PhotoChanger without precautions."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.support import photos
from tests.support.service import HANG_SECONDS, eventually

OWNER = """
import asyncio, os, sys
from photochanger.adapters.imaging import ChildPool, ForkServer
from tests.support import child_work

async def main():
    notes = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
    server = ForkServer([child_work.HERE])
    children = ChildPool(server)
    work = asyncio.create_task(children.run(f"{child_work.HERE}:wait_for_ever", b"", [notes]))
    while not os.fstat(notes).st_size:
        await asyncio.sleep(0)
    print(server.pid, flush=True)
    await work

asyncio.run(main())
"""

EMBEDDED = """
import asyncio, sys
from pathlib import Path
from photochanger import PhotoChanger, Settings, memory_adapters

print("loaded", flush=True)

async def main():
    async with PhotoChanger.open(Settings(workers=1), adapters=memory_adapters()) as app:
        job = await app.jobs.wait((await app.jobs.submit("slot-001", Path(sys.argv[1]))).id)
        print(job.state, len(await app.jobs.picture(job.id)) > 1000)

asyncio.run(main())
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=lambda number: number.name)
def test_children_and_fork_server_end_with_their_owner(tmp_path: Path, number: signal.Signals) -> None:
    notes = tmp_path / "notes"
    owner = subprocess.Popen((sys.executable, "-c", OWNER, str(notes)), stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    started = [psutil.Process(int(owner.stdout.readline())), psutil.Process(int(notes.read_text()))]
    assert all(each.is_running() for each in started)
    owner.send_signal(number)
    owner.wait(HANG_SECONDS)
    owner.stdout.close()
    eventually(lambda: not any(psutil.pid_exists(each.pid) for each in started))


def test_a_terminal_that_interrupts_its_programs_leaves_the_work_to_its_owner(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    owner = subprocess.Popen(
        (sys.executable, "-c", OWNER, str(notes)), stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert owner.stdout is not None
    started = [psutil.Process(int(owner.stdout.readline())), psutil.Process(int(notes.read_text()))]
    for each in started:
        each.send_signal(signal.SIGINT)
        each.send_signal(signal.SIGTERM)
    assert all(os.waitid(os.P_PID, owner.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None for _ in started)
    assert all(each.is_running() for each in started)
    owner.kill()
    owner.wait(HANG_SECONDS)
    owner.stdout.close()
    eventually(lambda: not any(psutil.pid_exists(each.pid) for each in started))


def test_a_script_without_a_guard_runs_once(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(photos.jpeg(320, 240))
    script = tmp_path / "studio.py"
    script.write_text(EMBEDDED)
    (tmp_path / "msgspec.py").write_text("raise SystemExit('imported from the current folder')")
    done = subprocess.run(
        (sys.executable, "-P", str(script), str(tmp_path / "photo.jpg")),
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert done.stdout.splitlines() == ["loaded", "succeeded True"], done.stderr
