"""Figures as the text that Prometheus reads, and a small server of it for processes that serve no HTTP otherwise."""

from __future__ import annotations

import socket
import threading
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIServer

from .aggregation import Exemplar, MetricFamily, Sample
from .instruments import Kind

if TYPE_CHECKING:
    from prometheus_client import Metric

_OPENMETRICS = "application/openmetrics-text"
_PLAIN_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class _Registry:
    """What prometheus_client's writers ask for the figures."""

    def __init__(self, families: Sequence[MetricFamily]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return [_metric(family) for family in self._families]


def exposition(families: Sequence[MetricFamily], accept: str) -> tuple[bytes, str]:
    """The text and its content type: OpenMetrics with exemplars if accepted, else the Prometheus text format."""
    registry: Any = _Registry(families)
    if _OPENMETRICS in accept:
        from prometheus_client.openmetrics import exposition as openmetrics

        written: bytes = openmetrics.generate_latest(registry)  # type: ignore[no-untyped-call]
        return written, openmetrics.CONTENT_TYPE_LATEST
    from prometheus_client.exposition import generate_latest

    text: bytes = generate_latest(registry)
    return text, _PLAIN_TYPE


def _metric(family: MetricFamily) -> Metric:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

    names = sorted({name for each in family.series for name in each.labels})
    if family.kind is Kind.HISTOGRAM:
        histogram = HistogramMetricFamily(family.name, family.help, labels=names)
        for each in family.series:
            histogram.add_metric(_values(names, each), _buckets(family, each), each.value)
        return histogram
    kind = CounterMetricFamily if family.kind is Kind.COUNTER else GaugeMetricFamily
    metric = kind(family.name, family.help, labels=names)
    for each in family.series:
        metric.add_metric(_values(names, each), each.value)
    return metric


def _values(names: Sequence[str], series: Sample) -> list[str]:
    return [series.labels.get(name, "") for name in names]


def _buckets(family: MetricFamily, series: Sample) -> list[Any]:
    """Upper bound, how many are at or below it, and the newest exemplar of those that are new in it."""
    from prometheus_client.samples import Exemplar as Shown

    newest: dict[int, Exemplar] = {}
    for exemplar in sorted(series.exemplars, key=lambda one: one.at):
        newest[bisect_left(family.bounds, exemplar.value)] = exemplar
    buckets, below = [], 0
    for place, count in enumerate(series.counts):
        below += count
        bound = str(family.bounds[place]) if place < len(family.bounds) else "+Inf"
        shown = None
        if (one := newest.get(place)) is not None:
            shown = Shown({"trace_id": one.trace_id, "span_id": one.span_id}, one.value, one.at)
        buckets.append((bound, below, shown))
    return buckets


class MetricsServer:
    """Serves metrics at any path of a port of its own, from a thread of its own."""

    def __init__(self, text: Callable[[str], tuple[bytes, str]], *, host: str, port: int) -> None:
        """Listens from here on; OSError where the port cannot be had. Port 0 lets the system choose.

        `text` makes the body and its content type for an Accept header, in the thread. TimeoutError is answered by 503.
        """
        from wsgiref.simple_server import WSGIRequestHandler, make_server

        class Quiet(WSGIRequestHandler):
            timeout = 10  # seconds for a client that says nothing

            def log_message(self, format: str, *args: Any) -> None:
                """No access log."""

        class Listening(WSGIServer):
            address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

        def answer(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
            try:
                body, content_type = text(environ.get("HTTP_ACCEPT", ""))
                status = "200 OK"
            except TimeoutError:
                status, body, content_type = "503 Service Unavailable", b"The metrics are not available.\n", _PLAIN_TYPE
            start(status, [("Content-Type", content_type), ("Content-Length", str(len(body)))])
            return [body]

        self._server: WSGIServer = make_server(host, port, answer, server_class=Listening, handler_class=Quiet)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True, name="metrics")
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
