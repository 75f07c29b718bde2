"""Phones that watch devices, and meters that post, in one process, so that one clock measures the time between."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence

import orjson
from _common import post_request
from ingest_http import PATH, mac
from websockets.asyncio.client import ClientConnection, connect

CONNECTIONS = 16
HANDSHAKES_AT_ONCE = 20
# Power identifies a reading, so it must be a value that the device's model may send, and another one for some seconds.
MOST_W = 3_000


class Watch:
    """Which posted readings the phones have received, and when."""

    def __init__(self) -> None:
        self.sent: dict[int, float] = {}
        self.times_ms: list[float] = []
        self.answered_ms: list[float] = []

    async def follow(self, live: ClientConnection) -> None:
        """Measure the time of each expected frame."""
        async for text in live:
            started = self.sent.pop(int(orjson.loads(text)["watts"]), None)
            if started is not None:
                self.times_ms.append((time.perf_counter() - started) * 1000)


@contextlib.asynccontextmanager
async def phones(port: int, watched: Sequence[tuple[int, str]], watch: Watch) -> AsyncIterator[None]:
    """Watch each device with its token while the block runs; the block starts when all are connected."""
    gate = asyncio.Semaphore(HANDSHAKES_AT_ONCE)

    async def one(device_id: int, token: str) -> ClientConnection:
        async with gate:
            address = f"ws://127.0.0.1:{port}/ws/live/{device_id}?token={token}"
            return await connect(address, ping_interval=None, compression=None, open_timeout=60, close_timeout=1)

    sockets = await asyncio.gather(*(one(*each) for each in watched))
    followers = [asyncio.create_task(watch.follow(live)) for live in sockets]
    try:
        yield
    finally:
        await asyncio.gather(*(live.close() for live in sockets))
        await asyncio.gather(*followers, return_exceptions=True)


async def meters(port: int, devices: int, watch: Watch, *, per_second: float, seconds: float) -> int:
    """Post readings of the devices in turn, evenly spaced; return their number when all are answered and their frames had time to come."""
    count = round(per_second * seconds)
    start = time.perf_counter() + 0.1

    async def post(first: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in range(first, count, CONNECTIONS):
            body = {
                "switch:0": {"apower": number % MOST_W, "voltage": 127.3, "current": 0.8},
                "sys": {"mac": mac(number % devices)},
            }
            request = post_request(PATH, orjson.dumps(body))
            await asyncio.sleep(start + number / per_second - time.perf_counter())
            started = watch.sent[number % MOST_W] = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            watch.answered_ms.append((time.perf_counter() - started) * 1000)
            await reader.readexactly(int(head.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0]))
        writer.close()

    await asyncio.gather(*map(post, range(CONNECTIONS)))
    await asyncio.sleep(1)
    return count
