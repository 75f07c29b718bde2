"""What a Shelly posts."""

from typing import Any

PATH = "/api/v1/ingest/shelly"
MAC = "A8032412C3D4"


def body(power: object = 100, mac: str = MAC, **system: object) -> dict[str, Any]:
    return {"switch:0": {"id": 0, "apower": power, "voltage": 127.1, "current": 0.8}, "sys": {"mac": mac, **system}}
