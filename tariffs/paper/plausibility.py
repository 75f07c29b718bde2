"""Whether the figures of a paper bill can be those of a home, or are rather a slip of the pen. Pure.

The bounds are wide: they are to stop a wrong number, never to argue about a tariff.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from math import inf

from tariffs.cfe.billing import Biller
from tariffs.paper.reconciliation import MeasuredBy
from telemetry.history.completeness import CircuitUse, known_share

# No home's connection lets it draw more, day after day: 12.5 kW all day long.
MOST_KWH_PER_DAY = 300.0
# Beside its own past a home may use so many times its most, and always as much as one with an air conditioner.
TIMES_THE_MOST, ALWAYS_KWH_PER_DAY = 4, 20.0
# A bill may have a discount that nobody told us of, and a deposit, arrears or a fine.
SHARE_OF_THE_LEAST, TIMES_THE_MOST_MXN, OTHER_CHARGES_MXN = Decimal("0.5"), Decimal("1.5"), 1_000
# What was measured and what was billed may be so far apart, for a circuit may be new, or a meter off for some days.
TIMES_MEASURED, ALWAYS_KWH, LEAST_KNOWN_SHARE = 2, 30, 0.9


def amounts_mxn(billers: Iterable[Biller], kwh: int) -> tuple[Decimal, Decimal]:
    """Return the least and the most pesos that so many kWh may cost in one of these tariffs, all other charges allowed for."""
    ranges = [biller.amounts_mxn(kwh) for biller in billers]
    least, most = min(low for low, _high in ranges), max(high for _low, high in ranges)
    return least * SHARE_OF_THE_LEAST, most * TIMES_THE_MOST_MXN + OTHER_CHARGES_MXN


def most_kwh_per_day(past: Iterable[float]) -> float:
    """Return the most kWh a day that a home with these past bills, kWh a day each, may use."""
    most = max(past, default=None)
    return MOST_KWH_PER_DAY if most is None else min(max(TIMES_THE_MOST * most, ALWAYS_KWH_PER_DAY), MOST_KWH_PER_DAY)


def kwh_beside_measured(circuits: Sequence[CircuitUse], measured_by: MeasuredBy) -> tuple[float, float]:
    """Return the least and the most kWh of a bill by what its home's meters saw in the period.

    Circuits see a part of it; only what measures the whole home, nearly all of the time, sets a most.
    """
    measured_kwh = sum(circuit.energy_wh for circuit in circuits) / 1000
    is_all = measured_by == MeasuredBy.MAINS and known_share(circuits) >= LEAST_KNOWN_SHARE
    return measured_kwh / TIMES_MEASURED - ALWAYS_KWH, measured_kwh * TIMES_MEASURED + ALWAYS_KWH if is_all else inf
