"""PhotoChanger inside another program: submit a photo, wait, save the picture.

python examples/embed.py photo.jpg finished.jpg            # everything in memory
python examples/embed.py photo.jpg finished.jpg ./var      # PostgreSQL and files in ./var
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from photochanger import PhotoChanger, Settings, memory_adapters


async def main(photo: Path, finished: Path, home: Path | None) -> None:
    settings = Settings(home=home) if home else Settings()
    adapters = None if home else memory_adapters()
    async with PhotoChanger.open(settings, adapters=adapters) as app:
        job = await app.jobs.submit("slot-002", photo=photo)
        outcome = await app.jobs.wait(job.id)
        if outcome.result is None:
            sys.exit(f"no picture: {outcome.error_code}: {outcome.error_detail}")
        picture = await app.jobs.picture(job.id)
    await asyncio.to_thread(finished.write_bytes, picture)
    print(f"{outcome.state}: {len(picture)} bytes of {outcome.result.mime} in {finished}")


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]) if len(sys.argv) == 4 else None))
