"""The writer alone, from samples to committed rows, compared with a plain COPY of the same rows into the same table.

Calls are as in production: from MQTT thousands of readings per call, from HTTP one reading in each of many calls that share a commit. Each
is compared with a COPY of finished rows in batches of the same size. One COPY of all rows is the upper limit, which a writer that answers
senders can't reach.
"""

import argparse
import asyncio
import gc
import statistics
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from operator import truediv
from typing import Any

import psycopg
from _common import report, services
from ingest_http import DEVICES, mac, register

Run = Callable[[list[Any]], Awaitable[None]]


def readings(count: int) -> list[Any]:
    """Return this many readings by MAC, device after device, all from the last seconds."""
    from telemetry.shelly.samples import Sample

    start = datetime.now(UTC) - timedelta(seconds=count / DEVICES / 10 + 1)

    def sample(number: int) -> Sample:
        at = start + timedelta(milliseconds=100 * (number // DEVICES))
        return Sample(0, at, 100.0 + number % 977, 127.3, 0.8, 1000.0 + number / 8, None)

    return [(mac(number % DEVICES), [sample(number)]) for number in range(count)]


def pieces(these: list[Any], size: int) -> list[list[Any]]:
    """Cut a list into pieces of this size."""
    return [these[at : at + size] for at in range(0, len(these), size)]


async def together(these: list[Any], *, batch: int) -> None:
    """Store one batch per call, one after the other, as MQTT does."""
    from telemetry.ingest.writer import writer

    for some in pieces(these, batch):
        await writer().store(dict(some))


async def apart(these: list[Any], *, batch: int) -> None:
    """Store from many senders at once, each with one reading, as HTTP does."""
    from telemetry.ingest.writer import writer

    for some in pieces(these, batch):
        await asyncio.gather(*(writer().store(dict([one])) for one in some))


async def copied(these: list[Any], *, batch: int, connection: psycopg.AsyncConnection[Any], keys: dict[str, int]) -> None:
    """Store with COPY alone."""
    from telemetry.ingest import sql

    columns = sql.COPIED.without("device_id").names
    rows = [(keys[mac], *(getattr(one, name) for name in columns)) for mac, (one,) in these]
    for some in pieces(rows, batch):
        async with connection.cursor() as cursor, cursor.copy(sql.COPY_READINGS) as copy:
            copy.set_types(sql.COPY_TYPES)
            for row in some:
                await copy.write_row(row)


async def measure(
    runs: dict[str, Run], connection: psycopg.AsyncConnection[Any], rounds: int, count: int
) -> dict[str, list[float]]:
    """Return the readings per second of each run in each round; the runs take turns."""
    speeds: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds + 1):
        for name, run in runs.items():
            await connection.execute("TRUNCATE telemetry_reading")
            these = readings(count)
            started = time.perf_counter()
            await run(these)
            elapsed = time.perf_counter() - started
            stored = await (await connection.execute("SELECT count(*) FROM telemetry_reading")).fetchone()
            assert stored == (count,), f"{name}: {stored} of {count} readings stored"
            if number:  # the first round warms up: the writer registers new channels
                speeds[name].append(count / elapsed)
    return speeds


async def main(*, rounds: int, readings: int, batch: int, senders: int) -> tuple[list[tuple[str, float]], dict[str, float]]:
    """Return the rows of the table and the ratios."""
    from telemetry.ingest.writer import writer
    from telemetry.ingest.writer_connection import database_conninfo

    async with await psycopg.AsyncConnection.connect(database_conninfo(), autocommit=True) as connection:
        known = await connection.execute("SELECT hardware_id, id FROM devices_device")
        plain = partial(copied, connection=connection, keys=dict(await known.fetchall()))
        runs: dict[str, Run] = {
            "COPY, all rows at once": partial(plain, batch=readings),
            f"COPY, {batch:,} per commit": partial(plain, batch=batch),
            f"writer, {batch:,} per call": partial(together, batch=batch),
            f"COPY, {senders:,} per commit": partial(plain, batch=senders),
            f"writer, {senders:,} callers with one reading each": partial(apart, batch=senders),
        }
        speeds = await measure(runs, connection, rounds, readings)
        await writer().close()
    whole, large, mqtt, small, http = speeds.values()
    pairs = {"in_large_batches": (mqtt, large), "in_small_batches": (http, small), "beside_one_piece": (mqtt, whole)}
    ratios = {f"{name}_ratio": statistics.median(map(truediv, *pair)) for name, pair in pairs.items()}
    return [(name, statistics.median(values)) for name, values in speeds.items()], ratios


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--readings", type=int, default=40_000, help="readings per run (%(default)s)")
    parser.add_argument("--batch", type=int, default=2_000, help="readings per large batch, as from MQTT")
    parser.add_argument("--senders", type=int, default=64, help="senders that wait for one commit, as over HTTP")
    options = vars(parser.parse_args())
    with services():
        register()
        gc.freeze()  # what is loaded stays, as web and ingest processes set it
        gc.set_threshold(10_000, 10, 50)
        rows, ratios = asyncio.run(main(**options))
    report("writer", ["", "readings/s"], rows, **ratios)
