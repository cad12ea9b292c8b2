"""Whether the scans of a JPEG hold all of its pixels: a progressive one that ends early looks blurred, not cut off."""

from __future__ import annotations

_COEFFICIENTS = 64
_MISSING = 99


class ScanCoverage:
    """Which bits of which coefficients the scans so far have brought, by the headers of the scans.

    The bits that are missing of each coefficient are counted, for each component by its number.
    """

    def __init__(self, components: bytes, *, is_progressive: bool) -> None:
        self._is_progressive = is_progressive
        self._missing = {component: [_MISSING] * _COEFFICIENTS for component in components}

    def add(self, header: bytes) -> None:
        """Note a scan by its header without marker and length. What makes no sense in it brings nothing."""
        count = header[0] if header else 0
        if len(header) < 4 + 2 * count:
            return
        first, last, bits = header[1 + 2 * count : 4 + 2 * count]
        if not self._is_progressive:
            first, last, bits = 0, _COEFFICIENTS - 1, 0
        for component in header[1 : 1 + 2 * count : 2]:
            missing = self._missing.get(component)
            if missing is not None and first <= last < _COEFFICIENTS:
                missing[first : last + 1] = [bits & 15] * (last + 1 - first)

    @property
    def is_complete(self) -> bool:
        """Whether nothing is missing."""
        return not any(any(missing) for missing in self._missing.values())
