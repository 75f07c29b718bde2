"""Status bodies of real devices, in the files of `payloads`, and what is to be read from each."""

from pathlib import Path
from typing import Any

import orjson

PAYLOADS = Path(__file__).parent / "payloads"
# For each device: (channel, W, counter of energy drawn in Wh), read off the dumps by eye.
EXPECTED: dict[str, list[tuple[int, float, float]]] = {
    "shelly1pmg3-1_7_5-ec4e": [(0, 0, 0)],
    "shelly1pmg4-1_7_5-f710": [(0, 0, 0)],
    "shelly1pmminig3-1_7_5-cbf1": [(0, 0, 0)],
    "shelly2pmg3-1_7_5-aa15": [(0, 0, 0), (1, 0, 0)],
    "shelly2pmg4-1_7_5-30b6": [(0, 0, 0), (1, 0, 0)],
    "shelly3em63g3-1_4_99-dev111396-8745": [(0, 2.1, 6966.05), (1, 2.1, 7108.03), (2, 1.8, 6453.25)],
    "shellyemg3-1_7_5-bc29": [(0, 4.1, 43644.87), (1, 0, 1516.76)],
    "shellyplugsg3-1_7_5-7e55": [(0, 0, 452)],
    "shellyplus1pm-1_1_0-61ea": [(0, 0, 110.046)],
    "shellyplus1pm-1_7_5-8be3": [(0, 0, 66)],
    "shellyplus2pm-1_7_5-6d97-cover": [(0, 0, 0)],
    "shellyplus2pm-1_7_5-b574": [(0, 0, 7), (1, 0, 7)],
    "shellypmminig3-1_7_5-1a95": [(0, 4.4, 73112.963)],
    "shellypro1pm-1_7_5-6568": [(0, 5.2, 84885.708)],
    "shellypro3em-1_7_5-947f": [(0, 0, 0.01), (1, 0, 0.01), (2, 6.8, 45236.95)],
    "shellypro4pm-1_7_5-d353": [(0, 20.7, 282212.208), (1, 6.3, 97722.261), (2, 4.5, 61354.393), (3, 2.5, 36615.633)],
    "shellyproem50-1_7_5-b694": [(0, 231.9, 8797809.13), (1, 0, 0.69)],
    "shellypstripg4-1_7_99-powerstripg4prod1-0509": [(0, 0, 0), (1, 0, 858), (2, 0, 0), (3, 0, 0)],
}


def status_of(name: str) -> dict[str, Any]:
    status: dict[str, Any] = orjson.loads((PAYLOADS / f"{name}.json").read_bytes())["status"]
    return status
