"""Fixtures of the devices' tests."""

import pytest
from pytest_django.fixtures import Settings


@pytest.fixture
def redis_away(settings: Settings) -> None:
    """Let requests find no Redis; the cache, with its limits, is there."""
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
