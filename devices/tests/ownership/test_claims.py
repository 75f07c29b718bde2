"""Claims of devices: with a proof at once, without one until somebody else has it."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis
import redis.asyncio
from asgiref.sync import async_to_sync
from django.conf import settings as configured
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from accounts.models import Home
from devices.discovery import FACTS, UNPROVEN, UnprovenDevice, note_unproven
from devices.models import Device

PATH, PROOF = "/api/v1/devices/", "/api/v1/devices/proof"
MAC = "34987ae4d353"
HOUSE, ELSEWHERE = "189.203.1.2", "187.190.7.8"
BODY = {"dev_hardware_id": MAC, "dev_name": "Cocina"}
POSTED = UnprovenDevice(MAC, "", 40.0, HOUSE, place=HOUSE, is_on=True)
ON_A_BROKER = UnprovenDevice(MAC, "shellyplus1pm", 40.0, None, has_account=True)


@pytest.fixture(autouse=True)
def store() -> Iterator[redis.Redis]:
    with redis.Redis.from_url(configured.REDIS_URL) as client:
        client.delete(UNPROVEN, FACTS)
        yield client
        client.delete(UNPROVEN, FACTS)


@async_to_sync
async def note(*devices: UnprovenDevice) -> None:
    async with redis.asyncio.Redis.from_url(configured.REDIS_URL) as client:
        for device in devices:
            await note_unproven(client, [device], time.time())


def register(client: APIClient, address: str = ELSEWHERE) -> Any:
    return client.post(PATH, BODY, format="json", REMOTE_ADDR=address)


def switch(times: int, device: UnprovenDevice = POSTED) -> None:
    note(device, *(device._replace(is_on=bool(turn % 2)) for turn in range(times)))


def test_who_asks_from_where_the_device_is_has_proven_it(api: APIClient) -> None:
    note(POSTED)
    answer = register(api, HOUSE)
    assert (answer.status_code, answer.json()["dev_proven"]) == (201, True)


def test_a_device_with_an_account_of_its_own_is_claimed_for_good(api: APIClient, stranger_api: APIClient) -> None:
    note(ON_A_BROKER)
    assert register(api).json()["dev_proven"] is True
    note(POSTED)
    assert register(stranger_api, HOUSE).status_code == 403
    assert Device.objects.get().home.memberships.get().user.email == "dueno@example.com"


@pytest.mark.parametrize("heard", [[], [POSTED], [POSTED, POSTED._replace(address=ELSEWHERE, place=ELSEWHERE)]])
def test_any_other_is_claimed_without_a_proof(api: APIClient, heard: list[UnprovenDevice]) -> None:
    note(*heard)
    answer = register(api, "201.1.2.3")
    assert (answer.status_code, answer.json()["dev_proven"]) == (201, False)


def test_a_proof_comes_with_the_first_look_from_where_the_device_is(api: APIClient, django_assert_num_queries: Any) -> None:
    register(api)
    assert api.get(PATH, REMOTE_ADDR=HOUSE).json()[0]["dev_proven"] is False
    note(POSTED)
    assert api.get(PATH, REMOTE_ADDR=ELSEWHERE).json()[0]["dev_proven"] is False
    assert api.get(PATH, REMOTE_ADDR=HOUSE).json()[0]["dev_proven"] is True
    assert Device.objects.get().proven_at is not None
    assert api.get(PATH, REMOTE_ADDR=ELSEWHERE).json()[0]["dev_proven"] is True


def test_the_proof_of_another_home_wins_over_a_mere_claim(api: APIClient, stranger_api: APIClient, home: Home) -> None:
    register(stranger_api)
    note(POSTED)
    answer = register(api, HOUSE)
    assert (answer.status_code, answer.json()["dev_proven"]) == (201, True)
    assert [row["dev_hardware_id"] for row in api.get(PATH).json()] == [MAC.upper()]
    assert stranger_api.get(PATH).json() == []
    assert Device.with_retired.retired().count() == 1  # who had no proof keeps what was measured for it until then
    note(POSTED._replace(address=ELSEWHERE, place=ELSEWHERE))
    assert register(stranger_api).status_code == 403
    assert len(api.get(PATH).json()) == 1


def test_a_claim_without_a_proof_takes_nothing_from_anybody(api: APIClient, stranger_api: APIClient) -> None:
    register(api)
    assert register(stranger_api).status_code == 403
    assert len(api.get(PATH).json()) == 1


def test_who_switches_it_as_asked_has_it(api: APIClient, stranger_api: APIClient) -> None:
    register(stranger_api)
    note(POSTED)
    answer = api.post(PROOF, {"dev_hardware_id": MAC}, format="json")
    asked = answer.json()
    assert (answer.status_code, asked["switchings_seen"], asked["is_proven"]) == (201, 0, False)
    assert f"{asked['switchings']} veces" in asked["message"]
    switch(asked["switchings"] - 1)
    assert api.get(PROOF, {"dev_hardware_id": MAC}).json()["is_proven"] is False
    note(POSTED._replace(is_on=not (asked["switchings"] - 2) % 2))
    shown = api.get(PROOF, {"dev_hardware_id": MAC}).json()
    assert (shown["switchings_seen"], shown["is_proven"]) == (asked["switchings"], True)
    assert stranger_api.get(PROOF, {"dev_hardware_id": MAC}).json()["is_proven"] is False
    assert register(api).json()["dev_proven"] is True
    assert stranger_api.get(PATH).json() == []


def test_switching_more_often_than_asked_shows_nothing(api: APIClient) -> None:
    asked = api.post(PROOF, {"dev_hardware_id": MAC}, format="json").json()
    switch(asked["switchings"] + 1)
    assert register(api).json()["dev_proven"] is False


def test_asking_needs_a_login_a_role_a_mac_and_patience(
    api: APIClient, anonymous_api: APIClient, home: Home, settings: Settings
) -> None:
    assert anonymous_api.post(PROOF, {"dev_hardware_id": MAC}, format="json").status_code == 401
    assert anonymous_api.get(PROOF, {"dev_hardware_id": MAC}).status_code == 401
    for bad in ({}, {"dev_hardware_id": "x"}, {"dev_hardware_id": None}):
        assert api.post(PROOF, bad, format="json").status_code == 422
    assert {api.post(PROOF, {"dev_hardware_id": MAC}, format="json").status_code for _ in range(20)} == {201}
    answer = api.post(PROOF, {"dev_hardware_id": MAC}, format="json")
    assert (answer.status_code, answer.headers["Retry-After"].isdigit()) == (429, True)
    home.memberships.update(role="viewer")
    assert api.post(PROOF, {"dev_hardware_id": MAC}, format="json").status_code == 403


@pytest.mark.usefixtures("redis_away")
def test_without_redis_devices_are_claimed_without_a_proof(api: APIClient) -> None:
    assert register(api, HOUSE).json()["dev_proven"] is False
    assert len(api.get(PATH, REMOTE_ADDR=HOUSE).json()) == 1
    for answer in (api.get(PROOF, {"dev_hardware_id": MAC}), api.post(PROOF, {"dev_hardware_id": MAC}, format="json")):
        assert answer.status_code == 503
