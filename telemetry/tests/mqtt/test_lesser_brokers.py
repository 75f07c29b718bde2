"""`manage.py ingest` on brokers that know less than Mosquitto: no MQTT 5, no shared subscriptions."""

from typing import Any

import pytest

from common.testing import await_true
from common.tests.mqtt import lesser_broker as lesser
from common.tests.mqtt.mosquitto import mosquitto, needed
from devices.models import Device
from telemetry.models import Reading
from telemetry.tests.mqtt_device import MACS, device, send

pytestmark = [pytest.mark.django_db(transaction=True), needed]


def test_a_process_on_mqtt_3_is_drained_and_its_session_ended(ingest: Any, meters: list[Device]) -> None:
    with mosquitto() as port, lesser.before(port, lesser.without_mqtt_5) as old:
        first = ingest(old, "--instance", "7")
        assert "protocol=MQTTv311" in first.log.read_text()
        assert first.end() == 0
        with device(port) as client:
            send(client, range(3))
        drain = ingest(old, "--drain", "7", awaited=False)
        assert drain.process.wait(90) == 0, drain.log.read_text()
        assert f"{3 * len(MACS)} messages stored" in drain.log.read_text()
        assert Reading.objects.count() == 3 * len(MACS)
        again = ingest(old, "--instance", "7")
        assert "protocol=MQTTv311 resumed=False" in again.log.read_text()


@pytest.mark.parametrize(
    ("up", "down"),
    [(lesser.without_sharing, lesser.unchanged), (lesser.hanging_up_on_sharing, lesser.announcing_no_sharing)],
    ids=["refuses", "announces"],
)
def test_where_the_broker_knows_no_sharing_plain_subscriptions_do(ingest: Any, meters: list[Device], up: Any, down: Any) -> None:
    with mosquitto() as port, lesser.before(port, up, down) as poor:
        one = ingest(poor, MQTT_SHARED="true")
        assert "protocol=MQTTv5" in one.log.read_text()
        with device(port) as client:
            send(client, range(3))
        await_true("every reading is stored", lambda: Reading.objects.count() == 3 * len(MACS))
        assert "refuses" not in one.log.read_text()
        assert one.end() == 0
