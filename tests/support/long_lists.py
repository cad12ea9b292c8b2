"""Thousands of jobs and pictures, and a browser that goes through the lists of them."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import msgspec
from photochanger.core.domain.ids import new_id
from playwright.async_api import Page

from tests.support.http_server import Service

MANY = 5_000

_SEEN = """
async () => {
  for (let frame = 0; frame < 2; frame += 1) await nextFrame();
  const items = [...document.querySelectorAll("[data-item]")];
  return items.filter((item) => {
    const { top, bottom } = item.getBoundingClientRect();
    return bottom > 0 && top < innerHeight;
  }).map((item) => [item.dataset.item, Math.round(item.getBoundingClientRect().top)]);
}
"""


async def many_jobs(service: Service, count: int = MANY) -> None:
    """Let so many jobs with pictures have come, one a second."""
    first: str = (await service.ingest("slot-002")).headers["x-job-id"]
    job = service.database.jobs[UUID(first)]
    assert job.outcome is not None
    for n in range(1, count):
        earlier = timedelta(seconds=n)
        created_at = job.created_at - earlier
        spec = msgspec.structs.replace(job.spec, id=new_id(created_at), created_at=created_at)
        outcome = msgspec.structs.replace(job.outcome, finalized_at=job.outcome.finalized_at - earlier)
        service.database.jobs[spec.id] = msgspec.structs.replace(job, spec=spec, outcome=outcome)


def newest_first(service: Service) -> list[str]:
    """The ids of all jobs as a list shows them."""
    jobs = sorted(service.database.jobs.values(), key=lambda job: (job.created_at, job.id), reverse=True)
    return [str(job.id) for job in jobs]


async def elements(page: Page) -> int:
    """The number of elements of the document."""
    count: int = await page.evaluate("() => document.getElementsByTagName('*').length")
    return count


async def seen(page: Page) -> dict[str, int]:
    """The items of a list that are in the window once drawn, from top to bottom, each with the pixels above it."""
    return dict(await page.evaluate(_SEEN))


async def scroll_to_end(page: Page) -> None:
    """Read page after page until the whole list is there."""
    await page.wait_for_function(
        """() => {
          scrollTo(0, document.documentElement.scrollHeight);
          return document.querySelector(".list-end .button") === null;
        }"""
    )
