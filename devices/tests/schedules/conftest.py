"""A home's schedules, made through its phone."""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from devices.models import Device, Schedule

Make = Callable[..., Schedule]


@pytest.fixture
def make(api: APIClient, meter: Device) -> Make:
    """Make a schedule of the home's meter, which is every day's at 22:30 unless the test says otherwise."""

    def made(**body: Any) -> Schedule:
        timed = {} if body.get("action") == "off_after" else {"time": "22:30"}
        answer = api.post(f"/api/v1/devices/{meter.pk}/schedules", {"action": "off"} | timed | body, format="json")
        assert answer.status_code == 201, answer.content
        return Schedule.objects.get(pk=answer.json()["schedule_id"])

    return made
