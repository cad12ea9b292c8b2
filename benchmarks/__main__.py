"""`make bench`: measure, print tables, and write JSON with `--json FILE`."""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console
from rich.table import Table

from . import (
    calls,
    hostile,
    ingest,
    memory,
    overload,
    pictures,
    providers,
    queue,
    scaling,
    size,
    statistics,
    throughput,
)
from .page import long_lists
from .size_fill import USUAL_INDEX_FILL

_PARTS = [
    "calls",
    "hostile",
    "ingest",
    "memory",
    "overload",
    "page",
    "pictures",
    "providers",
    "queue",
    "scaling",
    "size",
    "statistics",
    "throughput",
]


def main() -> None:
    """Run the selected parts."""
    arguments = _arguments()
    console = Console(width=140)
    figures: dict[str, Any] = {}
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if "calls" in arguments.parts:
            figures["calls"] = runner.run(calls.measure())
            _print_calls(console, figures["calls"])
        if "hostile" in arguments.parts:
            with tempfile.TemporaryDirectory(prefix="photochanger-bench-") as folder:
                figures["hostile"] = hostile.measure(Path(folder), shots=arguments.shots, only=arguments.scenario)
            _print_hostile(console, figures["hostile"])
        if "ingest" in arguments.parts:
            with tempfile.TemporaryDirectory(prefix="photochanger-bench-") as folder:
                figures["ingest"] = runner.run(ingest.measure(Path(folder), rounds=arguments.rounds))
            _print_ingest(console, figures["ingest"])
        if "overload" in arguments.parts:
            with tempfile.TemporaryDirectory(prefix="photochanger-bench-") as folder:
                figures["overload"] = runner.run(overload.measure(Path(folder), seconds=arguments.seconds))
            _print_overload(console, figures["overload"])
        if "page" in arguments.parts:
            with tempfile.TemporaryDirectory(prefix="photochanger-bench-") as folder:
                figures["page"] = asyncio.run(long_lists.measure(Path(folder), live_photos=arguments.live_photos))
            _print_page(console, figures["page"])
        if "pictures" in arguments.parts:
            with tempfile.TemporaryDirectory(prefix="photochanger-bench-") as folder:
                figures["pictures"] = pictures.measure(Path(folder), runs=arguments.runs)
            _print_pictures(console, figures["pictures"])
        if "memory" in arguments.parts:
            with tempfile.TemporaryDirectory(prefix="photochanger-bench-") as folder:
                figures["memory"] = memory.measure(Path(folder), photos=arguments.photos)
            _print_memory(console, figures["memory"])
        if "providers" in arguments.parts:
            with tempfile.TemporaryDirectory(prefix="photochanger-bench-") as folder:
                figures["providers"] = runner.run(providers.measure(Path(folder), ingests=arguments.ingests))
            _print_providers(console, figures["providers"])
        if "queue" in arguments.parts:
            with tempfile.TemporaryDirectory(prefix="photochanger-bench-") as folder:
                figures["queue"] = runner.run(queue.measure(Path(folder), finished=arguments.finished))
            _print_queue(console, figures["queue"])
        if "scaling" in arguments.parts:
            with tempfile.TemporaryDirectory(prefix="photochanger-bench-") as folder:
                figures["scaling"] = scaling.measure(Path(folder), rounds=arguments.turns)
            _print_scaling(console, figures["scaling"])
        if "size" in arguments.parts:
            with tempfile.TemporaryDirectory(prefix="photochanger-bench-") as folder:
                figures["size"] = size.measure(Path(folder), ended=arguments.ended, index_fill=arguments.index_fill)
            _print_size(console, figures["size"])
        if "statistics" in arguments.parts:
            logs = statistics.FULL if arguments.full else arguments.logs
            with tempfile.TemporaryDirectory(prefix="photochanger-bench-") as folder:
                figures["statistics"] = runner.run(statistics.measure(Path(folder), logs=logs))
            _print_statistics(console, figures["statistics"])
        if "throughput" in arguments.parts:
            with tempfile.TemporaryDirectory(prefix="photochanger-bench-") as folder:
                figures["throughput"] = throughput.measure(Path(folder), rounds=arguments.rounds)
            _print_throughput(console, figures["throughput"])
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(figures, indent=2))
        console.print(f"results written to {arguments.json}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("parts", nargs="*", default=_PARTS, help="some of: %(default)s; all by default")
    parser.add_argument("--json", type=Path, help="file for the results")
    parser.add_argument("--shots", type=int, default=10, help="photos of the camera in each hostile scenario")
    parser.add_argument("--scenario", default="", help="only hostile scenarios whose name contains this")
    parser.add_argument("--rounds", type=int, default=200, help="ingests per row (a fifth with the slow provider)")
    parser.add_argument("--seconds", type=int, default=overload.SECONDS, help="how long photos come in an overload")
    parser.add_argument("--runs", type=int, default=7, help="pairs of each picture, ours and a pipeline")
    parser.add_argument("--photos", type=int, default=100, help="photos of 24 megapixels whose memory is measured")
    parser.add_argument("--live-photos", type=int, default=600, help="photos that come while the page is watched")
    parser.add_argument("--ingests", type=int, default=500, help="ingests per row against providers that fail")
    parser.add_argument("--finished", type=int, default=1_000_000, help="finished jobs in the full table")
    parser.add_argument("--turns", type=int, default=4, help="measurements of each number of processes")
    parser.add_argument("--ended", type=int, default=size.MANY, help="ended jobs in the full table of the part size")
    parser.add_argument("--index-fill", type=int, default=USUAL_INDEX_FILL, help="percent of a page, part size")
    parser.add_argument("--logs", type=int, default=1_000_000, help="rows of the log for statistics")
    parser.add_argument("--full", action="store_true", help=f"statistics of {statistics.FULL:,} rows of the log")
    return parser.parse_args()


def _print_calls(console: Console, figures: dict[str, Any]) -> None:
    table = Table(title="One call of a provider, photo and picture of the same size; memory added by the calls")
    for column in ("provider", "size MB", "CPU ms", "longest hold of the loop ms", "memory MiB", "first call ms"):
        table.add_column(column, justify="right")
    for row in figures["calls"]:
        table.add_row(*(str(value) for value in row.values()))
    console.print(table)


def _print_hostile(console: Console, figures: dict[str, Any]) -> None:
    table = Table(title="Hostile clients: a camera's answers, and memory of all processes of the service")
    for column in ("scenario", "pictures", "camera s p50/p95/p99", "memory MiB", "descriptors", "stored MiB"):
        table.add_column(column, justify="right")
    for row in figures["scenarios"]:
        table.add_row(
            row["scenario"],
            f"{row['pictures']} of {row['photos']} {' '.join(row['failures'])}",
            _three(row["camera_s"]),
            f"{row['memory_before_mib']} → {row['memory_peak_mib']}",
            str(row["descriptors"]),
            str(row["stored_mib"]),
        )
    console.print(table)
    table = Table(title="One refused request")
    for column in ("request", "CPU ms", "MiB", "MiB of each of 16", "answers"):
        table.add_column(column, justify="right")
    for row in figures.get("refused", []):
        memory = (str(row["memory_mib"]), str(row["memory_of_each_at_once_mib"]))
        table.add_row(row["request"], str(row["cpu_ms"]), *memory, " ".join(row["answers"]))
    console.print(table)
    for name in ("login_after_150_wrong_s", "first_photo_after_restart_s"):
        if name in figures:
            console.print(f"{name}: {figures[name]}")


def _print_ingest(console: Console, figures: dict[str, Any]) -> None:
    table = Table(title="Ingest: client-seen milliseconds over the provider's time, next to a bare handler")
    for name in (
        "photo",
        "provider ms",
        "runs",
        "ours p50/p95/p99",
        "bare p50/p95/p99",
        "overhead p50/p95/p99",
        "of it decoding",
        "ratio",
    ):
        table.add_column(name, justify="right")
    for row in figures["overhead"]:
        table.add_row(
            f"{row['photo_bytes'] / 1e6:.1f} MB",
            str(row["provider_ms"]),
            str(row["runs"]),
            _three(row["ours_over_provider_ms"]),
            _three(row["bare_ms"]),
            _three(row["overhead_ms"]),
            f"{row['decoding_ms']:.1f}",
            _three(row["ratio"]),
        )
    console.print(table)
    memory = figures["memory"]
    console.print(
        f"HTTP process under {memory['uploads']} concurrent 6 MB uploads: {memory['peak_mib']} MiB at its peak, "
        f"{memory['before_mib']} MiB before"
    )


def _print_overload(console: Console, figures: dict[str, Any]) -> None:
    capacity = f"{figures['capacity_per_s'] * 60:.0f}"
    table = Table(title=f"Overload for {figures['seconds']} s: a call takes {figures['call_s']} s, {capacity} a minute")
    for column in (
        "load",
        "photos",
        "answers",
        "a minute",
        "of capacity",
        "calls",
        "useless",
        "Retry-After error s",
        "wrong",
    ):
        table.add_column(column, justify="right")
    for row in figures["loads"]:
        promises = row["retry_after"]
        table.add_row(
            f"{row['load']}",
            str(row["photos"]),
            " ".join(f"{status}: {count}" for status, count in row["statuses"].items()),
            str(row["pictures_per_minute"]),
            f"{row['share_of_capacity']:.0%}",
            str(row["calls"]),
            str(row["useless_calls"]),
            _three(promises["error_s"]) if promises else "–",
            f"{promises['wrong']} of {promises['promises']}" if promises else "–",
        )


def _print_memory(console: Console, figures: dict[str, Any]) -> None:
    table = Table(title="Memory of all processes of the service (PSS, shared pages counted once), MiB")
    for column in ("moment", "together", *figures["processes"]):
        table.add_column(column, justify="right")
    for moment, row in figures["moments"].items():
        table.add_row(moment, str(row["together"]), *(str(row.get(name, 0)) for name in figures["processes"]))
    console.print(table)
    console.print(f"answers: {figures['answers']}")


def _print_throughput(console: Console, figures: dict[str, Any]) -> None:
    table = Table(title="Ingests with gemini at 0 ms: client-seen ms over the stand-in's own time")
    for column in ("photo", "bytes", "runs", "ms p50/p95/p99"):
        table.add_column(column, justify="right")
    for row in figures["overhead"]:
        table.add_row(row["photo"], f"{row['bytes']:,}", str(row["runs"]), _three(row["over_stand_in_ms"]))
    console.print(table)
    rate = figures["throughput"]
    table = Table(title="Processor time of all processes, ms a photo")
    for column in ("photo", *throughput.PROCESSES, "together"):
        table.add_column(column, justify="right")
    for row in figures["overhead"]:
        table.add_row(row["photo"], *(str(used) for used in row["cpu_ms"].values()))
    table.add_row(f"1 MB, {throughput.CLIENTS} clients", *(str(used) for used in rate["cpu_ms"].values()))
    console.print(table)
    console.print(f"16 clients, 1 MB: {rate['photos_per_second']} photos/s ({rate['answers']})")


def _print_page(console: Console, figures: dict[str, Any]) -> None:
    table = Table(title=f"Long lists on the page; load of the machine before and after: {figures['load']}")
    for column in (
        "list",
        "items",
        "read s",
        "frames",
        "to the end",
        "p50 ms",
        "p95 ms",
        "over 50 ms",
        "CPU ms a frame",
        "elements",
        "heap MiB",
    ):
        table.add_column(column, justify="right")
    for row in figures["lists"]:
        table.add_row(*(str(value) for value in row.values()))
    console.print(table)
    live = figures["live"]
    console.print(f"{live['photos']} photos while jobs are watched: heap MiB after each third {live['heap_mib']}")


def _print_pictures(console: Console, figures: dict[str, Any]) -> None:
    table = Table(title="Pictures: best ms of wall (CPU), next to one streaming libvips pipeline to the same size")
    for column in ("picture", "ours", "pipeline", "ratio", "CPU ratio"):
        table.add_column(column, justify="right")
    for row in figures["rows"]:
        pair = (f"{row[f'{name}_ms']} ({row[f'{name}_cpu_ms']})" for name in ("ours", "pipeline"))
        table.add_row(row["picture"], *pair, str(row["ratio"]), str(row["cpu_ratio"]))
    console.print(table)


def _print_providers(console: Console, figures: dict[str, Any]) -> None:
    table = Table(title="Ingests against providers that fail in three of ten calls, or have a long tail")
    for column in ("provider", "route", "ingests", "pictures", "success", "ms p50/p95/p99"):
        table.add_column(column, justify="right")
    for provider in ("failing", "long_tail"):
        for route, row in figures[provider].items():
            share = f"{row['success_share']:.2%}"
            table.add_row(provider, route, str(row["ingests"]), str(row["succeeded"]), share, _three(row["ms"]))
    console.print(table)
    console.print(
        f"Provider's answer to client's picture, 2 MB, ms p50/p95/p99: {_three(figures['answer_to_client_ms'])}"
    )


def _print_queue(console: Console, figures: dict[str, Any]) -> None:
    for name, title in (("empty", "empty table"), ("full", f"{figures['finished']:,} finished jobs in the table")):
        table = Table(title=f"Queue, {title}: jobs per second, next to hand-written SQL")
        for column in ("step", "concurrent", "ours", "by hand", "ratio"):
            table.add_column(column, justify="right")
        for step in ("enqueue", "drain"):
            for callers, row in figures[name][step].items():
                table.add_row(step, str(callers), f"{row['ours']:,}", f"{row['by_hand']:,}", f"{row['ratio']:.2f}")
        console.print(table)
        pick_up = figures[name]["pick_up"]
        console.print(
            f"pick-up on an idle queue, ms p50/p95/p99: ours {_three(pick_up['ours_ms'])}, "
            f"by hand {_three(pick_up['by_hand_ms'])}, ratio {_three(pick_up['ratio'])}"
        )
    console.print(f"full to empty table, ours: {figures['full_to_empty']}")


def _print_scaling(console: Console, figures: dict[str, Any]) -> None:
    table = Table(title="Queue with several processes, each with cameras and a worker")
    for column in (
        "commit + ms",
        "side",
        "processes",
        "cameras",
        "photos per second",
        "to one process",
        "ms a photo",
        "CPU ms, clients",
        "server",
        "acquires per photo",
        "at most",
    ):
        table.add_column(column, justify="right")
    for row in figures["rows"]:
        table.add_row(*(str(value) for value in row.values()))
    console.print(table)


def _print_size(console: Console, figures: dict[str, Any]) -> None:
    table = Table(title=f"Statements with {size.FEW:,} and with {figures['ended']:,} ended jobs")
    for column in ("statement", "buffers, few", "many", "ms, few", "many", "ratio"):
        table.add_column(column, justify="right")
    for name, row in figures["statements"].items():
        table.add_row(name, *(str(value) for value in row.values()))
    console.print(table)
    slower = [name for name, row in figures["statements"].items() if row["ratio"] > size.BOUND]
    console.print(f"more than {size.BOUND} times as long: {', '.join(slower) or 'none'}")
    console.print(f"{figures['seconds']} s for the whole part")
    console.print(f"adding up {figures['day']['calls']:,} calls of a day: {figures['day']['ms']:,} ms")
    for scenario, log in figures["log"].items():
        console.print(
            f"log, {scenario}: {log['bytes_a_photo']:,} bytes a photo, {log['of_it_folding']:,} of it for statistics; "
            f"{log['whole_pages_a_photo']:,} more of pages logged whole; largest: {log['largest']}"
        )
    for row in figures["overview"]:
        console.print(
            f"overview of {row['slots']:,} slots, {row['jobs']:,} jobs: ms p50/p95/p99 {_three(row['ms'])}, "
            f"{row['processor_ms']} ms of processor time, {row['kilobytes']} kB"
        )


def _print_statistics(console: Console, figures: dict[str, Any]) -> None:
    table = Table(title=f"Statistics of {figures['rows']['processing_logs']:,} rows of the log")
    for column in ("question", "ms p50/p95/p99"):
        table.add_column(column, justify="right")
    for question, row in figures["ms"].items():
        table.add_row(question, _three(row))
    console.print(table)
    rate = f"{figures['filled_and_folded_per_s']:,}"
    console.print(f"rows {figures['rows']}; recorded and aggregated: {rate} jobs per second")


def _three(values: dict[str, float]) -> str:
    return " / ".join(f"{value:.1f}" for value in values.values())


if __name__ == "__main__":
    main()
