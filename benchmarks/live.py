"""The time from posting a reading to its frame at a phone, through a real Daphne, compared with a bare hop through Redis at the same rate.

It includes the HTTP request, the commit, Redis and the WebSocket. Meters and phones are in one process, so one clock measures it. Both
are measured in turns.
"""

import argparse
import asyncio
import contextlib
import gc
import os
import statistics
import time

import redis.asyncio
from _common import DAPHNE, percentile, report, server, services
from _home import families, token_of
from _live import Watch, meters, phones


async def bare(channels: int, *, per_second: float, seconds: float) -> list[float]:
    """Publish frames evenly to the channels in turn and receive them; return how long each took, in ms."""
    sent: dict[str, float] = {}
    times: list[float] = []
    async with redis.asyncio.Redis.from_url(os.environ["URL_DATABASE_REDIS"]) as client, client.pubsub() as pubsub:
        await pubsub.subscribe(*(f"bench:{number}" for number in range(channels)))

        async def hear() -> None:
            async for message in pubsub.listen():
                started = sent.get(message["data"].decode()) if message["type"] == "message" else None
                times.extend([] if started is None else [(time.perf_counter() - started) * 1000])

        listener = asyncio.create_task(hear())
        start = time.perf_counter() + 0.1
        for number in range(round(per_second * seconds)):
            await asyncio.sleep(start + number / per_second - time.perf_counter())
            text = f"{number:<110}"  # as long as a frame
            sent[text] = time.perf_counter()
            await client.publish(f"bench:{number % channels}", text)
        await asyncio.sleep(0.5)
        listener.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await listener
    return times


async def measure(
    port: int, watched: list[tuple[int, str]], rounds: int, **load: float
) -> tuple[list[Watch], list[list[float]], int]:
    """Return the times of each round, ours and bare, and how many readings were posted."""
    ours, hops, posted = [], [], 0
    warm = Watch()
    async with phones(port, watched, warm):
        await meters(port, len(watched), warm, per_second=load["per_second"], seconds=2)
    for _ in range(rounds):
        ours.append(Watch())
        async with phones(port, watched, ours[-1]):
            await asyncio.sleep(1.5)  # until the writer knows that somebody watches
            posted += await meters(port, len(watched), ours[-1], **load)
        hops.append(await bare(len(watched), **load))
    return ours, hops, posted


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sockets", type=int, default=40)
    parser.add_argument("--per-second", type=float, default=200.0, help="readings of all devices together")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each run")
    options = vars(parser.parse_args())
    gc.disable()  # this process's own pauses must not count
    with services():
        watched = [(device_id, token_of(user)) for user, [device_id] in families(options.pop("sockets"))]
        with server([*DAPHNE, "ecowatt.asgi:application"]) as daphne:
            ours, hops, posted = asyncio.run(measure(daphne.port, watched, **options))
    runs = {
        "post to frame at the socket": [watch.times_ms for watch in ours],
        "post to its answer": [watch.answered_ms for watch in ours],
        "bare Redis hop": hops,
    }
    rows = [
        (name, *(statistics.median(percentile(times, share) for times in each) for share in (0.5, 0.95, 0.99)))
        for name, each in runs.items()
    ]
    delivered = sum(len(watch.times_ms) for watch in ours)
    report("live", ["", "p50 ms", "p95 ms", "p99 ms"], rows, frames=delivered, of_readings=posted)
