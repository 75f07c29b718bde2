"""A limit that is passed switches a simulated Shelly off, over a real broker."""

import httpx
from asgiref.sync import sync_to_async
from django.utils import timezone

from common.testing import await_true
from devices.control.kept import kept_send
from devices.models import Command, Device
from devices.tests.control.conftest import *  # noqa: F403 (its fixtures)
from devices.tests.control.conftest import _no_connection_outlives_its_request, _own_broker  # noqa: F401 (its fixtures, too)
from devices.tests.simulator.online import Online
from telemetry.tasks import limits_check
from telemetry.tests.limits.past import power_store


async def test_a_passed_limit_switches_the_device_off_and_the_home_reads_why(
    phone: httpx.AsyncClient, shelly: Online, meter: Device
) -> None:
    answer = await phone.post(f"/devices/{meter.pk}/limits", json={"power_w": 1500, "minutes": 2, "is_active": True})
    assert answer.status_code == 422  # nothing is known of the channel yet
    await sync_to_async(power_store)(meter, timezone.now(), *[1800.0] * 13)
    limit = (await phone.post(f"/devices/{meter.pk}/limits", json={"power_w": 1500, "minutes": 2, "is_active": True})).json()
    await sync_to_async(limits_check)()
    await Device.objects.filter(pk=meter.pk).aupdate(is_online=True, last_seen_at=timezone.now())
    assert await kept_send() == 1
    await sync_to_async(await_true)("it is done", lambda: Command.objects.get().state == "done")
    assert [relay.is_on for relay in shelly.device.relays] == [False]
    [command] = (await phone.get(f"/control/{meter.pk}/history")).json()["commands"]
    assert (command["cause"], command["user_name"], command["was_on"], command["new_state"]) == ("limit", None, True, False)
    [event] = (await phone.get(f"/devices/{meter.pk}/events")).json()["events"]
    assert (event["kind"], event["channel"], event["details"]["limit_id"]) == ("limit_passed", 0, limit["limit_id"])
    assert event["details"]["mean_power_w"] == 1800.0
    await sync_to_async(limits_check)()
    assert await kept_send() == 0
