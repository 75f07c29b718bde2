"""Devices are asked what they are, over a real broker."""

from collections.abc import Callable

import httpx
import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone

from devices.control import rpc as rpc_module
from devices.control.identify import devices_identify
from devices.models import Device
from devices.tests.control.conftest import MAC
from devices.tests.simulator.online import Online


async def test_a_device_registered_by_the_app_becomes_what_it_is(
    phone: httpx.AsyncClient, go_online: Callable[..., Online], meter: Device
) -> None:
    await sync_to_async(go_online)(MAC, "shellypro4pm")
    assert await devices_identify() == 0  # not there yet, as far as is known
    await Device.objects.aupdate(is_online=True, mqtt_prefix="shellypro4pm")
    assert await devices_identify() == 1
    body = (await phone.get(f"/devices/{meter.pk}")).json()
    assert (body["dev_model"], body["dev_generation"], len(body["channels"])) == ("shellypro4pm", 2, 4)
    assert body["dev_firmware"]
    assert await devices_identify() == 0  # once a day


async def test_one_that_hears_nothing_is_asked_again_later(
    phone: httpx.AsyncClient, meter: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rpc_module, "ANSWER_S", 0.3)
    await Device.objects.aupdate(is_online=True)
    assert await devices_identify() == 0
    await meter.arefresh_from_db()
    assert (meter.model, meter.firmware, meter.identify_at > timezone.now()) == ("shellyplus1pm", "", True)
