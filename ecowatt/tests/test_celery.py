import logging

import pytest
from pytest_django.fixtures import Settings

from ecowatt.celery import OPTIONAL, services_off


def test_each_outside_service_without_a_key_says_that_it_is_off(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    for name in OPTIONAL.values():
        setattr(settings, name, "")
    settings.GEMINIS_API_KEY = "a-key"
    with caplog.at_level(logging.WARNING):
        assert services_off() == ["BREVO_API_KEY", "FIREBASE_CREDENTIALS_PATH", "DISCORD_WEBHOOK_URL"]
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 3
    assert "off until BREVO_API_KEY is set: mail by Brevo" in said[0]
