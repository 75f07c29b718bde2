"""Readings over HTTP with a device's own key, with a wrong one and without."""

import asyncio

import httpx
import pytest
from asgiref.sync import sync_to_async
from pytest_django.fixtures import Settings

from devices.models import Device
from devices.ownership.keys import digest_of
from devices.presence.reporter import presence_reporter
from devices.services import device_key_require, device_key_rotate, device_key_used
from telemetry.models import Reading
from telemetry.tests.posts import MAC, PATH, body

pytestmark = pytest.mark.django_db(transaction=True)
UNKNOWN = {"detail": "El dispositivo no está registrado."}


@pytest.fixture
async def key(meter: Device) -> str:
    return await sync_to_async(device_key_rotate)(device=meter)


@pytest.fixture
async def required_key(meter: Device, key: str) -> str:
    await sync_to_async(device_key_used)(device_id=meter.pk, digest=digest_of(key))
    await sync_to_async(device_key_require)(device=meter, is_required=True)
    return key


async def post(shelly: httpx.AsyncClient, key: str | None = None, *, query: str | None = None) -> httpx.Response:
    headers = {"X-Device-Key": key} if key else {}
    return await shelly.post(PATH, params={"key": query} if query else {}, json=body(), headers=headers)


async def test_a_device_with_its_key_is_heard_however_it_presents_it(shelly: httpx.AsyncClient, required_key: str) -> None:
    assert (await post(shelly, required_key)).status_code == 200
    assert (await post(shelly, query=required_key)).status_code == 200
    assert await Reading.objects.acount() > 0


async def test_who_presents_no_key_or_a_wrong_one_cannot_tell_a_device_that_requires_it_from_none(
    shelly: httpx.AsyncClient, required_key: str
) -> None:
    for answer in (await post(shelly), await post(shelly, "falsa"), await post(shelly, query="ñ")):
        assert (answer.status_code, answer.json()) == (404, UNKNOWN)
    assert await Reading.objects.acount() == 0
    assert presence_reporter().waiting == []


async def test_a_wrong_key_is_refused_where_none_is_required(shelly: httpx.AsyncClient, meter: Device, key: str) -> None:
    assert (await post(shelly, f"{key}x")).status_code == 404
    assert (await post(shelly)).status_code == 200


async def test_an_installation_may_require_keys_of_all(
    shelly: httpx.AsyncClient, meter: Device, key: str, settings: Settings
) -> None:
    settings.DEVICE_KEYS_REQUIRED = True
    assert (await post(shelly)).status_code == 404
    assert (await post(shelly, key)).status_code == 200


async def test_the_first_use_of_a_key_is_noted_once_and_of_none_never(shelly: httpx.AsyncClient, meter: Device, key: str) -> None:
    await post(shelly)
    await meter.arefresh_from_db()
    assert meter.key_used_at is None
    await post(shelly, key)
    await meter.arefresh_from_db()
    first = meter.key_used_at
    assert first is not None
    await post(shelly, key)
    await meter.arefresh_from_db()
    assert meter.key_used_at == first


async def test_one_sender_with_the_key_and_one_without_share_a_commit_and_no_fate(
    shelly: httpx.AsyncClient, required_key: str
) -> None:
    answers = await asyncio.gather(*(post(shelly, required_key if turn % 2 else None) for turn in range(10)))
    assert [answer.status_code for answer in answers] == [404, 200] * 5


async def test_a_claim_without_proof_that_requires_a_key_hides_nothing_of_the_device_from_its_true_home(
    shelly: httpx.AsyncClient, meter: Device, required_key: str
) -> None:
    await Device.objects.filter(pk=meter.pk).aupdate(proven_at=None)
    assert (await post(shelly)).status_code == 404
    assert [(one.mac, one.is_claimed) for one in presence_reporter().waiting] == [(MAC.lower(), True)]
