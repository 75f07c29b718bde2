import os
import signal
import threading
from typing import Any

import pytest

from accounts.models import Home
from devices.circuits import CircuitChange
from devices.models import Device
from devices.services import device_register
from devices.simulator import MeterState, invented_macs, stop_on_signals
from devices.simulator.registered import meters_of, missing_register


def kinds(macs: list[str]) -> list[list[str]]:
    meters, _ = meters_of(macs, seed="1", states={})
    return [[curve.kind for curve in meter.curves] for meter in meters]


def test_missing_meters_are_registered_under_names_of_rooms(home: Home, meter: Device) -> None:
    macs = [*invented_macs(5, "1"), meter.hardware_id]
    assert [device.name for device in missing_register(home=home, macs=macs)] == ["Cocina", "Sala", "Lavado", "Clima", "Cocina 2"]
    assert missing_register(home=home, macs=macs) == []
    assert Device.objects.filter(home=home).count() == 6


def test_registration_does_not_change_the_load(home: Home) -> None:
    macs = invented_macs(5, "1")
    before = kinds(macs)
    missing_register(home=home, macs=macs)
    assert kinds(macs) == before == [["kitchen"], ["living"], ["laundry"], ["air_conditioning"], ["kitchen"]]


def test_a_device_is_simulated_by_model_names_and_zone(home: Home) -> None:
    home.time_zone = "America/Tijuana"
    home.save()
    circuits = {n: CircuitChange(name) for n, name in enumerate(["Refrigerador", "Lavadora", "Luces", "Aire"])}
    device = device_register(home=home, hardware_id="shellypro4pm-34987ae4d353", name="Tablero", circuits=circuits)
    state = MeterState(5.0, (1.0, 2.0, 3.0, 4.0))
    meters, ids = meters_of(["34987ae4d353", "020000000000"], seed="1", states={"34987ae4d353": state})
    assert {mac: one.pk for mac, one in ids.items()} == {"34987ae4d353": device.pk}
    assert [curve.kind for curve in meters[0].curves] == ["refrigerator", "washing_machine", "living", "air_conditioning"]
    assert {curve.zone.key for curve in meters[0].curves} == {"America/Tijuana"}
    assert (meters[0].model.prefix, meters[0].state) == (
        "shellypro4pm",
        state._replace(returned_wh=(0.0,) * 4, outputs=(True,) * 4),
    )
    assert meters[1].state is None


def test_a_main_meter_measures_the_house_and_an_unknown_model_has_its_named_channels(home: Home) -> None:
    device_register(home=home, hardware_id="34987ae4d353", name="Medidor", is_main=True)
    device_register(
        home=home,
        hardware_id="34987ae4d354",
        name="Otro",
        mqtt_prefix="casa/otro",
        circuits={1: CircuitChange("Bomba"), 0: CircuitChange("Sala")},
    )
    assert kinds(["34987ae4d353", "34987ae4d354"]) == [["whole_house"], ["living", "laundry"]]


def test_a_circuit_draws_like_what_it_is_said_to_be_whatever_its_name(home: Home) -> None:
    circuits = {0: CircuitChange("Cuarto de Luis", "air_conditioning"), 1: CircuitChange("Cocina", "medical")}
    device_register(home=home, hardware_id="shelly2pmg3-34987ae4d353", name="Recámara", circuits=circuits)
    assert kinds(["34987ae4d353"]) == [["air_conditioning", "kitchen"]]


def test_many_devices_cost_two_queries(home: Home, django_assert_num_queries: Any) -> None:
    macs = invented_macs(6, "1")
    missing_register(home=home, macs=macs)
    with django_assert_num_queries(2):
        meters_of(macs, seed="1", states={})


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_sets_the_event_and_the_next_one_is_the_systems(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with stop_on_signals() as stop:
        os.kill(os.getpid(), number)
        assert stop.wait(60)
        assert signal.getsignal(number) == before
    assert signal.getsignal(number) == before


def test_outside_the_main_thread_signals_are_left_alone() -> None:
    before, seen = signal.getsignal(signal.SIGTERM), []

    def run() -> None:
        with stop_on_signals() as stop:
            seen.append((signal.getsignal(signal.SIGTERM), stop.is_set()))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [(before, False)]
