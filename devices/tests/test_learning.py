"""Model and channels are what the device says, whatever the app registered it as; what somebody chose stays."""

import pytest
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from accounts.models import Home
from devices.circuits import CircuitChange
from devices.learning import Identities, Identity, device_learn
from devices.models import Device, DeviceEvent
from devices.services import device_register, device_replace, device_update
from devices.tests.test_retiring import registered

MAC = "a8032412c3d4"
FOUR = Identity("shellypro4pm", frozenset(range(4)), is_whole=True, firmware="1.7.5", generation=2)


def names(device: Device) -> dict[int, str]:
    return dict(device.channels.values_list("number", "name"))


@pytest.fixture
def device(home: Home) -> Device:
    """As the app registers whatever it finds."""
    return device_register(home=home, hardware_id=MAC, name="Tablero", mqtt_prefix="shellyplus1pm")


def learn(device: Device, said: Identity, *, is_answer: bool = False) -> None:
    device_learn(device_id=device.pk, said=said, is_answer=is_answer)
    device.refresh_from_db()


def test_a_device_becomes_what_it_says_it_is(api: APIClient, device: Device) -> None:
    learn(device, FOUR)
    body = api.get(f"/api/v1/devices/{device.pk}").json()
    assert (body["dev_model"], body["dev_mqtt_prefix"]) == ("shellypro4pm", "shellypro4pm")
    assert (body["dev_firmware"], body["dev_generation"]) == ("1.7.5", 2)
    assert [one["name"] for one in body["channels"]] == ["Tablero 1", "Tablero 2", "Tablero 3", "Tablero 4"]
    event = DeviceEvent.objects.get()
    assert event.details == {"model": "shellypro4pm", "former_model": "shellyplus1pm", "channels": [0, 1, 2, 3]}
    learn(device, FOUR)
    assert DeviceEvent.objects.count() == 1


def test_a_profile_may_change_at_any_time(device: Device) -> None:
    both, cover = (Identity("shellyplus2pm", frozenset(some), is_whole=True) for some in ({0, 1}, {0}))
    learn(device, both)
    assert names(device) == {0: "Tablero 1", 1: "Tablero 2"}
    learn(device, cover)
    assert names(device) == {0: "Tablero"}
    device_update(device=device, name="Persiana")
    assert names(device) == {0: "Persiana"}
    learn(device, both)
    assert names(device) == {0: "Persiana 1", 1: "Persiana 2"}
    device_update(device=device, circuits={1: CircuitChange("Bomba", "pump")})
    learn(device, cover)
    assert names(device) == {0: "Persiana", 1: "Bomba"}  # somebody said what it is, and its past bears the name


def test_what_was_chosen_stays(home: Home, device: Device) -> None:
    device_update(device=device, mqtt_prefix="casa/cocina", circuits={2: CircuitChange("Bomba")})
    learn(device, FOUR)
    assert (device.mqtt_prefix, device.model) == ("casa/cocina", "shellypro4pm")
    assert names(device) == {0: "Tablero 1", 1: "Tablero 2", 2: "Bomba", 3: "Tablero 4"}
    device_update(device=device, mqtt_prefix="shellyplus2pm")  # another model's name, but it is what they typed
    learn(device, FOUR._replace(model="shellypro2pm"))
    assert (device.mqtt_prefix, device.model) == ("shellyplus2pm", "shellypro2pm")
    Device.objects.update(is_model_chosen=True)
    learn(device, FOUR)
    assert device.model == "shellypro2pm"


def test_one_that_is_no_answer_tells_of_no_channel_beyond_its_model(device: Device) -> None:
    learn(device, Identity("shellyplus2pm", frozenset({0, 1, 31}), is_whole=True))
    assert device.channel_numbers == [0, 1]
    learn(device, Identity("shellyplus2pm", frozenset({0, 1, 31}), is_whole=True), is_answer=True)
    assert device.channel_numbers == [0, 1, 31]


def test_new_hardware_is_learnt_anew(device: Device) -> None:
    learn(device, FOUR)
    device_replace(device=device, hardware_id="34987ae4d353")
    device.refresh_from_db()
    assert (device.model, device.firmware, device.generation, device.channel_numbers) == ("shellyplus1pm", "", None, None)
    learn(device, FOUR._replace(model="shellypstripg4"))
    assert (device.model, len(names(device))) == ("shellypstripg4", 4)


def test_one_that_has_gone_is_left_alone(device: Device) -> None:
    device_learn(device_id=device.pk + 1, said=FOUR)
    assert not DeviceEvent.objects.exists()


def test_only_what_is_new_is_written_and_that_once(device: Device, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    heard, known = Identities(), registered(MAC)
    assert known is not None
    with django_assert_num_queries(0):
        assert heard.heard(known, FOUR)
        assert not heard.heard(known, FOUR)
        assert not heard.heard(known, Identity("shellyplus1pm"))  # as it is known
    learn(device, FOUR)
    known = registered(MAC)
    assert known is not None
    assert known.bounds.channels == {0, 1, 2, 3}
    assert not heard.heard(known, FOUR)
    assert not heard.heard(known, Identity(channels=frozenset({2})))  # a script that posts one of them
    assert not heard.heard(known, Identity(channels=frozenset({30})))
    assert heard.heard(known, Identity(channels=frozenset({0}), is_whole=True))
