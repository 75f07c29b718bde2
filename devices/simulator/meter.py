"""A simulated Shelly: what it reports at a moment, and the energy counters that go with it."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from devices.shelly_models import model_of
from devices.simulator.appliances import KINDS
from devices.simulator.load_curve import Curve, Moment, noise, voltage_v
from devices.simulator.seeded_random import chance

# These never report the frequency.
WITHOUT_FREQUENCY = {"shellyplus1pm", "shellyplusplugs"}
CATCH_UP_HOURS = 7 * 24


class Reading(NamedTuple):
    """One reading of one channel: UTC, W, V, A, and the counter of energy drawn in Wh."""

    channel: int
    time: datetime
    power_w: float
    voltage_v: float
    current_a: float
    energy_wh: float


class MeterState(NamedTuple):
    """Where the counters stood, in Wh by channel, and when (seconds since the epoch)."""

    time: float
    energy_wh: tuple[float, ...]


class Meter:
    """A meter with one curve per channel. Its counters are the exact integral of the curves, so they go on after a restart.

    `state` is replaced as a whole and may be read from another thread. Without one the meter begins at the first moment it is
    asked for, with counters that say it is some years old. After more than `catch_up_hours` of silence the counters stand still,
    as if the meter had been without power. It reports as `switch:N`, a model that has no relay as `pm1:N`.
    """

    def __init__(
        self,
        mac: str,
        curves: Sequence[Curve],
        *,
        seed: str,
        model: str = "shellyplus1pm",
        state: MeterState | None = None,
        catch_up_hours: float = CATCH_UP_HOURS,
    ) -> None:
        """Prepare the meter. `mac` is in lower case; a state with another number of channels keeps what fits."""
        self.mac, self.curves, self.model = mac, list(curves), model
        self.catch_up_s = catch_up_hours * 3600
        rng = chance(seed, mac, "age")
        self._first_wh = [round(rng.uniform(5e6, 9e6), 3) for _ in self.curves]
        self._supply_salt = chance(seed, "supply").randrange(1 << 30)
        self._started: float | None = None
        self.state = None if state is None else MeterState(state.time, (*state.energy_wh, *self._first_wh)[: len(self.curves)])

    def readings(self, time: float) -> list[Reading]:
        """Move on to a time, seconds since the epoch, and return each channel's reading. Time that goes back moves no counter."""
        state = self._advance(time)
        when = datetime.fromtimestamp(time, UTC)
        return [self._reading(channel, time, when, state.energy_wh[channel]) for channel in range(len(self.curves))]

    def status(self, time: float) -> dict[str, Any]:
        """Move on to a time, cut to the second as a Shelly reports it, and return the body that it posts."""
        second = int(time)
        readings = self.readings(second)
        if self._started is None:
            self._started = second
        model = model_of(self.model)
        component = "switch" if model is None or model.has_relay else "pm1"
        body: dict[str, Any] = {f"{component}:{one.channel}": self._component(one, second, component) for one in readings}
        body["sys"] = {
            "mac": self.mac.upper(),
            "restart_required": False,
            "unixtime": second,
            "uptime": int(second - self._started) + 60,
            "available_updates": {},
        }
        return body

    def history(self, start: float, end: float, step_s: int) -> Iterator[Reading]:
        """Yield the readings of [start, end], channel by channel, oldest first, at full multiples of the step.

        They lead up to where the counters stand, if there is a state, and the state moves to the end once all are taken.
        """
        state = self.state or MeterState(start, tuple(self._first_wh))
        times = range(-int(-start // step_s) * step_s, int(end) + 1, step_s)
        for channel, curve in enumerate(self.curves):
            time = float(times.start)
            counter = state.energy_wh[channel] + curve.energy_wh(state.time, time) - curve.energy_wh(time, state.time)
            for moment in times:
                counter += curve.energy_wh(time, moment)
                time = moment
                yield self._reading(channel, moment, datetime.fromtimestamp(moment, UTC), max(0.0, counter))
        if end > state.time:
            energy = zip(self.curves, state.energy_wh, strict=True)
            self.state = MeterState(end, tuple(before + curve.energy_wh(state.time, end) for curve, before in energy))

    def _advance(self, time: float) -> MeterState:
        state = self.state or MeterState(time, tuple(self._first_wh))
        if time > state.time:
            energy_wh = state.energy_wh
            if time - state.time <= self.catch_up_s:
                energy_wh = tuple(
                    wh + curve.energy_wh(state.time, time) for curve, wh in zip(self.curves, energy_wh, strict=True)
                )
            state = MeterState(time, energy_wh)
        self.state = state
        return state

    def _reading(self, channel: int, time: float, when: datetime, counter_wh: float) -> Reading:
        curve = self.curves[channel]
        moment: Moment = curve.at(time)
        volts = round(voltage_v(self._supply_salt, time, moment.hour, moment.power_w), 1)
        amps = moment.power_w / (volts * KINDS[curve.kind].power_factor)
        return Reading(channel, when, round(moment.power_w, 1), volts, round(amps, 3), round(counter_wh, 3))

    def _component(self, reading: Reading, second: int, component: str) -> dict[str, Any]:
        curve = self.curves[reading.channel]
        minute = second - second % 60
        by_minute = [round(1000 * curve.energy_wh(minute - 60 * n, minute - 60 * (n - 1)), 3) for n in (1, 2, 3)]
        celsius = round(42 + 0.006 * reading.power_w + noise(curve.salt, minute), 1)
        body: dict[str, Any] = {"id": reading.channel}
        if component == "switch":
            body |= {"source": "init", "output": True}
        body |= {"apower": reading.power_w, "voltage": reading.voltage_v}
        if self.model not in WITHOUT_FREQUENCY:
            body["freq"] = round(60 + 0.03 * noise(self._supply_salt, second), 2)
        body |= {"current": reading.current_a}
        body["aenergy"] = {"total": reading.energy_wh, "by_minute": by_minute, "minute_ts": minute}
        body["temperature"] = {"tC": celsius, "tF": round(celsius * 1.8 + 32, 1)}
        return body
