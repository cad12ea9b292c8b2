"""What HTTP clients of services on the loopback network have in common."""

from __future__ import annotations

import ssl

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For addresses with `http`: otherwise each client reads the certificates of all authorities, which takes 50 ms."""
