"""Settings that don't go together are named, with the cure."""

import pytest
from django.core.checks import run_checks
from pytest_django.fixtures import Settings


def problems() -> list[tuple[str | None, str, str | None]]:
    return [(found.id, found.msg, found.hint) for found in run_checks() if (found.id or "").startswith("telemetry.")]


def test_the_defaults_go_together() -> None:
    assert problems() == []


@pytest.mark.parametrize(
    ("changed", "code", "cure"),
    [
        ({"TELEMETRY_POWER_GAP_SECONDS": 301, "TELEMETRY_COUNTER_GAP_SECONDS": 400}, "telemetry.E001", "300 or less"),
        ({"TELEMETRY_COUNTER_GAP_SECONDS": 59}, "telemetry.E002", "60 or more"),
        ({"TELEMETRY_RETENTION_DAYS": 7}, "telemetry.E003", "8 or more"),
        ({"TELEMETRY_RETENTION_DAYS": 60, "TELEMETRY_BUCKET_RETENTION_DAYS": 59}, "telemetry.E004", "60 or more"),
    ],
)
def test_settings_that_do_not_are_named_with_the_cure(settings: Settings, changed: dict[str, int], code: str, cure: str) -> None:
    for name, value in changed.items():
        setattr(settings, name, value)
    ((found, message, hint),) = problems()
    assert found == code
    assert any(f"{name} is {value}" in message for name, value in changed.items())
    assert cure in hint


def test_the_bounds_themselves_are_allowed(settings: Settings) -> None:
    settings.TELEMETRY_POWER_GAP_SECONDS = settings.TELEMETRY_COUNTER_GAP_SECONDS = 300
    settings.TELEMETRY_RETENTION_DAYS = settings.TELEMETRY_BUCKET_RETENTION_DAYS = 31
    assert problems() == []
