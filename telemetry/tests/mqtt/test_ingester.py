"""`manage.py ingest` as its own process, on real brokers: the test session's and Mosquitto."""

import signal
import time
from typing import Any

import orjson
import pytest
from django.conf import settings
from django.db.models import Sum

from common.redis_connections import redis_client
from common.testing import await_true
from common.tests.mqtt.mosquitto import mosquitto, needed
from devices.models import Device
from telemetry.models import Reading
from telemetry.mqtt.broker_drops import DROPPED_BEFORE
from telemetry.tests.mqtt_device import MACS, device, frame, publish, send
from telemetry.tests.processes import Process

pytestmark = pytest.mark.django_db(transaction=True)


def pair(ingest: Any, port: int) -> list[Process]:
    """Start two processes at once."""
    both = [ingest(port, "--instance", number, awaited=False, MQTT_SHARED="true") for number in ("1", "2")]
    await_true("both are connected", lambda: all(one.is_connected() for one in both))
    return both


def stored() -> int:
    return Reading.objects.count()


def test_readings_arrive_over_the_sessions_broker_and_sigterm_ends_it(ingest: Any, meters: list[Device]) -> None:
    host, port = settings.MQTT_BROKER_HOST, settings.MQTT_BROKER_PORT
    process = ingest(port, "--instance", "77", MQTT_BROKER_HOST=host)
    with device(port, host=host) as client:
        publish(client, f"shellyplus1pm-{MACS[0]}/online", b"true")
        publish(client, f"shellyplus1pm-{MACS[0]}/events/rpc", b"not json")
        publish(client, *frame(MACS[0], 0, 60.0))
        status = {"id": 0, "apower": 90.0, "voltage": 126.0, "current": 0.7, "aenergy": {"total": 101.0}}
        publish(client, f"shellyplus1pm-{MACS[1]}/status/switch:0", orjson.dumps(status))
        await_true("both are stored", lambda: stored() == 2)
    began = time.monotonic()
    assert process.end() == 0
    assert time.monotonic() - began < 10
    assert "messages dropped" in process.log.read_text()
    assert set(Reading.objects.values_list("power_w", "energy_wh")) == {(60.0, 100.0), (90.0, 101.0)}


def test_a_device_whose_prefix_has_slashes_is_heard(ingest: Any, meters: list[Device]) -> None:
    host, port = settings.MQTT_BROKER_HOST, settings.MQTT_BROKER_PORT
    ingest(port, "--instance", "79", MQTT_BROKER_HOST=host)
    with device(port, host=host) as client:
        for mac, prefix in zip(MACS, ("cocina", "casa/cocina", "casa/planta baja/cocina"), strict=False):
            publish(client, f"{prefix}/events/rpc", frame(mac, 0, 60.0)[1])
        await_true("all are stored", lambda: stored() == 3)


def test_the_brokers_password_is_never_logged(ingest: Any, meters: list[Device]) -> None:
    secret = "no-one-may-read-this"
    process = ingest(
        settings.MQTT_BROKER_PORT, "--instance", "78", MQTT_SHELLY_USER="u", MQTT_SHELLY_PASS=secret, LOG_LEVEL="DEBUG"
    )
    assert process.end(signal.SIGINT) == 0
    assert secret not in process.log.read_text()


@needed
def test_two_processes_share_the_load_and_one_that_is_killed_loses_and_doubles_nothing(ingest: Any, meters: list[Device]) -> None:
    with mosquitto() as port:
        first, second = pair(ingest, port)
        with device(port) as client:
            for number in range(10):
                send(client, range(number * 10, number * 10 + 10))
                if number == 4:
                    second.process.kill()
        second.process.wait(60)
        assert stored() < 2000
        again = ingest(port, "--instance", "2", MQTT_SHARED="true")
        await_true("every reading is stored", lambda: stored() == 2000)
        assert Reading.objects.aggregate(sum=Sum("energy_wh"))["sum"] == len(MACS) * sum(100.0 + number for number in range(100))
        assert (first.end(), again.end()) == (0, 0)
        assert stored() == 2000
        for one in (first, again):
            assert "readings" in one.log.read_text(), "the load was not shared"


@needed
def test_a_retired_process_is_drained(ingest: Any, meters: list[Device]) -> None:
    with mosquitto() as port:
        first, second = pair(ingest, port)
        assert (first.end(), second.end()) == (0, 0)
        with device(port) as client:
            send(client, range(10))
        drain = ingest(port, "--drain", "2", awaited=False)
        assert drain.process.wait(90) == 0
        half = stored()
        assert 0 < half < 200
        assert f"{half} messages stored" in drain.log.read_text()
        empty = ingest(port, "--drain", "2", awaited=False)
        assert empty.process.wait(90) == 0
        assert "0 messages stored" in empty.log.read_text()
        with device(port) as client:
            send(client, range(10, 20))
        ingest(port, "--instance", "1", MQTT_SHARED="true")
        await_true("the rest came to the other", lambda: stored() == 400)


@needed
def test_a_broker_that_is_gone_for_a_while_is_found_again(ingest: Any, meters: list[Device]) -> None:
    with mosquitto() as port:
        process = ingest(port)
    await_true("the loss is told", lambda: process.said("trying again"))
    with mosquitto(f"listener {port} 127.0.0.1"):
        await_true("ingest is back", lambda: process.log.read_text().count("connected to the broker") == 2)
        with device(port) as client:
            send(client, range(1))
            await_true("readings arrive again", lambda: stored() == len(MACS))


@needed
def test_two_processes_with_one_number_do_not_fight_for_ever(ingest: Any) -> None:
    with mosquitto() as port:
        first, second = ingest(port), ingest(port)
        assert first.process.wait(60) == 1
        assert "--instance" in first.log.read_text()
        assert second.end() == 0


@needed
def test_what_the_broker_dropped_is_told(ingest: Any, meters: list[Device]) -> None:
    redis_client().delete(DROPPED_BEFORE)  # another broker's count may be the same by chance
    with mosquitto("max_queued_messages 10", "max_inflight_messages 10") as port:
        assert ingest(port).end() == 0
        with device(port) as client:
            send(client, range(3))
        process = ingest(port)
        await_true("the loss is told", lambda: process.said("the broker dropped messages"))


@needed
def test_retained_messages_are_no_sign_of_life_and_unreadable_topics_no_trouble(ingest: Any, meters: list[Device]) -> None:
    with mosquitto() as port, device(port) as client:
        client.publish(f"shellyplus1pm-{MACS[0]}/online", b"false", 1, retain=True).wait_for_publish(10)
        ingest(port)
        send(client, range(1))
        await_true("readings are stored", lambda: stored() == len(MACS))
