"""`make cluster`: send the demo's photos through several hosts, kill one part of each kind, and show what came back."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.support.cluster.cameras import Cameras, Shot
from tests.support.cluster.parts import Part, running_cluster

KILLED = ("serve 1", "worker 1", "nginx", "PgBouncer", "SeaweedFS", "PostgreSQL")


def main(photos: int, down_seconds: float) -> int:
    """Return 0 if every photo came back as a picture. `photos` are waited for before and after each kill."""
    with tempfile.TemporaryDirectory(prefix="photochanger-cluster-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with running_cluster(folder) as cluster:
            print(
                f"PhotoChanger runs on {cluster.url}: {', '.join(cluster.parts)}; data and logs in {folder}", flush=True
            )
            with Cameras(cluster.url) as cameras:
                cameras.wait_for(photos)
                for killed in KILLED:
                    print(f"{killed:10} {_kill(cluster.parts[killed], cameras, photos, down_seconds)}", flush=True)
    shots = cameras.shots
    lost = [shot for shot in shots if shot.problem]
    for shot in lost:
        print(f"lost after {shot.tries} tries: {shot.problem}")
    print(f"cluster: {len(shots) - len(lost)} of {len(shots)} photos came back as pictures", flush=True)
    return 1 if lost or not shots else 0


def _kill(part: Part, cameras: Cameras, photos: int, down_seconds: float) -> str:
    before, killed = len(cameras.shots), time.monotonic()
    part.kill()
    time.sleep(down_seconds)
    part.start()
    again = time.monotonic()
    cameras.wait_for(photos)
    return _summary(cameras.shots[before:], down=again - killed)


def _summary(shots: list[Shot], *, down: float) -> str:
    longest = max(shot.seconds for shot in shots)
    tries = sum(shot.tries - 1 for shot in shots)
    return (
        f"killed, back after {down:4.1f} s: {len(shots)} photos, the longest {longest:.1f} s, sent again {tries} times"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="make cluster", description=__doc__)
    parser.add_argument("--photos", type=int, default=12, help="photos to wait for before and after each kill")
    parser.add_argument("--down", type=float, default=2.0, help="seconds before a killed part is started again")
    arguments = parser.parse_args()
    sys.exit(main(arguments.photos, arguments.down))
