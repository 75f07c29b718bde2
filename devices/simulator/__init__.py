"""A simulated household: Shelly meters whose load, a function of seed and time alone, looks like a Mexican home's."""

from common.stop_signals import stop_on_signals
from devices.simulator.clock import Clock
from devices.simulator.counter_file import StateError, state_load, state_save
from devices.simulator.fleet import Counts, Fleet
from devices.simulator.household import CircuitPlan, history, invented_macs, kind_of_name, meter_build
from devices.simulator.load_curve import Curve
from devices.simulator.shelly.meter import Meter, MeterState, Reading

__all__ = [
    "CircuitPlan",
    "Clock",
    "Counts",
    "Curve",
    "Fleet",
    "Meter",
    "MeterState",
    "Reading",
    "StateError",
    "history",
    "invented_macs",
    "kind_of_name",
    "meter_build",
    "state_load",
    "state_save",
    "stop_on_signals",
]
