"""What a household's appliances draw over one day. Figures are those of common appliances in Mexico, rounded.

An appliance yields events `(start_s, end_s, power_w)`, seconds after local midnight. They may reach into the next day; where they
overlap, their powers add up.
"""

import math
from collections.abc import Callable, Iterator
from random import Random
from typing import NamedTuple

from devices.simulator.weather import HOUR, Day

Event = tuple[float, float, float]
MINUTE, DAY = 60.0, 86_400.0
Appliance = Callable[[Random, Day], Iterator[Event]]


def refrigerator(rng: Random, day: Day) -> Iterator[Event]:
    """Compressor cycles of about 45 minutes, longer on when it is hot, and every half day a defrost; 1 to 1.6 kWh a day."""
    power_w = rng.uniform(105, 125)
    second = -rng.uniform(0, 40) * MINUTE
    defrost = rng.uniform(1, 11) * HOUR
    while second < DAY:
        if second >= defrost:
            yield second, min(DAY, second + 17 * MINUTE), 185.0  # a heater melts the ice, and the compressor waits
            second, defrost = second + 22 * MINUTE, defrost + 12 * HOUR
        share = min(0.75, 0.36 + 0.012 * max(0.0, day.outdoor_c(second) - 20))
        cycle = rng.uniform(38, 54) * MINUTE
        start, end = max(0.0, second), min(DAY, second + share * cycle)
        if end > start:
            yield start, end, power_w
            yield start, min(end, start + 20), 60.0  # the motor starts
        second += cycle


def standby(rng: Random, day: Day) -> Iterator[Event]:
    """Modem, clocks and chargers."""
    yield 0, DAY, 7.0


def always_on(rng: Random, day: Day) -> Iterator[Event]:
    """What a whole home never switches off: modem and router, decoder, television and console in standby, clocks, chargers."""
    yield 0, DAY, 41.0


def trickle(rng: Random, day: Day) -> Iterator[Event]:
    """The controls of a machine that is off."""
    yield 0, DAY, 1.2


def microwave(rng: Random, day: Day) -> Iterator[Event]:
    """Meals warmed up: breakfast, lunch, supper."""
    for hour, chance in ((7.3, 0.8), (14.5, 0.7), (20.5, 0.8)):
        if rng.random() < chance:
            start = (hour + rng.gauss(0, 0.4) + (1.2 if day.is_weekend else 0)) * HOUR
            yield start, start + rng.choice((60, 90, 120, 180, 240)), 1150.0


def lights(rng: Random, day: Day) -> Iterator[Event]:
    """A short light before work, and from dusk until people go to bed."""
    if not day.is_weekend:
        start = (6.0 + rng.gauss(0, 0.2)) * HOUR
        yield start, start + rng.uniform(30, 60) * MINUTE, 27.0
    dusk = 18.6 + 0.8 * math.cos(2 * math.pi * (day.date.timetuple().tm_yday - 172) / 365)
    bed = (23.8 if day.is_weekend else 22.8) + rng.gauss(0, 0.3)
    for power_w in (18.0, 27.0, 12.0, 9.0):
        start = dusk + abs(rng.gauss(0, 0.5))
        end = bed - abs(rng.gauss(0, 0.7))
        if end > start:
            yield start * HOUR, end * HOUR, power_w


def television(rng: Random, day: Day) -> Iterator[Event]:
    """Evenings, and at the weekend also by day."""
    spans = [(19.5, 2.8)] if not day.is_weekend else [(11.0, 2.0), (17.5, 5.0)]
    for hour, length in spans:
        start = (hour + rng.gauss(0, 0.5)) * HOUR
        yield start, start + max(0.5, rng.gauss(length, 0.5)) * HOUR, 95.0


def ceiling_fan(rng: Random, day: Day) -> Iterator[Event]:
    """Where people are while the room is warm: the living room in the evening, at the weekend also by day."""
    for start, end in ((11.0, 17.0), (18.0, 22.5)) if day.is_weekend else ((18.0, 22.5),):
        if day.indoor_c(start * HOUR) > 28:
            yield (start + rng.gauss(0, 0.4)) * HOUR, (end + rng.gauss(0, 0.3)) * HOUR, 58.0


def water_pump(rng: Random, day: Day) -> Iterator[Event]:
    """Half a horsepower that fills the tank on the roof in the morning, and again some evenings."""
    for hour, chance in ((6.8, 0.9), (19.0, 0.4)):
        if rng.random() < chance:
            start = (hour + rng.gauss(0, 0.3)) * HOUR
            yield start, start + rng.uniform(9, 22) * MINUTE, 480.0


