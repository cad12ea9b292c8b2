"""The structure of HEIC/HEIF (ISO/IEC 23008-12): the items of its `meta` box, and what they are made of.

Turns, mirrors and crops are part of the container and applied by the decoder, so the size is the one that it shows.
"""

from __future__ import annotations

from ..bounds import MAX_HEIF_META_BYTES, MAX_PROFILE_BYTES, too_many, undecodable
from .boxes import Box, BoxReader, numbers
from .cursor import Cursor, Waiting
from .findings import Findings
from .heif_items import Items, Property


def parse(cursor: Cursor, found: Findings) -> Waiting[None]:
    """Walk to the end of the `meta` box. Raises UndecodableImage, UnsupportedMediaType, ImageTooLarge."""
    yield from _Walk(cursor, found).run()


class _Walk:
    def __init__(self, cursor: Cursor, found: Findings) -> None:
        self._found = found
        self._reader = BoxReader(cursor, found)
        self._items = Items(found)

    def run(self) -> Waiting[None]:
        while (box := (yield from self._reader.next_box(None))) is not None:
            if box.kind == b"meta":
                yield from self._meta(box)
                self._items.check(self._reader.cursor, end=box.end)
                return
            self._reader.leave(box)
        raise undecodable(self._found.mime)

    def _meta(self, meta: Box) -> Waiting[None]:
        if meta.end - meta.body > MAX_HEIF_META_BYTES:
            raise too_many(self._found.mime, "bytes in its table of contents", MAX_HEIF_META_BYTES)
        yield from self._reader.full_box(meta)
        while (box := (yield from self._reader.next_box(meta.end))) is not None:
            match box.kind:
                case b"pitm":
                    version, _ = yield from self._reader.full_box(box)
                    self._items.primary = yield from self._reader.number(box, 4 if version else 2)
                case b"iinf":
                    yield from self._item_infos(box)
                case b"iref":
                    yield from self._references(box)
                case b"iprp":
                    yield from self._properties(box)
                case b"iloc":
                    yield from self._locations(box)
                case b"idat":
                    self._items.data_start = box.body
            self._reader.leave(box)

    def _item_infos(self, infos: Box) -> Waiting[None]:
        version, _ = yield from self._reader.full_box(infos)
        yield from self._reader.number(infos, 4 if version else 2)
        while (box := (yield from self._reader.next_box(infos.end))) is not None:
            if box.kind == b"infe":
                yield from self._item_info(box)
            self._reader.leave(box)

    def _item_info(self, box: Box) -> Waiting[None]:
        """Read the type of an item; versions below 2 have none and occur in no picture."""
        head = yield from self._reader.data(box, 12)
        if head[0] < 2:
            return
        id_size = 4 if head[0] > 2 else 2
        if id_size == 4:
            head += yield from self._reader.data(box, 2)
        item, kind = int.from_bytes(head[4 : 4 + id_size], "big"), head[-4:]
        self._items.add(item, kind, kind_at=box.body + len(head) - 4, is_hidden=bool(head[3] & 1))

    def _references(self, references: Box) -> Waiting[None]:
        version, _ = yield from self._reader.full_box(references)
        size = 4 if version else 2
        while (box := (yield from self._reader.next_box(references.end))) is not None:
            source = yield from self._reader.number(box, size)
            count = yield from self._reader.number(box, 2)
            self._reader.count_references(count)
            targets = numbers((yield from self._reader.data(box, count * size)), size)
            self._items.refer(box.kind, source, targets)
            self._reader.leave(box)

    def _properties(self, properties: Box) -> Waiting[None]:
        while (box := (yield from self._reader.next_box(properties.end))) is not None:
            if box.kind == b"ipco":
                while (entry := (yield from self._reader.next_box(box.end))) is not None:
                    self._items.properties.append((yield from self._property(entry)))
                    self._reader.leave(entry)
            elif box.kind == b"ipma":
                yield from self._associations(box)
            self._reader.leave(box)

    def _property(self, box: Box) -> Waiting[Property]:
        match box.kind:
            case b"ispe":
                yield from self._reader.full_box(box)
                width = yield from self._reader.number(box, 4)
                height = yield from self._reader.number(box, 4)
                self._found.require_size(width, height)
                return Property(box.kind, (width, height))
            case b"irot":
                return Property(box.kind, ((yield from self._reader.number(box, 1)) & 3,))
            case b"clap":
                return Property(box.kind, tuple(numbers((yield from self._reader.data(box, 16)), 4)))
            case b"colr" if box.end - box.body > MAX_PROFILE_BYTES:
                raise too_many(self._found.mime, "bytes in its colour profile", MAX_PROFILE_BYTES)
            case b"colr":
                return (yield from self._colour(box))
        return Property(box.kind, ())

    def _colour(self, box: Box) -> Waiting[Property]:
        kind = yield from self._reader.data(box, 4)
        if kind == b"nclx":
            return Property(kind, tuple(numbers((yield from self._reader.data(box, 4)), 2)))
        return Property(b"prof" if kind in (b"prof", b"rICC") else kind, (box.body + 4, box.end))

    def _associations(self, box: Box) -> Waiting[None]:
        version, flags = yield from self._reader.full_box(box)
        entries = yield from self._reader.number(box, 4)
        self._reader.count_references(entries)
        id_size, index_size = 4 if version else 2, 2 if flags & 1 else 1
        for _ in range(entries):
            head = yield from self._reader.data(box, id_size + 1)
            count = head[id_size]
            self._reader.count_references(count)
            item = int.from_bytes(head[:id_size], "big")
            indexes = yield from self._reader.data(box, count * index_size)
            for index in numbers(indexes, index_size):
                self._items.associate(item, index & (0x7FFF if flags & 1 else 0x7F))

    def _locations(self, box: Box) -> Waiting[None]:
        version, _ = yield from self._reader.full_box(box)
        sizes = yield from self._reader.number(box, 2)
        offset_size, length_size, base_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
        index_size = sizes & 15 if version in (1, 2) else 0
        if max(offset_size, length_size, base_size, index_size) > 8:
            raise undecodable(self._found.mime)
        items = yield from self._reader.number(box, 2 if version < 2 else 4)
        self._reader.count_references(items)
        id_size, method_size = 2 if version < 2 else 4, 2 if version in (1, 2) else 0
        for _ in range(items):
            head = yield from self._reader.data(box, id_size + method_size + 2 + base_size + 2)
            item, extents = int.from_bytes(head[:id_size], "big"), int.from_bytes(head[-2:], "big")
            method = int.from_bytes(head[id_size : id_size + method_size], "big") & 15
            base = int.from_bytes(head[id_size + method_size + 2 : -2], "big")
            self._reader.count_references(extents)
            entry_size = index_size + offset_size + length_size
            table = yield from self._reader.data(box, extents * entry_size)
            for at in range(0, extents * entry_size, entry_size or 1):
                offset = int.from_bytes(table[at + index_size : at + entry_size - length_size], "big")
                length = int.from_bytes(table[at + entry_size - length_size : at + entry_size], "big")
                self._items.locate(item, method, base + offset, length)
