"""What is known about the Shelly family: identity, models and channels. Source: the maker's documentation of Gen2+ devices."""

import re
from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import Literal, NamedTuple

Component = Literal["switch", "cover", "pm1", "em1", "em", "light", "cct"]

DEFAULT_PREFIX = "shellyplus1pm"
BRAND = "Shelly"
# The highest component number that is read: beyond what any model has, add-ons and virtual components included.
MAX_CHANNEL = 31


class Model(NamedTuple):
    """One model: the prefix of its ids and topics, its order codes, what measures in it, and whether it can switch.

    max_current_a: what a channel carries, or its clamp measures.
    """

    prefix: str
    codes: tuple[str, ...]
    component: Component
    channel_count: int
    has_relay: bool
    max_current_a: float = 16.0


# Lights of several kinds stand side by side in one device, each numbered from 0, while a channel's number is one for all: `light:N` is
# channel N, `rgb:0` or `rgbw:0` (never both) is 5, `cct:0` and `cct:1` are 6 and 7. No device has more of them.
LIGHT_CHANNELS = {"light": range(5), "rgb": range(5, 6), "rgbw": range(5, 6), "cct": range(6, 8)}
LED_CHANNELS = frozenset({*LIGHT_CHANNELS["rgb"], *LIGHT_CHANNELS["cct"]})

# A 2PM may also run as one `cover:0`, by its profile; the three phases of an `em` count as three channels.
MODELS = (
    Model("shellyplus1pm", ("SNSW-001P16EU",), "switch", 1, True),
    Model("shellyplus2pm", ("SNSW-002P16EU", "SNSW-102P16EU"), "switch", 2, True),
    Model("shelly1pmmini", ("SNSW-001P8EU",), "switch", 1, True),
    Model("shellypro1pm", ("SPSW-001PE16EU", "SPSW-101PE16EU", "SPSW-201PE16EU"), "switch", 1, True),
    Model("shellypro2pm", ("SPSW-002PE16EU", "SPSW-102PE16EU", "SPSW-202PE16EU"), "switch", 2, True),
    Model("shellypro4pm", ("SPSW-004PE16EU", "SPSW-104PE16EU", "SPSW-204PE16EU"), "switch", 4, True),
    Model("shelly1pmg3", ("S3SW-001P16EU",), "switch", 1, True),
    Model("shelly2pmg3", ("S3SW-002P16EU",), "switch", 2, True),
    Model("shelly1pmminig3", ("S3SW-001P8EU",), "switch", 1, True),
    Model("shellypmminig3", ("S3PM-001PCEU16",), "pm1", 1, False),
    Model("shelly1pmg4", ("S4SW-001P16EU",), "switch", 1, True),
    Model("shelly2pmg4", ("S4SW-002P16EU",), "switch", 2, True),
    Model("shelly1pmminig4", ("S4SW-001P8EU",), "switch", 1, True),
    Model("shellyplusplugs", ("SNPL-00112EU", "SNPL-10112EU"), "switch", 1, True),
    Model("shellyplusplugit", ("SNPL-00110IT",), "switch", 1, True),
    Model("shellypluspluguk", ("SNPL-00112UK",), "switch", 1, True),
    Model("shellyplugus", ("SNPL-00116US",), "switch", 1, True),
    Model("shellyplugsg3", ("S3PL-00112EU",), "switch", 1, True),
    Model("shellyazplug", ("S3PL-10112EU",), "switch", 1, True),
    Model("shellyoutdoorsg3", ("S3PL-20112EU",), "switch", 1, True),
    Model("shellypstripg4", ("S4PL-00416EU",), "switch", 4, True),
    Model("shellypro2cover", ("SPSH-002PE16EU",), "cover", 2, False),
    Model("shellyshutter", ("S3SH-0A2P4EU",), "cover", 1, False),
    Model("shellypluswdus", ("SNDM-0013US",), "light", 1, False),
    Model("shellydimmerg3", ("S3DM-0A101WWL",), "light", 1, False),
    Model("shelly0110dimg3", ("S3DM-0010WW",), "light", 1, False),
    Model("shellyddimmerg3", ("S3DM-0A1WW",), "light", 1, False),
    Model("shellyprodm1pm", ("SPDM-001PE01EU",), "light", 1, False),
    Model("shellyprodm2pm", ("SPDM-002PE01EU",), "light", 2, False),
    Model("shellyplusrgbwpm", ("SNDC-0D4P10WW",), "light", 4, False),
    Model("shellyprorgbwwpm", ("SPDC-0D5PE16EU",), "light", 5, False),
    Model("shellyemg3", ("S3EM-002CXCEU",), "em1", 2, True, 120.0),
    Model("shellyproem50", ("SPEM-002CEBEU50",), "em1", 2, True, 50.0),
    Model("shellyemminig4", ("S4EM-001PXCEU16",), "em1", 1, False),
    Model("shellypro3em", ("SPEM-003CEBEU",), "em", 3, False, 120.0),
    Model("shelly3em63g3", ("S3EM-003CXCEU63",), "em", 3, False, 63.0),
)
_BY_NAME = {name.lower(): model for model in MODELS for name in (model.prefix, *model.codes)}