def washing_machine(rng: Random, day: Day) -> Iterator[Event]:
    """One or two loads, mostly at the weekend: filling, agitation to and fro, spinning."""
    if rng.random() > (0.85 if day.is_weekend else 0.22):
        return
    second = (9.5 if day.is_weekend else 17.5) * HOUR + rng.gauss(0, 1) * HOUR
    for _ in range(rng.choice((1, 1, 2))):
        for minutes in (14.0, 9.0):
            second += 4 * MINUTE
            end = second + minutes * MINUTE
            while second < end:
                yield second, second + 20, rng.uniform(260, 340)
                second += 30
            yield second, second + 5 * MINUTE, 390.0
            second += 6 * MINUTE
        second += rng.uniform(5, 25) * MINUTE


def air_conditioner(rng: Random, day: Day) -> Iterator[Event]:
    """A minisplit of one ton in the bedroom: on warm nights, and on hot afternoons of the weekend.

    It first cools the room down; then its thermostat lets the compressor run for a share of each quarter of an hour.
    """
    yield 0, DAY, 3.0
    setpoint_c = rng.choice((24.0, 24.0, 25.0))
    naps = [(14.5 + rng.gauss(0, 0.4), 17.0)] if day.is_weekend and day.outdoor_c(15 * HOUR) > 30 else []
    nights = [(21.8 + rng.gauss(0, 0.4), 30.3 + rng.gauss(0, 0.3))] if day.outdoor_c(22 * HOUR) > 25.5 else []
    for start, end in naps + nights:
        second = start * HOUR
        yield second, end * HOUR, 32.0  # the fan
        running = rng.uniform(20, 35) * MINUTE
        while second < end * HOUR:
            power_w = 960 + 13 * (day.outdoor_c(second) - 27) + rng.gauss(0, 12)
            yield second, min(end * HOUR, second + running), power_w
            second += running
            share = min(0.92, max(0.12, (day.indoor_c(second) - setpoint_c) / 13))
            cycle = rng.uniform(12, 18) * MINUTE
            second, running = second + (1 - share) * cycle, share * cycle


def solar_panels(rng: Random, day: Day) -> Iterator[Event]:
    """Six panels on the roof, from sunrise to sunset, with clouds: 10 to 15 kWh a day."""
    light_h = 12.2 + 1.3 * math.cos(2 * math.pi * (day.date.timetuple().tm_yday - 172) / 365)
    clouds = rng.uniform(0.6, 1.0)
    for number in range(int(light_h * 6)):
        second = (12.5 - light_h / 2) * HOUR + number * 10 * MINUTE
        height = math.sin(math.pi * number / (light_h * 6))
        yield second, second + 10 * MINUTE, max(0.0, 2300 * height * clouds * rng.uniform(0.85, 1.0))


class Kind(NamedTuple):
    """A kind of circuit: its name, words that name it, its appliances, its mean power factor, which way energy flows."""

    label: str
    words: tuple[str, ...]
    appliances: tuple[Appliance, ...]
    power_factor: float
    returns_energy: bool = False


# Where a circuit's kind is one of those that users choose from, it has that name here (devices.models.Channel).
KINDS = {
    "refrigerator": Kind("Refrigerador", ("refri", "congela"), (trickle, refrigerator), 0.9),
    "washing_machine": Kind("Lavadora", ("lavadora",), (trickle, washing_machine), 0.75),
    "mixed": Kind(
        "Luces y contactos",
        ("mixto", "contacto"),
        (always_on, lights, television, ceiling_fan, microwave, water_pump),
        0.88,
    ),
    "kitchen": Kind("Cocina", ("cocin", "comedor"), (standby, refrigerator, microwave), 0.93),
    "living": Kind("Sala", ("sala", "luz", "luces", "ilumin", "tele", "estudio"), (standby, lights, television), 0.88),
    "laundry": Kind("Lavado", ("lava", "bomba", "patio", "servicio"), (trickle, washing_machine, water_pump), 0.78),
    "air_conditioning": Kind("Clima", ("aire", "clima", "mini", "recámara", "recamara"), (air_conditioner,), 0.96),
}
ROOMS = ("kitchen", "living", "laundry", "air_conditioning")  # what invented meters measure, in turn
HOUSE = "whole_house"
KINDS[HOUSE] = Kind("Casa", ("casa", "general", "principal"), tuple(a for room in ROOMS for a in KINDS[room].appliances), 0.92)
SOLAR = "solar"
KINDS[SOLAR] = Kind("Paneles solares", ("solar", "panel"), (solar_panels,), 1.0, returns_energy=True)
