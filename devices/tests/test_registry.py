"""What each process remembers of devices, on a real Redis that may fall silent."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import redis.asyncio
from django.conf import settings

from devices.registry import CHANGES, DeviceRegistry, RegisteredDevice

MAC = "a8032412c3d4"


class Database:
    """What the registry asks: counts how often."""

    def __init__(self) -> None:
        self.asked = 0

    async def fetch(self, macs: list[str]) -> dict[str, RegisteredDevice]:
        self.asked += 1
        return {mac: RegisteredDevice(self.asked, True) for mac in macs}


@pytest.fixture
async def server() -> AsyncIterator[redis.asyncio.Redis]:
    async with redis.asyncio.Redis.from_url(settings.REDIS_URL) as client:
        yield client


@pytest.fixture
async def registry(server: redis.asyncio.Redis) -> AsyncIterator[DeviceRegistry]:
    one = DeviceRegistry()
    await listening(server)
    yield one
    await one.close()


async def listening(server: redis.asyncio.Redis) -> None:
    """Wait until somebody hears changes."""
    for _ in range(400):
        if await server.publish(CHANGES, "nobody"):
            return
        await asyncio.sleep(0.05)
    raise AssertionError("nobody listens")


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(400):
        if condition():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it never came to pass")


async def changed(registry: DeviceRegistry, database: Database, before: int) -> bool:
    """Look the device up until the database was asked again."""
    for _ in range(400):
        await registry.lookup([MAC], database.fetch)
        if database.asked > before:
            return True
        await asyncio.sleep(0.05)
    return False


async def test_a_device_is_asked_for_once_and_again_after_its_change(
    registry: DeviceRegistry, server: redis.asyncio.Redis
) -> None:
    database = Database()
    await registry.lookup([MAC], database.fetch)
    assert await registry.lookup([MAC], database.fetch) == {MAC: RegisteredDevice(1, True)}
    await server.publish(CHANGES, MAC)
    assert await changed(registry, database, 1)


async def test_changes_are_heard_again_after_the_connection_was_cut(
    registry: DeviceRegistry, server: redis.asyncio.Redis
) -> None:
    await until(lambda: registry.hears_changes)
    await server.client_kill_filter(_type="pubsub")
    await until(lambda: not registry.hears_changes)
    await until(lambda: registry.hears_changes)
    database = Database()
    await registry.lookup([MAC], database.fetch)
    await server.publish(CHANGES, MAC)
    assert await changed(registry, database, 1)


async def test_whatever_is_said_on_the_channel_ends_no_listening(registry: DeviceRegistry, server: redis.asyncio.Redis) -> None:
    await server.publish(CHANGES, b"\xff\xfe")
    await listening(server)
    database = Database()
    await registry.lookup([MAC], database.fetch)
    await server.publish(CHANGES, MAC)
    assert await changed(registry, database, 1)
    assert registry.hears_changes


async def test_nothing_is_believed_for_long_while_the_connection_proves_nothing(
    registry: DeviceRegistry, server: redis.asyncio.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database()
    await registry.lookup([MAC], database.fetch)
    monkeypatch.setattr("devices.registry.SHORT_LIFE_S", 0.3)
    monkeypatch.setattr("common.redis_channels.PING_S", 0.1)
    await server.client_pause(2_000)  # answers nobody, as a half-open connection
    assert await changed(registry, database, 1)
    await server.client_unpause()
