"""What a home is told to enter in its Shelly."""

from typing import Any

import pytest
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from accounts.models import Home
from conftest import client_of, make_user
from devices.models import Device
from devices.ownership.broker_accounts import account_of
from devices.ownership.keys import device_of_key
from devices.shelly_setup import CODE_PIECE
from devices.tests.simulator.shelly.devices_to_test import ask, device

TOPIC = "shellyplus1pm-a8032412c3d4"


@pytest.fixture(autouse=True)
def _site(settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["eco.example.com"]
    settings.MQTT_BROKER_HOST, settings.MQTT_BROKER_PORT = "127.0.0.1", 1883
    settings.MQTT_SHELLY_USER = settings.MQTT_DYNSEC_USER = ""


def asked(client: APIClient, meter: Device, method: str = "get", **options: Any) -> Any:
    return getattr(client, method)(f"/api/v1/devices/{meter.pk}/setup", HTTP_HOST="eco.example.com:8000", **options)


def ways(client: APIClient, meter: Device, method: str = "get", **options: Any) -> dict[str, Any]:
    return {way["way"]: way for way in asked(client, meter, method, **options).json()["ways"]}


def test_the_ways_come_the_easiest_first_with_the_callers_own_host(api: APIClient, meter: Device) -> None:
    found = ways(api, meter)
    assert list(found) == ["websocket", "mqtt", "script"]
    assert all(way["is_available"] for way in found.values())
    assert found["websocket"]["entries"]["Server"] == "ws://eco.example.com:8000/ws/shelly?token=TU_CLAVE"
    assert found["mqtt"]["entries"]["Server"] == "eco.example.com:1883"
    assert 'let URL = "http://eco.example.com:8000/api/v1/ingest/shelly";' in found["script"]["script"]


def test_over_tls_the_device_checks_the_certificate(api: APIClient, meter: Device, settings: Settings) -> None:
    settings.MQTT_DEVICE_SERVER, settings.MQTT_DEVICE_SSL_CA = "mqtt.example.com:8883", "user_ca.pem"
    found = ways(api, meter, secure=True)
    config = found["websocket"]["calls"][0]["params"]["config"]
    assert (config["server"][:6], config["ssl_ca"]) == ("wss://", "ca.pem")
    config = found["mqtt"]["calls"][0]["params"]["config"]
    assert (config["server"], config["ssl_ca"]) == ("mqtt.example.com:8883", "user_ca.pem")
    assert 'let URL = "https://' in found["script"]["script"]


def test_a_new_key_is_made_only_when_asked_for_and_stands_in_every_place(api: APIClient, meter: Device) -> None:
    first = asked(api, meter, "post").json()
    assert device_of_key(first["dev_key"]) == meter
    websocket, _mqtt, script = first["ways"]
    assert websocket["entries"]["Server"].endswith(f"?token={first['dev_key']}")
    assert f'let KEY = "{first["dev_key"]}";' in script["script"]
    shown = asked(api, meter)
    assert (shown.json()["dev_key"], first["dev_key"] in shown.text) == (None, False)
    assert device_of_key(first["dev_key"]) == meter


def test_a_device_obeys_the_calls(api: APIClient, meter: Device) -> None:
    found, shelly = ways(api, meter, "post"), device(mac=meter.hardware_id)
    for way in ("websocket", "mqtt"):
        for call in found[way]["calls"]:
            answer = ask(shelly, call["method"], **call["params"])
            assert "message" not in (answer or {}), answer
    assert ask(shelly, "Ws.GetConfig")["server"] == found["websocket"]["entries"]["Server"]
    assert ask(shelly, "MQTT.GetConfig")["topic_prefix"] == TOPIC


def test_the_calls_put_the_whole_script_in_pieces_that_a_device_takes(api: APIClient, meter: Device) -> None:
    script = ways(api, meter)["script"]
    pieces = [call["params"] for call in script["calls"] if call["method"] == "Script.PutCode"]
    assert "".join(one["code"] for one in pieces) == script["script"]
    assert [one["append"] for one in pieces] == [False] + [True] * (len(pieces) - 1)
    assert max(len(one["code"]) for one in pieces) <= CODE_PIECE


def test_the_password_at_the_broker_comes_with_a_new_key_alone(api: APIClient, meter: Device, settings: Settings) -> None:
    settings.MQTT_DYNSEC_USER = "admin"
    new = ways(api, meter, "post")["mqtt"]["entries"]
    meter.refresh_from_db()
    account = account_of(meter)
    assert account
    assert (new["Username"], new["Password"], new["MQTT prefix"]) == (account.user, account.password, account.topic_prefixes[0])
    assert account.password not in asked(api, meter).text


def test_a_login_that_all_share_is_told_to_nobody(api: APIClient, meter: Device, settings: Settings) -> None:
    settings.MQTT_SHELLY_USER, settings.MQTT_SHELLY_PASS = "compartido", "secreto-de-todos"
    text = asked(api, meter, "post").text
    assert "compartido" not in text
    assert "secreto-de-todos" not in text
    assert "TU_USUARIO" in text


def test_mqtt_is_no_way_without_a_broker_or_for_a_required_key_that_no_account_stands_for(
    api: APIClient, meter: Device, settings: Settings
) -> None:
    Device.objects.filter(pk=meter.pk).update(requires_key=True)
    assert ways(api, meter)["mqtt"]["is_available"] is False
    settings.MQTT_DEVICE_ACCOUNTS = True
    assert ways(api, meter)["mqtt"]["is_available"] is True
    settings.MQTT_BROKER_HOST = ""
    assert ways(api, meter)["mqtt"]["is_available"] is False


def test_who_may_look_and_who_may_make_a_key(
    stranger_api: APIClient, anonymous_api: APIClient, meter: Device, home: Home, django_assert_num_queries: Any
) -> None:
    viewer = client_of(make_user("invitado@example.com", home, "viewer"))
    expected = {stranger_api: (404, 404), anonymous_api: (401, 401), viewer: (200, 403)}
    for client, statuses in expected.items():
        assert (asked(client, meter).status_code, asked(client, meter, "post").status_code) == statuses
    with django_assert_num_queries(3):
        asked(viewer, meter)
