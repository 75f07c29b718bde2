"""The frames that a Shelly sends by itself."""

from typing import Any, NamedTuple

from devices.simulator.shelly.components import Body


class Notification(NamedTuple):
    """`NotifyStatus` (components with the fields that changed), `NotifyFullStatus` (all of them) or `NotifyEvent`."""

    method: str
    params: dict[str, Any]

    def frame(self, source: str, destination: str) -> dict[str, Any]:
        return {"src": source, "dst": destination, **self._asdict()}

    @property
    def components(self) -> list[str]:
        """The names of the components that it is about; none for an event."""
        return [] if self.method == "NotifyEvent" else [name for name in self.params if name != "ts"]


class Outbox:
    """What a device has to say and has not said yet. Clocks are the device's own, None where it is not set.

    Firmware 2 leaves the id of a component out of a change.
    """

    def __init__(self, *, has_ids: bool) -> None:
        self._has_ids = has_ids
        self._waiting: list[Notification] = []

    def add(self, method: str, clock: float | None, components: dict[str, Body]) -> None:
        if method == "NotifyStatus" and not self._has_ids:
            components = {name: {key: value for key, value in body.items() if key != "id"} for name, body in components.items()}
        self._waiting.append(Notification(method, {"ts": _timestamp(clock), **components}))

    def add_event(self, clock: float | None, event: dict[str, Any]) -> None:
        ts = _timestamp(clock)
        self._waiting.append(Notification("NotifyEvent", {"ts": ts, "events": [{**event, "ts": ts}]}))

    def take(self) -> list[Notification]:
        taken, self._waiting = self._waiting, []
        return taken


def _timestamp(clock: float | None) -> float | None:
    return None if clock is None else round(clock, 2)
