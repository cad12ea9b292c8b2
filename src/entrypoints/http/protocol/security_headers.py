"""The headers that protect browsers and guests, on every response: of the app and of the server itself."""

from __future__ import annotations

from collections.abc import Collection

Headers = list[tuple[bytes, bytes]]

_ALWAYS: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
]
_EMBEDDABLE = "/public/"
"""The prefix of pictures that pages of other origins may show; they may not show anything else."""

_NOT_INDEXED = ("/public/", "/gallery/")
"""Pictures of guests: search engines must not list them."""

_NOINDEX = (b"x-robots-tag", b"noindex, nofollow")
_ONLY_TLS = (b"strict-transport-security", b"max-age=31536000")
_OWN_WINDOWS = (b"cross-origin-opener-policy", b"same-origin")


def security_headers(
    path: str = "", *, secure: bool = False, page: bool = False, given: Collection[bytes] = ()
) -> Headers:
    """The headers for a response to this path, without those that it has already (`given`, in lower case).

    `secure`: the client uses TLS. `page`: the response is an HTML page.
    """
    resource_policy = b"cross-origin" if path.startswith(_EMBEDDABLE) else b"same-origin"
    headers = [*_ALWAYS, (b"cross-origin-resource-policy", resource_policy)]
    if path.startswith(_NOT_INDEXED):
        headers.append(_NOINDEX)
    if secure:
        headers.append(_ONLY_TLS)
    if page:
        headers.append(_OWN_WINDOWS)
    return [header for header in headers if header[0] not in given]
