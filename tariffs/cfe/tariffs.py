"""Words that CFE's residential price list is written in, and where its data lies."""

from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from accounts.cfe_tariffs import LOCALITY_TARIFFS

_FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
PRICES_FILE = _FIXTURES / "cfe_prices.csv"
SCHEMES_FILE = _FIXTURES / "cfe_schemes.json"

NATIONAL = "nacional"  # the region of every price but DAC's

# A home whose monthly average is above the limit of its locality's tariff is billed in DAC.
DAC_LIMITS_KWH_MONTH = dict(zip(LOCALITY_TARIFFS, (250, 300, 400, 850, 1000, 2000, 2500), strict=True))

# What no bill of a household is beyond.
MAX_KWH = 1_000_000
MAX_DAYS = 100  # a bimonthly bill has about 61; readings that were left out make some longer
MAX_MXN = 10_000_000

# A bill charges at least this much energy for each month of its period (rule 4 of the bill: 25 kWh at the first tier, DAC too).
MINIMUM_KWH_PER_MONTH = 25


class Season(StrEnum):
    ALL_YEAR = "todo_el_ano"
    SUMMER = "verano"
    NOT_SUMMER = "fuera_verano"


class Summer(NamedTuple):
    """The months that a tariff counts as summer, from `first_month` (1–12) on, over the new year where they reach it."""

    first_month: int
    months: int = 6


class Tier(StrEnum):
    """The steps of a tariff, in the order in which they are used up; ENERGY is the only one of DAC."""

    BASIC = "basico"
    MIDDLE = "intermedio"
    LOW_MIDDLE = "intermedio_bajo"
    HIGH_MIDDLE = "intermedio_alto"
    EXCESS = "excedente"
    ENERGY = "energia"


class Provenance(StrEnum):
    """Seen in print, or chained from a printed price by the year's monthly factor."""

    PUBLISHED = "published"
    DERIVED = "derived"


# The names that the mobile app and its PDF look for.
TIER_NAMES = {
    Tier.BASIC: "Básico",
    Tier.MIDDLE: "Intermedio",
    Tier.LOW_MIDDLE: "Intermedio Bajo",
    Tier.HIGH_MIDDLE: "Intermedio Alto",
    Tier.EXCESS: "Excedente",
    Tier.ENERGY: "Energía",
}
