"""A schedule, from the phone that makes it to the relay that obeys it."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone

from common.testing import await_true
from devices.control.kept import kept_send
from devices.models import Command, Device, RelayState, Schedule
from devices.tasks import schedules_run
from devices.tests.simulator.online import Online


@pytest.mark.parametrize(
    ("body", "was_on"),
    [
        ({"action": "off", "time": "22:30"}, True),
        ({"action": "on", "time": "06:00"}, False),
        ({"action": "off_after", "after_minutes": 30}, True),
    ],
)
async def test_a_schedule_that_is_due_switches_the_relay_and_says_so(
    phone: httpx.AsyncClient, meter: Device, shelly: Online, body: dict[str, Any], was_on: bool
) -> None:
    await phone.post(f"/control/{meter.pk}/{'on' if was_on else 'off'}")
    made = (await phone.post(f"/devices/{meter.pk}/schedules", json=body)).json()
    now = timezone.now()
    await Device.objects.filter(pk=meter.pk).aupdate(is_online=True, last_seen_at=now)
    # Half an hour passes, and the next occurrence comes.
    await Schedule.objects.aupdate(since=now - timedelta(hours=1), next_at=None if "time" not in body else now)
    await RelayState.objects.acreate(device=meter, channel=0, is_on=was_on, since=now - timedelta(minutes=30))
    await sync_to_async(schedules_run)()
    assert await kept_send() == 1

    def is_obeyed() -> bool:
        return [relay.is_on for relay in shelly.device.relays] == [not was_on]

    await sync_to_async(await_true)("the relay has obeyed", is_obeyed)
    await sync_to_async(await_true)("its answer is recorded", lambda: Command.objects.latest("pk").state == "done")
    [schedule] = (await phone.get(f"/devices/{meter.pk}/schedules")).json()
    assert (schedule["last"]["outcome"], schedule["last"]["message"]) == ("done", None)
    command = (await phone.get(f"/control/{meter.pk}/history")).json()["commands"][0]
    assert (command["cause"], command["schedule_id"], command["was_on"], command["new_state"], command["command_id"]) == (
        *("schedule", made["schedule_id"], was_on, not was_on),
        schedule["last"]["command_id"],
    )
