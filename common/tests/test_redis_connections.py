"""Clients of Redis: one a process for requests, one an event loop for the rest, each with limits of its own."""

import pytest
from pytest_django.fixtures import Settings
from redis.exceptions import RedisError

from common.redis_connections import BACKGROUND, INGEST, REQUEST, SUBSCRIBER, Options, async_redis_client, redis_client


def test_threads_of_a_process_share_one_client_and_it_reaches_redis() -> None:
    assert redis_client() is redis_client()
    assert redis_client().ping() is True


def test_a_redis_that_is_away_is_an_error_and_not_a_wait(settings: Settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    with pytest.raises(RedisError):
        redis_client().ping()


@pytest.mark.parametrize("options", [REQUEST, BACKGROUND, SUBSCRIBER, INGEST])
async def test_every_kind_of_client_reaches_redis_and_gives_up_after_its_time(options: Options) -> None:
    async with async_redis_client(options) as client:
        assert await client.ping() is True
        assert client.connection_pool.connection_kwargs["socket_timeout"] == options["socket_timeout"]


async def test_a_subscriber_is_told_of_the_first_failure() -> None:
    async with async_redis_client(SUBSCRIBER) as client:
        retry = client.get_retry()
        assert retry is not None
        assert retry.get_retries() == 0