# A load may draw more than its meter is made for until a fuse goes; two phases of a Mexican house have 220 to 250 V between them.
MAX_VOLTAGE_V = 250.0
OVERLOAD = 1.25
# What the largest relay carries, whatever model it is in: 25 A.
MAX_RELAY_POWER_W = 25.0 * MAX_VOLTAGE_V * OVERLOAD
# No model has more channels of one kind, but for lights.
MOST_CHANNELS = 4


class Bounds(NamedTuple):
    """Which channels of a device make readings, and the most power of each, W, either way."""

    channels: frozenset[int]
    max_power_w: float


def bounds_of(model: str, named: Iterable[int] = ()) -> Bounds:
    """Return the bounds of a model's prefix and the channels that the owner named.

    The app calls every device DEFAULT_PREFIX, so that says no more than an unknown model: the device may be any Shelly.
    """
    known = None if model == DEFAULT_PREFIX else model_of(model)
    count, component = (known.channel_count, known.component) if known else (MOST_CHANNELS, "light")
    leds = LED_CHANNELS if component == "light" and count >= MOST_CHANNELS else frozenset()
    max_power_w = known.max_current_a * MAX_VOLTAGE_V * OVERLOAD if known else float("inf")
    return Bounds(frozenset({*range(count), *leds, *named}), max_power_w)


_SEPARATORS = re.compile(r"[\s:.\-_]+")
_MAC = re.compile(r"[0-9a-f]{12}")
_SHELLY_ID = re.compile(r"(shelly[0-9a-z]{0,40})-([0-9a-f]{12})")


class Identity(NamedTuple):
    """What a hardware id says: the id as it is stored, and the model's prefix if the id carries one."""

    hardware_id: str
    prefix: str | None


def model_of(name: str) -> Model | None:
    """Return the model with the id prefix (`shellypro4pm`) or the order code (`SPSW-104PE16EU`), in any case; None if unknown."""
    return _BY_NAME.get(name.strip().lower())


def identity_of(text: str) -> Identity:
    """Read a MAC with or without separators, a Shelly's full id (`shellyplus1pm-a8032412c3d4`) or any other id."""
    if match := _SHELLY_ID.fullmatch(text.strip().lower()):
        return Identity(match[2], match[1])
    return Identity(_SEPARATORS.sub("", text).lower(), None)


def normalised_hardware_id(text: str) -> str:
    """Return the id as it is stored: lower case, without separators; of a Shelly's full id the MAC alone."""
    return identity_of(text).hardware_id


def is_mac(hardware_id: str) -> bool:
    """Return whether a stored id is a MAC."""
    return _MAC.fullmatch(hardware_id) is not None


def displayed_hardware_id(hardware_id: str) -> str:
    """Return a stored id as people know it: a MAC in capitals, another id unchanged."""
    return hardware_id.upper() if is_mac(hardware_id) else hardware_id


def bare_prefix(mqtt_prefix: str, hardware_id: str) -> str:
    """Return the topic prefix without the `-<mac>` that people copy along with it, slashes at its end and blanks."""
    return mqtt_prefix.strip().strip("/").removesuffix(f"-{hardware_id}")


def channel_names(name: str, numbers: Collection[int]) -> dict[int, str]:
    """Return the names that a device's channels bear until someone renames them, by channel number."""
    return {number: f"{name[:97]} {number + 1}" if len(numbers) > 1 else name for number in numbers}


_METERED = re.compile(r"(switch|cover|pm1|em|em1|light|rgb|rgbw|cct):(0|[1-9][0-9]?)")


def channels_of(components: Iterable[str]) -> frozenset[int]:
    """Return the channels that a status' components measure or switch, by their names; without those that no model has."""
    return frozenset().union(*map(_channels_of, components))


@lru_cache(1024)
def _channels_of(component: str) -> frozenset[int]:
    if not (match := _METERED.fullmatch(component)):
        return frozenset()
    kind, number = match[1], int(match[2])
    if kind == "em":
        return frozenset(range(3))
    if kind in LIGHT_CHANNELS:
        return frozenset(LIGHT_CHANNELS[kind][number : number + 1])
    return frozenset({number} & (frozenset(range(MAX_CHANNEL + 1)) - LED_CHANNELS))
