import logging

import pytest
from pytest_django.fixtures import Settings

from ecowatt.celery import OPTIONAL, services_off


def test_an_outside_service_without_a_key_says_that_it_is_off(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    for name in OPTIONAL.values():
        setattr(settings, name, "")
    with caplog.at_level(logging.WARNING):
        assert services_off() == list(OPTIONAL.values())
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == len(OPTIONAL)
    assert "off until BREVO_API_KEY is set: mail by Brevo" in said[0]


def test_a_service_with_a_key_and_one_that_nothing_uses_yet_are_not_mentioned(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.BREVO_API_KEY = "a-key"
    settings.FIREBASE_CREDENTIALS_PATH = settings.GEMINIS_API_KEY = settings.DISCORD_WEBHOOK_URL = ""
    with caplog.at_level(logging.WARNING):
        assert services_off() == []
    assert not caplog.records
