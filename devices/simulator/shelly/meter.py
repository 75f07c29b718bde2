"""What a simulated Shelly measures: its circuits at a moment, and the energy counters that go with them."""

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from devices.simulator.appliances import KINDS
from devices.simulator.load_curve import Curve, chance, noise, voltage_v
from devices.simulator.shelly.circuit import MINUTES_REPORTED, Circuit
from devices.simulator.shelly.components import Counter, Measured, metering_components
from devices.simulator.shelly.hardware import HARDWARE, simulated_model

CATCH_UP_HOURS = 7 * 24


class Reading(NamedTuple):
    """One reading of one channel: UTC, W, V, A, and the counters of energy drawn and returned in Wh (None: it never returns any)."""

    channel: int
    time: datetime
    power_w: float
    voltage_v: float
    current_a: float
    energy_wh: float
    returned_wh: float | None = None


class MeterState(NamedTuple):
    """Where the counters stood, in Wh by channel, which relays were on, and when (seconds since the epoch)."""

    time: float
    energy_wh: tuple[float, ...]
    returned_wh: tuple[float, ...] = ()
    outputs: tuple[bool, ...] = ()


class Meter:
    """A meter with one circuit per channel. Its counters are the exact integral of what flows, so they go on after a restart.

    `state` is replaced as a whole and may be read from another thread. Without one the meter begins at the first moment it is
    asked for, with counters that say it is some years old. After more than `catch_up_hours` of silence the counters stand still,
    as if the meter had been without power.
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
        """`mac` is in lower case; a state with another number of channels keeps what fits."""
        self.mac, self.curves, self.model = mac, list(curves), simulated_model(model, len(curves))
        self.hardware = HARDWARE[self.model.prefix]
        self.catch_up_s = catch_up_hours * 3600
        rng = chance(seed, mac, "age")
        first_wh = [round(rng.uniform(5e6, 9e6), 3) for _ in self.curves]
        self._supply_salt = chance(seed, "supply").randrange(1 << 30)
        self._started: float | None = None
        returns = [KINDS[curve.kind].returns_energy for curve in self.curves]
        drawn = tuple(0.0 if returned else wh for wh, returned in zip(first_wh, returns, strict=True))
        given = tuple(wh if returned else 0.0 for wh, returned in zip(first_wh, returns, strict=True))
        self._first = MeterState(-math.inf, drawn, given, (True,) * len(self.curves))
        self.state = None if state is None else MeterState(state.time, *map(self._fitted, state[1:], self._first[1:]))
        has_relays = self.model.component == "switch"
        self.circuits = [
            Circuit(curve, is_on=on or not has_relays)
            for curve, on in zip(self.curves, (self.state or self._first).outputs, strict=True)
        ]

    @staticmethod
    def _fitted(values: tuple[Any, ...], first: tuple[Any, ...]) -> tuple[Any, ...]:
        return (*values, *first[len(values) :])[: len(first)]

    def readings(self, time: float) -> list[Reading]:
        """Move on to a time, seconds since the epoch, and return each channel's reading. Time that goes back moves no counter."""
        state = self._advance(time)
        when = datetime.fromtimestamp(time, UTC)
        return [
            self._reading(channel, time, when, state.energy_wh[channel], state.returned_wh[channel], circuit.power_w(time))
            for channel, circuit in enumerate(self.circuits)
        ]

    def measured(self, time: float, minute: float | None = None) -> list[Measured]:
        """Move on to a time and return what each channel measures; `minute` is when the current one began, by default UTC's."""
        start = time - time % 60 if minute is None else minute
        return [self._measured(one, time, start) for one in self.readings(time)]

    def status(self, time: float) -> dict[str, Any]:
        """Move on to a time, cut to the second as a Shelly reports it, and return the body that its script posts."""
        second = int(time)
        if self._started is None:
            self._started = second
        kind = self.model.component
        body = metering_components(kind, self.hardware, self.measured(second), second - second % 60)
        if kind == "switch":
            for channel, circuit in enumerate(self.circuits):
                body[f"switch:{channel}"] |= {"source": "init", "output": circuit.is_on}
        body["sys"] = {
            "mac": self.mac.upper(),
            "restart_required": False,
            "unixtime": second,
            "uptime": int(second - self._started) + 60,
            "available_updates": {},
        }
        return body

    def switch(self, channel: int, time: float, *, on: bool) -> None:
        """Connect a circuit at a time, or disconnect it."""
        state = self._advance(time)
        self.circuits[channel].switch(max(time, state.time), on=on)
        self.state = state._replace(outputs=tuple(circuit.is_on for circuit in self.circuits))

    def reset_counters(self, channel: int, time: float) -> None:
        """Begin again at zero."""
        state = self._advance(time)
        self.circuits[channel].counts_since = time
        drawn, returned = (tuple(0.0 if n == channel else wh for n, wh in enumerate(counters)) for counters in state[1:3])
        self.state = state._replace(energy_wh=drawn, returned_wh=returned)

    def lose_power(self, time: float) -> None:
        """Keep of the counters what a device finds again after a restart: whole Wh, and nothing of the last minutes."""
        state = self._advance(time)
        for circuit in self.circuits:
            circuit.counts_since = time
        drawn, returned = (tuple(float(math.floor(wh)) for wh in counters) for counters in state[1:3])
        self.state = state._replace(energy_wh=drawn, returned_wh=returned)

    def history(self, start: float, end: float, step_s: int) -> Iterator[Reading]:
        """Yield the readings of [start, end], channel by channel, oldest first, at full multiples of the step.

        They lead up to where the counters stand, if there is a state, and the state moves to the end once all are taken.
        """
        state = self.state or self._first._replace(time=start)
        times = range(-int(-start // step_s) * step_s, int(end) + 1, step_s)
        for channel, curve in enumerate(self.curves):
            returns, time = self.circuits[channel].returns, float(times.start)
            counters = [state.energy_wh[channel], state.returned_wh[channel]]
            counters[returns] += curve.energy_wh(state.time, time) - curve.energy_wh(time, state.time)
            for moment in times:
                counters[returns] += curve.energy_wh(time, moment)
                time = moment
                power_w = -curve.at(time).power_w if returns else curve.at(time).power_w
                drawn, returned = (max(0.0, wh) for wh in counters)
                yield self._reading(channel, moment, datetime.fromtimestamp(moment, UTC), drawn, returned, power_w)
        if end > state.time:
            self.state = self._moved(state, end, [curve.energy_wh(state.time, end) for curve in self.curves])

    def _advance(self, time: float) -> MeterState:
        state = self.state or self._first._replace(time=time)
        if time > state.time:
            is_lapse = time - state.time > self.catch_up_s
            flowed = [0.0 if is_lapse else circuit.energy_wh(state.time, time) for circuit in self.circuits]
            state = self._moved(state, time, flowed)
        self.state = state
        return state

    def _moved(self, state: MeterState, time: float, flowed_wh: Sequence[float]) -> MeterState:
        drawn, returned = list(state.energy_wh), list(state.returned_wh)
        for channel, (circuit, wh) in enumerate(zip(self.circuits, flowed_wh, strict=True)):
            (returned if circuit.returns else drawn)[channel] += wh
        return state._replace(time=time, energy_wh=tuple(drawn), returned_wh=tuple(returned))

    def _reading(self, channel: int, time: float, when: datetime, drawn_wh: float, returned_wh: float, power_w: float) -> Reading:
        curve = self.curves[channel]
        volts = round(voltage_v(self._supply_salt, time, curve.at(time).hour, max(0.0, power_w)), 1)
        amps = abs(power_w) / (volts * KINDS[curve.kind].power_factor)
        returned = round(returned_wh, 3) if self.circuits[channel].returns else None
        return Reading(channel, when, round(power_w, 1), volts, round(amps, 3), round(drawn_wh, 3), returned)

    def _measured(self, one: Reading, time: float, minute: float) -> Measured:
        circuit = self.circuits[one.channel]
        state = self.state or self._first
        drawn_wh, returned_wh = state.energy_wh[one.channel], state.returned_wh[one.channel]
        marks = [max(minute - 60 * back, circuit.counts_since) for back in range(MINUTES_REPORTED + 1)]
        since_wh = [circuit.energy_wh(mark, time) for mark in marks]
        still = (0.0,) * len(since_wh)
        drawn = Counter(drawn_wh, tuple(drawn_wh - wh for wh in (still if circuit.returns else since_wh)))
        returned = Counter(returned_wh, tuple(returned_wh - wh for wh in (since_wh if circuit.returns else still)))
        return Measured(
            one.channel,
            one.power_w,
            one.voltage_v,
            one.current_a,
            KINDS[circuit.curve.kind].power_factor,
            round(60 + 0.03 * noise(self._supply_salt, int(time)), 2),
            round(42 + 0.006 * abs(one.power_w) + noise(circuit.curve.salt, int(minute)), 1),
            drawn,
            returned,
        )
