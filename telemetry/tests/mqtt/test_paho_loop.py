import asyncio
import socket

from telemetry.mqtt.paho_loop import Pump
from telemetry.mqtt.paho_packets import WireClient
from telemetry.mqtt.versions import V3


def test_a_client_that_is_left_behind_closes_after_its_event_loop() -> None:
    with socket.create_server(("127.0.0.1", 0)) as broker:
        pump = Pump(WireClient("ecowatt-test", V3, is_clean=True), is_full=lambda: False, on_end=lambda: None)
        asyncio.run(pump.open("127.0.0.1", broker.getsockname()[1], 60))
        pump.client.wire.close()
        assert pump.client.wire.fileno() == -1
