"""When a Shelly says by itself that its measurements have changed.

Power, voltage and current are notified when they have moved by more than a dead band, as documented for PM1 and assumed for switches;
energy after each full minute, if it moved. Energy meters send all they measure every three seconds.
"""

from collections.abc import Iterator

from devices.simulator.shelly.components import Body

# By how much a value has to move: in its unit, and as a share of what was sent last.
DEAD_BANDS = {"apower": (1.0, 0.05), "voltage": (1.0, 0.10), "current": (0.02, 0.05)}
ENERGY_METERS = ("em", "em1")
ENERGY_METER_EVERY_S = 3.0
COUNTERS = ("aenergy", "ret_aenergy")


class Reporter:
    """What a device of one kind of metering component has sent since it started."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._reported: dict[str, Body] = {}
        self._totals: dict[str, object] = {}
        self._minute: float | None = None
        self._energy_meter_sent_at = 0.0

    def changes(self, bodies: dict[str, Body], clock: float | None, now: float) -> Iterator[dict[str, Body]]:
        """Yield what has changed, a notification each. `clock` is the device's own, None where it is not set."""
        yield from self._minutes(bodies, clock)
        if self._kind in ENERGY_METERS:
            if now - self._energy_meter_sent_at >= ENERGY_METER_EVERY_S:
                self._energy_meter_sent_at = now
                yield {name: body for name, body in bodies.items() if name.startswith(f"{self._kind}:")}
        else:
            for name, body in bodies.items():
                yield from self._moved(name, body)

    def _moved(self, name: str, body: Body) -> Iterator[dict[str, Body]]:
        reported = self._reported.setdefault(name, {key: body[key] for key in DEAD_BANDS if key in body})
        moved = {key: body[key] for key, before in reported.items() if has_moved(key, before, body[key])}
        if moved:
            reported |= moved
            yield {name: {"id": body["id"], **moved}}

    def _minutes(self, bodies: dict[str, Body], clock: float | None) -> Iterator[dict[str, Body]]:
        """Without a set clock there are no minutes, and nothing is sent."""
        minute = None if clock is None else clock // 60
        is_new = minute is not None and self._minute is not None and minute != self._minute
        self._minute = minute
        for name, body in bodies.items():
            total = _total(name, body)
            before = self._totals.setdefault(name, total)
            if is_new and total != before:
                self._totals[name] = total
                yield {name: _energy(name, body)}


def has_moved(key: str, before: float, value: float) -> bool:
    """Tell whether a value is out of the dead band around the one that was sent."""
    least, share = DEAD_BANDS[key]
    return abs(value - before) > max(least, share * abs(before))


def _total(name: str, body: Body) -> object:
    """Return what the counters of a component show; None for one that has none."""
    if "data:" in name:
        return tuple(value for key, value in body.items() if key != "id")
    return tuple(body[key]["total"] for key in COUNTERS if key in body) or None


def _energy(name: str, body: Body) -> Body:
    return body if "data:" in name else {"id": body["id"], **{key: body[key] for key in COUNTERS if key in body}}
