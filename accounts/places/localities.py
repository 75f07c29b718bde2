"""What the place of a home lets one guess about its contract. Pure.

What CFE bills by place is not published as one table: this is what is known of some places, so it only ever proposes.
"""

import unicodedata
from decimal import Decimal
from typing import Any, NamedTuple

# The states that lie in one of DAC's regions with every municipality, or all but a border one.
DAC_REGION_OF_STATE = {
    "BCN": "baja_california",
    "BCS": "baja_california_sur",
    "CMX": "central",
    "SON": "noroeste",
    "SIN": "noroeste",
    "CHH": "norte_y_noreste",
    "DUR": "norte_y_noreste",
    "NLE": "norte_y_noreste",
    "TAM": "norte_y_noreste",
    "CAM": "sur_y_peninsular",
    "CHP": "sur_y_peninsular",
    "OAX": "sur_y_peninsular",
    "ROO": "sur_y_peninsular",
    "TAB": "sur_y_peninsular",
    "YUC": "sur_y_peninsular",
}
SUMMER_START_OF_STATE = {"SON": 5, "SIN": 5, "NLE": 5}


class Locality(NamedTuple):
    """What bills of a municipality have shown: its street lighting as a share or pesos a bill, and the month summer starts in."""

    dap_share: Decimal | None = None
    dap_mxn: Decimal | None = None
    summer_start_month: int | None = None


# By state and plain name of the municipality, or of the city that people call it by.
_CANCUN = Locality(dap_share=Decimal("0.05"), summer_start_month=4)
_PLAYA = Locality(dap_share=Decimal("0.025"), summer_start_month=4)
_LOCALITIES = {
    ("ROO", "benito juarez"): _CANCUN,
    ("ROO", "cancun"): _CANCUN,
    ("ROO", "solidaridad"): _PLAYA,
    ("ROO", "playa del carmen"): _PLAYA,
    ("SON", "guaymas"): Locality(dap_mxn=Decimal("82.00")),
    ("SON", "hermosillo"): Locality(dap_mxn=Decimal("146.30")),
}


def proposals(state: str, municipality: str) -> dict[str, Any]:
    """Return what is known of a place by the names of a contract's terms; nothing for a place that nobody has told us of."""
    found = Locality(summer_start_month=SUMMER_START_OF_STATE.get(state))._asdict()
    known = _LOCALITIES.get((state, plain(municipality)), Locality())._asdict()
    found |= {name: value for name, value in known.items() if value is not None}
    found["dac_region"] = DAC_REGION_OF_STATE.get(state)
    return {name: value for name, value in found.items() if value is not None}


def plain(name: str) -> str:
    """Return a name without accents, case and spare blanks."""
    letters = unicodedata.normalize("NFKD", name.casefold())
    return " ".join("".join(letter for letter in letters if not unicodedata.combining(letter)).split())
