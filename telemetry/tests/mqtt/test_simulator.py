"""What simulated devices say over MQTT: ingest stores it, and the broker's rules for devices allow it."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from common.testing import await_true
from common.tests.mqtt.mosquitto import needed
from devices.services import device_register
from devices.tests.simulator.online import online
from devices.tests.simulator.shelly.devices_to_test import device
from telemetry.models import Reading
from telemetry.tests.servers import deployed_mosquitto


@needed
def test_it_logs_in_with_its_own_account_under_the_deployed_rules(tmp_path: Path) -> None:
    account = device(mac="0200000a0b0c").id
    server = deployed_mosquitto(tmp_path, {account: "its-own", "ecowatt": "ours"})
    server.start()
    try:
        reasons: list[str] = []
        given = {"enable": True, "server": f"127.0.0.1:{server.port}", "user": account, "pass": "its-own", "status_ntf": True}
        with online(
            device(now=time.time(), mac="0200000a0b0c", mqtt=given | {"pass": "another's"}),
            awaited=False,
            on_change=reasons.append,
        ):
            await_true("it is refused", lambda: "Not authorized" in reasons)
        with online(device(now=time.time(), mac="0200000a0b0c", mqtt=given)) as one:
            one.call(lambda device, now: device.switch(0, on=False, source="button", now=now))
            await_true("the broker has taken all it said", one.is_connected)
            assert one.running.counts["messages"] > 10
    finally:
        server.stop()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("model", ["shellyplus1pm", "shelly2pmg3", "shellypmminig3", "shellyproem50", "shellypro3em"])
def test_ingest_stores_what_it_says_as_its_meter_measures_it(ingest: Any, home: Any, model: str) -> None:
    host, port = settings.MQTT_BROKER_HOST, settings.MQTT_BROKER_PORT
    mqtt = {"enable": True, "server": f"{host}:{port}", "status_ntf": True}
    one = device(model, now=time.time(), mac="0200000a0b0d", mqtt=mqtt)
    row = device_register(home=home, hardware_id=one.id, name="Cocina")
    process = ingest(port, "--instance", "60", MQTT_BROKER_HOST=host)
    with online(one):
        stored: Callable[[], Any] = lambda: Reading.objects.filter(device_id=row.pk)  # noqa: E731
        await_true("each channel is stored", lambda: stored().count() >= len(one.meter.curves))
    process.end()
    for reading in stored():
        now = reading.time.timestamp()
        meter = one.meter.curves[reading.channel]
        assert reading.power_w == pytest.approx(meter.at(now).power_w, abs=0.1, rel=0.07)
        assert one.meter.state.energy_wh[reading.channel] - reading.energy_wh == pytest.approx(2.5, abs=2.51)
